//! The OTLP doors as exporters meet them: statuses, headers, bodies, and when to try again.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use reqwest::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CONTENT_TYPE, RETRY_AFTER,
};
use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use telestrata::error::ErrorKind;
use telestrata::server::start;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

use super::server_support::{TIME_NANOS, TestServer, gzip, logs, metrics, settings, spans, zstd};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// `google.rpc.Status`, as a client that knows protobuf reads it.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// A reply of the OTLP/HTTP door.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: reqwest::header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The `Status` body, which must be in this content type.
    fn rpc_status(&self, content_type: &str) -> RpcStatus {
        assert_eq!(self.header(CONTENT_TYPE), content_type);
        if content_type == PROTOBUF {
            return RpcStatus::decode(self.body.as_slice()).unwrap();
        }
        let json = self.json();
        let code = i32::try_from(json["code"].as_i64().unwrap()).unwrap();
        RpcStatus { code, message: json["message"].as_str().unwrap().to_owned(), details: Vec::new() }
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

async fn post(server: &TestServer, path: &str, content_type: &str, encoding: &str, body: Vec<u8>) -> Reply {
    let mut request = server.client.post(server.otlp(path)).header(CONTENT_TYPE, content_type).body(body);
    if !encoding.is_empty() {
        request = request.header("content-encoding", encoding);
    }
    reply(request).await
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn compress(encoding: &str, plain: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => gzip(plain),
        "zstd" => zstd(plain),
        "deflate" => deflate(plain),
        _ => plain.to_vec(),
    }
}

fn minimal_json(signal: &str) -> Value {
    let time = TIME_NANOS.to_string();
    match signal {
        "logs" => json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": time}]}]}]}),
        "traces" => json!({"resourceSpans": [{"scopeSpans": [{"spans": [
            {"name": "n", "startTimeUnixNano": time, "endTimeUnixNano": time}, {"name": "rejected"}]}]}]}),
        _ => json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": time, "asInt": "1"}]}}]}]}]}),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn http_takes_every_signal_in_every_compression_and_says_nothing_more_than_success(
    #[values("", "identity", "gzip", "zstd", "deflate", "GZIP")] encoding: &str,
) {
    let server = TestServer::start().await;
    let requests = [
        ("/v1/logs", logs(2).encode_to_vec()),
        ("/v1/traces", spans(&[TIME_NANOS]).encode_to_vec()),
        ("/v1/metrics", metrics(&[TIME_NANOS]).encode_to_vec()),
    ];
    for (path, body) in requests {
        let body = compress(&encoding.to_lowercase(), &body);
        let reply = post(&server, path, PROTOBUF, encoding, body).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert_eq!(reply.header(CONTENT_TYPE), PROTOBUF);
        assert!(reply.body.is_empty(), "partial_success is unset: {reply:?}");
        assert_eq!(reply.header(ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    }
    for table in ["logs", "metrics"] {
        let path = format!("/v1/{table}");
        let body = compress(&encoding.to_lowercase(), minimal_json(table).to_string().as_bytes());
        let reply = post(&server, &path, "application/json; charset=utf-8", encoding, body).await;
        assert_eq!((reply.status, reply.header(CONTENT_TYPE)), (StatusCode::OK, JSON), "{reply:?}");
        assert_eq!(reply.json(), json!({}));
    }
    let counts = server
        .rows("SELECT (SELECT count(*) FROM logs) AS l, (SELECT count(*) FROM spans) AS s, (SELECT count(*) FROM metrics) AS m")
        .await;
    assert_eq!(counts, [json!({"l": 3, "s": 1, "m": 2})]);
    let sources = server.rows("SELECT DISTINCT source FROM logs").await;
    assert_eq!(sources, [json!({"source": "otlp/http"})]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_succeeds(#[values("/v1/logs", "/v1/traces", "/v1/metrics")] path: &str) {
    let server = TestServer::start().await;
    let reply = post(&server, path, PROTOBUF, "", Vec::new()).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
    let reply = post(&server, path, JSON, "", b"{}".to_vec()).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_records_are_in_the_partial_success_and_their_neighbours_in_the_table() {
    let server = TestServer::start().await;
    let reply = post(&server, "/v1/traces", PROTOBUF, "gzip", gzip(&spans(&[TIME_NANOS, 0]).encode_to_vec())).await;
    assert_eq!(reply.status, 200);
    let partial = ExportTraceServiceResponse::decode(reply.body.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(!partial.error_message.is_empty());

    let reply = post(&server, "/v1/traces", JSON, "", minimal_json("traces").to_string().into_bytes()).await;
    let partial = reply.json()["partialSuccess"].clone();
    assert_eq!((reply.status, &partial["rejectedSpans"]), (StatusCode::OK, &json!("1")), "{partial}");
    assert!(partial["errorMessage"].as_str().is_some_and(|message| message.contains("1 spans rejected")), "{partial}");

    let reply = post(&server, "/v1/metrics", PROTOBUF, "", metrics(&[0, 0]).encode_to_vec()).await;
    let partial = ExportMetricsServiceResponse::decode(reply.body.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!((reply.status, partial.rejected_data_points), (StatusCode::OK, 2), "all of them, and still no retry");

    assert_eq!(server.rows("SELECT count(*) AS n FROM spans").await, [json!({"n": 2})]);
}

#[rstest]
#[case(PROTOBUF, "", b"\xff\xff no protobuf".to_vec())]
#[case(PROTOBUF, "gzip", b"no gzip".to_vec())]
#[case(PROTOBUF, "zstd", b"no zstd".to_vec())]
#[case(JSON, "", b"{\"resourceLogs\": [".to_vec())]
#[case(JSON, "gzip", gzip(b"[]"))]
#[tokio::test(flavor = "multi_thread")]
async fn malformed_bytes_are_the_senders_to_mend(
    #[case] content_type: &str,
    #[case] encoding: &str,
    #[case] body: Vec<u8>,
) {
    let server = TestServer::start().await;
    let reply = post(&server, "/v1/logs", content_type, encoding, body).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let status = reply.rpc_status(content_type);
    assert_eq!(status.code, Code::InvalidArgument as i32);
    assert!(!status.message.is_empty());
    assert!(reply.headers.get(RETRY_AFTER).is_none());
    assert_eq!(server.metric("telestrata_refused_requests_total{signal=\"logs\",reason=\"malformed\"}").await, 1.0);
}

#[rstest]
#[case::before("", vec![0; 100_001])]
#[case::far_before("", vec![0; 1_000_000])]
#[case::after_gzip("gzip", gzip(&vec![0; 100 << 20]))]
#[case::after_zstd("zstd", zstd(&vec![0; 100 << 20]))]
#[case::after_deflate("deflate", deflate(&vec![0; 100_001]))]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_before_or_after_decompression_is_413(#[case] encoding: &str, #[case] body: Vec<u8>) {
    let server = TestServer::start_with(settings(100_000)).await;
    for content_type in [PROTOBUF, JSON] {
        let reply = post(&server, "/v1/logs", content_type, encoding, body.clone()).await;
        assert_eq!(reply.status, 413, "{reply:?}");
        let status = reply.rpc_status(content_type);
        assert_eq!(status.code, Code::ResourceExhausted as i32);
        assert!(status.message.contains("100000 bytes"), "{status:?}");
        assert!(reply.headers.get(RETRY_AFTER).is_none());
    }
    let refused = "telestrata_refused_requests_total{signal=\"logs\",reason=\"too_large\"}";
    assert_eq!(server.metric(refused).await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_exactly_the_limit_is_taken() {
    let body = logs(50).encode_to_vec();
    let server = TestServer::start_with(settings(body.len())).await;
    for (encoding, sent) in [("", body.clone()), ("gzip", gzip(&body)), ("zstd", zstd(&body))] {
        assert_eq!(post(&server, "/v1/logs", PROTOBUF, encoding, sent).await.status, 200, "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_types_paths_and_methods_say_what_is_known() {
    let server = TestServer::start().await;
    let reply = post(&server, "/v1/logs", "text/plain", "", Vec::new()).await;
    assert_eq!(reply.status, 415);
    assert!(reply.rpc_status(JSON).message.contains(PROTOBUF));

    let reply = post(&server, "/v1/logs", PROTOBUF, "br", Vec::new()).await;
    assert_eq!(reply.status, 415);
    assert_eq!(reply.header(ACCEPT_ENCODING), "gzip, zstd, deflate, identity");
    assert!(reply.rpc_status(PROTOBUF).message.contains("zstd"));

    let reply = post(&server, "/v1/profiles", PROTOBUF, "", Vec::new()).await;
    assert_eq!(reply.status, 404);
    assert!(reply.rpc_status(PROTOBUF).message.contains("/v1/traces"));

    let reply = reply_to_get(&server, "/v1/logs").await;
    assert_eq!((reply.status, reply.header(ALLOW)), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    assert!(reply.rpc_status(JSON).message.contains("POST"));
}

async fn reply_to_get(server: &TestServer, path: &str) -> Reply {
    reply(server.client.get(server.otlp(path))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_may_send() {
    let server = TestServer::start().await;
    let preflight = server
        .client
        .request(Method::OPTIONS, server.otlp("/v1/traces"))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-own");
    let reply = reply(preflight).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header(ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    assert_eq!(reply.header(ACCESS_CONTROL_ALLOW_METHODS), "POST");
    assert_eq!(reply.header(ACCESS_CONTROL_ALLOW_HEADERS), "content-type,x-own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_store_asks_to_come_again() {
    let server = TestServer::start().await;
    let mut client = LogsServiceClient::connect(server.grpc()).await.unwrap();
    server.store.close().await.unwrap();
    for content_type in [PROTOBUF, JSON] {
        let body = if content_type == JSON { b"{}".to_vec() } else { logs(1).encode_to_vec() };
        let reply = post(&server, "/v1/logs", content_type, "", body).await;
        assert_eq!((reply.status, reply.header(RETRY_AFTER)), (StatusCode::SERVICE_UNAVAILABLE, "2"));
        assert_eq!(reply.rpc_status(content_type).code, Code::Unavailable as i32);
    }
    let status = client.export(logs(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let details = RpcStatus::decode(status.details()).unwrap();
    assert_eq!((details.code, details.message.as_str()), (Code::Unavailable as i32, status.message()));
    let [retry] = details.details.as_slice() else { panic!("one detail: {details:?}") };
    assert_eq!(retry.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    // retry_delay { seconds: 2 }
    assert_eq!(retry.value, [10, 2, 8, 2]);
}

#[rstest]
#[case(None)]
#[case(Some(CompressionEncoding::Gzip))]
#[case(Some(CompressionEncoding::Zstd))]
#[tokio::test(flavor = "multi_thread")]
async fn grpc_takes_every_signal_in_every_compression(#[case] compression: Option<CompressionEncoding>) {
    let server = TestServer::start().await;
    let mut logs_client = LogsServiceClient::connect(server.grpc()).await.unwrap();
    let mut spans_client = TraceServiceClient::connect(server.grpc()).await.unwrap();
    let mut metrics_client = MetricsServiceClient::connect(server.grpc()).await.unwrap();
    if let Some(compression) = compression {
        logs_client = logs_client.send_compressed(compression).accept_compressed(compression);
        spans_client = spans_client.send_compressed(compression);
        metrics_client = metrics_client.send_compressed(compression);
    }
    let reply = logs_client.export(logs(3)).await.unwrap().into_inner();
    assert_eq!(reply, ExportLogsServiceResponse { partial_success: None });
    let reply = spans_client.export(spans(&[TIME_NANOS, 0])).await.unwrap().into_inner();
    assert_eq!(reply.partial_success.unwrap().rejected_spans, 1);
    let reply = metrics_client.export(metrics(&[0])).await.unwrap().into_inner();
    let ExportMetricsPartialSuccess { rejected_data_points, error_message } = reply.partial_success.unwrap();
    assert!(rejected_data_points == 1 && error_message.contains("rejected"), "{error_message}");

    for _ in 0..2 {
        let reply = logs_client.export(ExportLogsServiceRequest::default()).await.unwrap().into_inner();
        assert_eq!(reply.partial_success, None);
    }
    spans_client.export(ExportTraceServiceRequest::default()).await.unwrap();
    metrics_client.export(ExportMetricsServiceRequest::default()).await.unwrap();
    let rows = server.rows("SELECT source, count(*) AS n FROM logs GROUP BY source").await;
    assert_eq!(rows, [json!({"source": "otlp/grpc", "n": 3})]);
}

#[rstest]
#[case(None)]
#[case(Some(CompressionEncoding::Gzip))]
#[case(Some(CompressionEncoding::Zstd))]
#[tokio::test(flavor = "multi_thread")]
async fn grpc_refuses_what_is_too_large_without_asking_to_retry(#[case] compression: Option<CompressionEncoding>) {
    let server = TestServer::start_with(settings(100_000)).await;
    let mut client = LogsServiceClient::connect(server.grpc()).await.unwrap();
    if let Some(compression) = compression {
        client = client.send_compressed(compression);
    }
    let status = client.export(logs(20_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("100000 bytes") && status.details().is_empty(), "{status:?}");
    // The connection is as good as before.
    client.export(logs(1)).await.unwrap();
}

/// Calls a method with bytes as they are.
async fn call_raw(server: &TestServer, path: &'static str, message: &[u8], encoding: Option<&'static str>) -> Status {
    let channel = tonic::transport::Endpoint::new(server.grpc()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(RawMessage { bytes: message.to_vec() });
    if let Some(encoding) = encoding {
        request.metadata_mut().insert("grpc-encoding", encoding.parse().unwrap());
    }
    let codec = tonic_prost::ProstCodec::<RawMessage, ExportLogsServiceResponse>::default();
    client.unary(request, path.parse().unwrap(), codec).await.unwrap_err()
}

/// Field 1 as bytes: `resource_logs` with anything in it.
#[derive(Clone, PartialEq, Message)]
struct RawMessage {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_refusals_are_final() {
    let server = TestServer::start().await;
    let export = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let status = call_raw(&server, export, b"\xff\xff", None).await;
    assert_eq!((status.code(), status.details().is_empty()), (Code::InvalidArgument, true), "{status:?}");

    let status = call_raw(&server, export, b"", Some("br")).await;
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "gzip,zstd,deflate,identity");

    let status = call_raw(&server, "/opentelemetry.proto.collector.logs.v1.LogsService/Delete", b"", None).await;
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_what_to_do() {
    let server = TestServer::start().await;
    let mut settings = settings(1000);
    settings.otlp_http = server.running.addresses().otlp_grpc;
    let taken = settings.otlp_http.unwrap().to_string();
    let error = start(server.store.clone(), server.engine.clone(), settings).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(&taken) && error.to_string().contains("another port"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_request_under_way_end_and_takes_no_other() {
    let server = TestServer::start().await;
    let address = server.running.addresses().otlp_http.unwrap();
    let body = logs(1).encode_to_vec();
    let mut connection = BufReader::new(TcpStream::connect(address).await.unwrap());
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    connection.read_line(&mut line).await.unwrap();
    assert!(line.contains("100 Continue"), "the handler asks for the body: {line}");

    let (grpc, http) = (server.running.addresses().otlp_grpc.unwrap(), server.running.addresses().http.unwrap());
    let mut stopping = Box::pin(server.running.stop());
    let refused = async {
        for address in [grpc, http, address] {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        () = &mut stopping => panic!("stopped with a request under way"),
        () = refused => {}
    }
    connection.write_all(&body).await.unwrap();
    let mut reply = String::new();
    let (read, ()) = tokio::join!(connection.read_to_string(&mut reply), stopping);
    read.unwrap();
    assert!(reply.contains("HTTP/1.1 200 OK"), "{reply}");
    assert_eq!(server.store.pin().iter().map(|(_, table)| table.hot_rows()).sum::<usize>(), 1);
}
