//! A look at a log's folder from outside: reads, and never locks, makes, cuts or changes anything.
//!
//! The log may be another program's, and running. It appends to its last segment and deletes released ones meanwhile,
//! so a file that vanished means that the folder is listed again, and what does not check at the end of a last segment
//! that is still growing means nothing. What a look accepts is what opening the log would.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::{Damage, WalError};
use super::folder::{self, Listing, WriterId};
use super::reader::{FrameError, OpenedSegment, SegmentReader};
use super::record::WalSeq;
use super::recover::{Tail, refuse_damage};
use super::seen;
use crate::model::signal::Signal;

/// Listings of a folder whose files vanish while they are read, at most.
const LISTINGS: usize = 10;

/// What is in a folder.
#[derive(Debug, Clone, Default)]
pub struct WalLook {
    /// The log's id, `None` for a folder that has none yet.
    pub writer_id: Option<WriterId>,
    /// Whether a program has the log open; `None` where the system does not tell.
    pub in_use: Option<bool>,
    /// Segment files.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The highest sequence known to be in use, zero for none.
    pub last_seq: WalSeq,
    /// Whether records were released: the log begins past its first sequence.
    pub has_released: bool,
    /// Bytes at the end that are no whole record.
    pub unfinished_bytes: u64,
    /// Unreleased records by signal, at or before what its table has committed.
    pub stored: [u64; 3],
    /// Unreleased records by signal, after what its table has committed.
    pub waiting: [u64; 3],
}

/// Looks at a folder; `None` where it does not exist. `committed` tells up to which sequence a writer's records are in
/// a signal's table. Blocking; one sequential read of the unreleased records.
///
/// # Errors
/// [`WalError::Damaged`] and [`WalError::UnknownVersion`] as opening would answer, [`WalError::Io`].
pub fn look(
    folder: &Path,
    committed: impl Fn(WriterId, Signal) -> Option<WalSeq>,
) -> Result<Option<WalLook>, WalError> {
    if !folder.try_exists().map_err(WalError::io("look for", folder))? {
        return Ok(None);
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match look_once(folder, &committed) {
            // Released while we looked; what comes after it is there.
            Err(error) if is_gone(&error) && tries < LISTINGS => {}
            looked => return looked.map(Some),
        }
    }
}

fn is_gone(error: &WalError) -> bool {
    match error {
        WalError::Io { source, .. } => source.kind() == ErrorKind::NotFound,
        // A segment that was listed and the one before it that was not.
        WalError::Damaged { damage: Damage::Gap { .. }, .. } => true,
        _ => false,
    }
}

fn look_once(folder: &Path, committed: &impl Fn(WriterId, Signal) -> Option<WalSeq>) -> Result<WalLook, WalError> {
    let listing = Listing::read(folder)?;
    let mut look = WalLook { in_use: in_use(folder), ..WalLook::default() };
    look.writer_id = folder::read_writer_id(folder, &listing)?;
    let Some(writer_id) = look.writer_id else { return Ok(look) };
    let committed = Signal::ALL.map(|signal| committed(writer_id, signal).unwrap_or(WalSeq(0)));
    for path in &listing.seen {
        look.last_seq = look.last_seq.max(seen::read(path, writer_id)?.0.last_seq);
        look.has_released = true;
    }
    let mut previous: Option<WalSeq> = None;
    let last = listing.segments.len().saturating_sub(1);
    for (index, (first_seq, path)) in listing.segments.iter().enumerate() {
        let tail = if index == last { Tail::MayBeTorn } else { Tail::Complete };
        look.segments += 1;
        match SegmentReader::open(path, *first_seq, writer_id)? {
            OpenedSegment::Good(reader) => {
                let header = reader.header;
                match previous {
                    Some(found) if found != header.previous_seq => {
                        let damage = Damage::Gap { expected: header.previous_seq, found };
                        return Err(WalError::damaged(path, 0, damage));
                    }
                    None => look.has_released |= header.previous_seq > WalSeq(0),
                    Some(_) => {}
                }
                previous = Some(look.take_segment(reader, tail, &committed)?);
            }
            // Being made, or left so by a crash.
            OpenedSegment::Unfinished { bytes } if tail == Tail::MayBeTorn => {
                look.unfinished_bytes += bytes;
                look.last_seq = look.last_seq.max(first_seq.previous());
            }
            OpenedSegment::Unfinished { .. } => return Err(WalError::damaged(path, 0, Damage::SegmentHeader)),
        }
    }
    Ok(look)
}

impl WalLook {
    fn take_segment(
        &mut self,
        mut reader: SegmentReader,
        tail: Tail,
        committed: &[WalSeq; 3],
    ) -> Result<WalSeq, WalError> {
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    let signal = frame.header.signal.index();
                    let counts = if frame.seq <= committed[signal] { &mut self.stored } else { &mut self.waiting };
                    counts[signal] += 1;
                }
                Ok(None) => break,
                Err(FrameError::Other(error)) => return Err(error),
                Err(FrameError::Flaw(flaw)) => {
                    // Longer or gone by now: a running log is writing it, or has finished it since it was listed.
                    let now = fs::metadata(&reader.path).map_err(WalError::io("look at", &reader.path))?.len();
                    if now == reader.bytes {
                        refuse_damage(&reader, flaw, tail)?;
                        self.unfinished_bytes += reader.bytes - reader.offset;
                    }
                    break;
                }
            }
        }
        let last_seq = reader.next_seq.previous();
        self.bytes += reader.bytes;
        self.last_seq = self.last_seq.max(last_seq);
        Ok(last_seq)
    }
}

/// Whether someone holds the folder's lock, without trying for it: a server that starts at that moment would meet ours.
#[cfg(target_os = "linux")]
fn in_use(folder: &Path) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    let lock = match fs::metadata(folder.join("lock")) {
        Ok(lock) => lock,
        Err(error) => return (error.kind() == ErrorKind::NotFound).then_some(false),
    };
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:123456 0 EOF
    let inode = lock.ino().to_string();
    Some(locks.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let held = fields.nth(1) == Some("FLOCK");
        held && fields.nth(3).and_then(|file| file.rsplit(':').next()) == Some(inode.as_str())
    }))
}

#[cfg(not(target_os = "linux"))]
fn in_use(folder: &Path) -> Option<bool> {
    (!folder.join("lock").try_exists().ok()?).then_some(false)
}
