//! `/api/v3`: what Jaeger's API v3 answers, traces as OTLP.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::catalogue;
use super::params::{Params, trace_id};
use super::reply::{GatewayFailure, json_response, respond};
use super::routes::{asking, not_found};
use super::search::Search;
use super::summary::summaries;
use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::export::Request;
use crate::server::traces::{AnswerRoom, Trace, Traces, held_body};

type Answer = Result<Response, GatewayFailure>;

/// `GET /api/v3/services`.
pub(super) async fn services(State(traces): State<Arc<Traces>>, Extension(principal): Extension<Principal>) -> Answer {
    let services = catalogue::services(&traces, &asking(principal)).await?;
    Ok(respond(&json!({"services": services}), traces.room())?)
}

/// `GET /api/v3/operations?service=&spanKind=`.
pub(super) async fn operations(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::of(query.as_deref());
    let service = params.one(&["service"]).ok_or_else(|| Error::invalid("parameter 'service' is required"))?;
    let kind = params.one(&["spanKind", "span_kind"]);
    let operations = catalogue::operations(&traces, &asking(principal), service, kind).await?;
    Ok(respond(&json!({"operations": operations}), traces.room())?)
}

/// `GET /api/v3/traces/{id}`.
pub(super) async fn trace(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let id = trace_id(&id)?;
    let mut room = traces.room();
    let found = traces.whole(&asking(principal), &[id], &mut room).await?;
    otlp(found, room)
}

/// `GET /api/v3/traces?query.…`.
pub(super) async fn search(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Answer {
    let search = Search::of_v3(&Params::of(query.as_deref()))?;
    let caller = asking(principal);
    let mut room = traces.room();
    let ids = search.ids(&traces, &caller).await?;
    let found = traces.whole(&caller, &ids, &mut room).await?;
    otlp(found, room)
}

/// `GET /api/v3/trace-summaries?query.…`.
pub(super) async fn trace_summaries(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Answer {
    let search = Search::of_v3(&Params::of(query.as_deref()))?;
    let caller = asking(principal);
    let mut room = traces.room();
    let ids = search.ids(&traces, &caller).await?;
    let found = summaries(&traces, &caller, &ids, &mut room).await?;
    Ok(respond(&json!({"summaries": found}), room)?)
}

/// Traces as one OTLP message; none is not found, as in Jaeger.
fn otlp(found: Vec<Trace>, room: AnswerRoom) -> Answer {
    if let Some(problem) = found.iter().flat_map(|trace| &trace.problems).next() {
        return Err(Error::internal(format!("a stored span is none: {problem}")).into());
    }
    if found.is_empty() {
        return Err(not_found().into());
    }
    let spans = found.into_iter().flat_map(|trace| trace.spans);
    let text = tokio::task::block_in_place(|| format!("{{\"result\":{}}}", Request::of_spans(spans).to_json()));
    Ok(json_response(StatusCode::OK, held_body(text, room)?))
}
