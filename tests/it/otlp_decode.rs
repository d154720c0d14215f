//! OTLP decoding as a sender and a reader of the tables see it: what was sent is in the rows, in either encoding, and
//! what can't be stored is rejected alone.

use crate::support::{otlp_gen, otlp_json, otlp_rows};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use telestrata::model::{Encoding, Signal};
use telestrata::otlp::{DecodeError, Decoded, RequestMeta, decode};

const INGEST_TIME: i64 = 1_799_999_000_000_000;

const META: RequestMeta<'static> = RequestMeta {
    ingest_time: INGEST_TIME,
    latest_time: (otlp_gen::LATEST_NANOS / 1_000) as i64,
    source: "otlp/grpc",
    principal: Some("test"),
};

fn accept(signal: Signal, encoding: Encoding, body: &[u8]) -> Decoded {
    let decoded = decode(signal, encoding, body, &META).expect("the request is well-formed");
    check_counts(&decoded);
    decoded
}

fn check_counts(decoded: &Decoded) {
    assert_eq!(decoded.batch.num_rows() + decoded.report.rejections.len(), decoded.report.records);
    for column in decoded.batch.columns() {
        assert_eq!(column.len(), decoded.batch.num_rows());
        column.to_data().validate_full().expect("the column is valid Arrow");
    }
}

/// Decodes both encodings, which must agree, and gives the batch.
fn decode_both(signal: Signal, proto: &[u8], json: &serde_json::Value) -> Decoded {
    let from_proto = accept(signal, Encoding::Proto, proto);
    let from_json = accept(signal, Encoding::Json, json.to_string().as_bytes());
    assert_eq!(from_json.batch, from_proto.batch);
    assert_eq!(from_json.report, from_proto.report);
    assert_eq!(from_proto.report.rejections, []);
    from_proto
}

proptest! {
    #[test]
    fn logs_come_back(request in otlp_gen::logs_request()) {
        let decoded = decode_both(Signal::Logs, &request.encode_to_vec(), &otlp_json::logs(&request));
        let expected = otlp_rows::expected_logs(&request, INGEST_TIME as u64 * 1_000);
        prop_assert_eq!(otlp_rows::logs(&decoded.batch), expected);
    }

    #[test]
    fn spans_come_back(request in otlp_gen::spans_request()) {
        let decoded = decode_both(Signal::Spans, &request.encode_to_vec(), &otlp_json::spans(&request));
        prop_assert_eq!(otlp_rows::spans(&decoded.batch), otlp_rows::expected_spans(&request));
    }

    #[test]
    fn metrics_come_back(request in otlp_gen::metrics_request()) {
        let decoded = decode_both(Signal::Metrics, &request.encode_to_vec(), &otlp_json::metrics(&request));
        prop_assert_eq!(otlp_rows::metrics(&decoded.batch), otlp_rows::expected_metrics(&request));
    }

    /// A value in a body, where its nesting and types show best.
    #[test]
    fn every_value_comes_back(value in otlp_gen::any_value()) {
        let record = opentelemetry_proto::tonic::logs::v1::LogRecord { body: Some(value), ..Default::default() };
        let request = logs_of(record);
        let decoded = decode_both(Signal::Logs, &request.encode_to_vec(), &otlp_json::logs(&request));
        let expected = otlp_rows::expected_logs(&request, INGEST_TIME as u64 * 1_000);
        prop_assert_eq!(otlp_rows::logs(&decoded.batch), expected);
    }

    /// Protobuf lets fields come in any order and messages in pieces. prost is the judge of what they then mean.
    #[test]
    fn logs_in_another_order_and_in_pieces_mean_what_prost_says(
        request in otlp_gen::logs_request(), more in otlp_gen::logs_request(), how in any::<u64>(),
    ) {
        let bytes = shuffled(&request.encode_to_vec(), &more.encode_to_vec(), how);
        let merged = ExportLogsServiceRequest::decode(bytes.as_slice()).expect("prost takes it");
        same_batch(Signal::Logs, &bytes, &merged.encode_to_vec());
    }

    #[test]
    fn spans_in_another_order_and_in_pieces_mean_what_prost_says(
        request in otlp_gen::spans_request(), more in otlp_gen::spans_request(), how in any::<u64>(),
    ) {
        let bytes = shuffled(&request.encode_to_vec(), &more.encode_to_vec(), how);
        let merged = ExportTraceServiceRequest::decode(bytes.as_slice()).expect("prost takes it");
        same_batch(Signal::Spans, &bytes, &merged.encode_to_vec());
    }

    #[test]
    fn metrics_in_another_order_and_in_pieces_mean_what_prost_says(
        request in otlp_gen::metrics_request(), more in otlp_gen::metrics_request(), how in any::<u64>(),
    ) {
        let bytes = shuffled(&request.encode_to_vec(), &more.encode_to_vec(), how);
        let merged = ExportMetricsServiceRequest::decode(bytes.as_slice()).expect("prost takes it");
        same_batch(Signal::Metrics, &bytes, &merged.encode_to_vec());
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for signal in Signal::ALL {
            for encoding in [Encoding::Proto, Encoding::Json] {
                if let Ok(decoded) = decode(signal, encoding, &bytes, &META) {
                    check_counts(&decoded);
                }
            }
            agrees_with_prost(signal, &bytes);
        }
    }

    #[test]
    fn mutated_logs_do_no_harm(request in otlp_gen::logs_request(), edits in edits()) {
        mutated(Signal::Logs, request.encode_to_vec(), &otlp_json::logs(&request), &edits);
    }

    #[test]
    fn mutated_spans_do_no_harm(request in otlp_gen::spans_request(), edits in edits()) {
        mutated(Signal::Spans, request.encode_to_vec(), &otlp_json::spans(&request), &edits);
    }

    #[test]
    fn mutated_metrics_do_no_harm(request in otlp_gen::metrics_request(), edits in edits()) {
        mutated(Signal::Metrics, request.encode_to_vec(), &otlp_json::metrics(&request), &edits);
    }
}

