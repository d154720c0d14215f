//! OTLP/gRPC: one call of a collector service, with bytes that are already the message.

use bytes::{BufMut, Bytes};
use prost::Message as _;
use reqwest::header::HeaderMap;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Extensions, Request, Status};

use super::client::{CONNECT_TIMEOUT, Compression, REQUEST_TIMEOUT};
use super::reply::{Refusal, Taken};
use crate::model::signal::Signal;
use crate::otlp_reply::ExportResponse;

#[derive(Debug, Clone)]
pub(super) struct GrpcDoor {
    grpc: Grpc<Channel>,
    pub(super) headers: HeaderMap,
}

impl GrpcDoor {
    pub(super) async fn connect(origin: &str, compression: Compression) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(origin.to_owned())?;
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(REQUEST_TIMEOUT).connect().await?;
        let grpc = Grpc::new(channel);
        let grpc = compression.grpc_encoding().map_or(grpc.clone(), |encoding| grpc.send_compressed(encoding));
        Ok(Self { grpc, headers: HeaderMap::new() })
    }

    pub(super) async fn export(&mut self, signal: Signal, request: Bytes) -> Result<Taken, Refusal> {
        let path = PathAndQuery::from_static(match signal {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Spans => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        });
        self.grpc.ready().await.map_err(|error| Refusal::no_answer(error.to_string()))?;
        let request =
            Request::from_parts(MetadataMap::from_headers(self.headers.clone()), Extensions::default(), request);
        let answer = self.grpc.unary(request, path, EncodedCodec).await;
        answer.map(|response| response.into_inner().into()).map_err(|status| Refusal::from_status(&status))
    }
}

/// Requests as they are, answers decoded.
#[derive(Debug, Clone, Copy)]
struct EncodedCodec;

impl Codec for EncodedCodec {
    type Encode = Bytes;
    type Decode = ExportResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for EncodedCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for EncodedCodec {
    type Item = ExportResponse;
    type Error = Status;

    fn decode(&mut self, body: &mut DecodeBuf<'_>) -> Result<Option<ExportResponse>, Status> {
        ExportResponse::decode(body)
            .map(Some)
            .map_err(|error| Status::internal(format!("the endpoint's answer is not OTLP's: {error}")))
    }
}
