//! `/api`, and what is where.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use chrono::{TimeDelta, Utc};

use super::catalogue;
use super::convert::ui_trace;
use super::params::{Params, trace_id};
use super::reply::{Envelope, Failure, Trouble};
use super::search::Search;
use super::v3;
use crate::auth::Principal;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ids::TraceId;
use crate::server::traces::{AnswerRoom, Caller, Trace, Traces};

/// Traces that are asked by their ids at once, at most.
const MAX_IDS: usize = 1_500;

/// As Jaeger has it.
const DEFAULT_DEPENDENCY_LOOKBACK: TimeDelta = TimeDelta::hours(24);

type Answer = Result<Response, Failure>;

/// Jaeger's paths.
pub(in crate::server) fn routes(traces: Traces) -> Router {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operations_of))
        .route("/api/operations", get(operations))
        .route("/api/traces", get(search))
        .route("/api/traces/{id}", get(trace))
        .route("/api/dependencies", get(dependencies))
        .route("/api/v3/services", get(v3::services))
        .route("/api/v3/operations", get(v3::operations))
        .route("/api/v3/traces", get(v3::search))
        .route("/api/v3/traces/{id}", get(v3::trace))
        .route("/api/v3/trace-summaries", get(v3::trace_summaries))
        .with_state(Arc::new(traces))
}

/// Who asks.
pub(super) const fn asking(principal: Principal) -> Caller {
    Caller { principal, door: "jaeger" }
}

/// In Jaeger's words.
pub(super) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "trace not found")
}

async fn services(State(traces): State<Arc<Traces>>, Extension(principal): Extension<Principal>) -> Answer {
    let services = catalogue::services(&traces, &asking(principal)).await?;
    Ok(Envelope::of(services).respond(traces.room())?)
}

/// The names alone, as the older UI and Grafana want them.
async fn operations_of(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    Path(service): Path<String>,
) -> Answer {
    let operations = catalogue::operations(&traces, &asking(principal), &service, None).await?;
    let names: BTreeSet<String> = operations.into_iter().map(|operation| operation.name).collect();
    Ok(Envelope::of(names.into_iter().collect()).respond(traces.room())?)
}

async fn operations(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::of(query.as_deref());
    let service = params.one(&["service"]).ok_or_else(|| Error::invalid("parameter 'service' is required"))?;
    let operations = catalogue::operations(&traces, &asking(principal), service, params.one(&["spanKind"])).await?;
    Ok(Envelope::of(operations).respond(traces.room())?)
}

/// Traces by their ids where such are given, else the newest that have a span that is asked for.
async fn search(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::of(query.as_deref());
    let caller = asking(principal);
    let mut room = traces.room();
    let mut given: Vec<TraceId> = Vec::new();
    for text in params.all("traceID") {
        let id = trace_id(text)?;
        if !given.contains(&id) {
            given.push(id);
        }
        if given.len() > MAX_IDS {
            return Err(Error::invalid(format!("more than {MAX_IDS} trace ids; ask for fewer")).into());
        }
    }
    let ids = if given.is_empty() { Search::of(&params)?.ids(&traces, &caller).await? } else { given.clone() };
    let found = traces.whole(&caller, &ids, &mut room).await?;
    let missing = given.iter().filter(|id| !found.iter().any(|trace| trace.id == **id));
    let missing: Vec<Trouble> = missing
        .map(|id| Trouble { code: None, msg: not_found().to_string(), trace_id: Some(id.to_string()) })
        .collect();
    respond(found, missing, room)
}

/// `start` and `end`, which some send, are not needed: the trace index knows where a trace is.
async fn trace(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Answer {
    let id = trace_id(&id)?;
    let mut room = traces.room();
    let found = traces.whole(&asking(principal), &[id], &mut room).await?;
    match found.first() {
        None => return Err(not_found().into()),
        Some(Trace { spans, problems, .. }) if spans.is_empty() => {
            let problem = problems.first().map(String::as_str).unwrap_or_default();
            return Err(Error::internal(format!("no stored span of it can be shown: {problem}")).into());
        }
        Some(_) => {}
    }
    respond(found, Vec::new(), room)
}

async fn dependencies(
    State(traces): State<Arc<Traces>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::of(query.as_deref());
    let end = params.millis(&["endTs"])?.unwrap_or_else(Utc::now);
    let lookback = params.milliseconds(&["lookback"])?.unwrap_or(DEFAULT_DEPENDENCY_LOOKBACK);
    let service = params.one(&["service"]);
    let found = catalogue::dependencies(&traces, &asking(principal), (end, lookback), service).await?;
    Ok(Envelope::of(found).respond(traces.room())?)
}

/// A trace without spans is among the errors: Grafana takes the first span of each.
fn respond(found: Vec<Trace>, mut missing: Vec<Trouble>, room: AnswerRoom) -> Answer {
    let (found, empty): (Vec<Trace>, Vec<Trace>) = found.into_iter().partition(|trace| !trace.spans.is_empty());
    missing.extend(empty.into_iter().map(|trace| Trouble {
        code: None,
        msg: format!("no stored span of it can be shown: {}", trace.problems.join("; ")),
        trace_id: Some(trace.id.to_string()),
    }));
    let shown = tokio::task::block_in_place(|| found.into_iter().map(ui_trace).collect());
    let mut envelope = Envelope::of(shown);
    envelope.errors = (!missing.is_empty()).then_some(missing);
    Ok(envelope.respond(room)?)
}