fn logs_of(record: opentelemetry_proto::tonic::logs::v1::LogRecord) -> ExportLogsServiceRequest {
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..Default::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] }
}

fn same_batch(signal: Signal, bytes: &[u8], reference: &[u8]) {
    let (decoded, expected) = (accept(signal, Encoding::Proto, bytes), accept(signal, Encoding::Proto, reference));
    assert_eq!(decoded.batch, expected.batch);
    assert_eq!(decoded.report.duplicate_keys, expected.report.duplicate_keys);
    assert_eq!(decoded.report.records, expected.report.records);
}

/// One edit: at a place, with a byte, of a kind.
type Edit = (Index, u8, u8);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec((any::<Index>(), any::<u8>(), 0_u8..5), 1..4)
}

fn edit(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for (at, byte, kind) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => bytes.insert(at, *byte),
            3 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn mutated(signal: Signal, proto: Vec<u8>, json: &serde_json::Value, edits: &[Edit]) {
    let proto = edit(proto, edits);
    if let Ok(decoded) = decode(signal, Encoding::Proto, &proto, &META) {
        check_counts(&decoded);
        for rejection in &decoded.report.rejections {
            assert!(proto.get(rejection.bytes.clone()).is_some(), "{rejection:?}");
        }
    }
    agrees_with_prost(signal, &proto);
    let json = edit(json.to_string().into_bytes(), edits);
    if let Ok(decoded) = decode(signal, Encoding::Json, &json, &META) {
        check_counts(&decoded);
        for rejection in &decoded.report.rejections {
            assert_eq!(json.get(rejection.bytes.start), Some(&b'{'));
            assert_eq!(json.get(rejection.bytes.end - 1), Some(&b'}'));
        }
    }
}

/// What prost takes, we take, and with as many records. We take more: text that is not UTF-8 rejects a record alone.
fn agrees_with_prost(signal: Signal, bytes: &[u8]) {
    let records = match signal {
        Signal::Logs => ExportLogsServiceRequest::decode(bytes).map(|request| {
            let scopes = request.resource_logs.iter().flat_map(|group| &group.scope_logs);
            scopes.map(|scope| scope.log_records.len()).sum::<usize>()
        }),
        Signal::Spans => ExportTraceServiceRequest::decode(bytes).map(|request| {
            let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
            scopes.map(|scope| scope.spans.len()).sum::<usize>()
        }),
        Signal::Metrics => ExportMetricsServiceRequest::decode(bytes).map(|request| {
            let scopes = request.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
            scopes.flat_map(|scope| &scope.metrics).map(points).sum::<usize>()
        }),
    };
    let decoded = decode(signal, Encoding::Proto, bytes, &META);
    match (records, decoded) {
        (Ok(records), Ok(decoded)) => assert_eq!(decoded.report.records, records),
        (Ok(_), Err(error)) => panic!("prost takes it, we do not: {error}"),
        (Err(_), Ok(_) | Err(DecodeError::Malformed { .. })) => {}
        (Err(_), Err(error)) => panic!("{error}"),
    }
}

fn points(metric: &opentelemetry_proto::tonic::metrics::v1::Metric) -> usize {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    match &metric.data {
        None => 0,
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
    }
}

/// The groups of both requests, with the fields of resource groups, scope groups and their items in another order, and
/// with some singular messages in two pieces. Unknown fields are strewn in.
fn shuffled(request: &[u8], more: &[u8], how: u64) -> Vec<u8> {
    let mut order = Order(how | 1);
    let request = Level::Request.rewrite(request, &mut order);
    let more = Level::Request.rewrite(more, &mut order);
    [request, more].concat()
}

#[derive(Clone, Copy)]
enum Level {
    Request,
    ResourceGroup,
    ScopeGroup,
    Item,
}

impl Level {
    fn rewrite(self, message: &[u8], order: &mut Order) -> Vec<u8> {
        let mut fields = split_fields(message);
        for (number, field) in &mut fields {
            let inner = match (self, *number) {
                (Self::Request, 1) => Some(Self::ResourceGroup),
                (Self::ResourceGroup, 2) => Some(Self::ScopeGroup),
                (Self::ScopeGroup, 2) => Some(Self::Item),
                _ => None,
            };
            if let Some(inner) = inner {
                *field = with_tag(*number, &inner.rewrite(content(field), order));
            }
        }
        // Pieces of a resource or scope: each attribute in a message of its own.
        if matches!(self, Self::ResourceGroup | Self::ScopeGroup) && order.next(2) == 0 {
            fields = fields.into_iter().flat_map(|(number, field)| pieces(number, &field)).collect();
        }
        for at in (1..fields.len()).rev() {
            fields.swap(at, order.next(at + 1));
        }
        let mut bytes: Vec<u8> = fields.into_iter().flat_map(|(_, field)| field).collect();
        match order.next(4) {
            // Field 999: a varint, a length, a group with a field in it.
            0 => bytes.extend([0xB8, 0x3E, 0x05]),
            1 => bytes.extend([0xBA, 0x3E, 0x02, 0xFF, 0xFF]),
            2 => bytes.extend([0xBB, 0x3E, 0x08, 0x01, 0xBC, 0x3E]),
            _ => {}
        }
        bytes
    }
}

fn pieces(number: u64, field: &[u8]) -> Vec<(u64, Vec<u8>)> {
    if number != 1 || field[0] & 7 != 2 {
        return vec![(number, field.to_vec())];
    }
    let inner = split_fields(content(field));
    if inner.is_empty() {
        return vec![(number, field.to_vec())];
    }
    inner.into_iter().map(|(_, piece)| (number, with_tag(number, &piece))).collect()
}

/// A sequence that depends on its start alone.
struct Order(u64);

impl Order {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// A valid message's fields: number, and bytes with the tag.
fn split_fields(message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let tag = varint(message, &mut at);
        match tag & 7 {
            0 => drop(varint(message, &mut at)),
            1 => at += 8,
            2 => at += varint(message, &mut at) as usize,
            _ => at += 4,
        }
        fields.push((tag >> 3, message[start..at].to_vec()));
    }
    fields
}

/// What is in a length-delimited field.
fn content(field: &[u8]) -> &[u8] {
    let mut at = 0;
    varint(field, &mut at);
    varint(field, &mut at);
    &field[at..]
}

fn with_tag(number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number << 3 | 2, &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}
