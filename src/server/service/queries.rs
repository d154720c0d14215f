//! The queries that are running, each with an id by which it can be cancelled.
//!
//! The id is the client's or made here. A query is here from its text to its last row. Its own principal and admins
//! can see and cancel it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::auth::{Principal, Role};
use crate::error::{Error, ErrorKind, Result};

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
    principal: Principal,
    door: &'static str,
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
    /// `Invalid` where the id is none, `Conflict` where it is that of another query.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: Option<String>,
        sql: &str,
        principal: &Principal,
        door: &'static str,
    ) -> Result<RunningQuery> {
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(|char| char.is_ascii_graphic()) {
            return Err(Error::invalid(format!("a query's id has 1 to {MAX_ID} visible ASCII characters")));
        }
        let cancel = CancellationToken::new();
        let entry = Entry {
            cancel: cancel.clone(),
            principal: principal.clone(),
            door,
            sql: sql.chars().take(SHOWN).collect(),
            since: SystemTime::now(),
            started: Instant::now(),
        };
        let mut running = self.lock();
        if running.contains_key(&id) {
            let taken = format!("a query with the id `{id}` is running; give another, or cancel that one");
            return Err(Error::new(ErrorKind::Conflict, taken));
        }
        running.insert(id.clone(), entry);
        drop(running);
        Ok(RunningQuery { id, cancel, queries: Arc::clone(self) })
    }

    /// Cancels a query that the principal may see; `false` where none of that id is running.
    pub(super) fn cancel(&self, id: &str, principal: &Principal) -> bool {
        let running = self.lock();
        let entry = running.get(id).filter(|entry| entry.is_seen_by(principal));
        entry.map(|entry| entry.cancel.cancel()).is_some()
    }

    /// Every running query that the principal may see, for people.
    pub(super) fn list(&self, principal: &Principal) -> Value {
        let running = self.lock();
        let seen = running.iter().filter(|(_, entry)| entry.is_seen_by(principal));
        let shown = seen.map(|(id, entry)| {
            json!({
                "query_id": id,
                "query": entry.sql,
                "principal": entry.principal.name(),
                "door": entry.door,
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

impl Entry {
    fn is_seen_by(&self, principal: &Principal) -> bool {
        principal.may(Role::Admin) || self.principal == *principal
    }
}

impl RunningQuery {
    /// The query's id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Cancelled when someone cancels it.
    pub(super) const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }
}

impl Drop for RunningQuery {
    fn drop(&mut self) {
        self.queries.lock().remove(&self.id);
    }
}
