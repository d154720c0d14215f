//! Requests that are one trace: every field set to something, by `otlp_gen`, and what of them is kept.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prost::Message;

use crate::support::otlp_gen;
use crate::support::server::Server;

/// Times of generated records lie up to 2027, events' where they like.
pub const ANY_TIME: &str = "[flush]\nage = \"1h\"\n[ingest]\nmax_future = \"36500d\"\n";

pub const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A span as it was sent, and with what.
#[derive(Debug, Clone)]
pub struct Sent {
    pub resource: Resource,
    pub scope: InstrumentationScope,
    pub span: Span,
}

/// The bytes of an id.
pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The digits of an id.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn string(key: &str, text: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(text.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

/// Requests with `spans` spans or more, all of one trace; each span has an id of its own, and half of them a parent.
pub fn generated(spans: usize) -> Vec<ExportTraceServiceRequest> {
    let (strategy, mut runner) = (otlp_gen::spans_request(), TestRunner::default());
    let (mut requests, mut count) = (Vec::new(), 0_u64);
    while count < spans as u64 {
        let mut request = strategy.new_tree(&mut runner).unwrap().current();
        for group in &mut request.resource_spans {
            let resource = group.resource.get_or_insert_default();
            resource.attributes.retain(|attribute| attribute.key != "service.name");
            resource.attributes.push(string("service.name", &format!("service-{}", count % 3)));
            for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
                count += 1;
                span.trace_id = bytes(TRACE_ID);
                span.span_id = count.to_be_bytes().to_vec();
                span.parent_span_id = if count % 2 == 0 { (count / 2).to_be_bytes().to_vec() } else { Vec::new() };
            }
        }
        requests.push(request);
    }
    requests
}

/// The spans of requests, as the contract keeps them: attributes in the order of their keys, the last of equal keys.
pub fn kept(requests: &[ExportTraceServiceRequest]) -> Vec<Sent> {
    let mut kept = Vec::new();
    for group in requests.iter().flat_map(|request| &request.resource_spans) {
        let mut resource = group.resource.clone().unwrap_or_default();
        resource.attributes = of_map(&resource.attributes);
        for scope_spans in &group.scope_spans {
            let mut scope = scope_spans.scope.clone().unwrap_or_default();
            scope.attributes = of_map(&scope.attributes);
            for span in &scope_spans.spans {
                let mut span = span.clone();
                span.attributes = of_map(&span.attributes);
                for event in &mut span.events {
                    event.attributes = of_map(&event.attributes);
                }
                for link in &mut span.links {
                    link.attributes = of_map(&link.attributes);
                    link.trace_id = id_or_none(&link.trace_id, 16);
                    link.span_id = id_or_none(&link.span_id, 8);
                }
                kept.push(Sent { resource: resource.clone(), scope: scope.clone(), span });
            }
        }
    }
    kept
}

fn of_map(attributes: &[KeyValue]) -> Vec<KeyValue> {
    let last: std::collections::BTreeMap<&str, &KeyValue> =
        attributes.iter().map(|attribute| (attribute.key.as_str(), attribute)).collect();
    last.into_values().cloned().collect()
}

fn id_or_none(id: &[u8], length: usize) -> Vec<u8> {
    if id.len() == length && id.iter().any(|byte| *byte != 0) { id.to_vec() } else { Vec::new() }
}

/// Sends a request; `number` is in a field that nobody knows, so that the same request again is no retry.
pub async fn send(server: &Server, request: &ExportTraceServiceRequest, number: u8) {
    let mut body = request.encode_to_vec();
    body.extend([0x78, number & 0x7f]);
    post(server, "/v1/traces", body).await;
}

pub async fn post(server: &Server, path: &str, body: Vec<u8>) {
    let request = reqwest::Client::new().post(format!("{}{path}", server.otlp_http()));
    let response = request.header("content-type", "application/x-protobuf").body(body).send().await.unwrap();
    let (status, reply) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{status}: {reply}");
}

/// Asks the HTTP API: the status, the media type and the body.
pub async fn get(server: &Server, path: &str, accept: Option<&str>) -> (u16, String, Vec<u8>) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", server.http()));
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let response = request.send().await.unwrap();
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.status().as_u16(), media_type, response.bytes().await.unwrap().to_vec())
}

/// Asks the HTTP API for JSON.
pub async fn get_json(server: &Server, path: &str, status: u16) -> serde_json::Value {
    let (got, _, body) = get(server, path, None).await;
    let text = String::from_utf8(body).unwrap();
    assert_eq!(got, status, "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

/// A request of one span with everything, as OTLP/JSON.
pub fn one_span() -> serde_json::Value {
    serde_json::from_str(include_str!("one_span.json")).unwrap()
}

/// Sends OTLP/JSON, of which every record is taken.
pub async fn post_json(server: &Server, path: &str, body: serde_json::Value) {
    let response =
        reqwest::Client::new().post(format!("{}{path}", server.otlp_http())).json(&body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success() && !text.contains("rejected"), "{status}: {text}");
}
