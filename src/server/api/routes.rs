//! What is where.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use super::cancel::{cancel, running};
use super::config::configuration;
use super::cross_site::refuse_cross_site;
use super::flush::flush;
use super::health::{healthz, metrics, readyz};
use super::import::import;
use super::index::index;
use super::local_only::local_only;
use super::problem::Problem;
use super::question::MAX_QUESTION_BYTES;
use super::sql::sql;
use super::tables::{schema, tables};
use crate::import::ImportSettings;
use crate::ingest::Store;
use crate::server::life::Life;
use crate::server::room::Room;
use crate::server::service::QueryService;
use crate::server::settings::ServerSettings;

/// Questions that may be received at a time.
const QUESTIONS_AT_ONCE: usize = 64;

/// What the handlers work on.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) store: Arc<Store>,
    pub(super) service: Arc<QueryService>,
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
    settings: ServerSettings,
    life: Life,
    address: SocketAddr,
) -> Router {
    let room = Room::new(QUESTIONS_AT_ONCE * MAX_QUESTION_BYTES);
    let routes = Router::new()
        .route("/", get(index))
        .route("/v1/sql", get(sql).post(sql))
        .route("/v1/sql/cancel", post(cancel))
        .route("/v1/sql/running", get(running))
        .route("/v1/tables", get(tables))
        .route("/v1/tables/{name}/schema", get(schema))
        .route("/v1/flush", post(flush))
        .route("/v1/import", post(import))
        .route("/v1/config", get(configuration))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            Problem::of_status(StatusCode::NOT_FOUND, "there is nothing here; GET / lists what there is")
        })
        .method_not_allowed_fallback(async || {
            Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, "this path takes the methods in the Allow header")
        })
        .with_state(Arc::new(Api {
            store,
            service,
            life,
            room,
            import: settings.import,
            importing: Arc::default(),
            config: settings.config,
        }));
    let routes = routes.layer(from_fn(refuse_cross_site));
    if address.ip().is_loopback() { routes.layer(from_fn(local_only)) } else { routes }
}
