//! The segment files of a started log. Owned by the committer thread alone, so no file has two hands on it.
//!
//! ```text
//!   complete: synced, never written again                  active
//!  [ 1.wal | 2.wal | 3.wal ]                              [ 4.wal  ----> ]
//!    ^ release deletes from here, one file                          ^ append writes and syncs here
//!      and one folder sync at a time
//! ```
//! Deleting oldest first, each deletion durable before the next, keeps what a crash leaves an unbroken run of segments.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use super::disk::{self, Disk, SegmentFile};
use super::error::WalError;
use super::folder::{self, Folder};
use super::frame::EncodedRecord;
use super::record::WalSeq;
use super::repeats::Stored;
use super::seen::{self, SeenFile};
use super::segment::{SEGMENT_EXTENSION, SEGMENT_HEADER_BYTES, SegmentHeader, SegmentId, SegmentInfo, file_path};

/// The folder's segments and lists, and the end where records are added.
pub(super) struct SegmentLog {
    disk: Box<dyn Disk>,
    folder: Folder,
    segment_bytes: u64,
    complete: VecDeque<SegmentInfo>,
    seen: VecDeque<SeenFile>,
    active: Active,
}

struct Active {
    file: Box<dyn SegmentFile>,
    info: SegmentInfo,
}

/// How much is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogSize {
    pub(super) bytes: u64,
    pub(super) segments: usize,
}

/// How many bytes of records the next group may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentRoom {
    /// Without beginning a new segment.
    pub(super) active: u64,
    /// In a new one.
    pub(super) fresh: u64,
}

impl SegmentLog {
    /// Goes on where recovery ended: in the last segment if it is empty and starts at `next_seq`, else in a new one.
    pub(super) fn start(
        disk: Box<dyn Disk>,
        folder: Folder,
        segment_bytes: u64,
        mut complete: VecDeque<SegmentInfo>,
        seen: VecDeque<SeenFile>,
        next_seq: WalSeq,
    ) -> Result<Self, WalError> {
        let active = if let Some(empty) = complete.pop_back_if(|last| last.is_empty() && last.first_seq == next_seq) {
            Active::reopen(disk.as_ref(), empty)?
        } else {
            let previous_seq = complete.back().map_or(next_seq.previous(), |last| last.last_seq);
            Active::create(disk.as_ref(), &folder, next_seq, previous_seq)?
        };
        Ok(Self { disk, folder, segment_bytes, complete, seen, active })
    }

    pub(super) fn size(&self) -> LogSize {
        let complete: u64 = self.complete.iter().map(|segment| segment.bytes).sum();
        LogSize { bytes: complete + self.active.info.bytes, segments: self.complete.len() + 1 }
    }

    pub(super) fn room(&self) -> SegmentRoom {
        let fresh = self.segment_bytes.saturating_sub(SEGMENT_HEADER_BYTES as u64);
        SegmentRoom { active: self.segment_bytes.saturating_sub(self.active.info.bytes), fresh }
    }

    /// Makes a group durable: as few writes as possible and one sync, whose time is the answer.
    /// After an error nothing is known of what is on disk, and no more may be appended.
    pub(super) fn append(&mut self, first_seq: WalSeq, records: &mut [EncodedRecord]) -> Result<Duration, WalError> {
        let group_bytes: u64 = records.iter().map(|record| u64::from(record.frame_bytes())).sum();
        if group_bytes > self.room().active {
            self.complete_active()?;
        }
        let active = &mut self.active;
        let synced_seq = first_seq.previous();
        let mut last_seq = synced_seq;
        for record in records.iter_mut() {
            last_seq = last_seq.next();
            record.seal(last_seq, synced_seq, active.info.id);
        }
        let mut slices: Vec<IoSlice<'_>> = records.iter().flat_map(EncodedRecord::slices).collect();
        let path = &active.info.path;
        disk::write_all(active.file.as_mut(), &mut slices).map_err(WalError::io("write records to", path))?;
        let sync_time = sync(active.file.as_mut()).map_err(WalError::io("sync", path))?;
        active.info.bytes += group_bytes;
        active.info.last_seq = last_seq;
        Ok(sync_time)
    }

