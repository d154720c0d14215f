//! The started log, as the rest of the program holds it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::watch;

use super::committer::{Committer, Group};
use super::error::WalError;
use super::folder::WriterId;
use super::frame::EncodedRecord;
use super::log::SegmentLog;
use super::queue::{Answer, Entering, Queue};
use super::record::{RecordHeader, WalSeq};
use super::repeats::Stored;
use super::stats::WalStats;

/// The answer to an append: the request is durable and published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The sequence of the request's record.
    pub seq: WalSeq,
    /// Whether the record was there already, because the same request came before.
    pub repeat: bool,
    /// How many records of the request were rejected, as the first reply said.
    pub rejected: u32,
}

impl Appended {
    pub(super) fn first(stored: &Stored) -> Self {
        Self { seq: stored.seq, repeat: false, rejected: stored.rejected }
    }

    pub(super) fn repeat(stored: &Stored) -> Self {
        Self { repeat: true, ..Self::first(stored) }
    }
}

/// A write-ahead log that takes records, each with a value `T` that goes to the sink once the record is durable.
///
/// Shared by reference or in an `Arc`. Dropped without [`Wal::close`] it does not block: the committer still finishes
/// what is pending, and only then lets go of the folder.
pub struct Wal<T> {
    queue: Arc<Queue<T>>,
    writer_id: WriterId,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// Its sender is dropped by the committer thread, last of all.
    stopped: watch::Receiver<()>,
}

impl<T: Send + 'static> Wal<T> {
    pub(super) fn start(
        queue: Queue<T>,
        writer_id: WriterId,
        log: SegmentLog,
        sink: impl FnMut(Group<T>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(queue);
        let committer = Committer { queue: Arc::clone(&queue), log, sink };
        let (running, stopped) = watch::channel(());
        let committer = thread::Builder::new().name("wal-committer".to_owned()).spawn(move || {
            committer.run();
            drop(running);
        })?;
        Ok(Self { queue, writer_id, committer: Mutex::new(Some(committer)), stopped })
    }

    /// Stores one request, and returns once it is durable and the sink has published `attached`.
    ///
    /// A request whose id was stored within the repeat window is not stored again; its `attached` is dropped. If it is
    /// still pending, this call shares the outcome of the first.
    ///
    /// Waits, first come first served, while `max_pending_bytes` are pending. Dropped while it waits for that, the call
    /// has done nothing; dropped later, the record still becomes durable and is published.
    ///
    /// # Errors
    /// [`WalError::TooLarge`], [`WalError::Full`] and [`WalError::Closed`]: nothing was stored.
    /// [`WalError::Poisoned`]: what was stored shows after a restart.
    pub async fn append(&self, header: &RecordHeader, payload: Bytes, attached: T) -> Result<Appended, WalError> {
        let record = EncodedRecord::new(header, payload, self.queue.max_record_bytes())?;
        // Its sequence is given when it enters the queue.
        let request = Stored::of(WalSeq::default(), header);
        let answer = if let Some(answer) = self.queue.look_up(&request, record.frame_bytes())? {
            answer
        } else {
            let room = self.queue.room_for(record.frame_bytes()).await?;
            self.queue.enqueue(Entering { record, request, attached, room })?
        };
        match answer {
            Answer::Now(appended) => Ok(appended),
            Answer::Later(outcome) => outcome.await.unwrap_or_else(|_| Err(self.queue.stopped())),
        }
    }

    /// Deletes the segments in which every record is at or before `up_to`: the caller's word that the tables hold them.
    /// The active segment is completed first if that is true of all its records.
    ///
    /// # Errors
    /// [`WalError::Io`]: some were not deleted, and a later release tries again. [`WalError::Poisoned`],
    /// [`WalError::Closed`]: the log takes no more work.
    pub async fn release(&self, up_to: WalSeq) -> Result<(), WalError> {
        let done = self.queue.enqueue_release(up_to, false)?;
        done.await.unwrap_or_else(|_| Err(self.queue.stopped()))
    }

    /// Ends the active segment: what is stored from now on is in another, so that a release of all that was stored
    /// before deletes every byte of it.
    ///
    /// # Errors
    /// [`WalError::Poisoned`], [`WalError::Closed`]: the log takes no more work.
    pub async fn turn_over(&self) -> Result<(), WalError> {
        let done = self.queue.enqueue_release(WalSeq(0), true)?;
        done.await.unwrap_or_else(|_| Err(self.queue.stopped()))
    }

    /// The id of this log, in every table's Delta `txn`.
    pub fn writer_id(&self) -> WriterId {
        self.writer_id
    }

    /// Counters and sizes at this moment.
    pub fn stats(&self) -> WalStats {
        self.queue.stats()
    }

    /// Whether the log failed for good: the server is then no longer ready.
    pub fn is_poisoned(&self) -> bool {
        self.queue.is_poisoned()
    }

    /// Refuses new records, and returns once everything pending is durable and published and the folder is unlocked.
    /// Those who wait for room get [`WalError::Closed`]. May be called again, and by several at once.
    ///
    /// # Errors
    /// [`WalError::Poisoned`] if something pending could not be made durable or published.
    pub async fn close(&self) -> Result<(), WalError> {
        self.queue.close();
        let mut stopped = self.stopped.clone();
        // Nothing is ever sent: the channel closing is the news.
        while stopped.changed().await.is_ok() {}
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            // It has nothing left to do but to return, and its panics are caught within.
            let _ = committer.join();
        }
        match self.queue.stopped() {
            WalError::Closed => Ok(()),
            poisoned => Err(poisoned),
        }
    }
}

#[cfg(test)]
impl<T> Wal<T> {
    /// Closes when the committer thread has ended, also after the log was dropped.
    pub(super) fn when_stopped(&self) -> watch::Receiver<()> {
        self.stopped.clone()
    }
}

impl<T> Drop for Wal<T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl<T> std::fmt::Debug for Wal<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wal")
            .field("writer_id", &self.writer_id)
            .field("stats", &self.queue.stats())
            .finish_non_exhaustive()
    }
}
