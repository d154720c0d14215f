"""The exporters of one protocol and compression."""

import grpc
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter as JsonLogs
from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter as JsonMetrics
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonSpans
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as ProtobufLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as ProtobufMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ProtobufSpans
from opentelemetry.exporter.otlp.common.http import Compression as JsonCompression

# Long enough for every retry that a test makes necessary.
TIMEOUT_SECONDS = 60

KINDS = {
    "grpc": (GrpcSpans, GrpcLogs, GrpcMetrics),
    "http/protobuf": (ProtobufSpans, ProtobufLogs, ProtobufMetrics),
    "http/json": (JsonSpans, JsonLogs, JsonMetrics),
}

COMPRESSIONS = {
    "grpc": {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip},
    "http/protobuf": {"none": Compression.NoCompression, "gzip": Compression.Gzip, "deflate": Compression.Deflate},
    "http/json": {name: JsonCompression(name) for name in ("none", "gzip", "deflate")},
}


class Exporters:
    """Makes exporters, each with a connection of its own."""

    def __init__(self, protocol, compression, endpoint):
        self.spans_kind, self.logs_kind, self.metrics_kind = KINDS[protocol]
        self.protocol, self.endpoint = protocol, endpoint
        self.compression = COMPRESSIONS[protocol][compression]

    def spans(self):
        return self.spans_kind(**self._options("traces"))

    def logs(self):
        return self.logs_kind(**self._options("logs"))

    def metrics(self, temporality=None):
        return self.metrics_kind(**self._options("metrics"), preferred_temporality=temporality)

    def _options(self, signal):
        endpoint = self.endpoint if self.protocol == "grpc" else f"{self.endpoint}/v1/{signal}"
        return {"endpoint": endpoint, "compression": self.compression, "timeout": TIMEOUT_SECONDS}
