//! Between the appenders and the committer: what is pending, who waits for it, and what is known of every request.
//!
//! ```text
//!            new          enqueue                 take_work                 complete
//!  request ------> room ---------> queue, in_flight -------> committer ------------------> repeats, waiters woken
//!     |  pending already: wait for that one's outcome              | failure
//!     |  stored within the window: answer at once                  +--> poison: every waiter gets the cause
//! ```
//! One lock guards all of it, held for map and queue operations only: no I/O, no await, no waking and no dropping of
//! callers' values under it. Sequences are given where records enter the queue, so queue order is sequence order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::WalError;
use super::frame::EncodedRecord;
use super::handle::Appended;
use super::log::{LogSize, SegmentRoom};
use super::record::{RequestId, WalSeq};
use super::repeats::{RepeatWindow, Stored};
use super::settings::WalSettings;
use super::stats::WalStats;

pub(super) type Outcome = Result<Appended, WalError>;

/// A record and what it takes to enter the queue, before it has a sequence.
pub(super) struct Entering<T> {
    pub(super) record: EncodedRecord,
    /// Its sequence is still to be given.
    pub(super) request: Stored,
    pub(super) attached: T,
    /// Held until the record is acknowledged: this is what bounds the queue.
    pub(super) room: OwnedSemaphorePermit,
}

/// How an append is answered.
pub(super) enum Answer {
    Now(Appended),
    Later(oneshot::Receiver<Outcome>),
}

/// What the committer does next.
pub(super) enum Work<T> {
    Commit(Batch<T>),
    Release(Release),
}

/// Records that are made durable together.
pub(super) struct Batch<T> {
    pub(super) first_seq: WalSeq,
    pub(super) records: Vec<EncodedRecord>,
    pub(super) attached: Vec<(WalSeq, T)>,
    pub(super) acks: Vec<Ack>,
    pub(super) bytes: u64,
}

/// What is owed to the appender of a record.
pub(super) struct Ack {
    stored: Stored,
    frame_bytes: u64,
    waiter: oneshot::Sender<Outcome>,
    _room: OwnedSemaphorePermit,
}

/// A request to delete released segments.
pub(super) struct Release {
    pub(super) up_to: WalSeq,
    /// Whether the active segment ends here, whatever it holds.
    pub(super) turn_over: bool,
    pub(super) done: oneshot::Sender<Result<(), WalError>>,
}

/// What appenders and committer share.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    work: Condvar,
    room: Arc<Semaphore>,
    max_bytes: u64,
    max_record_bytes: usize,
}

struct State<T> {
    phase: Phase,
    next_seq: WalSeq,
    pending: VecDeque<Pending<T>>,
    /// Requests from their enqueueing to their outcome, with those who sent the same one meanwhile.
    in_flight: HashMap<RequestId, Vec<oneshot::Sender<Outcome>>>,
    releases: VecDeque<Release>,
    repeats: RepeatWindow,
    stats: WalStats,
}

enum Phase {
    Open,
    Closing,
    Poisoned(Arc<WalError>),
}

struct Pending<T> {
    record: EncodedRecord,
    attached: T,
    ack: Ack,
}

