//! `POST /v1/flush`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::routes::Api;
use crate::error::Error;

/// Commits what is visible now, and answers when it is committed.
///
/// The flush is a task of its own: a client that goes away must not stop it between files and commit.
pub(super) async fn flush(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let store = Arc::clone(&api.store);
    let flushed = api.life.spawn(async move { store.flush().await }).await;
    flushed.map_err(|error| Error::internal("the flush died").with_source(error))?.ok_or_else(|| {
        Error::unavailable("the server stopped before the flush was done; it is taken up at the next start")
    })??;
    Ok(([(header::CONTENT_TYPE, "application/json")], r#"{"status":"flushed"}"#).into_response())
}
