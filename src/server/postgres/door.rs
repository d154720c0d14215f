//! A connection from its first byte to a session: TLS, cancel requests, how many there may be.
//!
//! ```text
//! TCP --> 0x16 (TLS at once) | SSLRequest --> TLS --+
//!     --> GSSENCRequest: no                         +--> startup packet --> login.rs --> session.rs
//!     --> CancelRequest --> its queries stop, end   |
//!     --> (plain) ----------------------------------+
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::cancel::Keys;
use super::errors::{Failure, Refusal};
use super::login::{Startup, log_in};
use super::logins::{Login, Logins};
use super::message::violated;
use super::session::Session;
use super::wire::{Duplex, MAX_FIRST_MESSAGE, Wire};
use crate::auth::{Principal, Role, Users};
use crate::error::ErrorKind;
use crate::metrics::{ByDoor, Metrics};
use crate::server::service::QueryService;

/// Sessions at a time.
const MAX_SESSIONS: usize = 256;

/// Codes in the place of a protocol's version.
const CANCEL: i32 = 80_877_102;
const SSL: i32 = 80_877_103;
const GSS: i32 = 80_877_104;

/// The PostgreSQL door.
pub(in crate::server) struct PostgresDoor {
    service: Arc<QueryService>,
    users: Arc<Users>,
    tls: Option<TlsAcceptor>,
    keys: Arc<Keys>,
    logins: Logins,
    sessions: Semaphore,
    refused: Family<ByDoor, Counter>,
    stopping: CancellationToken,
}

impl std::fmt::Debug for PostgresDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresDoor").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// What a client asks for first.
enum First {
    Tls,
    Gss,
    Cancel { process: i32, secret: Bytes },
    Startup(Startup),
}

impl PostgresDoor {
    /// What a TLS client that asks for nothing first must offer (PostgreSQL 17, "SSL Session Encryption").
    pub(in crate::server) const ALPN: &'static [u8] = b"postgresql";

    /// A door whose clients log in as `users`, over TLS where there is a configuration for it, until `stopping`.
    pub(in crate::server) fn new(
        service: Arc<QueryService>,
        users: Arc<Users>,
        tls: Option<Arc<rustls::ServerConfig>>,
        metrics: &Metrics,
        stopping: CancellationToken,
    ) -> Self {
        let tls = tls.map(TlsAcceptor::from);
        let sessions = Semaphore::new(MAX_SESSIONS);
        let refused = metrics.refused_callers.clone();
        Self { service, users, tls, keys: Arc::default(), logins: Logins::default(), sessions, refused, stopping }
    }

