// One of everything that the SDK can set. ../everything.json says what becomes of it.
//
// Numbers and texts here, in ../python/senders/everything.py and in ../rust/src/everything.rs are the same.

const {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  ValueType,
  createTraceState,
  trace,
} = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { AggregationTemporalityPreference } = require('@opentelemetry/exporter-metrics-otlp-http');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const {
  AggregationType,
  MeterProvider,
  PeriodicExportingMetricReader,
  createAllowListAttributesProcessor,
} = require('@opentelemetry/sdk-metrics');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');

// 2025-10-09 08:53:20.123456789 UTC, and so many nanoseconds later.
const later = (nanos) => {
  const all = 123_456_789 + nanos;
  return [1_760_000_000 + Math.floor(all / 1e9), all % 1e9];
};
const second = 1e9;

const caller = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  isRemote: true,
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState('ot=th:8,vendor=abc'),
};
const earlier = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  isRemote: true,
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState('vendor=def'),
};
const called = trace.setSpanContext(ROOT_CONTEXT, caller);

// Ids that every run has.
class CountedIds {
  traces = 0;
  spans = 0;

  generateTraceId = () => `11${String(++this.traces).padStart(30, '0')}`;
  generateSpanId = () => `22${String(++this.spans).padStart(14, '0')}`;
}

const schemaUrl = 'https://opentelemetry.io/schemas/1.36.0';
const attributes = { team: 'payments', tier: 1 };

async function send(exporters, run) {
  const resource = resourceFromAttributes(
    {
      'service.name': 'checkout',
      'service.namespace': 'shop',
      'service.version': '2.4.0',
      'deployment.environment.name': 'test',
      'test.run': run,
      'process.pid': 4711,
      'process.command_args': ['serve', '--fast'],
      'host.load': 0.75,
      'host.spot': true,
    },
    { schemaUrl: 'https://opentelemetry.io/schemas/1.37.0' },
  );
  await sendSpans(exporters, resource);
  await sendLogs(exporters, resource);
  await sendMetrics(exporters, resource, 'shop.cumulative', AggregationTemporalityPreference.CUMULATIVE);
  await sendMetrics(exporters, resource, 'shop.delta', AggregationTemporalityPreference.DELTA);
}

async function sendSpans(exporters, resource) {
  const provider = new BasicTracerProvider({
    resource,
    idGenerator: new CountedIds(),
    spanLimits: {
      attributeCountLimit: 16,
      eventCountLimit: 2,
      linkCountLimit: 2,
      attributePerEventCountLimit: 2,
      attributePerLinkCountLimit: 1,
    },
    spanProcessors: [new BatchSpanProcessor(exporters.spans())],
  });
  const tracer = provider.getTracer('shop.checkout', '1.2.3', { schemaUrl, attributes });

  const server = tracer.startSpan(
    'POST /checkout',
    {
      kind: SpanKind.SERVER,
      links: [{ context: earlier, attributes: { 'link.reason': 'retry' } }],
      startTime: later(0),
      attributes: {
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'http.route': '/checkout',
        'text.empty': '',
        'text.unicode': 'grüße 😀',
        'int.negative': -7,
        // JavaScript's numbers end at 2^53: this one can't be said.
        // 'int.large': 9007199254740993,
        double: 0.5,
        'double.whole': 2.0,
        bool: true,
        texts: ['a', 'b'],
        ints: [1, 2],
        doubles: [0.5, 1.5],
        bools: [true, false],
        bytes: new Uint8Array([0, 255]),
        map: { a: 1, b: { c: ['d'] } },
      },
    },
    called,
  );
  server.addEvent('cache.miss', { 'cache.key': 'cart:7', 'cache.size': 3 }, later(1_000));
  server.setStatus({ code: SpanStatusCode.OK });
  const inside = trace.setSpan(ROOT_CONTEXT, server);

  const client = tracer.startSpan(
    'SELECT carts',
    { kind: SpanKind.CLIENT, startTime: later(2_000), attributes: { 'db.system.name': 'postgresql' } },
    inside,
  );
  client.addEvent(
    'exception',
    { 'exception.type': 'Deadlock', 'exception.message': 'cart 7 is locked' },
    later(3_000),
  );
  client.setStatus({ code: SpanStatusCode.ERROR, message: 'deadlock' });
  client.end(later(second + 1_000));

  const producer = tracer.startSpan('publish order', { kind: SpanKind.PRODUCER, startTime: later(4_000) }, inside);
  producer.end(later(5_000));
  server.end(later(2 * second));

  const consumer = tracer.startSpan(
    'process order',
    { kind: SpanKind.CONSUMER, startTime: later(6_000) },
    ROOT_CONTEXT,
  );
  const tooMuch = tracer.startSpan(
    'too much',
    {
      links: Array(3).fill({ context: earlier, attributes: { a: 1, b: 2 } }),
      startTime: later(7_000),
      attributes: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`n${String(n).padStart(2, '0')}`, n])),
    },
    trace.setSpan(ROOT_CONTEXT, consumer),
  );
  for (let n = 0; n < 5; n++) {
    tooMuch.addEvent('tick', { a: 1, b: 2, c: 3 }, later(8_000));
  }
  tooMuch.end(later(9_000));
  consumer.end(later(10_000));
  await provider.shutdown();
}

