//! `GET /v1/traces/{id}`: the whole story of a trace.
//!
//! ```text
//! id, filters --> tree.sql      spans in their tree --> lineage.rs: those asked for --+--> document.rs: JSON
//!             --> path.sql, logs.sql, exemplars.sql, errors.sql ---------------------+
//!                                                        the same spans -------------> OTLP, protobuf or JSON
//! form.rs    which of the three, by Accept
//! read.rs, story.rs    the five queries, which run at once
//! lines.rs   what the document is made of
//! ```

mod document;
mod form;
mod lineage;
mod lines;
mod read;
mod story;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use self::document::document;
use self::form::Form;
use self::lineage::Filter;
use self::read::spans;
use super::problem::Problem;
use super::routes::Api;
use crate::auth::Principal;
use crate::error::{Error, ErrorKind, Result};
use crate::export::Request;
use crate::model::ids::{SpanId, TraceId};
use crate::server::traces::{Caller, held_body};

/// Answers a trace in the form that the client accepts.
pub(super) async fn trace(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = Form::accepted(&headers)?;
    let id = TraceId::parse(&id).map_err(|error| Error::invalid(error.to_string()))?;
    let filter = filter(query.as_deref())?;
    let caller = Caller { principal, door: "http" };
    let mut room = api.traces.room();
    let body = match form {
        Form::Document => {
            let (spans, path, logs, exemplars, errors) = tokio::try_join!(
                spans(&api.traces, &caller, &id, &mut room),
                story::path(&api.traces, &caller, &id),
                story::logs(&api.traces, &caller, &id),
                story::exemplars(&api.traces, &caller, &id),
                story::errors(&api.traces, &caller, &id),
            )?;
            let read = document::Read { spans, path, logs, exemplars, errors };
            if read.is_empty() {
                return Err(unknown(&id).into());
            }
            let document = tokio::task::block_in_place(|| document(&id, &filter, read))?;
            serde_json::to_vec(&document).map_err(|error| Error::internal("a trace as JSON").with_source(error))?
        }
        Form::OtlpJson | Form::OtlpProto(_) => {
            let spans = spans(&api.traces, &caller, &id, &mut room).await?;
            if let Some(problem) = spans.problems.first() {
                return Err(Error::internal(format!("a stored span is none: {problem}")).into());
            }
            if spans.nodes.is_empty() {
                return Err(unknown(&id).into());
            }
            let shown = filter.shown(&id, &spans.nodes)?;
            let nodes = spans.nodes.into_iter().zip(shown).filter(|(_, shown)| *shown);
            let request = Request::of_spans(nodes.map(|(node, _)| node.record));
            tokio::task::block_in_place(|| match form {
                Form::OtlpJson => request.to_json().into_bytes(),
                _ => request.into_proto(),
            })
        }
    };
    let headers = [
        (header::CONTENT_TYPE, form.media_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, held_body(body, room)?).into_response())
}

fn unknown(id: &TraceId) -> Error {
    Error::new(ErrorKind::NotFound, format!("nothing of trace {id} is stored here"))
}

/// What follows the `?`.
fn filter(query: Option<&str>) -> Result<Filter> {
    let mut filter = Filter::default();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "span_id" => {
                filter.span_id = Some(SpanId::parse(&value).map_err(|error| Error::invalid(error.to_string()))?);
            }
            "service_name" => filter.service_name = Some(value.into_owned()),
            other => {
                let other: String = other.chars().take(80).collect();
                return Err(Error::invalid(format!("`{other}` is no parameter; there are span_id and service_name")));
            }
        }
    }
    Ok(filter)
}