    /// Serves a connection to its end.
    pub(in crate::server) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let login = self.logins.begin();
        match self.stopping.run_until_cancelled(login.within(self.open(stream))).await {
            Some(Ok(Some((wire, startup)))) => Box::pin(self.session(wire, startup, peer, login)).await,
            Some(Err(error)) => tracing::debug!(?error, %peer, "a connection broke off before its login"),
            Some(Ok(None)) | None => {}
        }
    }

    /// A connection that asks for a session; `None` for one that asked for something else.
    async fn open(&self, stream: TcpStream) -> io::Result<Option<(Wire, Startup)>> {
        let mut stream = kept_alive(stream)?;
        let mut first = [0];
        let direct = stream.peek(&mut first).await? == 1 && first == [0x16];
        if direct {
            let Some(tls) = &self.tls else { return Ok(None) };
            let stream = tls.accept(stream).await?;
            if stream.get_ref().1.alpn_protocol() != Some(Self::ALPN) {
                return Ok(None);
            }
            return self.begun(Box::new(stream), true).await;
        }
        loop {
            match first_of(&mut stream).await? {
                First::Tls => match &self.tls {
                    Some(tls) => {
                        stream.write_all(b"S").await?;
                        // Nothing was read ahead, so nothing that came in the clear is taken for a part of it.
                        let stream = tls.accept(stream).await?;
                        return self.begun(Box::new(stream), true).await;
                    }
                    None => stream.write_all(b"N").await?,
                },
                First::Gss => stream.write_all(b"N").await?,
                First::Cancel { process, secret } => {
                    self.cancel(process, &secret);
                    return Ok(None);
                }
                First::Startup(startup) => return self.checked(Wire::new(Box::new(stream)), startup, false).await,
            }
        }
    }

    /// What is asked for over TLS.
    async fn begun(&self, mut stream: Box<dyn Duplex>, encrypted: bool) -> io::Result<Option<(Wire, Startup)>> {
        match first_of(&mut stream).await? {
            First::Startup(startup) => self.checked(Wire::new(stream), startup, encrypted).await,
            First::Cancel { process, secret } => {
                self.cancel(process, &secret);
                Ok(None)
            }
            First::Tls | First::Gss => Ok(None),
        }
    }

    async fn checked(&self, wire: Wire, startup: Startup, encrypted: bool) -> io::Result<Option<(Wire, Startup)>> {
        if self.tls.is_some() && !encrypted {
            let refusal =
                Refusal::new("28000", "this server is reached over TLS only").with_hint("set sslmode=require");
            end(wire, &refusal).await;
            return Ok(None);
        }
        Ok(Some((wire, startup)))
    }

    fn cancel(&self, process: i32, secret: &[u8]) {
        for id in self.keys.queries_of(process, secret) {
            // Whoever has the key is the one whose query it is.
            if let Err(error) = self.service.cancel(&id, &Principal::local()) {
                tracing::debug!(%error, "a query was not cancelled");
            }
        }
    }

    /// Counts a login whose credentials were not enough.
    fn count(&self, refusal: &Refusal) {
        let kinds = [ErrorKind::Unauthenticated, ErrorKind::Forbidden];
        if let Some(kind) = kinds.into_iter().find(|kind| kind.sqlstate() == refusal.code()) {
            self.refused.get_or_create(&ByDoor { door: "postgres", reason: kind.name() }).inc();
        }
    }

    async fn session(&self, mut wire: Wire, startup: Startup, peer: SocketAddr, login: Login<'_>) {
        let logging_in = async {
            let principal = log_in(&mut wire, &startup, |name| self.users.scram(name)).await?;
            // Whoever may ask nothing has nothing read.
            principal.require(Role::Query)?;
            Ok::<_, Failure>(principal)
        };
        let principal = match self.stopping.run_until_cancelled(login.within(logging_in)).await {
            Some(Ok(principal)) => principal,
            Some(Err(Failure::Refused(refusal))) => {
                tracing::info!(user = startup.user(), %peer, reason = refusal.message(), "a login was refused");
                self.count(&refusal);
                return end(wire, &refusal).await;
            }
            Some(Err(Failure::Gone(error))) => {
                return tracing::debug!(%error, %peer, "a connection broke off in its login");
            }
            None => return end(wire, &stopped()).await,
        };
        drop(login);
        // Only now, so that those who are not let in take no place from those who are.
        let Ok(_slot) = self.sessions.try_acquire() else {
            let refusal =
                Refusal::new("53300", format!("there are {MAX_SESSIONS} sessions, which is as many as there may be"))
                    .with_hint("close others, or ask again later");
            return end(wire, &refusal).await;
        };
        wire.trust();
        let session = Session::new(wire, Arc::clone(&self.service), principal, &self.keys, &startup);
        let (wire, refusal) = session.run(&startup, &self.stopping).await;
        match refusal {
            Some(refusal) if refusal.is_violation() => end_unread(wire, &refusal).await,
            Some(refusal) => end(wire, &refusal).await,
            None => wire.close().await,
        }
    }
}

/// Why a session ends that nobody ended.
pub(super) fn stopped() -> Refusal {
    Refusal::new("57P01", "the server is stopping")
}

/// Ends a connection with an error.
async fn end(mut wire: Wire, refusal: &Refusal) {
    if wire.put(&refusal.fatal()).is_ok() {
        wire.close().await;
    }
}

/// The same where the client may have sent more than was read: a reset in answer to it could destroy the error.
async fn end_unread(mut wire: Wire, refusal: &Refusal) {
    if wire.put(&refusal.fatal()).is_ok() && wire.flush().await.is_ok() {
        wire.drain().await;
    }
}

