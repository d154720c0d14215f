//! One listening address and its connections.
//!
//! Guarantees: connections are bounded in number; a connection that sends no whole head of a request in time is
//! closed; a dead HTTP/2 peer is found by ping. With TLS nothing else is spoken, and a handshake that hangs holds up
//! its own connection alone. All tasks belong to the server's [`Life`].
//!
//! hyper is used directly because `axum::serve` sets no timer (so no header timeout and no keepalive) and does not
//! join its connections.
//!
//! ```text
//! accept, at most MAX_CONNECTIONS --> TLS handshake --> connection (HTTP/1.1 | HTTP/2) --> routes
//!      stopping: accept ends          stopping: the request under way ends, then the connection
//! ```

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::life::Life;
use super::tls::{Tls, handshake};
use crate::error::{Error, Result};

/// Connections of one door at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;

/// Time for a request's head, and for a connection to stay without a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// HTTP/2 pings a silent peer after this time, and gives it the same time to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// The largest head of a request.
const MAX_HEAD_BYTES: u32 = 32 * 1024;

/// Pause after an accept that failed for want of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What a door speaks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, and with prior knowledge where there is no TLS, as gRPC does.
    Http2,
}

impl Protocol {
    /// Its name in ALPN (RFC 7301).
    const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// A listening address that serves nobody yet.
#[derive(Debug)]
pub(super) struct Door {
    name: &'static str,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
}

impl Door {
    /// Takes the address, to speak with TLS there if there is any; `None` for a door that is off.
    ///
    /// # Errors
    /// `Config` naming the address.
    pub(super) async fn open(
        name: &'static str,
        address: Option<SocketAddr>,
        tls: Option<&Arc<Tls>>,
    ) -> Result<Option<Self>> {
        let Some(asked) = address else { return Ok(None) };
        let refused = |error: std::io::Error| {
            let advice = match error.kind() {
                std::io::ErrorKind::AddrInUse => "another process has it; stop that one, or give another port",
                std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; give one it has",
                std::io::ErrorKind::PermissionDenied => "the system does not allow it; give a port above 1023",
                _ => "give another address",
            };
            Error::config(format!("{name} can't listen on {asked}: {advice}")).with_source(error)
        };
        let listener = TcpListener::bind(asked).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Some(Self { name, listener, address, tls: tls.map(Arc::clone) }))
    }

    /// The address it got.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How TLS is spoken here by a protocol of this name in ALPN; `None` for plaintext.
    pub(super) fn tls(&self, protocol: &[u8]) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| tls.speaking(protocol))
    }

    /// Serves HTTP until the server stops.
    pub(super) fn serve(self, routes: Router, protocol: Protocol, life: &Life) {
        let connections = Arc::new(connections(protocol, life));
        let tls = self.tls(protocol.alpn());
        let own = life.clone();
        self.serve_streams(life, move |stream, _| {
            let (tls, connections, routes, life) = (tls.clone(), Arc::clone(&connections), routes.clone(), own.clone());
            async move {
                // Replies are small and waited for. Without the option they are as right, and slower.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was not set");
                }
                let Some(tls) = tls else { return serve_connection(stream, connections, routes, life).await };
                match life.stopping().run_until_cancelled(handshake(tls, stream)).await {
                    Some(Ok(stream)) => serve_connection(stream, connections, routes, life.clone()).await,
                    Some(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    None => {}
                }
            }
        });
    }

    /// Hands each connection to `serve` as it came, with the address of its peer, until the server stops. What `serve` answers is
    /// the whole of the connection; it must end soon once the server is stopping.
    pub(super) fn serve_streams<F>(self, life: &Life, serve: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let pulse = life.pulse(self.name);
        let accepting = self.accept(serve, life.clone());
        life.spawn(async move {
            accepting.await;
            drop(pulse);
        });
    }

    async fn accept<F>(self, serve: impl Fn(TcpStream, SocketAddr) -> F, life: Life)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let next = async {
                let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
                Some((slot, self.listener.accept().await))
            };
            let Some(Some((slot, accepted))) = life.stopping().run_until_cancelled(next).await else { return };
            match accepted {
                Ok((stream, peer)) => {
                    life.spawn(hold(slot, serve(stream, peer)));
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(door = self.name, %error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn connections(protocol: Protocol, life: &Life) -> Builder<Life> {
    let mut builder = Builder::new(life.clone());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}

async fn serve_connection<S>(stream: S, connections: Arc<Builder<Life>>, routes: Router, life: Life)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = pin!(connections.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = life.stopping().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error, "a connection broke off");
    }
}

async fn hold(slot: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
    drop(slot);
}

/// Whether the failure concerns one peer alone, which went away before it was accepted.
fn is_of_the_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
