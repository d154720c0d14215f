//! One of everything that the SDK can set. ../../everything.json says what becomes of it.
//!
//! Numbers and texts here, in ../../python/senders/everything.py and in ../../node/everything.js are the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream, Temporality};
use opentelemetry_sdk::trace::{BatchSpanProcessor, IdGenerator, SdkTracerProvider, SpanLimits};

use crate::exporters::Exporters;

const SECOND: u64 = 1_000_000_000;

/// So many nanoseconds after 2025-10-09 08:53:20.123456789 UTC.
fn later(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(1_760_000_000_123_456_789 + nanos)
}

fn remote(trace: u128, span: u64, state: &[(&str, &str)]) -> SpanContext {
    let state = TraceState::from_key_value(state.iter().copied()).unwrap();
    SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::SAMPLED, true, state)
}

fn caller() -> SpanContext {
    remote(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331, &[("ot", "th:8"), ("vendor", "abc")])
}

fn earlier() -> SpanContext {
    remote(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7, &[("vendor", "def")])
}

/// Ids that every run has.
#[derive(Debug, Default)]
struct CountedIds {
    traces: AtomicU64,
    spans: AtomicU64,
}

impl IdGenerator for CountedIds {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from((0x11 << 120) + u128::from(self.traces.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from((0x22 << 56) + self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

fn texts(texts: &[&'static str]) -> Value {
    Value::Array(Array::String(texts.iter().map(|text| StringValue::from(*text)).collect()))
}

fn scope(name: &'static str, version: &'static str) -> InstrumentationScope {
    InstrumentationScope::builder(name)
        .with_version(version)
        .with_schema_url("https://opentelemetry.io/schemas/1.36.0")
        .with_attributes([KeyValue::new("team", "payments"), KeyValue::new("tier", 1)])
        .build()
}

pub fn send(exporters: &Exporters, run: &str) {
    let attributes = [
        KeyValue::new("service.name", "checkout"),
        KeyValue::new("service.namespace", "shop"),
        KeyValue::new("service.version", "2.4.0"),
        KeyValue::new("deployment.environment.name", "test"),
        KeyValue::new("test.run", run.to_owned()),
        KeyValue::new("process.pid", 4711),
        KeyValue::new("process.command_args", texts(&["serve", "--fast"])),
        KeyValue::new("host.load", 0.75),
        KeyValue::new("host.spot", true),
    ];
    let schema_url = "https://opentelemetry.io/schemas/1.37.0";
    let resource = Resource::builder_empty().with_schema_url(attributes, schema_url).build();
    send_spans(exporters, &resource);
    send_logs(exporters, &resource);
    send_metrics(exporters, &resource, "shop.cumulative", Temporality::Cumulative);
    send_metrics(exporters, &resource, "shop.delta", Temporality::Delta);
}

fn send_spans(exporters: &Exporters, resource: &Resource) {
    let mut limits = SpanLimits::default();
    limits.max_attributes_per_span = 16;
    limits.max_events_per_span = 2;
    limits.max_links_per_span = 2;
    limits.max_attributes_per_event = 2;
    limits.max_attributes_per_link = 1;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_id_generator(CountedIds::default())
        .with_span_limits(limits)
        .with_span_processor(BatchSpanProcessor::builder(exporters.spans()).build())
        .build();
    let tracer = provider.tracer_with_scope(scope("shop.checkout", "1.2.3"));

    // Bytes and maps are no values of the SDK's attributes.
    let attributes = [
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("http.route", "/checkout"),
        KeyValue::new("text.empty", ""),
        KeyValue::new("text.unicode", "grüße 😀"),
        KeyValue::new("int.negative", -7),
        KeyValue::new("int.large", 9_007_199_254_740_993_i64),
        KeyValue::new("double", 0.5),
        KeyValue::new("double.whole", 2.0),
        KeyValue::new("bool", true),
        KeyValue::new("texts", texts(&["a", "b"])),
        KeyValue::new("ints", Value::Array(Array::I64(vec![1, 2]))),
        KeyValue::new("doubles", Value::Array(Array::F64(vec![0.5, 1.5]))),
        KeyValue::new("bools", Value::Array(Array::Bool(vec![true, false]))),
    ];
    let called = Context::new().with_remote_span_context(caller());
    let mut server = SpanBuilder::from_name("POST /checkout")
        .with_kind(SpanKind::Server)
        .with_start_time(later(0))
        .with_attributes(attributes)
        .with_links(vec![Link::new(earlier(), vec![KeyValue::new("link.reason", "retry")], 0)])
        .start_with_context(&tracer, &called);
    let missed = vec![KeyValue::new("cache.key", "cart:7"), KeyValue::new("cache.size", 3)];
    server.add_event_with_timestamp("cache.miss", later(1_000), missed);
    server.set_status(Status::Ok);
    let inside = Context::new().with_span(server);

    let mut client = SpanBuilder::from_name("SELECT carts")
        .with_kind(SpanKind::Client)
        .with_start_time(later(2_000))
        .with_attributes([KeyValue::new("db.system.name", "postgresql")])
        .start_with_context(&tracer, &inside);
    let exception =
        vec![KeyValue::new("exception.type", "Deadlock"), KeyValue::new("exception.message", "cart 7 is locked")];
    client.add_event_with_timestamp("exception", later(3_000), exception);
    client.set_status(Status::error("deadlock"));
    client.end_with_timestamp(later(SECOND + 1_000));

    let mut producer = SpanBuilder::from_name("publish order")
        .with_kind(SpanKind::Producer)
        .with_start_time(later(4_000))
        .start_with_context(&tracer, &inside);
    producer.end_with_timestamp(later(5_000));
    inside.span().end_with_timestamp(later(2 * SECOND));

    let consumer = SpanBuilder::from_name("process order")
        .with_kind(SpanKind::Consumer)
        .with_start_time(later(6_000))
        .start_with_context(&tracer, &Context::new());
    let within = Context::new().with_span(consumer);
    let two = || vec![KeyValue::new("a", 1), KeyValue::new("b", 2)];
    let mut too_much = SpanBuilder::from_name("too much")
        .with_start_time(later(7_000))
        .with_attributes((0..20).map(|n| KeyValue::new(format!("n{n:02}"), n)))
        .with_links(vec![Link::new(earlier(), two(), 0); 3])
        .start_with_context(&tracer, &within);
    for _ in 0..5 {
        too_much.add_event_with_timestamp("tick", later(8_000), [two(), vec![KeyValue::new("c", 3)]].concat());
    }
    too_much.end_with_timestamp(later(9_000));
    within.span().end_with_timestamp(later(10_000));
    provider.shutdown().unwrap();
}

fn list(values: impl IntoIterator<Item = AnyValue>) -> AnyValue {
    AnyValue::ListAny(Box::new(values.into_iter().collect()))
}

fn map(entries: impl IntoIterator<Item = (&'static str, AnyValue)>) -> AnyValue {
    let entries: HashMap<Key, AnyValue> = entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect();
    AnyValue::Map(Box::new(entries))
}

fn bytes() -> AnyValue {
    AnyValue::Bytes(Box::new(vec![0, 255]))
}

fn send_logs(exporters: &Exporters, resource: &Resource) {
    let provider = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_log_processor(BatchLogProcessor::builder(exporters.logs()).build())
        .build();
    let logger = provider.logger_with_scope(scope("shop.audit", "2.0.0"));

    let mut placed = logger.create_log_record();
    placed.set_timestamp(later(0));
    placed.set_observed_timestamp(later(1_000));
    placed.set_trace_context(caller().trace_id(), caller().span_id(), Some(TraceFlags::SAMPLED));
    placed.set_severity_number(Severity::Info);
    placed.set_severity_text("INFO");
    placed.set_body("order placed".into());
    placed.set_event_name("order.placed");
    placed.add_attribute("user.id", "u-7");
    placed.add_attribute("int", -7);
    placed.add_attribute("double", 0.5);
    placed.add_attribute("bool", false);
    placed.add_attribute("texts", list(["a".into(), "b".into()]));
    placed.add_attribute("mixed", list(["a".into(), 1.into(), true.into(), 0.5.into()]));
    placed.add_attribute("bytes", bytes());
    placed.add_attribute("map", map([("a", 1.into()), ("b", map([("c", list(["d".into()]))]))]));
    logger.emit(placed);

    let mut severe = logger.create_log_record();
    severe.set_timestamp(later(SECOND));
    severe.set_observed_timestamp(later(SECOND));
    severe.set_severity_number(Severity::Error2);
    severe.set_severity_text("SEVERE");
    let order = map([("id", 7.into()), ("lines", list(["a".into(), "b".into()]))]);
    severe.set_body(map([("order", order), ("paid", true.into()), ("total", 9.5.into())]));
    logger.emit(severe);

    let mut observed = logger.create_log_record();
    observed.set_observed_timestamp(later(2 * SECOND));
    observed.set_severity_number(Severity::Debug);
    observed.set_body(list(["a".into(), 1.into(), false.into()]));
    logger.emit(observed);

    for (nanos, body) in [(3 * SECOND, bytes()), (4 * SECOND, 42.into())] {
        let mut bare = logger.create_log_record();
        bare.set_timestamp(later(nanos));
        bare.set_observed_timestamp(later(nanos));
        bare.set_body(body);
        logger.emit(bare);
    }
    provider.shutdown().unwrap();
}

/// The views: an exponential histogram, and one attribute of the latency's two.
fn view(instrument: &Instrument) -> Option<Stream> {
    let exponential = Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
    match instrument.name() {
        "shop.payload" => Stream::builder().with_aggregation(exponential).build().ok(),
        "shop.latency" => Stream::builder().with_allowed_attribute_keys([Key::from("http.route")]).build().ok(),
        _ => None,
    }
}

fn send_metrics(exporters: &Exporters, resource: &Resource, name: &'static str, temporality: Temporality) {
    let reader =
        PeriodicReader::builder(exporters.metrics(temporality)).with_interval(Duration::from_secs(3600)).build();
    let provider =
        SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader).with_view(view).build();
    let meter = provider.meter_with_scope(scope(name, "3.1.4"));
    let orders = meter.u64_counter("shop.orders").with_unit("{order}").with_description("Orders placed").build();
    let revenue = meter.f64_counter("shop.revenue").with_unit("EUR").with_description("Money taken").build();
    let carts = meter.i64_up_down_counter("shop.carts").with_unit("{cart}").with_description("Open carts").build();
    let depth =
        meter.u64_gauge("shop.queue.depth").with_unit("{message}").with_description("Messages that wait").build();
    let latency = meter
        .f64_histogram("shop.latency")
        .with_unit("ms")
        .with_description("Time to answer")
        .with_boundaries(vec![1.0, 10.0, 100.0])
        .build();
    let payload = meter.u64_histogram("shop.payload").with_unit("By").with_description("Size of a request").build();
    let ticks = Arc::new(AtomicI64::new(10));
    let readings = Arc::new(Mutex::new((21.5, -1.5)));
    let now = Arc::clone(&ticks);
    let _ticking = meter
        .u64_observable_counter("shop.ticks")
        .with_unit("{tick}")
        .with_description("Ticks of the clock")
        .with_callback(move |observer| observer.observe(now.load(Ordering::Relaxed) as u64, &[]))
        .build();
    let now = Arc::clone(&readings);
    let _thermometer = meter
        .f64_observable_gauge("shop.temperature")
        .with_unit("Cel")
        .with_description("How warm it is")
        .with_callback(move |observer| observer.observe(now.lock().unwrap().0, &[]))
        .build();
    let now = Arc::clone(&readings);
    let _till = meter
        .f64_observable_up_down_counter("shop.balance")
        .with_unit("EUR")
        .with_description("Money in the till")
        .with_callback(move |observer| observer.observe(now.lock().unwrap().1, &[]))
        .build();

    let region = |region| [KeyValue::new("cloud.region", region)];
    let route = || KeyValue::new("http.route", "/checkout");
    orders.add(3, &region("eu"));
    orders.add(2, &region("us"));
    revenue.add(9.5, &[]);
    carts.add(5, &[]);
    carts.add(-2, &[]);
    depth.record(7, &[]);
    for value in [0.5, 5.0, 7.0, 50.0] {
        latency.record(value, &[route()]);
    }
    {
        let _sampled = Context::new().with_remote_span_context(caller()).attach();
        latency.record(500.0, &[route(), KeyValue::new("user.id", "u-7")]);
    }
    for value in [0, 1, 2, 4] {
        payload.record(value, &[]);
    }
    provider.force_flush().unwrap();

    ticks.store(25, Ordering::Relaxed);
    *readings.lock().unwrap() = (22.5, 2.5);
    orders.add(4, &region("eu"));
    carts.add(-4, &[]);
    depth.record(9, &[]);
    latency.record(0.25, &[route()]);
    payload.record(8, &[]);
    provider.shutdown().unwrap();
}
