//! `POST /v1/sql`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use super::accept::accepted_format;
use super::answer::answer;
use super::problem::Problem;
use super::question::Question;
use super::routes::Api;
use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::query::Dialect;
use crate::server::service::Ask;

/// The header that names a query.
const QUERY_ID: HeaderName = HeaderName::from_static("x-query-id");

/// Answers a query in the format that the client accepts.
pub(super) async fn sql(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, Problem> {
    let format = accepted_format(request.headers())?;
    let named = query_id(request.headers())?;
    let question = Question::read(request, api.room.hold()).await?;
    let ask = Ask {
        sql: question.sql,
        params: question.params,
        dialect: Dialect::Own,
        query_id: named.or(question.query_id),
        principal,
        door: "http",
    };
    let running = api.service.run(ask).await?;
    let id = HeaderValue::from_str(&running.id).map_err(|error| Error::internal("an id").with_source(error))?;
    let mut response = answer(running, format, &api.life).await?;
    response.headers_mut().insert(QUERY_ID, id);
    Ok(response)
}

fn query_id(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(QUERY_ID) else { return Ok(None) };
    let id = value.to_str().map_err(|error| Error::invalid("the query's id is not ASCII").with_source(error))?;
    Ok(Some(id.to_owned()))
}
