"""One of everything that the SDK can set. ../../everything.json says what becomes of it.

Numbers and texts here, in ../../node/everything.js and in ../../rust/src/everything.rs are the same.
"""

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

# 2025-10-09 08:53:20.123456789 UTC
START = 1_760_000_000_123_456_789
SECOND = 1_000_000_000
NEVER_MILLIS = 3_600_000

CALLER = SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C,
    0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(TraceFlags.SAMPLED),
    trace_state=TraceState([("ot", "th:8"), ("vendor", "abc")]),
)
EARLIER = SpanContext(
    0x4BF92F3577B34DA6A3CE929D0E0E4736,
    0x00F067AA0BA902B7,
    is_remote=True,
    trace_flags=TraceFlags(TraceFlags.SAMPLED),
    trace_state=TraceState([("vendor", "def")]),
)


class CountedIds(IdGenerator):
    """Ids that every run has."""

    def __init__(self):
        self.traces = self.spans = 0

    def generate_trace_id(self):
        self.traces += 1
        return (0x11 << 120) + self.traces

    def generate_span_id(self):
        self.spans += 1
        return (0x22 << 56) + self.spans


def send(exporters, run):
    resource = Resource(
        {
            "service.name": "checkout",
            "service.namespace": "shop",
            "service.version": "2.4.0",
            "deployment.environment.name": "test",
            "test.run": run,
            "process.pid": 4711,
            "process.command_args": ["serve", "--fast"],
            "host.load": 0.75,
            "host.spot": True,
        },
        "https://opentelemetry.io/schemas/1.37.0",
    )
    send_spans(exporters, resource)
    send_logs(exporters, resource)
    for scope, temporality in [("shop.cumulative", AggregationTemporality.CUMULATIVE), ("shop.delta", AggregationTemporality.DELTA)]:
        send_metrics(exporters, resource, scope, temporality)


SCOPE = {"schema_url": "https://opentelemetry.io/schemas/1.36.0", "attributes": {"team": "payments", "tier": 1}}


def send_spans(exporters, resource):
    limits = SpanLimits(
        max_span_attributes=16, max_events=2, max_links=2, max_event_attributes=2, max_link_attributes=1
    )
    provider = TracerProvider(resource=resource, id_generator=CountedIds(), span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporters.spans()))
    tracer = provider.get_tracer("shop.checkout", "1.2.3", SCOPE["schema_url"], SCOPE["attributes"])

    server = tracer.start_span(
        "POST /checkout",
        context=trace.set_span_in_context(NonRecordingSpan(CALLER)),
        kind=SpanKind.SERVER,
        links=[Link(EARLIER, {"link.reason": "retry"})],
        start_time=START,
        attributes={
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "http.route": "/checkout",
            "text.empty": "",
            "text.unicode": "grüße 😀",
            "int.negative": -7,
            "int.large": 9007199254740993,
            "double": 0.5,
            "double.whole": 2.0,
            "bool": True,
            "texts": ["a", "b"],
            "ints": [1, 2],
            "doubles": [0.5, 1.5],
            "bools": [True, False],
            "bytes": b"\x00\xff",
            "map": {"a": 1, "b": {"c": ["d"]}},
        },
    )
    server.add_event("cache.miss", {"cache.key": "cart:7", "cache.size": 3}, START + 1_000)
    server.set_status(Status(StatusCode.OK))
    inside = trace.set_span_in_context(server)

    client = tracer.start_span(
        "SELECT carts", inside, SpanKind.CLIENT, {"db.system.name": "postgresql"}, start_time=START + 2_000
    )
    client.add_event(
        "exception", {"exception.type": "Deadlock", "exception.message": "cart 7 is locked"}, START + 3_000
    )
    client.set_status(Status(StatusCode.ERROR, "deadlock"))
    client.end(START + 1_000_001_000)

    producer = tracer.start_span("publish order", inside, SpanKind.PRODUCER, start_time=START + 4_000)
    producer.end(START + 5_000)
    server.end(START + 2 * SECOND)

    consumer = tracer.start_span("process order", kind=SpanKind.CONSUMER, start_time=START + 6_000)
    too_much = tracer.start_span(
        "too much",
        trace.set_span_in_context(consumer),
        links=[Link(EARLIER, {"a": 1, "b": 2})] * 3,
        start_time=START + 7_000,
        attributes={f"n{n:02}": n for n in range(20)},
    )
    for _ in range(5):
        too_much.add_event("tick", {"a": 1, "b": 2, "c": 3}, START + 8_000)
    too_much.end(START + 9_000)
    consumer.end(START + 10_000)
    provider.shutdown()


