//! The door's routes: the Flight service behind its gate.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use tonic::service::Routes;

use super::service::FlightSql;
use super::status::status;
use crate::auth::Users;
use crate::error::Error;
use crate::server::authenticate::Gate;
use crate::server::service::QueryService;

/// Bytes of one message of a client's: a query of the largest size, a statement's handle with it, or a row to bind.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Arrow Flight SQL for `users`, behind `gate`.
pub(in crate::server) fn routes(service: Arc<QueryService>, users: Arc<Users>, gate: Gate) -> Router {
    let flight = FlightServiceServer::new(FlightSql { service, users }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    gate.before(Routes::new(flight).into_axum_router())
}

/// Tells a caller that he is refused, as gRPC does.
pub(in crate::server) fn refuse(error: Error, _: &HeaderMap) -> Response {
    status(&error).into_http::<Body>().into_response()
}