    /// Completes the active segment if all its records are released: an idle log keeps no data for ever.
    /// After an error no more may be appended.
    pub(super) fn complete_released(&mut self, up_to: WalSeq) -> Result<(), WalError> {
        if self.active.info.last_seq <= up_to { self.complete_active() } else { Ok(()) }
    }

    /// Ends the active segment. After an error no more may be appended.
    pub(super) fn turn_over(&mut self) -> Result<(), WalError> {
        self.complete_active()
    }

    /// Deletes the complete segments wholly at or before `up_to`, each once the requests that `remembered` gives for
    /// it are on disk in its list. After an error the log is as good as before, and a later release tries again.
    pub(super) fn delete_released(
        &mut self,
        up_to: WalSeq,
        remembered: impl Fn(&SegmentInfo) -> Vec<Stored>,
    ) -> Result<(), WalError> {
        while let Some(segment) = self.complete.front().filter(|segment| segment.last_seq <= up_to) {
            let entries = remembered(segment);
            if !entries.is_empty() && self.seen.back().is_none_or(|list| list.last_seq < segment.last_seq) {
                self.seen.push_back(seen::write(&self.folder.path, self.folder.writer_id, segment, &entries)?);
            }
            folder::remove(&segment.path)?;
            self.complete.pop_front();
        }
        Ok(())
    }

    /// Deletes the lists whose requests have all left the window.
    pub(super) fn delete_passed_lists(&mut self, has_passed: impl Fn(i64) -> bool) -> Result<(), WalError> {
        while let Some(list) = self.seen.front().filter(|list| has_passed(list.newest_ingest_micros)) {
            folder::remove(&list.path)?;
            self.seen.pop_front();
        }
        Ok(())
    }

    /// Begins a new segment, unless the active one has no record.
    fn complete_active(&mut self) -> Result<(), WalError> {
        let previous_seq = self.active.info.last_seq;
        if !self.active.info.is_empty() {
            let next = Active::create(self.disk.as_ref(), &self.folder, previous_seq.next(), previous_seq)?;
            self.complete.push_back(std::mem::replace(&mut self.active, next).info);
        }
        Ok(())
    }
}

impl Active {
    /// A new segment, whose header and folder entry are durable before any record is written.
    fn create(disk: &dyn Disk, folder: &Folder, first_seq: WalSeq, previous_seq: WalSeq) -> Result<Self, WalError> {
        let path = file_path(&folder.path, first_seq, SEGMENT_EXTENSION);
        let id = SegmentId::random();
        let header = SegmentHeader { writer_id: folder.writer_id, segment_id: id, first_seq, previous_seq }.encode();
        let mut file = disk.create(&path).map_err(WalError::io("create", &path))?;
        disk::write_all(file.as_mut(), &mut [IoSlice::new(&header)]).map_err(WalError::io("write", &path))?;
        file.sync_data().map_err(WalError::io("sync", &path))?;
        disk.sync_folder(&folder.path).map_err(WalError::io("sync the folder", &folder.path))?;
        let info = SegmentInfo { path, id, first_seq, last_seq: first_seq.previous(), bytes: header.len() as u64 };
        Ok(Self { file, info })
    }

    fn reopen(disk: &dyn Disk, empty: SegmentInfo) -> Result<Self, WalError> {
        let file = disk.reopen(&empty.path).map_err(WalError::io("open", &empty.path))?;
        Ok(Self { file, info: empty })
    }
}

fn sync(file: &mut dyn SegmentFile) -> io::Result<Duration> {
    let start = Instant::now();
    file.sync_data()?;
    Ok(start.elapsed())
}
