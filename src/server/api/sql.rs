//! `POST /v1/sql` and `GET /v1/sql?query=...`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use datafusion::common::ScalarValue;

use super::accept::accepted_format;
use super::answer::answer;
use super::coding::Coding;
use super::params;
use super::problem::Problem;
use super::question::{QUERY_ID, Question};
use super::routes::Api;
use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::query::{Dialect, Limits};
use crate::server::service::Ask;

/// Answers a query in the format that the client asks for, or accepts.
pub(super) async fn sql(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let Question { sql, params, options } = Question::read(request, api.room.hold()).await?;
    let format = match options.format {
        Some(format) => format,
        None => accepted_format(&headers)?,
    };
    let params = match options.params {
        texts if texts.is_empty() => params,
        texts => typed(&api, &sql, texts, &principal).await?,
    };
    let limits = Limits { max_time: options.max_time, max_rows: options.max_rows };
    let ask = Ask { sql, params, dialect: Dialect::Own, query_id: options.query_id, principal, door: "http" };
    let running = api.service.run_within(ask, limits).await?;
    let id = HeaderValue::from_str(&running.id).map_err(|error| Error::internal("an id").with_source(error))?;
    let mut response = answer(running, format, Coding::accepted(&headers, format), &api.life).await?;
    response.headers_mut().insert(QUERY_ID, id);
    Ok(response)
}

/// Texts as the types that the query gives their places.
async fn typed(api: &Api, sql: &str, texts: Vec<String>, principal: &Principal) -> Result<Vec<ScalarValue>> {
    let types = api.service.prepare(sql, Dialect::Own, principal).await?.parameters;
    if texts.len() != types.len() {
        return Err(Error::invalid(format!(
            "the query has {} parameters and is given {}; give a param for each of $1, $2, ...",
            types.len(),
            texts.len()
        )));
    }
    let texts = texts.into_iter().zip(types).enumerate();
    texts.map(|(index, (text, data_type))| params::from_text(index + 1, text, data_type.as_ref())).collect()
}
