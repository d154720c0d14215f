//! What is where.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use super::cancel::{cancel, running};
use super::config::configuration;
use super::cross_site::refuse_cross_site;
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
use crate::auth::{Principal, Role};
use crate::error::Error;
use crate::import::ImportSettings;
use crate::ingest::Store;
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
    let routes = Router::new()
        .route("/", get(index))
        .route("/v1/sql", needs(Role::Query, get(sql).post(sql)))
        .route("/v1/sql/cancel", needs(Role::Query, post(cancel)))
        .route("/v1/sql/running", needs(Role::Query, get(running)))
        .route("/v1/tables", needs(Role::Query, get(tables)))
        .route("/v1/tables/{name}/schema", needs(Role::Query, get(schema)))
        .route("/v1/traces/{id}", needs(Role::Query, get(trace)))
        .route("/v1/flush", needs(Role::Maintain, post(flush)))
        .route("/v1/import", needs(Role::Ingest, post(import)))
        .route("/v1/config", needs(Role::Admin, get(configuration)))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Api {
            store,
            service,
            traces: traces.clone(),
            life,
            room,
            import: settings.import.clone(),
            importing: Arc::default(),
            config: settings.config.clone(),
        }))
        .merge(jaeger::routes(traces).route_layer(from_fn_with_state(Role::Query, with_role)))
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

/// A path for those with a role. A path without is for whoever shows credentials.
fn needs(role: Role, route: MethodRouter<Arc<Api>>) -> MethodRouter<Arc<Api>> {
    route.route_layer(from_fn_with_state(role, with_role))
}

async fn with_role(
    State(role): State<Role>,
    Extension(who): Extension<Principal>,
    request: Request,
    next: Next,
) -> Response {
    match who.require(role) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::from(error).into_response(),
    }
}