async function sendLogs(exporters, resource) {
  const processors = [new BatchLogRecordProcessor({ exporter: exporters.logs() })];
  const provider = new LoggerProvider({ resource, processors });
  const logger = provider.getLogger('shop.audit', '2.0.0', { schemaUrl, attributes });
  logger.emit({
    timestamp: later(0),
    observedTimestamp: later(1_000),
    context: called,
    severityNumber: SeverityNumber.INFO,
    severityText: 'INFO',
    body: 'order placed',
    eventName: 'order.placed',
    attributes: {
      'user.id': 'u-7',
      int: -7,
      double: 0.5,
      bool: false,
      texts: ['a', 'b'],
      mixed: ['a', 1, true, 0.5],
      bytes: new Uint8Array([0, 255]),
      map: { a: 1, b: { c: ['d'] } },
    },
  });
  logger.emit({
    timestamp: later(second),
    observedTimestamp: later(second),
    context: ROOT_CONTEXT,
    severityNumber: SeverityNumber.ERROR2,
    severityText: 'SEVERE',
    body: { order: { id: 7, lines: ['a', 'b'] }, paid: true, total: 9.5 },
  });
  logger.emit({ observedTimestamp: later(2 * second), severityNumber: SeverityNumber.DEBUG, body: ['a', 1, false] });
  const bare = (nanos, body) => ({ timestamp: later(nanos), observedTimestamp: later(nanos), body });
  logger.emit(bare(3 * second, new Uint8Array([0, 255])));
  logger.emit(bare(4 * second, 42));
  await provider.shutdown();
}

async function sendMetrics(exporters, resource, scope, temporality) {
  const reader = new PeriodicExportingMetricReader({
    exporter: exporters.metrics(temporality),
    exportIntervalMillis: 3_600_000,
    exportTimeoutMillis: 60_000,
  });
  const provider = new MeterProvider({
    resource,
    readers: [reader],
    views: [
      {
        instrumentName: 'shop.payload',
        aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 160, recordMinMax: true } },
      },
      {
        instrumentName: 'shop.latency',
        attributesProcessors: [createAllowListAttributesProcessor(['http.route'])],
      },
    ],
  });
  const meter = provider.getMeter(scope, '3.1.4', { schemaUrl, attributes });
  const said = (unit, description) => ({ unit, description });
  const whole = (unit, description) => ({ unit, description, valueType: ValueType.INT });
  const orders = meter.createCounter('shop.orders', whole('{order}', 'Orders placed'));
  const revenue = meter.createCounter('shop.revenue', said('EUR', 'Money taken'));
  const carts = meter.createUpDownCounter('shop.carts', whole('{cart}', 'Open carts'));
  const depth = meter.createGauge('shop.queue.depth', whole('{message}', 'Messages that wait'));
  const latency = meter.createHistogram('shop.latency', {
    ...said('ms', 'Time to answer'),
    advice: { explicitBucketBoundaries: [1, 10, 100] },
  });
  const payload = meter.createHistogram('shop.payload', whole('By', 'Size of a request'));
  let [ticks, temperature, balance] = [10, 21.5, -1.5];
  const ticking = meter.createObservableCounter('shop.ticks', whole('{tick}', 'Ticks of the clock'));
  ticking.addCallback((result) => result.observe(ticks));
  const thermometer = meter.createObservableGauge('shop.temperature', said('Cel', 'How warm it is'));
  thermometer.addCallback((result) => result.observe(temperature));
  const till = meter.createObservableUpDownCounter('shop.balance', said('EUR', 'Money in the till'));
  till.addCallback((result) => result.observe(balance));

  orders.add(3, { 'cloud.region': 'eu' });
  orders.add(2, { 'cloud.region': 'us' });
  revenue.add(9.5);
  carts.add(5);
  carts.add(-2);
  depth.record(7);
  for (const value of [0.5, 5.0, 7.0, 50.0]) {
    latency.record(value, { 'http.route': '/checkout' });
  }
  latency.record(500.0, { 'http.route': '/checkout', 'user.id': 'u-7' }, called);
  for (const value of [0, 1, 2, 4]) {
    payload.record(value);
  }
  await provider.forceFlush();

  [ticks, temperature, balance] = [25, 22.5, 2.5];
  orders.add(4, { 'cloud.region': 'eu' });
  carts.add(-4);
  depth.record(9);
  latency.record(0.25, { 'http.route': '/checkout' });
  payload.record(8);
  await provider.shutdown();
}

module.exports = { send };
