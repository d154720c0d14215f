//! A log that was opened: recovered, locked, ready for replay, not yet taking records.

use std::path::Path;

use super::committer::Group;
use super::disk::{Disk, LocalDisk};
use super::error::WalError;
use super::folder::{Folder, WriterId};
use super::handle::Wal;
use super::log::SegmentLog;
use super::queue::Queue;
use super::record::WalSeq;
use super::recover::{self, Recovered};
use super::repeats::RepeatWindow;
use super::replay::Replay;
use super::settings::WalSettings;

/// A recovered log. Blocking calls, for the start of a program: open, replay what the tables lack, then start.
#[derive(Debug)]
pub struct OpenedWal {
    settings: WalSettings,
    folder: Folder,
    recovered: Recovered,
}

impl OpenedWal {
    /// Opens the log in `folder`, made if missing, and locks it. Reads every unreleased record once; cuts a torn tail.
    ///
    /// # Errors
    /// [`WalError::Locked`]: it is open elsewhere. [`WalError::Damaged`], [`WalError::UnknownVersion`]: an operator has
    /// to look. [`WalError::InvalidSettings`], [`WalError::Io`]. Records are never changed before an error.
    pub fn open(folder: &Path, settings: WalSettings) -> Result<Self, WalError> {
        settings.validate()?;
        let (folder, listing) = Folder::open(folder)?;
        let repeats = RepeatWindow::new(settings.repeat_window_micros(), settings.max_repeat_entries);
        let recovered = recover::recover(&folder, &listing, repeats)?;
        if recovered.cut_bytes > 0 {
            tracing::warn!(
                folder = %folder.path.display(),
                cut_bytes = recovered.cut_bytes,
                last_seq = recovered.last_seq.0,
                "cut an unfinished write off the end of the write-ahead log"
            );
        }
        Ok(Self { settings, folder, recovered })
    }

    /// The random id made with the folder. Every table's Delta `txn` carries it.
    pub fn writer_id(&self) -> WriterId {
        self.folder.writer_id
    }

    /// The highest sequence this log knows to have been in use, zero for none. Its record may be released.
    pub fn last_seq(&self) -> WalSeq {
        self.recovered.last_seq
    }

    /// How many bytes of an unfinished write were cut: of records that no one had been told were stored.
    pub fn cut_bytes(&self) -> u64 {
        self.recovered.cut_bytes
    }

    /// The unreleased records after `after`, in order.
    pub fn replay(&self, after: WalSeq) -> Replay<'_> {
        Replay::new(after, self.folder.writer_id, self.recovered.segments.iter())
    }

    /// Starts taking records, above every sequence known here and above `floor`: the highest that any table committed.
    /// The sink runs on the log's own thread; while it blocks nothing is committed, and a panic in it poisons the log.
    ///
    /// # Errors
    /// [`WalError::SequencesExhausted`] for a floor that is none, [`WalError::Io`] if the next segment can't be made.
    pub fn start<T, S>(self, floor: WalSeq, sink: S) -> Result<Wal<T>, WalError>
    where
        T: Send + 'static,
        S: FnMut(Group<T>) + Send + 'static,
    {
        self.start_on(Box::new(LocalDisk), floor, sink)
    }

    /// [`OpenedWal::start`] on a disk that tests can make fail.
    pub(super) fn start_on<T, S>(self, disk: Box<dyn Disk>, floor: WalSeq, sink: S) -> Result<Wal<T>, WalError>
    where
        T: Send + 'static,
        S: FnMut(Group<T>) + Send + 'static,
    {
        let Self { settings, folder, recovered } = self;
        let Recovered { segments, seen, repeats, last_seq, .. } = recovered;
        let floor = floor.max(last_seq);
        // Leaves room for more records than a disk could sync in a lifetime.
        if floor.0 > WalSeq::MAX.0 / 2 {
            return Err(WalError::SequencesExhausted { floor });
        }
        let next_seq = floor.next();
        let (path, writer_id) = (folder.path.clone(), folder.writer_id);
        let log = SegmentLog::start(disk, folder, settings.segment_bytes, segments, seen, next_seq)?;
        let queue = Queue::new(&settings, next_seq, repeats, log.size());
        Wal::start(queue, writer_id, log, sink).map_err(WalError::io("start the committer thread of", &path))
    }
}
