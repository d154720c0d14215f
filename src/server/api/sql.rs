//! `POST /v1/sql`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::accept::accepted_format;
use super::answer::answer;
use super::problem::Problem;
use super::question::Question;
use super::routes::Api;
use super::tally::Tally;
use crate::query::Pinned;

/// Answers a query in the format that the client accepts.
pub(super) async fn sql(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let format = accepted_format(request.headers())?;
    let question = Question::read(request, api.room.hold()).await?;
    let tally = Tally::start(api.store.metrics());
    match api.engine.run(Pinned(api.store.pin()), &question.sql, question.params).await {
        Ok(query) => Ok(answer(query, format, tally, &api.life).await?),
        Err(error) => {
            tally.failed(&error);
            Err(error.into())
        }
    }
}
