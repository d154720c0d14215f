//! Five minutes of four services, small enough to be counted by hand, and twenty days before.

use serde_json::{Value, json};

use crate::service_health::{DAY, MINUTE_0, SHOP, gauge, log, nanos, point, resource, send, span, with};
use crate::support::server::Server;

/// Days before the asked one on which the shop did something too.
pub const DAYS: u64 = 20;

pub const TRACE_1: &str = "00000000000000000000000000000001";
pub const TRACE_2: &str = "00000000000000000000000000000002";
pub const TRACE_3: &str = "00000000000000000000000000000003";
pub const TRACE_4: &str = "00000000000000000000000000000004";
pub const TRACE_5: &str = "00000000000000000000000000000005";

const PAY: &[(&str, &str)] =
    &[("service.name", "pay"), ("service.namespace", "web"), ("deployment.environment.name", "prod")];
const ONEIL: &[(&str, &str)] =
    &[("service.name", "o'neil"), ("service.namespace", "web"), ("deployment.environment.name", "test")];

fn named(record: Value, name: &str) -> Value {
    with(record, "name", json!(name))
}

fn user(record: Value, id: &str) -> Value {
    with(record, "attributes", json!([{ "key": "user.id", "value": { "stringValue": id } }]))
}

fn failed(record: Value, message: &str) -> Value {
    with(record, "status", json!({ "code": 2, "message": message }))
}

fn said(second: f64, severity: u8, trace: &str, span: &str, body: &str) -> Value {
    let log = with(log(second, severity), "body", json!({ "stringValue": body }));
    with(with(log, "traceId", json!(trace)), "spanId", json!(span))
}

/// Sends it and makes files of it, one a day and table.
///
/// ```text
/// second  trace
///      1  1      shop GET /buy 100 ms > shop charge (CLIENT) 60 ms > pay charge 40 ms, ERROR, stored twice
///     10  2      shop GET /buy 20 ms, of the user O'Brien
///     70  3      shop GET /cart 300 ms, ERROR
///     75  4      worker mail 7 ms: no namespace, no environment
///    130  5      o'neil say "hi" 5 ms, of another environment
/// ```
pub async fn make(server: &Server) {
    let refused = failed(named(span(1, 3, 2, 2, 1.020, 40.0), "charge"), "card refused");
    let spans = |of, spans: &[Value]| resource(of, "scopeSpans", "spans", spans);
    let shop = [
        user(named(span(1, 1, 0, 2, 1.0, 100.0), "GET /buy"), "u1"),
        named(span(1, 2, 1, 3, 1.010, 60.0), "charge"),
        user(named(span(2, 4, 0, 2, 10.0, 20.0), "GET /buy"), "O'Brien"),
        failed(named(span(3, 5, 0, 2, 70.0, 300.0), "GET /cart"), ""),
    ];
    let all = [
        spans(SHOP, &shop),
        spans(PAY, std::slice::from_ref(&refused)),
        spans(PAY, &[refused]),
        spans(&[("service.name", "worker")], &[named(span(4, 6, 0, 5, 75.0, 7.0), "mail")]),
        spans(ONEIL, &[named(span(5, 7, 0, 2, 130.0, 5.0), "say \"hi\"")]),
    ];
    send(server, "/v1/traces", json!({ "resourceSpans": all })).await;

    let logs = |of, logs: &[Value]| resource(of, "scopeLogs", "logRecords", logs);
    let span_of = |id: u8| format!("{id:016x}");
    let broken = with(log(70.1, 17), "body", json!({ "stringValue": "cart broken" }));
    let all = [
        logs(PAY, &[said(1.04, 17, TRACE_1, &span_of(3), "card refused")]),
        logs(SHOP, &[said(1.09, 9, TRACE_1, &span_of(1), "buying"), broken]),
    ];
    send(server, "/v1/logs", json!({ "resourceLogs": all })).await;

    let metrics = [
        gauge("container.cpu.usage", "{cpu}", &[point(30.0, 0.5, &[]), point(90.0, 1.5, &[])]),
        gauge("process.memory.usage", "By", &[point(30.0, 1000.0, &[]), point(90.0, 3000.0, &[])]),
    ];
    let shop = [SHOP, &[("service.instance.id", "i1")]].concat();
    let all = [resource(&shop, "scopeMetrics", "metrics", &metrics)];
    send(server, "/v1/metrics", json!({ "resourceMetrics": all })).await;

    make_days(server).await;
    server.flush().await;
}

/// Each day at the same time a request, a log and a point, of traces far apart.
async fn make_days(server: &Server) {
    let seconds = (1..=DAYS).map(|day| -((day * DAY) as f64));
    let (mut spans, mut logs, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (day, second) in seconds.enumerate() {
        let trace = format!("{:032x}", (day as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let request = named(span(9, 9, 0, 2, second, 50.0), "GET /buy");
        spans.push(with(request, "traceId", json!(trace)));
        logs.push(said(second, 17, &trace, "0000000000000009", "long ago"));
        points.push(point(second, 1.0, &[]));
    }
    let of = |kind, inner, records: &[Value]| json!([resource(SHOP, kind, inner, records)]);
    send(server, "/v1/traces", json!({ "resourceSpans": of("scopeSpans", "spans", &spans) })).await;
    send(server, "/v1/logs", json!({ "resourceLogs": of("scopeLogs", "logRecords", &logs) })).await;
    let gauge = gauge("container.cpu.usage", "{cpu}", &points);
    send(server, "/v1/metrics", json!({ "resourceMetrics": of("scopeMetrics", "metrics", &[gauge]) })).await;
}

/// Seconds since 1970 of a second past minute 0.
pub fn at(second: u64) -> i64 {
    i64::try_from(MINUTE_0 + second).unwrap()
}

/// The asked five minutes' end, in nanoseconds.
pub fn end() -> i64 {
    nanos(300.0).parse().unwrap()
}
