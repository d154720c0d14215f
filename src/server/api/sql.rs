//! `POST /v1/sql`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::accept::accepted_format;
use super::answer::answer;
use super::problem::Problem;
use super::queries::QUERY_ID;
use super::question::Question;
use super::routes::Api;
use super::tally::Tally;
use crate::error::{Error, Result};
use crate::query::Pinned;

/// Answers a query in the format that the client accepts.
pub(super) async fn sql(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let format = accepted_format(request.headers())?;
    let named = query_id(request.headers())?;
    let question = Question::read(request, api.room.hold()).await?;
    let running = api.queries.begin(named.or(question.query_id), &question.sql)?;
    let id = HeaderValue::from_str(running.id()).map_err(|error| Error::internal("an id").with_source(error))?;
    let tally = Tally::start(api.store.metrics());
    let planned = tokio::select! {
        planned = api.engine.run(Pinned(api.store.pin()), &question.sql, question.params) => planned,
        error = running.cancelled() => return Err(error.into()),
    };
    match planned {
        Ok(query) => {
            let mut response = answer(query, format, tally, running, &api.life).await?;
            response.headers_mut().insert(QUERY_ID, id);
            Ok(response)
        }
        Err(error) => {
            tally.failed(&error);
            Err(error.into())
        }
    }
}

fn query_id(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(QUERY_ID) else { return Ok(None) };
    let id = value.to_str().map_err(|error| Error::invalid("the query's id is not ASCII").with_source(error))?;
    Ok(Some(id.to_owned()))
}
