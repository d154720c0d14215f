//! `POST /v1/erase/plan`, `POST /v1/erase/apply`, `GET /v1/erase`, `POST /v1/erase/lift`: rows that a person wants gone.
//!
//! The value is in the body, and in no URL, log line or answer.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use super::routes::Api;
use crate::auth::Principal;
use crate::erasure::ErasureLog;
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::{EraseReport, EraseRequest, EraseService, Eraser, JobContext, Progress};
use crate::server::body::read_body;
use crate::server::serving::Serving;

/// Bytes of a body.
const MAX_BYTES: usize = 64 * 1024;

/// Who asks where nobody shows credentials.
const LOCAL: &str = "local";

/// What would go and what would stay.
pub(super) async fn plan(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let asked = read(&api, request).await?;
    let work = move |eraser: Eraser| async move { eraser.plan(&asked).await };
    Ok(answer(&in_background(&api, work).await?))
}

/// Does it, and answers when it is proved. A client that goes away does not stop it.
pub(super) async fn apply(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = read(&api, request).await?;
    let by = principal.name().unwrap_or(LOCAL).to_owned();
    let turn = Arc::clone(&api.erasing);
    let work = move |eraser: Eraser| async move {
        let _turn = turn.lock().await;
        tracing::info!(request = asked.describe(), by, "erasing");
        eraser.apply(&asked, &by).await
    };
    Ok(answer(&in_background(&api, work).await?))
}

/// The standing erasures, lifted ones too.
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    Ok(answer(&ErasureLog::new(api.store.root())?.list().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lift {
    id: u64,
}

/// Lets in again what a standing erasure keeps out.
pub(super) async fn lift(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_body(request.into_body(), MAX_BYTES, &mut api.room.hold()).await?;
    let Lift { id } = serde_json::from_slice(&body)
        .map_err(|error| Error::invalid(r#"the body is not {"id": 3}"#).with_source(error))?;
    ErasureLog::new(api.store.root())?.lift(id, principal.name().unwrap_or(LOCAL)).await?;
    api.store.obey().await?;
    Ok(answer(&json!({ "lifted": id })))
}

async fn read(api: &Api, request: Request) -> Result<EraseRequest> {
    if request.uri().query().is_some() {
        return Err(Error::invalid("an erasure is asked for in the body: what is in a URL ends up in logs"));
    }
    let body = read_body(request.into_body(), MAX_BYTES, &mut api.room.hold()).await?;
    EraseRequest::from_json(&body)
}

/// Runs work to its end, whether or not the client waits: as a job does, where jobs run.
async fn in_background<F>(api: &Api, work: impl FnOnce(Eraser) -> F + Send + 'static) -> Result<EraseReport>
where
    F: Future<Output = Result<EraseReport>> + Send,
{
    let EraseService { settings, desk } =
        api.erase.clone().ok_or_else(|| Error::new(ErrorKind::NotFound, "this server does not erase"))?;
    let around = Arc::new(Serving(Arc::clone(&api.store)));
    if let Some(desk) = desk.get() {
        let eraser = |context: JobContext| Eraser::new(context.root, settings, around, context.progress);
        return desk.run(move |context| work(eraser(context))).await;
    }
    let eraser = Eraser::new(api.store.root().clone(), settings, around, Progress::default());
    let done = api.life.spawn(async move { work(eraser).await }).await;
    done.map_err(|error| Error::internal("the erasure died").with_source(error))?.ok_or_else(|| {
        Error::unavailable("the server stopped before the erasure was done; make the same request when it is back")
    })?
}

fn answer(body: &impl serde::Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, json!(body).to_string()).into_response()
}
