//! A query, its parameters and its options, out of a request.
//!
//! The text is the body, or `query` of a body in JSON, or `query` of a GET's query string. Options are in the query
//! string or beside `query` in JSON.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use datafusion::common::ScalarValue;
use serde::Deserialize;

use super::options::{Options, format, max_time, set};
use super::params;
use super::problem::Problem;
use crate::error::{Error, Result};
use crate::server::body::read_body;
use crate::server::room::Held;

/// Bytes of a query with its parameters.
pub(super) const MAX_QUESTION_BYTES: usize = 1024 * 1024;

/// The header that names a query.
pub(super) const QUERY_ID: HeaderName = HeaderName::from_static("x-query-id");

/// What a request asks.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    /// The text.
    pub(super) sql: String,
    /// The values of `$1`, `$2`, ... as JSON gave them; those in the query string are in the options.
    pub(super) params: Vec<ScalarValue>,
    /// All else.
    pub(super) options: Options,
}

/// The body in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonQuestion {
    query: String,
    #[serde(default)]
    params: Vec<serde_json::Value>,
    query_id: Option<String>,
    format: Option<String>,
    max_time: Option<String>,
    max_rows: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Json,
}

impl Question {
    /// Reads it; `held` is room for the body.
    pub(super) async fn read(request: Request<Body>, mut held: Held) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let mut options = Options::parse(head.uri.query().unwrap_or_default())?;
        if let Some(value) = head.headers.get(QUERY_ID) {
            let id =
                value.to_str().map_err(|error| Error::invalid("the query's id is not ASCII").with_source(error))?;
            set("query_id", &mut options.query_id, id.to_owned())?;
        }
        if head.method != Method::POST {
            let sql =
                options.query.take().ok_or_else(|| Error::invalid("there is no query; write /v1/sql?query=..."))?;
            return Ok(Self { sql, params: Vec::new(), options });
        }
        if options.query.is_some() {
            return Err(Error::invalid("the query of a POST is its body; `query` is for GET").into());
        }
        let form = form(&head.headers)?;
        let body = read_body(body, MAX_QUESTION_BYTES, &mut held).await?;
        let question = match form {
            Form::Text => Self::from_text(&body, options),
            Form::Json => Self::from_json(&body, options),
        };
        Ok(question?)
    }

    fn from_text(body: &[u8], options: Options) -> Result<Self> {
        let sql =
            std::str::from_utf8(body).map_err(|error| Error::invalid("the query is not UTF-8").with_source(error))?;
        Ok(Self { sql: sql.to_owned(), params: Vec::new(), options })
    }

    fn from_json(body: &[u8], mut options: Options) -> Result<Self> {
        let question: JsonQuestion = serde_json::from_slice(body).map_err(|error| {
            Error::invalid(
                r#"the body is not {"query": "SELECT ..."}, with params, format, max_time, max_rows and query_id beside it"#,
            )
            .with_source(error)
        })?;
        if let Some(id) = question.query_id {
            set("query_id", &mut options.query_id, id)?;
        }
        if let Some(name) = question.format {
            set("format", &mut options.format, format(&name)?)?;
        }
        if let Some(text) = question.max_time {
            set("max_time", &mut options.max_time, max_time(&text)?)?;
        }
        if let Some(rows) = question.max_rows {
            set("max_rows", &mut options.max_rows, rows)?;
        }
        if !question.params.is_empty() && !options.params.is_empty() {
            return Err(Error::invalid("parameters are given twice; give params in JSON or param in the query string"));
        }
        let params = question.params.into_iter().enumerate().map(|(index, value)| params::from_json(index + 1, value));
        Ok(Self { sql: question.query, params: params.collect::<Result<_>>()?, options })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::output::Format;

    #[test]
    fn options_are_in_the_query_string_or_beside_the_query() {
        let body =
            r#"{"query": "q", "params": [1], "format": "csv", "max_time": "2s", "max_rows": 5, "query_id": "i"}"#;
        let question = Question::from_json(body.as_bytes(), Options::default()).unwrap();
        let options = Options {
            query_id: Some("i".into()),
            format: Some(Format::Csv),
            max_time: Some(Duration::from_secs(2)),
            max_rows: Some(5),
            ..Options::default()
        };
        assert_eq!(question, Question { sql: "q".into(), params: vec![ScalarValue::from(1_i64)], options });
    }

    #[rstest::rstest]
    #[case(r#"{"query": "q", "parameters": []}"#, "", "parameters")]
    #[case(r#"{"query": "q", "params": [1, [[2]]]}"#, "", "$2 has an array")]
    #[case("select 1", "", "the body is not")]
    #[case(r#"{"query": "q", "max_rows": 1}"#, "max_rows=1", "max_rows is given twice")]
    #[case(r#"{"query": "q", "params": [1]}"#, "param=1", "parameters are given twice")]
    fn what_is_no_question_is_refused_with_the_reason(#[case] body: &str, #[case] query: &str, #[case] reason: &str) {
        let options = Options::parse(query).unwrap();
        let error = Question::from_json(body.as_bytes(), options).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
