// Numbered spans, log records and counted items, in rounds: what arrives can be counted.
//
// Each round begins with a line on stdin and ends with one on stdout, when everything has been exported or given up:
// `done`. Without another line it shuts down.

const { ROOT_CONTEXT } = require('@opentelemetry/api');
const { AggregationTemporalityPreference } = require('@opentelemetry/exporter-metrics-otlp-http');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { createInterface } = require('node:readline');

const perRound = 100;
const patience = 120_000;
// More than a round: a batch that is full before the flush would be sent before it, and not be waited for.
const batch = { maxExportBatchSize: 2 * perRound, scheduledDelayMillis: 3_600_000, exportTimeoutMillis: patience };

async function send(exporters, run) {
  const resource = resourceFromAttributes({ 'service.name': 'numbered', 'test.run': run });
  const tracers = new BasicTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(exporters.spans(), batch)],
  });
  const loggers = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter: exporters.logs(), ...batch })],
  });
  const reader = new PeriodicExportingMetricReader({
    exporter: exporters.metrics(AggregationTemporalityPreference.DELTA),
    exportIntervalMillis: 3_600_000,
    exportTimeoutMillis: patience,
  });
  const meters = new MeterProvider({ resource, readers: [reader] });

  const tracer = tracers.getTracer('numbered');
  const logger = loggers.getLogger('numbered');
  const counter = meters.getMeter('numbered').createCounter('numbered.items');
  let number = 0;
  for await (const _ of createInterface({ input: process.stdin })) {
    for (const end = number + perRound; number < end; number++) {
      tracer.startSpan('item', { attributes: { number } }, ROOT_CONTEXT).end();
      logger.emit({ body: 'item', attributes: { number } });
      counter.add(1);
    }
    for (const provider of [tracers, loggers, meters]) {
      // A signal that was given up must not keep the others from their turn.
      await provider.forceFlush({ timeoutMillis: patience }).catch((error) => console.error('gave up:', error));
    }
    console.log('done');
  }
  for (const provider of [tracers, loggers, meters]) {
    await provider.shutdown();
  }
}

module.exports = { send };
