//! Starting and stopping the doors.
//!
//! Order: every door's port is taken before any door serves, so that a start that fails has answered nobody. A stop
//! begins no new work, lets what is under way end within [`STOP_GRACE`], and cuts off the rest. The store is closed by
//! its owner after that; a door whose store closes earlier answers 503 or UNAVAILABLE.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::api;
use super::authenticate::Gate;
use super::door::{Door, Protocol};
use super::flight;
use super::life::Life;
use super::otlp::{self, Intake};
use super::postgres::PostgresDoor;
use super::service::QueryService;
use super::settings::ServerSettings;
use super::tls::Tls;
use crate::auth::Role;
use crate::error::Result;
use crate::ingest::Store;
use crate::query::QueryEngine;

/// How long a stop waits for what is under way before it cuts it off: as long as an OTLP exporter waits for a reply.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// The addresses that the doors got; `None` for a door that is off.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP over HTTP.
    pub otlp_http: Option<SocketAddr>,
    /// The HTTP API.
    pub http: Option<SocketAddr>,
    /// Arrow Flight SQL.
    pub flight: Option<SocketAddr>,
    /// The PostgreSQL wire protocol.
    pub postgres: Option<SocketAddr>,
}

/// A running server. Dropping it ends it at once; [`stop`](Self::stop) ends it in order.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    life: Life,
}

/// Opens the doors.
///
/// Needs a multi-threaded tokio runtime.
///
/// # Errors
/// `Config` where a setting can't work or an address can't be listened on.
pub async fn start(store: Arc<Store>, engine: Arc<QueryEngine>, settings: ServerSettings) -> Result<Running> {
    settings.validate()?;
    let tls = settings.tls.as_ref().map(Tls::load).transpose()?.map(Arc::new);
    let tls = tls.as_ref();
    let grpc = Door::open("otlp/grpc", settings.otlp_grpc, tls).await?;
    let http = Door::open("otlp/http", settings.otlp_http, tls).await?;
    let api = Door::open("http", settings.http, tls).await?;
    let flight_sql = Door::open("flight", settings.flight, tls).await?;
    let postgres = Door::open("postgres", settings.postgres, tls).await?;
    let address = |door: &Option<Door>| door.as_ref().map(Door::address);
    let addresses = Addresses {
        otlp_grpc: address(&grpc),
        otlp_http: address(&http),
        http: address(&api),
        flight: address(&flight_sql),
        postgres: address(&postgres),
    };
    let life = Life::default();
    let gate = |door, refuse| Gate::new(Arc::clone(&settings.users), store.metrics(), door, refuse);
    let service = Arc::new(QueryService::new(Arc::clone(&store), engine));
    let intake = Arc::new(Intake::new(Arc::clone(&store), settings.max_request_bytes));
    if let Some(door) = grpc {
        let gate = gate("otlp/grpc", otlp::refuse_grpc);
        door.serve(otlp::grpc_routes(Arc::clone(&intake), gate), Protocol::Http2, &life);
    }
    if let Some(door) = http {
        door.serve(otlp::http_routes(intake, gate("otlp/http", otlp::refuse_http)), Protocol::Http1, &life);
    }
    if let Some(door) = api {
        let address = door.address();
        let gate = gate("http", api::refuse);
        let routes = api::routes(Arc::clone(&store), Arc::clone(&service), &settings, life.clone(), address, gate);
        door.serve(routes, Protocol::Http1, &life);
    }
    if let Some(door) = postgres {
        let tls = door.tls(PostgresDoor::ALPN);
        let users = Arc::clone(&settings.users);
        let stopping = life.stopping().clone();
        let own = Arc::new(PostgresDoor::new(Arc::clone(&service), users, tls, store.metrics(), stopping));
        door.serve_streams(&life, move |stream, peer| Arc::clone(&own).serve(stream, peer));
    }
    if let Some(door) = flight_sql {
        let gate = gate("flight", flight::refuse).needs(Role::Query);
        door.serve(flight::routes(service, Arc::clone(&settings.users), gate), Protocol::Http2, &life);
    }
    Ok(Running { addresses, life })
}

impl Running {
    /// Where it listens.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Stops accepting, waits for what is under way, cuts off what is slow, and joins every task.
    pub async fn stop(&self) {
        self.life.stop(STOP_GRACE).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.life.abandon();
    }
}
