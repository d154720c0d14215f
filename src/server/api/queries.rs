//! The queries that are running, each with an id by which it can be cancelled.
//!
//! The id is the client's (header `X-Query-Id`, or `query_id` in JSON) or made here; the answer's head repeats it. A
//! query is here from its text to the last byte of its answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use axum::http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::error::{Error, ErrorKind};

/// The header that names a query.
pub(super) const QUERY_ID: HeaderName = HeaderName::from_static("x-query-id");

/// Characters of an id.
const MAX_ID: usize = 128;

/// Characters of a query's text that the list shows.
const SHOWN: usize = 2_000;

/// The queries that are running.
#[derive(Debug, Default)]
pub(super) struct Queries(Mutex<BTreeMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    cancel: CancellationToken,
    sql: String,
    since: SystemTime,
    started: Instant,
}

/// A running query; dropped, it runs no more.
#[derive(Debug)]
pub(super) struct RunningQuery {
    id: String,
    cancel: CancellationToken,
    queries: Arc<Queries>,
}

impl Queries {
    /// Takes in a query, under the id that the client gave it.
    ///
    /// # Errors
    /// A problem where the id is none, or is that of another query.
    pub(super) fn begin(self: &Arc<Self>, id: Option<String>, sql: &str) -> Result<RunningQuery, Problem> {
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(|char| char.is_ascii_graphic()) {
            let rule = format!("a query's id has 1 to {MAX_ID} visible ASCII characters");
            return Err(Problem::of_status(StatusCode::BAD_REQUEST, rule));
        }
        let cancel = CancellationToken::new();
        let sql: String = sql.chars().take(SHOWN).collect();
        let entry = Entry { cancel: cancel.clone(), sql, since: SystemTime::now(), started: Instant::now() };
        let mut running = self.lock();
        if running.contains_key(&id) {
            let taken = format!("a query with the id `{id}` is running; give another, or cancel that one");
            return Err(Problem::of_status(StatusCode::CONFLICT, taken));
        }
        running.insert(id.clone(), entry);
        drop(running);
        Ok(RunningQuery { id, cancel, queries: Arc::clone(self) })
    }

    /// Cancels a query; `false` where none of that id is running.
    pub(super) fn cancel(&self, id: &str) -> bool {
        self.lock().get(id).map(|entry| entry.cancel.cancel()).is_some()
    }

    /// Every running query, for people.
    pub(super) fn list(&self) -> Value {
        let running = self.lock();
        let shown = running.iter().map(|(id, entry)| {
            json!({
                "query_id": id,
                "query": entry.sql,
                "since": humantime::format_rfc3339_millis(entry.since).to_string(),
                "seconds": entry.started.elapsed().as_secs_f64(),
            })
        });
        shown.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // Each change of it is whole, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningQuery {
    /// The query's id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Waits until someone cancels it, and answers what its client is told.
    pub(super) async fn cancelled(&self) -> Error {
        self.cancel.cancelled().await;
        Error::new(ErrorKind::Cancelled, format!("the query `{}` was cancelled", self.id))
    }
}

impl Drop for RunningQuery {
    fn drop(&mut self) {
        self.queries.lock().remove(&self.id);
    }
}
