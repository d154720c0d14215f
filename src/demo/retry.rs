//! When a failed export may be sent again, and after how long: OTLP's table of codes, `RetryInfo`, else backoff.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#failures>

use prost::Message;
use std::time::Duration;
use tonic::{Code, Status};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// How stubborn a sender is.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    pub(super) max_tries: u32,
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
}

impl RetryPolicy {
    /// Together about half a minute: enough for a server that restarts.
    pub(super) const DEFAULT: Self =
        Self { max_tries: 9, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(8) };

    /// How long to wait before the next try; `None` when there must be none. `tries` have been made.
    pub(super) fn wait(&self, status: &Status, tries: u32) -> Option<Duration> {
        let asked = retry_delay(status);
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
        if !retryable || tries >= self.max_tries {
            return None;
        }
        let backoff = self.first_wait.saturating_mul(1 << tries.saturating_sub(1).min(16));
        Some(asked.unwrap_or(backoff).min(self.longest_wait))
    }
}

/// The server's own wish, from the status' details.
fn retry_delay(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let info = details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
}

/// `google.rpc.Status`, of which only the details matter here.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[cfg(test)]
mod tests {
    use super::{Any, ProtoDuration, RETRY_INFO, RetryInfo, RetryPolicy, RpcStatus};
    use prost::Message;
    use std::time::Duration;
    use tonic::{Code, Status};

    const POLICY: RetryPolicy = RetryPolicy {
        max_tries: 4,
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_millis(1_000),
    };

    fn with_retry_info(code: Code, seconds: i64, nanos: i32) -> Status {
        let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds, nanos }) };
        let detail = Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() };
        Status::with_details(code, "busy", RpcStatus { details: vec![detail] }.encode_to_vec().into())
    }

    #[test]
    fn waits_double_until_the_tries_are_used_up() {
        let busy = Status::unavailable("busy");
        let waits: Vec<_> = (1..=4).map(|tries| POLICY.wait(&busy, tries).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(100), Some(200), Some(400), None]);
    }

    #[test]
    fn the_servers_wish_comes_first_up_to_the_longest_wait() {
        let cases = [(0, 250_000_000, 250), (0, 0, 0), (30, 0, 1_000)];
        for (seconds, nanos, expected) in cases {
            let status = with_retry_info(Code::Unavailable, seconds, nanos);
            assert_eq!(POLICY.wait(&status, 1), Some(Duration::from_millis(expected)));
        }
    }

    #[test]
    fn bad_data_and_oversize_are_final() {
        assert_eq!(POLICY.wait(&Status::invalid_argument("bad"), 1), None);
        assert_eq!(POLICY.wait(&Status::resource_exhausted("too large"), 1), None);
        assert!(POLICY.wait(&with_retry_info(Code::ResourceExhausted, 1, 0), 1).is_some());
    }
}
