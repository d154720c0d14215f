// The exporters of one protocol and compression, each with a connection of its own.

const kinds = {
  grpc: 'grpc',
  'http/protobuf': 'proto',
  'http/json': 'http',
};

// Long enough for every retry that a test makes necessary.
const timeoutMillis = 60_000;

class Exporters {
  constructor(protocol, compression, endpoint) {
    this.package = kinds[protocol];
    this.options = { compression, timeoutMillis };
    this.url = (signal) => (protocol === 'grpc' ? endpoint : `${endpoint}/v1/${signal}`);
  }

  spans() {
    const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${this.package}`);
    return new OTLPTraceExporter({ ...this.options, url: this.url('traces') });
  }

  logs() {
    const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${this.package}`);
    return new OTLPLogExporter({ ...this.options, url: this.url('logs') });
  }

  metrics(temporalityPreference) {
    const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${this.package}`);
    return new OTLPMetricExporter({ ...this.options, url: this.url('metrics'), temporalityPreference });
  }
}

module.exports = { Exporters };
