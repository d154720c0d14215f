//! What an endpoint answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prost::Message;
use reqwest::StatusCode;
use tonic::{Code, Status};

use crate::otlp_reply::{ExportResponse, RpcStatus};

/// Characters of an answer that is not OTLP's, for messages.
const SHOWN: usize = 200;

/// What a request that was taken has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) rejected: u64,
    pub(super) message: String,
}

/// An answer that is no success, or none at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The answer: a gRPC code, an HTTP status, or that there was none.
    pub answer: String,
    /// What the endpoint said of it.
    pub message: String,
    /// Whether the request was too large.
    pub too_large: bool,
    /// Whether OTLP says to send it again.
    pub(super) retryable: bool,
    /// After how long the endpoint wants it again.
    pub(super) asked: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.answer)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl Refusal {
    /// Whether the request can never be taken as it is.
    pub const fn is_final(&self) -> bool {
        !self.retryable
    }

    /// OTLP/gRPC, "Failures": the codes to retry, RESOURCE_EXHAUSTED with RetryInfo only.
    pub(super) fn from_status(status: &Status) -> Self {
        let asked = RpcStatus::decode(status.details()).ok().and_then(|status| status.retry_delay());
        let retryable = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => true,
            Code::ResourceExhausted => asked.is_some(),
            _ => false,
        };
        Self {
            answer: format!("{:?}", status.code()),
            message: status.message().to_owned(),
            too_large: status.code() == Code::ResourceExhausted && asked.is_none(),
            retryable,
            asked,
        }
    }

    /// OTLP/HTTP, "Retryable Response Codes". `retry_after` is the header.
    pub(super) fn from_http(
        status: StatusCode,
        retry_after: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Self {
        let json = || serde_json::from_slice::<serde_json::Value>(body).ok();
        let said = match content_type {
            Some(kind) if kind.starts_with("application/x-protobuf") => {
                RpcStatus::decode(body).map(|status| status.message).ok()
            }
            Some(kind) if kind.starts_with("application/json") => {
                json().and_then(|json| json.get("message")?.as_str().map(str::to_owned))
            }
            _ => None,
        };
        Self {
            answer: format!("HTTP {status}"),
            message: said.unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(SHOWN).collect()),
            too_large: status == StatusCode::PAYLOAD_TOO_LARGE,
            retryable: matches!(status.as_u16(), 429 | 502 | 503 | 504),
            asked: retry_after.and_then(|text| wait_of(text, Utc::now())),
        }
    }

    /// No answer: the connection broke, or nothing came in time.
    pub(super) fn no_answer(message: String) -> Self {
        Self { answer: "no answer".to_owned(), message, too_large: false, retryable: true, asked: None }
    }
}

/// `Retry-After`: seconds, or a date.
fn wait_of(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

impl From<ExportResponse> for Taken {
    fn from(response: ExportResponse) -> Self {
        let partial = response.partial_success.unwrap_or_default();
        Self { rejected: u64::try_from(partial.rejected).unwrap_or(0), message: partial.error_message }
    }
}

impl Taken {
    /// A successful answer's body. One that is not OTLP's counts as taken, and says so.
    pub(super) fn from_http(content_type: Option<&str>, body: &[u8]) -> Self {
        let not_otlp = || Self { rejected: 0, message: "the endpoint's answer is not OTLP's".to_owned() };
        if content_type.is_some_and(|kind| kind.starts_with("application/json")) {
            return serde_json::from_slice::<serde_json::Value>(body)
                .map_or_else(|_| not_otlp(), |json| from_json(&json));
        }
        ExportResponse::decode(body).map_or_else(|_| not_otlp(), Self::from)
    }
}

fn from_json(json: &serde_json::Value) -> Taken {
    let Some(partial) = json.get("partialSuccess").and_then(serde_json::Value::as_object) else {
        return Taken::default();
    };
    let number = |value: &serde_json::Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let rejected = ["rejectedLogRecords", "rejectedSpans", "rejectedDataPoints"];
    Taken {
        rejected: rejected.iter().find_map(|name| partial.get(*name).and_then(number)).unwrap_or(0),
        message: partial.get("errorMessage").and_then(|text| text.as_str()).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp_reply::PartialSuccess;

    fn with_retry_info(code: Code, seconds: u64, nanos: u32) -> Status {
        let delay = Duration::new(seconds, nanos);
        let details = RpcStatus::new(code, "busy").with_retry_delay(delay);
        Status::with_details(code, "busy", details.encode_to_vec().into())
    }

    #[rstest::rstest]
    #[case::busy(Status::unavailable("busy"), true, None, false)]
    #[case::asked(with_retry_info(Code::Unavailable, 0, 250_000_000), true, Some(250), false)]
    #[case::exhausted_for_now(with_retry_info(Code::ResourceExhausted, 1, 0), true, Some(1_000), false)]
    #[case::too_large(Status::resource_exhausted("too large"), false, None, true)]
    #[case::bad(Status::invalid_argument("bad"), false, None, false)]
    #[case::no_such_service(Status::unimplemented("?"), false, None, false)]
    fn grpc(#[case] status: Status, #[case] retryable: bool, #[case] asked: Option<u64>, #[case] too_large: bool) {
        let refusal = Refusal::from_status(&status);
        let asked = asked.map(Duration::from_millis);
        assert_eq!((refusal.retryable, refusal.asked, refusal.too_large), (retryable, asked, too_large));
    }

    #[rstest::rstest]
    fn http(#[values(400, 401, 404, 413, 429, 500, 501, 502, 503, 504)] status: u16) {
        let code = StatusCode::from_u16(status).unwrap();
        let refusal = Refusal::from_http(code, Some("7"), Some("text/plain"), b"not so");
        assert_eq!(refusal.retryable, [429, 502, 503, 504].contains(&status));
        assert_eq!((refusal.asked, refusal.too_large), (Some(Duration::from_secs(7)), status == 413));
        assert!(refusal.to_string().ends_with(": not so"), "{refusal}");
        let body = RpcStatus::new(Code::Unknown, "said").encode_to_vec();
        assert_eq!(Refusal::from_http(code, None, Some("application/x-protobuf"), &body).message, "said");
        assert_eq!(Refusal::from_http(code, None, Some("application/json"), br#"{"message":"said"}"#).message, "said");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(wait_of(" 3 ", now), Some(Duration::from_secs(3)));
        assert_eq!(wait_of("Tue, 14 Nov 2023 22:13:30 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(wait_of("Tue, 14 Nov 2023 22:13:00 GMT", now), Some(Duration::ZERO), "a date that has passed");
        assert_eq!(wait_of("soon", now), None);
    }

    #[test]
    fn partial_success_is_read_in_either_encoding() {
        let partial = PartialSuccess { rejected: 3, error_message: "too old".to_owned() };
        let proto = ExportResponse { partial_success: Some(partial) }.encode_to_vec();
        let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#;
        let expected = Taken { rejected: 3, message: "too old".to_owned() };
        assert_eq!(Taken::from_http(Some("application/x-protobuf"), &proto), expected);
        assert_eq!(Taken::from_http(Some("application/json; charset=utf-8"), json), expected);
        assert_eq!(Taken::from_http(Some("application/x-protobuf"), b""), Taken::default());
        assert!(Taken::from_http(Some("text/html"), b"<html>").message.contains("not OTLP"));
    }
}
