//! The committer thread: makes groups durable, publishes them, and then acknowledges them, in that order.
//!
//! ```text
//!   take everything pending --> write, fdatasync --> sink --> acknowledge --+
//!        ^                          |  error or panic |                     |
//!        |                          +----> poison <---+                     |
//!        +------------------------------------------------------------------+
//! ```
//! While one group syncs the next one gathers: under load groups grow by themselves, and a lone record never waits for
//! company. Segments are also released here, between groups, so that one thread alone touches the files.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::error::WalError;
use super::log::SegmentLog;
use super::queue::{Batch, Queue, Release, Work};
use super::record::WalSeq;

/// Records that became durable with one sync, for the sink to publish. The sink gets groups, and the records in each,
/// in sequence order. None of their appends is acknowledged before the sink returns.
#[derive(Debug)]
pub struct Group<T> {
    /// What was attached to each record, ascending by sequence; never empty.
    pub records: Vec<(WalSeq, T)>,
    /// Bytes that the records take in the log.
    pub bytes: u64,
    /// How long their `fdatasync` took.
    pub sync_time: Duration,
}

pub(super) struct Committer<T, S> {
    pub(super) queue: Arc<Queue<T>>,
    pub(super) log: SegmentLog,
    pub(super) sink: S,
}

/// Whether the committer may go on.
enum Next {
    Continue,
    Poisoned,
}

impl<T, S: FnMut(Group<T>)> Committer<T, S> {
    /// Works until the log is closed or poisoned. Whatever happens, nobody is left waiting.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let worked = catch_unwind(AssertUnwindSafe(move || {
            while let Some(work) = self.queue.take_work(self.log.room()) {
                let next = match work {
                    Work::Commit(batch) => self.commit(batch),
                    Work::Release(release) => self.release(release),
                };
                if let Next::Poisoned = next {
                    return;
                }
            }
        }));
        if let Err(panic) = worked {
            queue.poison(panicked(panic.as_ref()), Vec::new());
        }
    }

    fn commit(&mut self, batch: Batch<T>) -> Next {
        let Batch { first_seq, mut records, attached, acks, bytes } = batch;
        // The acknowledgements stay outside: were they dropped in an unwinding sink, their waiters would be told
        // nothing of the cause.
        let published = catch_unwind(AssertUnwindSafe(|| {
            let sync_time = self.log.append(first_seq, &mut records)?;
            drop(records);
            (self.sink)(Group { records: attached, bytes, sync_time });
            Ok(sync_time)
        }));
        match published.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))) {
            Ok(sync_time) => {
                self.queue.complete(acks, self.log.size(), sync_time);
                Next::Continue
            }
            Err(cause) => {
                tracing::error!(%cause, first_seq = first_seq.0, records = acks.len(), "the write-ahead log is poisoned");
                self.queue.poison(cause, acks);
                Next::Poisoned
            }
        }
    }

    fn release(&mut self, release: Release) -> Next {
        let completed =
            if release.turn_over { self.log.turn_over() } else { self.log.complete_released(release.up_to) };
        if let Err(cause) = completed {
            tracing::error!(%cause, "the write-ahead log is poisoned");
            // The caller of the release is told the cause too: its channel closes, and it asks why the log stopped.
            self.queue.poison(cause, Vec::new());
            return Next::Poisoned;
        }
        let queue = &self.queue;
        let deleted = self
            .log
            .delete_released(release.up_to, |segment| queue.remembered(segment.first_seq, segment.last_seq))
            .and_then(|()| self.log.delete_passed_lists(|ingest_time_micros| queue.has_passed(ingest_time_micros)));
        self.queue.set_size(self.log.size());
        // A failed send is a caller that did not wait for the answer.
        let _ = release.done.send(deleted);
        Next::Continue
    }
}

fn panicked(panic: &(dyn Any + Send)) -> WalError {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    };
    WalError::Panicked { message }
}
