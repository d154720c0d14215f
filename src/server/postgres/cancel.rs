//! Cancel requests: the keys by which a client, on another connection, stops its queries.
//!
//! Guarantee: a key is of the system's randomness and ends with its connection. A request with a wrong one does nothing and says nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

/// The keys of all connections.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashMap<i32, Entry>>);

#[derive(Debug)]
struct Entry {
    secret: Bytes,
    running: Arc<RunningIds>,
}

/// The queries that a connection has under way.
#[derive(Debug, Default)]
pub(super) struct RunningIds(Mutex<Vec<String>>);

/// A connection's key; dropped, it stops nothing more.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) process: i32,
    pub(super) secret: Bytes,
    keys: Arc<Keys>,
}

/// One query under way; dropped, it is no more.
#[derive(Debug)]
pub(super) struct RunningId {
    id: String,
    running: Arc<RunningIds>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is whole, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keys {
    /// A new key for the queries of a connection; a long one where the client's protocol has them.
    pub(super) fn issue(self: &Arc<Self>, running: Arc<RunningIds>, long: bool) -> Key {
        let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let secret = Bytes::from(random).slice(..if long { 32 } else { 4 });
        let mut keys = lock(&self.0);
        let process = loop {
            // A number like a process's, which is none.
            let [a, b, c, d, ..] = Uuid::new_v4().into_bytes();
            let process = i32::from_be_bytes([a & 0x7f, b, c, d]);
            if process > 0 && !keys.contains_key(&process) {
                break process;
            }
        };
        keys.insert(process, Entry { secret: secret.clone(), running });
        Key { process, secret, keys: Arc::clone(self) }
    }

    /// The queries that a key stops.
    pub(super) fn queries_of(&self, process: i32, secret: &[u8]) -> Vec<String> {
        let keys = lock(&self.0);
        let entry = keys.get(&process).filter(|entry| {
            // As long for a wrong key as for the right one.
            entry.secret.len() == secret.len()
                && entry.secret.iter().zip(secret).fold(0, |wrong, (one, other)| wrong | (one ^ other)) == 0
        });
        entry.map(|entry| lock(&entry.running.0).clone()).unwrap_or_default()
    }
}

impl RunningIds {
    /// Takes in a query under a new id.
    pub(super) fn begin(self: &Arc<Self>) -> RunningId {
        let id = Uuid::new_v4().to_string();
        lock(&self.0).push(id.clone());
        RunningId { id, running: Arc::clone(self) }
    }
}

impl RunningId {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for RunningId {
    fn drop(&mut self) {
        lock(&self.running.0).retain(|id| *id != self.id);
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        lock(&self.keys.0).remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stops_the_queries_of_its_connection_while_both_last() {
        let (keys, running) = (Arc::new(Keys::default()), Arc::new(RunningIds::default()));
        let key = keys.issue(Arc::clone(&running), false);
        let query = running.begin();
        assert_eq!(keys.queries_of(key.process, &key.secret), [query.id()]);
        assert!(keys.queries_of(key.process, &[0; 32]).is_empty());
        assert!(keys.queries_of(key.process, &[]).is_empty());
        let (process, secret) = (key.process, key.secret.clone());
        drop(query);
        assert!(keys.queries_of(process, &secret).is_empty());
        let _query = running.begin();
        drop(key);
        assert!(keys.queries_of(process, &secret).is_empty());
    }
}
