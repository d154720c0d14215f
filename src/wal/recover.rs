//! Opening what an earlier run left: reads every record once, cuts a torn tail, refuses damage.
//!
//! A write that a crash interrupted leaves bytes that do not check at the end of the last segment; so does a disk that
//! lost acknowledged records. Cutting the first is right, cutting the second is data loss. What tells them apart:
//!
//! ```text
//!   frame 7        frame 8         frame 9          frame 10
//!  | synced 6 |   | synced 7 |   |#### bad ####|   | synced 8 |              no proof that 9 was synced: cut at 9
//!  | synced 6 |   | synced 7 |   |#### bad ####|   | synced 9 |              10 was written after 9's sync: damage
//! ```
//! Every frame says up to which record the log had been synced when it was written. Past the first bad frame the rest
//! of the file is searched for any frame that proves the bad one had been synced. A frame counts by its prelude alone,
//! whose checksum is seeded with the segment's random id, so that no payload can pose as one.
//!
//! - Damage to the last group of a log that stopped leaves no later frame, and looks torn: it is cut, and reported.
//! - In any segment but the last every bad byte is damage: a segment is synced before the next one is made. So are
//!   records missing between segments, by the chain of `previous seq`.
//! - A last file that is no longer than a segment header, and has no good one, is what a crash left of making it. It
//!   is finished, not removed: its name may be all that is left of how far the sequences had come.
//!
//! What is accepted is made durable first, then replayed: an earlier run may have stopped before its sync.
//!
//! Cost: one sequential read of all unreleased segments, and one write of the last. Memory: one record, and the repeat
//! window.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::{Damage, WalError};
use super::folder::{self, Folder, Listing, WriterId};
use super::frame::{MAGIC, PRELUDE_BYTES, Prelude};
use super::reader::{Flaw, FrameError, OpenedSegment, SegmentReader};
use super::record::WalSeq;
use super::repeats::{RepeatWindow, Stored};
use super::seen::{self, SeenFile};
use super::segment::{SegmentHeader, SegmentId, SegmentInfo};

const CHUNK_BYTES: u64 = 1 << 20;

/// What is on disk, and known to be good.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segments: VecDeque<SegmentInfo>,
    pub(super) seen: VecDeque<SeenFile>,
    pub(super) repeats: RepeatWindow,
    /// The highest sequence in use.
    pub(super) last_seq: WalSeq,
    pub(super) cut_bytes: u64,
}

/// Reads the folder's files, and cuts a torn tail. Changes nothing before it has accepted everything.
pub(super) fn recover(folder: &Folder, listing: &Listing, repeats: RepeatWindow) -> Result<Recovered, WalError> {
    let mut recovered =
        Recovered { segments: VecDeque::new(), seen: VecDeque::new(), repeats, last_seq: WalSeq(0), cut_bytes: 0 };
    for path in &listing.seen {
        let (file, entries) = seen::read(path, folder.writer_id)?;
        recovered.last_seq = recovered.last_seq.max(file.last_seq);
        for entry in entries {
            recovered.repeats.remember(entry);
        }
        recovered.seen.push_back(file);
    }
    let last = listing.segments.len().saturating_sub(1);
    for (index, (first_seq, path)) in listing.segments.iter().enumerate() {
        let tail = if index == last { Tail::MayBeTorn } else { Tail::Complete };
        match SegmentReader::open(path, *first_seq, folder.writer_id)? {
            OpenedSegment::Good(reader) => recovered.take_segment(reader, tail)?,
            OpenedSegment::Unfinished { bytes } if tail == Tail::MayBeTorn => {
                recovered.finish_segment(path, *first_seq, folder.writer_id)?;
                recovered.cut_bytes += bytes;
            }
            OpenedSegment::Unfinished { .. } => return Err(WalError::damaged(path, 0, Damage::SegmentHeader)),
        }
    }
    if let Some(last) = recovered.segments.back() {
        settle(&last.path, last.bytes)?;
        folder::sync(&folder.path)?;
    }
    Ok(recovered)
}

/// Whether a segment may end in an unfinished write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    Complete,
    MayBeTorn,
}

