//! OTLP/HTTP with protobuf: one `POST`.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::address::Address;
use super::client::{CONNECT_TIMEOUT, Compression, REQUEST_TIMEOUT};
use super::reply::{Refusal, Taken};
use crate::model::signal::Signal;

#[derive(Debug, Clone)]
pub(super) struct HttpDoor {
    client: reqwest::Client,
    address: Address,
    compression: Compression,
    pub(super) headers: HeaderMap,
}

impl HttpDoor {
    pub(super) fn new(address: Address, compression: Compression) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            // A redirected POST would come out as a GET.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        Ok(Self { client, address, compression, headers: HeaderMap::new() })
    }

    /// The request as it travels: compressed once for all its tries.
    pub(super) fn body(&self, request: Bytes) -> std::io::Result<Bytes> {
        match self.compression {
            Compression::None => Ok(request),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(request.len() / 4), flate2::Compression::fast());
                encoder.write_all(&request)?;
                encoder.finish().map(Bytes::from)
            }
            Compression::Zstd => zstd::encode_all(&request[..], 1).map(Bytes::from),
        }
    }

    /// Sends a [`body`](Self::body).
    pub(super) async fn export(&self, signal: Signal, body: Bytes) -> Result<Taken, HttpFailure> {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if let Some(name) = self.compression.name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        let request = self.client.post(self.address.http_url(signal)).headers(headers);
        let response = request.body(body).send().await.map_err(|error| {
            let cause = causes(&error);
            if error.is_connect() { HttpFailure::NotConnected(cause) } else { HttpFailure::broken(cause) }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| HttpFailure::broken(causes(&error)))?;
        let content_type = text(&headers, &CONTENT_TYPE);
        if status.is_success() {
            Ok(Taken::from_http(content_type, &body))
        } else {
            Err(HttpFailure::Refused(Refusal::from_http(status, text(&headers, &RETRY_AFTER), content_type, &body)))
        }
    }
}

/// Why a `POST` came to nothing.
#[derive(Debug)]
pub(super) enum HttpFailure {
    /// There was no connection: nobody listens, or TLS was not agreed on.
    NotConnected(String),
    /// There was, and the request was not taken.
    Refused(Refusal),
}

impl HttpFailure {
    fn broken(cause: String) -> Self {
        Self::Refused(Refusal::no_answer(cause))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// An error with its causes, which reqwest's own text leaves out.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
