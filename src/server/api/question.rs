//! A query and its parameters, out of a request.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use datafusion::common::ScalarValue;
use serde::Deserialize;

use super::problem::Problem;
use crate::error::{Error, Result};
use crate::server::body::read_body;
use crate::server::room::Held;

/// Bytes of a query with its parameters.
pub(super) const MAX_QUESTION_BYTES: usize = 1024 * 1024;

/// A query and the values of `$1`, `$2`, ...
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) sql: String,
    pub(super) params: Vec<ScalarValue>,
    pub(super) query_id: Option<String>,
}

/// The body in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonQuestion {
    query: String,
    #[serde(default)]
    params: Vec<serde_json::Value>,
    query_id: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Json,
}

impl Question {
    /// Reads it; `held` is room for the body.
    pub(super) async fn read(request: Request, mut held: Held) -> Result<Self, Problem> {
        let form = form(request.headers())?;
        let body = read_body(request.into_body(), MAX_QUESTION_BYTES, &mut held).await?;
        let question = match form {
            Form::Text => Self::from_text(&body),
            Form::Json => Self::from_json(&body),
        };
        Ok(question?)
    }

    fn from_text(body: &[u8]) -> Result<Self> {
        let sql =
            std::str::from_utf8(body).map_err(|error| Error::invalid("the query is not UTF-8").with_source(error))?;
        Ok(Self { sql: sql.to_owned(), params: Vec::new(), query_id: None })
    }

    fn from_json(body: &[u8]) -> Result<Self> {
        let question: JsonQuestion = serde_json::from_slice(body).map_err(|error| {
            Error::invalid(r#"the body is not {"query": "SELECT ...", "params": [...], "query_id": "..."}"#)
                .with_source(error)
        })?;
        let params = question.params.into_iter().enumerate().map(|(index, value)| scalar(index, value));
        Ok(Self { sql: question.query, params: params.collect::<Result<_>>()?, query_id: question.query_id })
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let named = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
    let essence = named.and_then(|named| named.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        // `curl -d` says it is a form, and sends the text as it is.
        "" | "text/plain" | "application/sql" | "application/x-www-form-urlencoded" => Ok(Form::Text),
        "application/json" => Ok(Form::Json),
        _ => Err(Problem::of_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the query as text/plain, or as application/json with query and params",
        )),
    }
}

fn scalar(index: usize, value: serde_json::Value) -> Result<ScalarValue> {
    use serde_json::Value;
    match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::from(value)),
        Value::String(value) => Ok(ScalarValue::from(value)),
        Value::Number(value) => {
            let long = value.as_i64().map(ScalarValue::from).or_else(|| value.as_u64().map(ScalarValue::from));
            long.or_else(|| value.as_f64().map(ScalarValue::from))
                .ok_or_else(|| Error::invalid(format!("${} is a number that SQL can't hold: {value}", index + 1)))
        }
        Value::Array(_) | Value::Object(_) => Err(Error::invalid(format!(
            "${} is {}; parameters are null, booleans, numbers and strings",
            index + 1,
            if value.is_array() { "an array" } else { "an object" }
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_scalars_keep_their_type_and_every_digit() {
        let body = r#"{"query": "q", "params": [null, true, -9223372036854775808, 18446744073709551615, 1.5, "x"]}"#;
        let expected = vec![
            ScalarValue::Null,
            ScalarValue::Boolean(Some(true)),
            ScalarValue::Int64(Some(i64::MIN)),
            ScalarValue::UInt64(Some(u64::MAX)),
            ScalarValue::Float64(Some(1.5)),
            ScalarValue::Utf8(Some("x".into())),
        ];
        let expected = Question { sql: "q".into(), params: expected, query_id: None };
        assert_eq!(Question::from_json(body.as_bytes()).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case(r#"{"query": "q", "parameters": []}"#, "parameters")]
    #[case(r#"{"query": "q", "params": [1, [2]]}"#, "$2 is an array")]
    #[case("select 1", "the body is not")]
    fn what_is_no_question_is_refused_with_the_reason(#[case] body: &str, #[case] reason: &str) {
        let error = Question::from_json(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
