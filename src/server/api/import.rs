//! `POST /v1/import`: a file into the lake, as `telestrata import` does it without a server.
//!
//! The body is the file, plain, gzip or zstd; `?format=otlp-json` or `otlp-proto`, with the latter `&signal=` logs,
//! spans or metrics; `&name=` is what reports call it. It is kept in the temporary folder until it has come whole.
//! The answer, once everything is committed and queries see it, is a line of JSON for each record that was not
//! stored, then `{"summary": …}`; without that last line the import is not done, and may be made again.

use std::io::{BufWriter, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio_util::io::ReaderStream;

use super::problem::Problem;
use super::routes::Api;
use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::import::{FileFormat, ImportOutcome, ImportSettings, Importer, Input};

/// How long a sender may send nothing.
const STALL: Duration = Duration::from_secs(60);

/// What the query string says.
struct Question {
    name: String,
    format: FileFormat,
}

/// Takes a file and answers when it is stored.
pub(super) async fn import(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let question = question(query.as_deref().unwrap_or_default())?;
    // One at a time: each has the whole of the memory that imports may take, and of the room for files. Who waits
    // is not read from meanwhile.
    let turn = Arc::clone(&api.importing).lock_owned().await;
    let spooled = spool(body).await?;
    // A task of its own: a client that goes away does not stop it half-way.
    let worker = Arc::clone(&api);
    let done = api.life.spawn(async move {
        let _turn = turn;
        store(&worker, question, principal, spooled).await
    });
    let done = done.await;
    let (outcome, rejects) =
        done.map_err(|error| Error::internal("the import died").with_source(error))?.ok_or_else(|| {
            Error::unavailable("the server stopped before the import was done; import again when it is back")
        })??;
    let rejects = ReaderStream::new(tokio::fs::File::from_std(rejects));
    let summary = Bytes::from(format!("{}\n", json!({ "summary": outcome })));
    let lines = rejects.chain(futures::stream::iter([Ok(summary)]));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

async fn store(
    api: &Api,
    question: Question,
    principal: Principal,
    spooled: NamedTempFile,
) -> Result<(ImportOutcome, std::fs::File)> {
    let input = Input::Spooled(question.name, Arc::new(spooled));
    let mut rejects = BufWriter::new(tempfile::tempfile().map_err(no_room)?);
    let settings = ImportSettings { principal: principal.name().map(Into::into), ..api.import.clone() };
    let mut importer = Importer::open(api.store.root(), settings).await?;
    let imported = importer
        .import(&input, question.format, Arc::default(), |record| record.write_line(&mut rejects).map_err(no_room))
        .await;
    // Also after a failure: what was gathered of it is as good as the rest.
    let outcome = importer.finish().await?;
    imported?;
    api.store.follow().await;
    let mut rejects = rejects.into_inner().map_err(|error| no_room(error.into_error()))?;
    rejects.rewind().map_err(no_room)?;
    Ok((outcome, rejects))
}

async fn spool(body: Body) -> Result<NamedTempFile> {
    let mut file = BufWriter::new(NamedTempFile::new().map_err(no_room)?);
    let mut frames = body.into_data_stream();
    loop {
        let frame = tokio::time::timeout(STALL, frames.next())
            .await
            .map_err(|_| Error::unavailable(format!("nothing came for {}s; import again", STALL.as_secs())))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Error::invalid("the file broke off; import again").with_source(error))?;
        tokio::task::block_in_place(|| file.write_all(&frame)).map_err(no_room)?;
    }
    file.into_inner().map_err(|error| no_room(error.into_error()))
}

fn question(query: &str) -> Result<Question> {
    let (mut name, mut format, mut signal) = (None, None, None);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "name" => name = Some(value.into_owned()),
            "format" => format = Some(value.into_owned()),
            "signal" => signal = Some(value.into_owned()),
            other => {
                return Err(Error::invalid(format!("`{other}` is no parameter of an import: name, format, signal")));
            }
        }
    }
    let format = FileFormat::parse(format.as_deref().unwrap_or("otlp-json"), signal.as_deref())?;
    Ok(Question { name: name.unwrap_or_else(|| "request".to_owned()), format })
}

fn no_room(error: std::io::Error) -> Error {
    Error::unavailable("the server can't keep the file in its temporary folder").with_source(error)
}
