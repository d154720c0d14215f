//! The door's routes: the Flight service behind its handshake.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::middleware::from_fn_with_state;
use tonic::service::Routes;

use super::service::FlightSql;
use super::sessions::{Entrance, Sessions, admit};
use crate::server::authenticate::Gate;
use crate::server::service::QueryService;

/// Bytes of one message of a client's: a query of the largest size, a statement's handle with it, or a row to bind.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Arrow Flight SQL behind `gate`, which a session's token passes too.
pub(in crate::server) fn routes(service: Arc<QueryService>, gate: Gate) -> Router {
    let sessions = Arc::<Sessions>::default();
    let entrance = Arc::new(Entrance { sessions: Arc::clone(&sessions), gate });
    let flight = FlightServiceServer::new(FlightSql { service, sessions }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Routes::new(flight).into_axum_router().layer(from_fn_with_state(entrance, admit))
}
