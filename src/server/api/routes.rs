//! What is where.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::cancel::{cancel, running};
use super::config::configuration;
use super::cross_site::refuse_cross_site;
use super::erase;
use super::flush::flush;
use super::health::{healthz, metrics, readyz};
use super::import::import;
use super::index::index;
use super::local_only::{local_only, same_origin};
use super::problem::Problem;
use super::question::MAX_QUESTION_BYTES;
use super::sql::sql;
use super::tables::{schema, tables};
use super::trace::trace;
use crate::auth::Role;
use crate::error::Error;
use crate::import::ImportSettings;
use crate::ingest::Store;
use crate::maintenance::EraseService;
use crate::server::authenticate::{Gate, challenge};
use crate::server::jaeger;
use crate::server::life::Life;
use crate::server::room::Room;
use crate::server::service::QueryService;
use crate::server::settings::ServerSettings;
use crate::server::traces::Traces;

/// Questions that may be received at a time.
const QUESTIONS_AT_ONCE: usize = 64;

/// The paths that need no credentials: what watches over a process has none.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// What the handlers work on.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) store: Arc<Store>,
    pub(super) service: Arc<QueryService>,
    pub(super) traces: Traces,
    pub(super) life: Life,
    pub(super) room: Arc<Room>,
    pub(super) import: ImportSettings,
    pub(super) importing: Arc<tokio::sync::Mutex<()>>,
    pub(super) erase: Option<EraseService>,
    /// Held by the erasure that is under way.
    pub(super) erasing: Arc<tokio::sync::Mutex<()>>,
    pub(super) config: serde_json::Value,
}

/// The API's paths, for a door that listens on `address`.
pub(in crate::server) fn routes(
    store: Arc<Store>,
    service: Arc<QueryService>,
    settings: &ServerSettings,
    life: Life,
    address: SocketAddr,
    gate: Gate,
) -> Router {
    let room = Room::new(QUESTIONS_AT_ONCE * MAX_QUESTION_BYTES);
    let traces = Traces::new(Arc::clone(&service));
    // A path without a role is for whoever shows credentials.
    let of_role = |role, routes| gate.role_before(role, routes);
    let query = Router::new()
        .route("/v1/sql", get(sql).post(sql))
        .route("/v1/sql/cancel", post(cancel))
        .route("/v1/sql/running", get(running))
        .route("/v1/tables", get(tables))
        .route("/v1/tables/{name}/schema", get(schema))
        .route("/v1/traces/{id}", get(trace));
    let maintain = Router::new()
        .route("/v1/flush", post(flush))
        .route("/v1/erase", get(erase::list))
        .route("/v1/erase/plan", post(erase::plan))
        .route("/v1/erase/apply", post(erase::apply))
        .route("/v1/erase/lift", post(erase::lift));
    let routes = Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .merge(of_role(Role::Query, query))
        .merge(of_role(Role::Maintain, maintain))
        .merge(of_role(Role::Ingest, Router::new().route("/v1/import", post(import))))
        .merge(of_role(Role::Admin, Router::new().route("/v1/config", get(configuration))))
        .with_state(Arc::new(Api {
            store,
            service,
            traces: traces.clone(),
            life,
            room,
            import: settings.import.clone(),
            importing: Arc::default(),
            erase: settings.erase.clone(),
            erasing: Arc::default(),
            config: settings.config.clone(),
        }))
        .merge(gate.role_before(Role::Query, jaeger::routes(traces)))
        .fallback(async || {
            Problem::of_status(StatusCode::NOT_FOUND, "there is nothing here; GET / lists what there is")
        })
        .method_not_allowed_fallback(async || {
            Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, "this path takes the methods in the Allow header")
        });
    let routes = gate.open_at(&OPEN).before(routes).layer(from_fn(refuse_cross_site));
    if settings.users.is_empty() && address.ip().is_loopback() {
        routes.layer(from_fn(local_only))
    } else {
        routes.layer(from_fn(same_origin))
    }
}

/// Tells a caller that it may not come in.
pub(in crate::server) fn refuse(error: Error, _: &HeaderMap) -> Response {
    challenge(Problem::from(error).into_response())
}
