//! The client against receivers over HTTP that are busy, refuse, reject or are not what they should be. Over gRPC the
//! demo's own tests do the same (`demo/delivery_tests.rs`).

use std::io::Read as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use bytes::Bytes;

use super::{Client, Compression, SendError};
use crate::model::signal::Signal;

/// What an endpoint answers, one after the other; the last again and again.
type Answer = (StatusCode, Vec<(&'static str, &'static str)>, &'static [u8]);

#[derive(Default)]
struct Endpoint {
    answers: Mutex<Vec<Answer>>,
    /// Path and decompressed body of each request.
    seen: Mutex<Vec<(String, Vec<u8>)>>,
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mut plain = Vec::new();
    match headers.get("content-encoding").map(|name| name.to_str().unwrap()) {
        Some("gzip") => _ = flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap(),
        Some("zstd") => plain = zstd::decode_all(&body[..]).unwrap(),
        _ => plain = body.to_vec(),
    }
    endpoint.seen.lock().unwrap().push((uri.path().to_owned(), plain));
    let mut answers = endpoint.answers.lock().unwrap();
    let (status, headers, body) = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
    (status, axum::response::AppendHeaders(headers), body)
}

async fn serve(answers: Vec<Answer>) -> (String, Arc<Endpoint>) {
    let endpoint = Arc::new(Endpoint { answers: Mutex::new(answers), seen: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/otlp", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&endpoint));
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, endpoint)
}

#[tokio::test]
async fn a_busy_endpoint_gets_the_same_bytes_again_until_it_takes_them() {
    // partial_success { rejected: 2, error_message: "old" }
    const PARTIAL: &[u8] = &[0x0a, 7, 0x08, 2, 0x12, 3, b'o', b'l', b'd'];
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let busy = |status| (status, vec![("retry-after", "0")], &b""[..]);
        let taken = (StatusCode::OK, vec![("content-type", "application/x-protobuf")], PARTIAL);
        let answers = vec![
            busy(StatusCode::SERVICE_UNAVAILABLE),
            busy(StatusCode::TOO_MANY_REQUESTS),
            busy(StatusCode::BAD_GATEWAY),
            taken,
        ];
        let (url, endpoint) = serve(answers).await;
        let mut client = Client::connect(&url, None, compression).await.unwrap();
        let delivery = client.send(Signal::Spans, 9, Bytes::from_static(b"request")).await.unwrap();
        assert_eq!((delivery.records, delivery.rejected, delivery.retries), (9, 2, 3));
        assert_eq!(delivery.message, "old");
        let expected = ("/otlp/v1/traces".to_owned(), b"request".to_vec());
        assert_eq!(*endpoint.seen.lock().unwrap(), vec![expected; 4], "{compression:?}");
    }
}

#[rstest::rstest]
#[case(StatusCode::BAD_REQUEST)]
#[case(StatusCode::NOT_FOUND)]
#[case(StatusCode::INTERNAL_SERVER_ERROR)]
#[case(StatusCode::PERMANENT_REDIRECT)]
#[tokio::test]
async fn a_refusal_is_final(#[case] status: StatusCode) {
    let (url, endpoint) = serve(vec![(status, vec![("location", "/elsewhere")], b"not like this")]).await;
    let mut client = Client::connect(&url, None, Compression::Gzip).await.unwrap();
    let error = client.send(Signal::Logs, 1, Bytes::new()).await.unwrap_err();
    assert!(error.to_string().contains("not like this"), "{error}");
    assert!(matches!(error, SendError::Refused { tries: 1, .. }), "{error}");
    assert_eq!(endpoint.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn where_tls_is_asked_for_nothing_is_sent_in_plain_text() {
    let (url, endpoint) = serve(vec![(StatusCode::OK, vec![], b"")]).await;
    let url = url.replace("http://", "https://");
    let mut client = Client::connect(&url, None, Compression::Gzip).await.unwrap();
    let error = client.send(Signal::Logs, 1, Bytes::new()).await.unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }), "{error}");
    assert!(endpoint.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_waiting() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut client = Client::connect(&format!("http://{unused}/otlp"), None, Compression::Gzip).await.unwrap();
    let error = client.send(Signal::Logs, 1, Bytes::new()).await.unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }), "{error}");
}
