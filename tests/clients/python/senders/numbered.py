"""Numbered spans, log records and counted items, in rounds: what arrives can be counted.

Each round begins with a line on stdin and ends with one on stdout, when everything has been exported or given up:
`done`. Without another line it shuts down.
"""

import sys

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

PER_ROUND = 100
# More than a round: a batch that is full before the flush would be sent before it.
BATCH = {"max_export_batch_size": 2 * PER_ROUND, "schedule_delay_millis": 3_600_000}
PATIENCE_MILLIS = 120_000


def send(exporters, run):
    resource = Resource({"service.name": "numbered", "test.run": run})
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(exporters.spans(), **BATCH))
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(exporters.logs(), **BATCH))
    exporter = exporters.metrics({Counter: AggregationTemporality.DELTA})
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)

    tracer, logger = tracers.get_tracer("numbered"), loggers.get_logger("numbered")
    counter = meters.get_meter("numbered").create_counter("numbered.items")
    number = 0
    for _ in sys.stdin:
        for _ in range(PER_ROUND):
            tracer.start_span("item", attributes={"number": number}).end()
            logger.emit(LogRecord(body="item", attributes={"number": number}))
            counter.add(1)
            number += 1
        for provider in (tracers, loggers, meters):
            provider.force_flush(PATIENCE_MILLIS)
        print("done", flush=True)
    for provider in (tracers, loggers, meters):
        provider.shutdown()
