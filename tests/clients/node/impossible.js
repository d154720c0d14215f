// Records with times that can't be, beside good ones. What the exporters answer goes to stdout, a line a signal.

const { ROOT_CONTEXT } = require('@opentelemetry/api');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { AggregationTemporality, DataPointType } = require('@opentelemetry/sdk-metrics');
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');

// In seconds: 2100-01-01, and one past what signed 64-bit nanoseconds hold.
const times = { good: 1_760_000_000, future: 4_102_444_800, beyond: 9_223_372_037, 'also good': 1_760_000_001 };

const exported = (exporter, records) =>
  new Promise((resolve) => exporter.export(records, (result) => resolve(result.code === 0 ? 'success' : 'failure')));

async function send(exporters, run) {
  const resource = resourceFromAttributes({ 'service.name': 'impossible', 'test.run': run });

  const spans = new InMemorySpanExporter();
  const tracers = new BasicTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(spans)] });
  for (const [name, time] of Object.entries(times)) {
    tracers.getTracer('impossible').startSpan(name, { startTime: [time, 0] }, ROOT_CONTEXT).end([time, 0]);
  }
  await tracers.forceFlush();
  console.log('spans', await exported(exporters.spans(), spans.getFinishedSpans()));

  const logs = new InMemoryLogRecordExporter();
  const loggers = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter: logs })] });
  for (const [name, time] of Object.entries(times)) {
    loggers.getLogger('impossible').emit({ timestamp: [time, 0], observedTimestamp: [times.good, 0], body: name });
  }
  await loggers.forceFlush();
  console.log('logs', await exported(exporters.logs(), logs.getFinishedLogRecords()));

  // The SDK's clock gives no such times: points made by hand, sent by the exporter.
  const metric = {
    descriptor: { name: 'impossible', description: 'a gauge', unit: '1' },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.GAUGE,
    dataPoints: Object.entries(times).map(([name, time]) => ({
      attributes: { name },
      startTime: [times.good, 0],
      endTime: [time, 0],
      value: 1,
    })),
  };
  const scopeMetrics = [{ scope: { name: 'impossible' }, metrics: [metric] }];
  console.log('metrics', await exported(exporters.metrics(), { resource, scopeMetrics }));
}

module.exports = { send };