impl<T> Queue<T> {
    pub(super) fn new(settings: &WalSettings, next_seq: WalSeq, repeats: RepeatWindow, size: LogSize) -> Self {
        let mut state = State {
            phase: Phase::Open,
            next_seq,
            pending: VecDeque::new(),
            in_flight: HashMap::new(),
            releases: VecDeque::new(),
            repeats,
            stats: WalStats { last_synced_seq: next_seq.previous(), ..WalStats::default() },
        };
        state.set_size(size);
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            room: Arc::new(Semaphore::new(settings.max_pending_bytes)),
            max_bytes: settings.max_bytes,
            max_record_bytes: settings.max_record_bytes,
        }
    }

    pub(super) fn max_record_bytes(&self) -> usize {
        self.max_record_bytes
    }

    /// What is known of a request without taking room for it. `None`: it is new, and may enter.
    pub(super) fn look_up(&self, request: &Stored, frame_bytes: u32) -> Result<Option<Answer>, WalError> {
        self.lock().look_up(request, frame_bytes, self.max_bytes)
    }

    /// Waits, in order, until so many more bytes may be pending. Dropping the future gives up the place.
    pub(super) async fn room_for(&self, frame_bytes: u32) -> Result<OwnedSemaphorePermit, WalError> {
        let room = Arc::clone(&self.room).acquire_many_owned(frame_bytes).await;
        room.map_err(|_| self.stopped())
    }

    /// Gives the record its sequence and its place, unless the same request came in since it was looked up.
    pub(super) fn enqueue(&self, entering: Entering<T>) -> Result<Answer, WalError> {
        let mut state = self.lock();
        let frame_bytes = entering.record.frame_bytes();
        if let Some(answer) = state.look_up(&entering.request, frame_bytes, self.max_bytes)? {
            return Ok(answer);
        }
        let (waiter, outcome) = oneshot::channel();
        let stored = Stored { seq: state.next_seq, ..entering.request };
        let ack = Ack { stored, frame_bytes: u64::from(frame_bytes), waiter, _room: entering.room };
        state.next_seq = state.next_seq.next();
        state.in_flight.insert(stored.request_id, Vec::new());
        state.stats.pending_records += 1;
        state.stats.pending_bytes += ack.frame_bytes;
        state.pending.push_back(Pending { record: entering.record, attached: entering.attached, ack });
        drop(state);
        self.work.notify_one();
        Ok(Answer::Later(outcome))
    }

    /// Asks the committer to delete released segments.
    pub(super) fn enqueue_release(
        &self,
        up_to: WalSeq,
        turn_over: bool,
    ) -> Result<oneshot::Receiver<Result<(), WalError>>, WalError> {
        let (done, outcome) = oneshot::channel();
        let mut state = self.lock();
        state.check_open()?;
        state.releases.push_back(Release { up_to, turn_over, done });
        drop(state);
        self.work.notify_one();
        Ok(outcome)
    }

    /// Blocks until there is something to do. `None` once the log is closing and everything is done.
    pub(super) fn take_work(&self, room: SegmentRoom) -> Option<Work<T>> {
        let mut state = self.lock();
        loop {
            if let Some(release) = state.releases.pop_front() {
                return Some(Work::Release(release));
            }
            if let Some(batch) = state.take_batch(room) {
                return Some(Work::Commit(batch));
            }
            if !matches!(state.phase, Phase::Open) {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Acknowledges records that are durable and published. From here on the same request is a repeat.
    pub(super) fn complete(&self, acks: Vec<Ack>, size: LogSize, sync_time: Duration) {
        let mut state = self.lock();
        let mut wake = Vec::with_capacity(acks.len());
        for ack in acks {
            let stored = ack.stored;
            state.repeats.remember(stored);
            state.stats.pending_records -= 1;
            state.stats.pending_bytes -= ack.frame_bytes;
            state.stats.appended_records += 1;
            state.stats.appended_bytes += ack.frame_bytes;
            state.stats.last_synced_seq = stored.seq;
            let followers = state.in_flight.remove(&stored.request_id).unwrap_or_default();
            state.stats.repeats += followers.len() as u64;
            wake.push((ack, followers));
        }
        state.stats.group_commits += 1;
        state.stats.sync_time += sync_time;
        state.set_size(size);
        drop(state);
        for (ack, followers) in wake {
            // A failed send is an appender that gave up: its record is stored all the same.
            let _ = ack.waiter.send(Ok(Appended::first(&ack.stored)));
            for follower in followers {
                let _ = follower.send(Ok(Appended::repeat(&ack.stored)));
            }
        }
    }

    /// What is remembered of the records of a segment.
    pub(super) fn remembered(&self, first_seq: WalSeq, last_seq: WalSeq) -> Vec<Stored> {
        self.lock().repeats.of_range(first_seq..=last_seq)
    }

    pub(super) fn has_passed(&self, ingest_time_micros: i64) -> bool {
        self.lock().repeats.has_passed(ingest_time_micros)
    }

    pub(super) fn set_size(&self, size: LogSize) {
        self.lock().set_size(size);
    }

    /// Ends the log with a failure: everything pending fails now, everything later at once. The first cause stays.
    pub(super) fn poison(&self, cause: WalError, in_commit: Vec<Ack>) {
        let mut state = self.lock();
        let cause = match &state.phase {
            Phase::Poisoned(first) => Arc::clone(first),
            Phase::Open | Phase::Closing => Arc::new(cause),
        };
        state.phase = Phase::Poisoned(Arc::clone(&cause));
        let pending = std::mem::take(&mut state.pending);
        let in_flight = std::mem::take(&mut state.in_flight);
        let releases = std::mem::take(&mut state.releases);
        state.stats.pending_records = 0;
        state.stats.pending_bytes = 0;
        drop(state);
        self.room.close();

        let poisoned = || WalError::Poisoned { cause: Arc::clone(&cause) };
        let first = in_commit.into_iter().chain(pending.into_iter().map(|pending| pending.ack)).map(|ack| ack.waiter);
        for waiter in first.chain(in_flight.into_values().flatten()) {
            let _ = waiter.send(Err(poisoned()));
        }
        for release in releases {
            let _ = release.done.send(Err(poisoned()));
        }
    }

    /// Refuses new work. What is pending is still committed.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.room.close();
        self.work.notify_one();
    }

    pub(super) fn is_poisoned(&self) -> bool {
        matches!(self.lock().phase, Phase::Poisoned(_))
    }

    /// Why the log takes no more work; for those whose channel closed without a word.
    pub(super) fn stopped(&self) -> WalError {
        self.lock().check_open().err().unwrap_or(WalError::Closed)
    }

    pub(super) fn stats(&self) -> WalStats {
        let state = self.lock();
        WalStats { repeat_entries: state.repeats.len(), repeats_forgotten: state.repeats.forgotten(), ..state.stats }
    }

    /// Nothing under this lock runs foreign code, so a panic cannot have left the state half changed.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn check_open(&self) -> Result<(), WalError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Closing => Err(WalError::Closed),
            Phase::Poisoned(cause) => Err(WalError::Poisoned { cause: Arc::clone(cause) }),
        }
    }

    fn look_up(&mut self, request: &Stored, frame_bytes: u32, max_bytes: u64) -> Result<Option<Answer>, WalError> {
        self.check_open()?;
        if let Some(stored) = self.repeats.find(request.request_id, request.ingest_time_micros) {
            self.stats.repeats += 1;
            return Ok(Some(Answer::Now(Appended::repeat(&stored))));
        }
        if let Some(followers) = self.in_flight.get_mut(&request.request_id) {
            // A client that gives up and retries again and again, while a sync hangs, is one follower.
            followers.retain(|follower| !follower.is_closed());
            let (waiter, outcome) = oneshot::channel();
            followers.push(waiter);
            return Ok(Some(Answer::Later(outcome)));
        }
        let bytes = self.stats.unreleased_bytes + self.stats.pending_bytes;
        if bytes + u64::from(frame_bytes) > max_bytes {
            return Err(WalError::Full { bytes, limit: max_bytes });
        }
        Ok(None)
    }

    /// The longest run of pending records that fits, at least one if there is one.
    fn take_batch(&mut self, room: SegmentRoom) -> Option<Batch<T>> {
        let first = self.pending.front()?;
        let limit = if first.ack.frame_bytes <= room.active { room.active } else { room.fresh };
        let mut batch = Batch {
            first_seq: first.ack.stored.seq,
            records: Vec::new(),
            attached: Vec::new(),
            acks: Vec::new(),
            bytes: 0,
        };
        while let Some(pending) =
            self.pending.pop_front_if(|next| batch.bytes == 0 || batch.bytes + next.ack.frame_bytes <= limit)
        {
            batch.bytes += pending.ack.frame_bytes;
            batch.attached.push((pending.ack.stored.seq, pending.attached));
            batch.records.push(pending.record);
            batch.acks.push(pending.ack);
        }
        Some(batch)
    }

    fn set_size(&mut self, size: LogSize) {
        self.stats.unreleased_bytes = size.bytes;
        self.stats.segments = size.segments;
    }
}