impl Recovered {
    fn take_segment(&mut self, mut reader: SegmentReader, tail: Tail) -> Result<(), WalError> {
        let header = reader.header;
        if let Some(before) = self.segments.back()
            && before.last_seq != header.previous_seq
        {
            let damage = Damage::Gap { expected: header.previous_seq, found: before.last_seq };
            return Err(WalError::damaged(&reader.path, 0, damage));
        }
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => self.repeats.remember(Stored::of(frame.seq, &frame.header)),
                Ok(None) => break,
                Err(FrameError::Other(error)) => return Err(error),
                Err(FrameError::Flaw(flaw)) => {
                    refuse_damage(&reader, flaw, tail)?;
                    self.cut_bytes += reader.bytes - reader.offset;
                    break;
                }
            }
        }
        let last_seq = reader.next_seq.previous();
        self.last_seq = self.last_seq.max(last_seq);
        let info = SegmentInfo {
            path: reader.path,
            id: header.segment_id,
            first_seq: header.first_seq,
            last_seq,
            bytes: reader.offset,
        };
        self.segments.push_back(info);
        Ok(())
    }

    /// Makes a good, empty segment of one that has no good header.
    fn finish_segment(&mut self, path: &Path, first_seq: WalSeq, writer_id: WriterId) -> Result<(), WalError> {
        let last_seq = first_seq.previous();
        let previous_seq = self.segments.back().map_or(last_seq, |before| before.last_seq);
        if previous_seq > last_seq {
            return Err(WalError::damaged(path, 0, Damage::Gap { expected: last_seq, found: previous_seq }));
        }
        let id = SegmentId::random();
        let header = SegmentHeader { writer_id, segment_id: id, first_seq, previous_seq }.encode();
        let mut file = File::create(path).map_err(WalError::io("open", path))?;
        file.write_all(&header).map_err(WalError::io("write", path))?;
        let bytes = header.len() as u64;
        self.segments.push_back(SegmentInfo { path: path.to_owned(), id, first_seq, last_seq, bytes });
        self.last_seq = self.last_seq.max(last_seq);
        Ok(())
    }
}

/// Makes the last segment exactly what was accepted of it, durably.
///
/// What was read may be in the page cache alone: the last run was killed before its sync, or its sync failed, after
/// which Linux takes the pages for written and the next sync for done. So the bytes are written again, unchanged, and
/// synced, before a replay or the answer to a repeat counts on them.
fn settle(path: &Path, bytes: u64) -> Result<(), WalError> {
    let mut accepted = File::open(path).map_err(WalError::io("open", path))?.take(bytes);
    let mut file = File::options().write(true).open(path).map_err(WalError::io("open", path))?;
    file.set_len(bytes).map_err(WalError::io("cut the torn tail of", path))?;
    let mut chunk = Vec::new();
    while accepted.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk).map_err(WalError::io("read", path))? > 0 {
        file.write_all(&chunk).map_err(WalError::io("write", path))?;
        chunk.clear();
    }
    file.sync_all().map_err(WalError::io("sync", path))
}

/// Returns only where the reader stands at a torn tail.
pub(super) fn refuse_damage(reader: &SegmentReader, flaw: Flaw, tail: Tail) -> Result<(), WalError> {
    let seq = reader.next_seq;
    let damage = if !flaw.can_be_torn() {
        Damage::Contradiction { seq, flaw }
    } else if tail == Tail::Complete {
        Damage::CompleteSegment { seq, flaw }
    } else if had_been_synced(reader)? {
        Damage::SyncedRecord { seq, flaw }
    } else {
        return Ok(());
    };
    Err(WalError::damaged(&reader.path, reader.offset, damage))
}

/// Whether any frame after the reader's place proves that the record there had been synced.
fn had_been_synced(reader: &SegmentReader) -> Result<bool, WalError> {
    let path = &reader.path;
    let mut file = File::open(path).map_err(WalError::io("open", path))?;
    file.seek(SeekFrom::Start(reader.offset)).map_err(WalError::io("read", path))?;
    let mut window = Vec::new();
    loop {
        let read = Read::by_ref(&mut file).take(CHUNK_BYTES).read_to_end(&mut window);
        if read.map_err(WalError::io("read", path))? == 0 {
            return Ok(false);
        }
        let proves = |bytes: &[u8; PRELUDE_BYTES]| {
            bytes.starts_with(&MAGIC)
                && Prelude::decode(bytes, reader.header.segment_id)
                    .is_ok_and(|prelude| prelude.synced_seq >= reader.next_seq)
        };
        if window.array_windows::<PRELUDE_BYTES>().any(proves) {
            return Ok(true);
        }
        // A prelude may straddle two chunks.
        window.drain(..window.len().saturating_sub(PRELUDE_BYTES - 1));
    }
}
