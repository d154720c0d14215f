//! The sender and the pace against a server that is busy first and then rejects a record of each request.

use super::{Counts, DemoSignal, Sender, Shop, Until, run};
use crate::model::signal::Signal;
use crate::otlp_client::{Compression, SendError};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const START: u64 = 1_767_600_000_000_000_000;

#[derive(Default)]
struct Store {
    busy_answers_left: AtomicU32,
    received: Mutex<Counts>,
    refused_metrics: AtomicU64,
}

#[derive(Clone, Default)]
struct Receiver(Arc<Store>);

impl Receiver {
    fn busy_for(answers: u32) -> Self {
        let store = Store { busy_answers_left: AtomicU32::new(answers), ..Store::default() };
        Self(Arc::new(store))
    }

    fn take(&self, counts: Counts) -> Result<(), Status> {
        let left = &self.0.busy_answers_left;
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Status::unavailable("buffer is full"));
        }
        *self.0.received.lock().expect("no test panics with the lock") += counts;
        Ok(())
    }

    fn received(&self) -> Counts {
        *self.0.received.lock().expect("no test panics with the lock")
    }

    /// Serves on a free port until the test's runtime ends; returns the endpoint.
    fn serve(&self) -> String {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let endpoint = format!("http://{}", incoming.local_addr().expect("bound"));
        let (gzip, zstd) = (CompressionEncoding::Gzip, CompressionEncoding::Zstd);
        let logs = LogsServiceServer::new(self.clone()).accept_compressed(gzip).accept_compressed(zstd);
        let traces = TraceServiceServer::new(self.clone()).accept_compressed(gzip).accept_compressed(zstd);
        let metrics = MetricsServiceServer::new(self.clone()).accept_compressed(gzip).accept_compressed(zstd);
        let server = Server::builder().add_service(logs).add_service(traces).add_service(metrics);
        tokio::spawn(server.serve_with_incoming(incoming));
        endpoint
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take(super::Export::Logs(request.into_inner()).counts())?;
        let partial = ExportLogsPartialSuccess { rejected_log_records: 1, error_message: "too old".to_owned() };
        Ok(Response::new(ExportLogsServiceResponse { partial_success: Some(partial) }))
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(super::Export::Traces(request.into_inner()).counts())?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        if self.0.refused_metrics.load(Ordering::SeqCst) > 0 {
            return Err(Status::invalid_argument("not like this"));
        }
        self.take(super::Export::Metrics(request.into_inner()).counts())?;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::test]
async fn a_busy_server_gets_everything_in_the_end_and_rejections_are_counted() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let receiver = Receiver::busy_for(2);
        let mut sender = Sender::connect(&receiver.serve(), compression).await.expect("it listens");
        let tick = Shop::new(1, START).advance_records(3_000);
        let (mut rejected, mut retries) = (0, 0);
        for export in &tick.exports {
            let delivery = sender.send(export).await.expect("the server recovers");
            assert_eq!(delivery.rejected > 0, export.signal() == DemoSignal::Logs);
            rejected += delivery.rejected;
            retries += delivery.retries;
        }
        assert_eq!(receiver.received(), tick.counts, "{compression:?}");
        assert_eq!(retries, 2);
        assert_eq!(rejected, tick.exports.iter().filter(|export| export.signal() == DemoSignal::Logs).count() as u64);
    }
}

#[tokio::test]
async fn a_run_reports_what_the_server_received() {
    let receiver = Receiver::default();
    let mut sender = Sender::connect(&receiver.serve(), Compression::Zstd).await.expect("it listens");
    let mut shop = Shop::new(1, START).with_records_per_second(2_000.0);
    let until = Until::Elapsed(Duration::from_millis(300));
    let mut reports = 0;
    let progress = run(&mut shop, &mut sender, until, std::future::pending(), |_| reports += 1).await;
    let progress = progress.expect("the server takes everything");
    assert!(reports >= 2 && progress.sent.total() > 0 && progress.rejected > 0);
    assert_eq!(progress.sent, receiver.received());
    assert_eq!(progress.last_message, "too old");
}

#[tokio::test]
async fn a_run_ends_when_it_is_told_to_or_when_the_server_refuses() {
    let receiver = Receiver::default();
    receiver.0.refused_metrics.store(1, Ordering::SeqCst);
    let mut sender = Sender::connect(&receiver.serve(), Compression::None).await.expect("it listens");
    let mut shop = Shop::new(1, START);
    let stopped = run(&mut shop, &mut sender, Until::Forever, std::future::ready(()), |_| ()).await;
    assert_eq!(stopped.expect("nothing was sent").sent, Counts::default());

    let refused = run(&mut shop, &mut sender, Until::Forever, std::future::pending(), |_| ()).await;
    let error = refused.expect_err("bad data is not sent again");
    assert!(matches!(error, SendError::Refused { signal: Signal::Metrics, tries: 1, .. }), "{error}");
}

#[tokio::test]
async fn tls_is_never_left_out_silently() {
    for endpoint in ["https://127.0.0.1:4317", "127.0.0.1:4317", ""] {
        let error = Sender::connect(endpoint, Compression::None).await.expect_err("not plain HTTP");
        assert!(matches!(error, SendError::Address(_)), "{endpoint}: {error}");
    }
}
