//! Where to send, and by which protocol.
//!
//! | address | protocol |
//! | --- | --- |
//! | port 4317 | gRPC |
//! | port 4318, or a path | HTTP/protobuf |
//! | anything else | must be named |
//!
//! A path is that of OTLP/HTTP's three resources, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/logs` and the like are
//! added to it.

use url::Url;

use crate::model::signal::Signal;

const GRPC_PORT: u16 = 4317;
const HTTP_PORT: u16 = 4318;

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    HttpProtobuf,
}

/// Why an address can't be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an `http://` or `https://` URL with a host.
    #[error("`{0}` is no OTLP endpoint; write http://127.0.0.1:4317 or https://host:4318")]
    NoUrl(String),
    /// The port says nothing.
    #[error("`{0}` does not tell how OTLP is spoken there (4317 is gRPC, 4318 HTTP); name the protocol")]
    NoProtocol(String),
    /// gRPC over TLS.
    #[error("`{0}`: gRPC is spoken in plain text only (http://); use HTTP/protobuf for TLS")]
    GrpcWithTls(String),
    /// gRPC has no paths.
    #[error("`{0}`: an endpoint for gRPC has no path")]
    GrpcWithPath(String),
}

/// An endpoint that can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    url: Url,
    pub(super) protocol: Protocol,
}

impl Address {
    /// Checks an address; without a protocol, it is told by the table above.
    pub(super) fn parse(text: &str, protocol: Option<Protocol>) -> Result<Self, AddressError> {
        // Without what may be a password.
        let shown = text.rsplit('@').next().and_then(|rest| rest.split('?').next()).unwrap_or_default();
        let no_url = || AddressError::NoUrl(shown.to_owned());
        let url = Url::parse(text).map_err(|_| no_url())?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() || has_user {
            return Err(no_url());
        }
        let has_path = url.path() != "/";
        let told = match url.port() {
            Some(GRPC_PORT) if !has_path => Some(Protocol::Grpc),
            Some(HTTP_PORT) => Some(Protocol::HttpProtobuf),
            _ => has_path.then_some(Protocol::HttpProtobuf),
        };
        let protocol = protocol.or(told).ok_or_else(|| AddressError::NoProtocol(text.to_owned()))?;
        match protocol {
            Protocol::Grpc if url.scheme() == "https" => Err(AddressError::GrpcWithTls(text.to_owned())),
            Protocol::Grpc if has_path => Err(AddressError::GrpcWithPath(text.to_owned())),
            _ => Ok(Self { url, protocol }),
        }
    }

    /// As gRPC wants it: without a path.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Where a signal's requests go over HTTP.
    pub(super) fn http_url(&self, signal: Signal) -> Url {
        let path = match signal {
            Signal::Logs => "v1/logs",
            Signal::Spans => "v1/traces",
            Signal::Metrics => "v1/metrics",
        };
        let base = self.url.path().trim_end_matches('/').to_owned();
        let mut url = self.url.clone();
        url.set_path(&format!("{base}/{path}"));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("http://127.0.0.1:4317", None, Ok(Protocol::Grpc))]
    #[case("http://127.0.0.1:4318", None, Ok(Protocol::HttpProtobuf))]
    #[case("https://telemetry.example/otlp", None, Ok(Protocol::HttpProtobuf))]
    #[case("http://127.0.0.1:5000", Some(Protocol::Grpc), Ok(Protocol::Grpc))]
    #[case("http://127.0.0.1:4317", Some(Protocol::HttpProtobuf), Ok(Protocol::HttpProtobuf))]
    #[case("http://127.0.0.1:5000", None, Err("name the protocol"))]
    #[case("https://127.0.0.1:4317", None, Err("plain text only"))]
    #[case("http://127.0.0.1:4317/x", Some(Protocol::Grpc), Err("has no path"))]
    #[case("127.0.0.1:4317", None, Err("no OTLP endpoint"))]
    #[case("ftp://127.0.0.1:4317", None, Err("no OTLP endpoint"))]
    #[case("", None, Err("no OTLP endpoint"))]
    fn addresses(
        #[case] text: &str,
        #[case] protocol: Option<Protocol>,
        #[case] expected: Result<Protocol, &'static str>,
    ) {
        match (Address::parse(text, protocol), expected) {
            (Ok(address), Ok(expected)) => assert_eq!(address.protocol, expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[rstest::rstest]
    #[case("http://host:4318", "http://host:4318/v1/traces")]
    #[case("http://host:4318/", "http://host:4318/v1/traces")]
    #[case("https://host/a/b/", "https://host/a/b/v1/traces")]
    fn paths(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(Address::parse(text, None).unwrap().http_url(Signal::Spans).as_str(), expected);
    }
}
