//! The WAL folder: made durably, locked while open, and carrying the writer's id for life.
//!
//! ```text
//!  telemetry-wal/
//!    lock                        locked exclusively while the log is open; its content means nothing
//!    writer-id                   a random UUID, made with the folder: names this log in every table's Delta `txn`
//!    00000000000000000042.wal    segments
//!    00000000000000000001.seen   requests of released segments
//! ```
//! `writer-id` and lists are put in place whole: written beside (`unfinished.tmp`), synced, renamed, and then the
//! folder is synced. Other files are left alone, but for names ending in `.wal` or `.seen` that the log never gives.
//! Those are refused: skipping one might skip records.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::{Damage, WalError};
use super::record::WalSeq;
use super::seen::SEEN_EXTENSION;
use super::segment::{self, SEGMENT_EXTENSION};

/// Random id of the one writer of a WAL folder, made with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriterId(Uuid);

impl WriterId {
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub(super) fn bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// An open WAL folder. Dropping it lets the lock go.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) writer_id: WriterId,
    _lock: File,
}

/// The log's files in a folder, each list by ascending first sequence.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: Vec<(WalSeq, PathBuf)>,
    pub(super) seen: Vec<PathBuf>,
}

impl Folder {
    /// Makes the folder where it is missing, locks it, and reads or makes its id.
    pub(super) fn open(path: &Path) -> Result<(Self, Listing), WalError> {
        create_durably(path)?;
        let lock = lock(path)?;
        let listing = Listing::read(path)?;
        let writer_id = writer_id(path, &listing)?;
        Ok((Self { path: path.to_owned(), writer_id, _lock: lock }, listing))
    }
}

impl Listing {
    pub(super) fn read(folder: &Path) -> Result<Self, WalError> {
        let mut listing = Self::default();
        let mut seen = Vec::new();
        for entry in fs::read_dir(folder).map_err(WalError::io("list", folder))? {
            let path = entry.map_err(WalError::io("list", folder))?.path();
            let list = match path.extension().and_then(OsStr::to_str) {
                Some(SEGMENT_EXTENSION) => &mut listing.segments,
                Some(SEEN_EXTENSION) => &mut seen,
                _ => continue,
            };
            let stem = path.file_stem().and_then(OsStr::to_str);
            let Some(first_seq) = stem.and_then(segment::parse_stem) else {
                return Err(WalError::damaged(&path, 0, Damage::Name));
            };
            list.push((first_seq, path));
        }
        listing.segments.sort();
        seen.sort();
        listing.seen = seen.into_iter().map(|(_, path)| path).collect();
        Ok(listing)
    }
}

/// Syncs a folder's entries: files made, renamed and removed in it.
pub(super) fn sync(folder: &Path) -> Result<(), WalError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(WalError::io("sync the folder", folder))
}

/// Puts a whole file in place, or, where it fails or the machine stops, leaves what was there.
pub(super) fn put(path: &Path, content: &[u8]) -> Result<(), WalError> {
    // One name for all: what a crash leaves, the next one overwrites. The holder of the lock puts one at a time.
    let beside = path.with_file_name("unfinished.tmp");
    let mut file = File::create(&beside).map_err(WalError::io("create", &beside))?;
    file.write_all(content).map_err(WalError::io("write", &beside))?;
    file.sync_all().map_err(WalError::io("sync", &beside))?;
    fs::rename(&beside, path).map_err(WalError::io("put in place", path))?;
    sync(parent(path))
}

/// Removes a file. One that is gone already is no error: an earlier removal may have failed to sync the folder.
pub(super) fn remove(path: &Path) -> Result<(), WalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(WalError::io("remove", path)(error)),
        _ => sync(parent(path)),
    }
}

/// Makes a folder and those above it, each synced into the one that holds it.
fn create_durably(path: &Path) -> Result<(), WalError> {
    if path.is_dir() {
        return Ok(());
    }
    if path != parent(path) {
        create_durably(parent(path))?;
    }
    match fs::create_dir(path) {
        // Another opener was faster; which of the two goes on, the lock decides.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        created => created.map_err(WalError::io("create the folder", path))?,
    }
    sync(parent(path))
}

/// The folder that holds `path`; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn lock(folder: &Path) -> Result<File, WalError> {
    let path = folder.join("lock");
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(WalError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WalError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(WalError::io("lock", &path)(source)),
    }
}

fn writer_id(folder: &Path, listing: &Listing) -> Result<WriterId, WalError> {
    if let Some(id) = read_writer_id(folder, listing)? {
        return Ok(id);
    }
    let id = WriterId::random();
    put(&folder.join("writer-id"), format!("{id}\n").as_bytes())?;
    Ok(id)
}

/// The id of a folder, `None` for one that has neither id nor records yet.
pub(super) fn read_writer_id(folder: &Path, listing: &Listing) -> Result<Option<WriterId>, WalError> {
    let path = folder.join("writer-id");
    if path.try_exists().map_err(WalError::io("look for", &path))? {
        let text = fs::read(&path).map_err(WalError::io("read", &path))?;
        let id = std::str::from_utf8(&text).ok().and_then(|text| Uuid::try_parse(text.trim_end()).ok());
        return id.map(|id| Some(WriterId(id))).ok_or_else(|| WalError::damaged(&path, 0, Damage::WriterIdUnreadable));
    }
    // A new id beside old records would make every table take them again.
    if !listing.segments.is_empty() || !listing.seen.is_empty() {
        return Err(WalError::damaged(&path, 0, Damage::WriterIdMissing));
    }
    Ok(None)
}