/// The connection with TCP's keepalive, so that a session whose client vanished is found in time.
fn kept_alive(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    // tokio has the option for its sockets only; it is the connection's, whichever handle sets it.
    TcpSocket::from_std_stream(stream.try_clone()?).set_keepalive(true)?;
    TcpStream::from_std(stream)
}

/// Reads a packet of the kinds that come first.
async fn first_of(stream: &mut (impl Duplex + ?Sized)) -> io::Result<First> {
    let length = stream.read_i32().await?;
    let code = stream.read_i32().await?;
    let length = usize::try_from(length).ok().filter(|length| (8..=MAX_FIRST_MESSAGE).contains(length));
    let length = length.ok_or_else(|| io::Error::other("a first packet is too short or too long"))?;
    let mut body = vec![0; length - 8];
    stream.read_exact(&mut body).await?;
    let body = Bytes::from(body);
    match code {
        SSL => Ok(First::Tls),
        GSS => Ok(First::Gss),
        CANCEL => match body.split_first_chunk::<4>() {
            Some((process, secret)) => {
                Ok(First::Cancel { process: i32::from_be_bytes(*process), secret: body.slice_ref(secret) })
            }
            None => Err(io::Error::other(violated("a cancel request has no key").message().to_owned())),
        },
        version => Startup::read(version, body).map(First::Startup),
    }
}

#[cfg(test)]
mod tests {
    use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};
    use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
    use pgwire::messages::startup::Authentication;
    use tokio_postgres::config::SslMode;
    use tokio_postgres::{Config, NoTls};

    use super::*;
    use crate::auth::{Role, ScramLogin};

    /// A login of a real client: who it is to the server, and what the client was told.
    async fn logged_in(name: &str, password: &str) -> (Option<Principal>, Result<(), tokio_postgres::Error>) {
        let (client, mut server) = tokio::io::duplex(4096);
        let scram = |name: &str| {
            let (salt, known) = (name.as_bytes().to_vec(), name == "ann");
            let salted = gen_salted_password(if known { "pencil" } else { "nobody knows" }, &salt, 4096);
            let principal = known.then(|| Principal::new(name, [Role::Query].into_iter().collect()));
            Some(ScramLogin { secret: ScramSecret::verifier_from_salted_password(salt, salted, 4096), principal })
        };
        let serving = tokio::spawn(async move {
            let First::Startup(startup) = first_of(&mut server).await.unwrap() else { panic!("no startup") };
            let mut wire = Wire::new(Box::new(server));
            match log_in(&mut wire, &startup, scram).await {
                Ok(principal) => {
                    wire.put(&Authentication::Ok).unwrap();
                    wire.put(&ReadyForQuery::new(TransactionStatus::Idle)).unwrap();
                    wire.flush().await.unwrap();
                    Some(principal)
                }
                Err(Failure::Refused(refusal)) => {
                    end(wire, &refusal).await;
                    None
                }
                Err(Failure::Gone(error)) => panic!("{error}"),
            }
        });
        let mut config = Config::new();
        config.user(name).password(password).ssl_mode(SslMode::Disable);
        let told = config.connect_raw(client, NoTls).await.map(drop);
        (serving.await.unwrap(), told)
    }

    #[tokio::test]
    async fn a_password_lets_its_user_in_and_no_other_tells_a_name_from_none() {
        let (principal, told) = logged_in("ann", "pencil").await;
        assert_eq!(principal.unwrap().name(), Some("ann"));
        told.unwrap();
        let mut said = Vec::new();
        for (name, password) in [("ann", "pen"), ("bob", "pencil"), ("bob", "nobody knows")] {
            let (principal, told) = logged_in(name, password).await;
            assert!(principal.is_none(), "{name}");
            let error = told.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "28P01");
            said.push(error.as_db_error().unwrap().message().replace(name, "NAME"));
        }
        assert!(said.iter().all(|message| *message == said[0]), "{said:?}");
    }
}
