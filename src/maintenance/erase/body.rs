//! A request for erasure as JSON: the body of `POST /v1/erase/plan` and `apply`.
//!
//! ```json
//! {"attribute": {"key": "user.id", "value": "u42"}, "also_body": false, "scope": "record", "reason": "ticket 7"}
//! {"where": "service_name = 'old'", "table": "logs"}
//! ```

use serde::{Deserialize, Serialize};

use super::request::{EraseRequest, EraseScope, EraseWhat};
use crate::erasure::SecretValue;
use crate::error::{Error, Result};
use crate::model::signal::Signal;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribute: Option<Attribute>,
    #[serde(default)]
    also_body: bool,
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    key: String,
    value: String,
}

impl EraseRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// `Invalid`; the message repeats nothing of the body, which may have the value anywhere.
    pub fn from_json(body: &[u8]) -> Result<Self> {
        let body: Body = serde_json::from_slice(body).map_err(|error| {
            Error::invalid(format!(
                "the body is no request for erasure, as its line {}, column {} shows; write {{\"attribute\": {{\"key\": \
                 ..., \"value\": ...}}}} or {{\"where\": ...}}, with \"table\", \"also_body\", \"scope\" and \"reason\" \
                 as needed",
                error.line(),
                error.column()
            ))
        })?;
        let what = match (body.attribute, body.condition) {
            (Some(Attribute { key, value }), None) if body.table.is_none() => {
                EraseWhat::Attribute { key, value: SecretValue::new(value), also_body: body.also_body }
            }
            (None, Some(condition)) if !body.also_body => {
                EraseWhat::Where { condition: SecretValue::new(condition), table: table(body.table.as_deref())? }
            }
            _ => {
                return Err(Error::invalid(
                    "a request names an attribute, which may go with also_body, or a condition, which may go with a table",
                ));
            }
        };
        let scope = body.scope.as_deref().map_or(Ok(EraseScope::Record), EraseScope::parse)?;
        let request = Self { what, scope, reason: body.reason };
        request.validate()?;
        Ok(request)
    }

    /// The body that says this.
    ///
    /// # Errors
    /// `Internal` where there is no JSON of it.
    pub fn to_json(&self) -> Result<String> {
        let (attribute, also_body, condition, table) = match &self.what {
            EraseWhat::Attribute { key, value, also_body } => {
                (Some(Attribute { key: key.clone(), value: value.expose().to_owned() }), *also_body, None, None)
            }
            EraseWhat::Where { condition, table } => {
                (None, false, Some(condition.expose().to_owned()), table.map(|table| table.to_string()))
            }
        };
        let scope = Some(self.scope.name().to_owned());
        let body = Body { attribute, also_body, condition, table, scope, reason: self.reason.clone() };
        serde_json::to_string(&body).map_err(|error| Error::internal("no JSON of a request").with_source(error))
    }
}

/// The table of a name.
fn table(name: Option<&str>) -> Result<Option<Signal>> {
    let signal = name.map(|name| Signal::from_table(name).ok_or(()));
    signal.transpose().map_err(|()| Error::invalid("the table is logs, spans or metrics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}}"#)]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}, "also_body": true, "scope": "trace", "reason": "7"}"#)]
    #[case(r#"{"where": "body = 'u42'", "table": "logs"}"#)]
    fn a_body_says_what_the_request_says(#[case] body: &str) {
        let request = EraseRequest::from_json(body.as_bytes()).unwrap();
        let again = EraseRequest::from_json(request.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!(format!("{request:?}"), format!("{again:?}"));
        assert_eq!(request.to_json().unwrap(), again.to_json().unwrap());
        assert!(!format!("{request:?}").contains("u42"));
    }

    #[rstest::rstest]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}, "u42": 1}"#)]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}, "where": "true"}"#)]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}, "table": "logs"}"#)]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}, "scope": "u42"}"#)]
    #[case(r#"{"attribute": {"key": "user.id", "value": "u42"}, "reason": "for u42"}"#)]
    #[case(r#"{"where": "body = 'u42'", "also_body": true}"#)]
    #[case(r#"{"where": "body = 'u42'", "table": "u42"}"#)]
    #[case(r#"{"attribute": {"key": "user.id", "value": ["u42"]}}"#)]
    #[case(r#"{"attribute": "u42"}"#)]
    #[case("u42")]
    #[case("{}")]
    fn what_is_refused_is_not_repeated(#[case] body: &str) {
        let error = EraseRequest::from_json(body.as_bytes()).unwrap_err();
        let mut shown = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown += &cause.to_string();
            source = cause.source();
        }
        assert!(!shown.contains("u42"), "{shown}");
    }
}
