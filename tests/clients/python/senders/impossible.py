"""Records with times that can't be, beside good ones. What the exporters answer goes to stdout, a line a signal."""

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

GOOD = 1_760_000_000_123_456_789
# 2100-01-01, and one past what signed 64-bit nanoseconds hold.
TIMES = {"good": GOOD, "future": 4_102_444_800_000_000_000, "beyond": 1 << 63, "also good": GOOD + 1_000}


def send(exporters, run):
    resource = Resource({"service.name": "impossible", "test.run": run})

    spans = InMemorySpanExporter()
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    for name, time in TIMES.items():
        tracers.get_tracer("impossible").start_span(name, start_time=time).end(time)
    exporter = exporters.spans()
    print("spans", exporter.export(spans.get_finished_spans()).name.lower())
    exporter.shutdown()

    logs = InMemoryLogRecordExporter()
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    for name, time in TIMES.items():
        loggers.get_logger("impossible").emit(LogRecord(timestamp=time, observed_timestamp=GOOD, body=name))
    exporter = exporters.logs()
    print("logs", exporter.export(logs.get_finished_logs()).name.lower())
    exporter.shutdown()

    # The SDK's clock gives no such times: points made by hand, sent by the exporter.
    points = [NumberDataPoint({"name": name}, None, time, 1) for name, time in TIMES.items()]
    metric = Metric("impossible", "a gauge", "1", Gauge(points))
    scope = ScopeMetrics(InstrumentationScope("impossible"), [metric], "")
    exporter = exporters.metrics()
    print("metrics", exporter.export(MetricsData([ResourceMetrics(resource, [scope], "")])).name.lower())
    exporter.shutdown()