def send_logs(exporters, resource):
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporters.logs()))
    logger = provider.get_logger("shop.audit", "2.0.0", SCOPE["schema_url"], SCOPE["attributes"])
    logger.emit(
        LogRecord(
            timestamp=START,
            observed_timestamp=START + 1_000,
            context=trace.set_span_in_context(NonRecordingSpan(CALLER)),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body="order placed",
            event_name="order.placed",
            attributes={
                "user.id": "u-7",
                "int": -7,
                "double": 0.5,
                "bool": False,
                "texts": ["a", "b"],
                "mixed": ["a", 1, True, 0.5],
                "bytes": b"\x00\xff",
                "map": {"a": 1, "b": {"c": ["d"]}},
            },
        )
    )
    logger.emit(
        LogRecord(
            timestamp=START + SECOND,
            observed_timestamp=START + SECOND,
            severity_number=SeverityNumber.ERROR2,
            severity_text="SEVERE",
            body={"order": {"id": 7, "lines": ["a", "b"]}, "paid": True, "total": 9.5},
        )
    )
    logger.emit(LogRecord(observed_timestamp=START + 2 * SECOND, severity_number=SeverityNumber.DEBUG, body=["a", 1, False]))
    logger.emit(LogRecord(timestamp=START + 3 * SECOND, observed_timestamp=START + 3 * SECOND, body=b"\x00\xff"))
    logger.emit(LogRecord(timestamp=START + 4 * SECOND, observed_timestamp=START + 4 * SECOND, body=42))
    provider.shutdown()


def send_metrics(exporters, resource, scope, temporality):
    delta_where_it_helps = {
        kind: temporality for kind in (Counter, Histogram, ObservableCounter)
    } | {kind: AggregationTemporality.CUMULATIVE for kind in (UpDownCounter, ObservableUpDownCounter, ObservableGauge)}
    reader = PeriodicExportingMetricReader(
        exporters.metrics(delta_where_it_helps), export_interval_millis=NEVER_MILLIS
    )
    views = [
        View(instrument_name="shop.payload", aggregation=ExponentialBucketHistogramAggregation(max_size=160, max_scale=20)),
        View(instrument_name="shop.latency", attribute_keys={"http.route"}),
    ]
    provider = MeterProvider([reader], resource=resource, views=views, shutdown_on_exit=False)
    meter = provider.get_meter(scope, "3.1.4", SCOPE["schema_url"], SCOPE["attributes"])
    orders = meter.create_counter("shop.orders", "{order}", "Orders placed")
    revenue = meter.create_counter("shop.revenue", "EUR", "Money taken")
    carts = meter.create_up_down_counter("shop.carts", "{cart}", "Open carts")
    depth = meter.create_gauge("shop.queue.depth", "{message}", "Messages that wait")
    latency = meter.create_histogram(
        "shop.latency", "ms", "Time to answer", explicit_bucket_boundaries_advisory=[1, 10, 100]
    )
    payload = meter.create_histogram("shop.payload", "By", "Size of a request")
    rounds = iter([(10, 21.5, -1.5), (25, 22.5, 2.5)])
    now = [None]

    def observed(position):
        def callback(_: CallbackOptions):
            return [Observation(now[0][position])]

        return [callback]

    meter.create_observable_counter("shop.ticks", observed(0), "{tick}", "Ticks of the clock")
    meter.create_observable_gauge("shop.temperature", observed(1), "Cel", "How warm it is")
    meter.create_observable_up_down_counter("shop.balance", observed(2), "EUR", "Money in the till")

    now[0] = next(rounds)
    orders.add(3, {"cloud.region": "eu"})
    orders.add(2, {"cloud.region": "us"})
    revenue.add(9.5)
    carts.add(5)
    carts.add(-2)
    depth.set(7)
    sampled = trace.set_span_in_context(NonRecordingSpan(CALLER))
    for value in (0.5, 5.0, 7.0, 50.0):
        latency.record(value, {"http.route": "/checkout"})
    latency.record(500.0, {"http.route": "/checkout", "user.id": "u-7"}, context=sampled)
    for value in (0, 1, 2, 4):
        payload.record(value)
    provider.force_flush()

    now[0] = next(rounds)
    orders.add(4, {"cloud.region": "eu"})
    carts.add(-4)
    depth.set(9)
    latency.record(0.25, {"http.route": "/checkout"})
    payload.record(8)
    provider.shutdown()
