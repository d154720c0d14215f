//! What can go wrong in the log, sorted by what the caller should do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::WriterId;
use super::reader::Flaw;
use super::record::WalSeq;

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The bound on unreleased bytes is reached. Answer "unavailable, try later": a release makes room.
    #[error(
        "the write-ahead log holds {bytes} bytes that are not in the tables yet, and its bound is {limit}; \
         send again once a flush has released some, and look at why flushes lag"
    )]
    Full {
        /// Bytes unreleased and pending.
        bytes: u64,
        /// `max_bytes` of the settings.
        limit: u64,
    },

    /// The record can never be taken. Answer "invalid": sending it again is no use.
    #[error("the {part} of the record has {bytes} bytes and at most {limit} are taken; send smaller requests")]
    TooLarge {
        /// Which part of the record.
        part: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },

    /// An earlier write, sync or publication failed, and what is on disk is unknown until the log is opened again.
    /// The record of this call may still turn out durable; then it is replayed, and sent again it is a repeat.
    #[error("the write-ahead log takes no more records since an earlier failure; restart to recover: {cause}")]
    Poisoned {
        /// The first failure.
        cause: Arc<WalError>,
    },

    /// The log was closed. Nothing of this call was stored.
    #[error("the write-ahead log is closed")]
    Closed,

    /// Another process, or another handle of this one, has the folder open.
    #[error("the write-ahead log in {} is open elsewhere; stop that server or give this one a folder of its own", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },

    /// A setting is out of range or contradicts another.
    #[error("write-ahead log setting `{key}` {reason}")]
    InvalidSettings {
        /// The field of [`WalSettings`](super::WalSettings).
        key: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// What is on disk contradicts what this log had made durable. Nothing was changed.
    #[error(
        "{} is damaged at byte {offset}: {damage}; restore it from a copy, or, to give up what the tables do not hold \
         yet, move every .wal and .seen file out of the folder and start again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },

    /// A file was written by a version of this program that this one does not know.
    #[error("{} has format version {version}, and this program reads {supported}; use the program that wrote it", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version it says.
        version: u32,
        /// The version that this program writes and reads.
        supported: u32,
    },

    /// The sequence numbers are used up, or the caller's floor is no sequence that a table could have committed.
    #[error("no sequence is left above {floor}; the table that committed it was not written by this log")]
    SequencesExhausted {
        /// The highest sequence in use.
        floor: WalSeq,
    },

    /// The operating system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "could not {action} {path}".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The committer thread or the sink panicked: a bug. Seen as the cause of [`WalError::Poisoned`].
    #[error("the write-ahead log's committer panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

impl WalError {
    /// For `map_err`: an I/O error with what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, offset: u64, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), offset, damage }
    }
}

/// What contradicts what the log had made durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A `.wal` or `.seen` file whose name the log never gives.
    #[error("its name is not a sequence of 20 digits")]
    Name,
    /// A segment's header that had been synced does not check.
    #[error("the segment header does not check")]
    SegmentHeader,
    /// A file of another log.
    #[error("it was written by writer {found}, and this folder belongs to {expected}")]
    ForeignWriter {
        /// Whose folder this is.
        expected: WriterId,
        /// Who wrote the file.
        found: WriterId,
    },
    /// A file was renamed.
    #[error("its header says that it starts at sequence {header}, its name does not")]
    Renamed {
        /// The first sequence by the header.
        header: WalSeq,
    },
    /// Records between two segments are gone.
    #[error(
        "it continues after sequence {expected}, but what is before it ends at {found}: a segment is missing or cut"
    )]
    Gap {
        /// Where the segment before it ended when this one was made.
        expected: WalSeq,
        /// Where it ends now.
        found: WalSeq,
    },
    /// A record is unreadable, and a later frame proves that it had been synced.
    #[error("record {seq} had been synced, as a frame after it proves, but {flaw}")]
    SyncedRecord {
        /// The record.
        seq: WalSeq,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A record is unreadable in a segment that was complete before the next one was made.
    #[error("record {seq} of a completed segment is expected here, but {flaw}")]
    CompleteSegment {
        /// The record.
        seq: WalSeq,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The bytes check, and yet say what this program never writes.
    #[error("record {seq} is expected here, but {flaw}")]
    Contradiction {
        /// The record.
        seq: WalSeq,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A segment is not as long as it was when the log was opened.
    #[error("its length has changed since the log was opened")]
    ChangedSinceOpened,
    /// A list of released requests does not check.
    #[error("this list of requests already stored does not check (without it, ones sent again might be stored twice)")]
    SeenList,
    /// The folder has segments, but its id is gone.
    #[error("the folder has records but no writer id, so the tables cannot tell which of them they hold")]
    WriterIdMissing,
    /// The id is not a UUID.
    #[error("the writer id is not a UUID")]
    WriterIdUnreadable,
}
