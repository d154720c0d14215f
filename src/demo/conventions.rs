//! OpenTelemetry's semantic conventions: name, attributes and error of a span, from its operation and kind.
//!
//! The same operation looks different from both ends of a call; everything that depends on the end is in this file.

use super::fleet::Tool;
use super::shape::vocabulary::{Failure, Operation, Peer, Place, Protocol};
use super::shopper::Shopper;
use super::values::{integer, push_text, text};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// The gRPC codes for which a server span is an error: those that say the server is at fault.
/// <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
#[cfg(test)]
const GRPC_SERVER_FAULTS: &[&str] =
    &["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

impl Protocol {
    /// The library that instruments it.
    pub(crate) const fn tool(&self) -> Tool {
        match self {
            Self::Internal => Tool::Application,
            Self::Http { .. } => Tool::Http,
            Self::Grpc { .. } => Tool::Grpc,
            Self::Database { .. } => Tool::Database,
            Self::Publish { .. } | Self::Consume { .. } => Tool::Messaging,
            Self::Chat { .. } => Tool::GenAi,
        }
    }
}

pub(crate) fn span_name(operation: &Operation) -> String {
    match operation.protocol {
        Protocol::Internal => operation.name.to_owned(),
        Protocol::Http { method, route, .. } => format!("{method} {route}"),
        Protocol::Grpc { service, method } => format!("{service}/{method}"),
        Protocol::Database { operation, collection: "", .. } => operation.to_owned(),
        Protocol::Database { operation, collection, .. } => format!("{operation} {collection}"),
        Protocol::Publish { topic, .. } => format!("send {topic}"),
        Protocol::Consume { topic, .. } => format!("process {topic}"),
        Protocol::Chat { model, .. } => format!("chat {model}"),
    }
}

/// `error.type`, which is set exactly when the span's status is ERROR. A server does not count what its caller did wrong.
pub(crate) fn error_type(operation: &Operation, kind: SpanKind, failure: &Failure) -> Option<String> {
    let is_server = kind == SpanKind::Server;
    if is_server && failure.is_callers_fault() {
        return None;
    }
    Some(match operation.protocol {
        Protocol::Http { .. } if is_answered(operation, failure) => failure.http_status.to_string(),
        Protocol::Grpc { .. } => failure.grpc_status.to_owned(),
        _ => failure.error_type.to_owned(),
    })
}

/// The attributes that the conventions ask for on this kind of span.
pub(crate) fn span_attributes(
    operation: &Operation,
    kind: SpanKind,
    failure: Option<&'static Failure>,
    shopper: &Shopper,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(16);
    match operation.protocol {
        Protocol::Internal => {}
        Protocol::Http { method, route, path: (prefix, end) } => {
            let mut path = prefix.to_owned();
            if let Some(fact) = end {
                push_text(&mut path, &super::values::attribute("", shopper.fact(fact)));
            }
            http(&mut attributes, operation, kind, (method, route, path), failure);
        }
        Protocol::Grpc { service, method } => {
            attributes.push(text("rpc.system.name", "grpc"));
            attributes.push(text("rpc.service", service));
            attributes.push(text("rpc.method", format!("{service}/{method}")));
            attributes.push(text("rpc.response.status_code", failure.map_or("OK", |failure| failure.grpc_status)));
            push_server(&mut attributes, operation);
        }
        Protocol::Database { system, namespace, collection, operation: verb, query } => {
            attributes.push(text("db.system.name", system));
            for (key, value) in [("db.namespace", namespace), ("db.collection.name", collection)] {
                if !value.is_empty() {
                    attributes.push(text(key, value));
                }
            }
            attributes.push(text("db.operation.name", verb));
            attributes.push(text("db.query.text", query));
            if let Some(failure) = failure.filter(|failure| is_answered(operation, failure)) {
                attributes.push(text("db.response.status_code", failure.error_type));
            }
            push_server(&mut attributes, operation);
        }
        Protocol::Publish { topic, .. } => {
            messaging(&mut attributes, topic, "send");
            push_server(&mut attributes, operation);
        }
        Protocol::Consume { topic, group } => {
            messaging(&mut attributes, topic, "process");
            attributes.push(text("messaging.consumer.group.name", group));
        }
        Protocol::Chat { provider, model } => {
            attributes.push(text("gen_ai.operation.name", "chat"));
            attributes.push(text("gen_ai.provider.name", provider));
            attributes.push(text("gen_ai.request.model", model));
            push_server(&mut attributes, operation);
        }
    }
    if let Some(error) = failure.and_then(|failure| error_type(operation, kind, failure)) {
        attributes.push(text("error.type", error));
    }
    attributes
}

fn http(
    attributes: &mut Vec<KeyValue>,
    operation: &Operation,
    kind: SpanKind,
    (method, route, path): (&str, &str, String),
    failure: Option<&'static Failure>,
) {
    attributes.push(text("http.request.method", method));
    if kind == SpanKind::Server {
        attributes.push(text("http.route", route));
        attributes.push(text("url.path", path));
        attributes.push(text("url.scheme", "http"));
        attributes.push(text("network.protocol.version", "1.1"));
    } else {
        let (address, port) = server(operation);
        let scheme = if port == 443 { "https" } else { "http" };
        attributes.push(text("url.full", format!("{scheme}://{address}:{port}{path}")));
        attributes.push(text("url.template", route));
    }
    push_server(attributes, operation);
    match failure {
        None => attributes.push(integer("http.response.status_code", 200)),
        Some(failure) if is_answered(operation, failure) => {
            attributes.push(integer("http.response.status_code", failure.http_status));
        }
        Some(_) => {}
    }
}

fn messaging(attributes: &mut Vec<KeyValue>, topic: &str, operation: &str) {
    attributes.push(text("messaging.system", "kafka"));
    attributes.push(text("messaging.destination.name", topic));
    attributes.push(text("messaging.operation.name", operation));
    attributes.push(text("messaging.operation.type", operation));
}

/// A failure without an answer is one only for the client of the peer that kept silent; its own callers get a status.
const fn is_answered(operation: &Operation, failure: &Failure) -> bool {
    failure.gives_up_after_ms.is_none() || matches!(operation.place, Place::Service(_))
}

fn push_server(attributes: &mut Vec<KeyValue>, operation: &Operation) {
    let (address, port) = server(operation);
    attributes.push(text("server.address", address));
    attributes.push(integer("server.port", port));
}

const fn server(operation: &Operation) -> (&'static str, u16) {
    match operation.place {
        Place::Service(service) => (service.name, service.port),
        Place::Peer(Peer { address, port }) => (address, *port),
        Place::Caller => ("localhost", 0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::failures::*;
    use super::GRPC_SERVER_FAULTS;

    #[test]
    fn http_and_grpc_agree_on_whose_fault_a_failure_is() {
        let failures = [
            &FRAUD_API_TIMEOUT,
            &FRAUD_API_UNAVAILABLE,
            &CARD_DECLINED,
            &PRODUCT_NOT_FOUND,
            &OUT_OF_STOCK,
            &DEADLOCK,
            &REDIS_TIMEOUT,
            &SEARCH_INDEX_BUSY,
            &MODEL_OVERLOADED,
            &PAGE_BUG,
            &MAIL_TEMPLATE_BUG,
            &MAIL_API_LIMIT,
        ];
        for failure in failures {
            let servers_fault = GRPC_SERVER_FAULTS.contains(&failure.grpc_status);
            assert_eq!(servers_fault, !failure.is_callers_fault(), "{failure:?}");
        }
    }
}
