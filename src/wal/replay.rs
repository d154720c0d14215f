//! Replay: the records that tables may lack, in order, after a restart.

use std::collections::vec_deque;

use bytes::Bytes;

use super::error::{Damage, WalError};
use super::folder::WriterId;
use super::reader::{FrameError, OpenedSegment, SegmentReader};
use super::record::{RecordHeader, WalSeq};
use super::segment::SegmentInfo;

/// A record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Its sequence.
    pub seq: WalSeq,
    /// What is known of its request.
    pub header: RecordHeader,
    /// The raw request.
    pub payload: Bytes,
}

/// Records above a sequence, ascending. Memory: one record and a read buffer, whatever the log holds.
///
/// Opening has read every record once already, so an error means that the disk changed since. Nothing follows one.
#[derive(Debug)]
pub struct Replay<'a> {
    after: WalSeq,
    writer_id: WriterId,
    segments: vec_deque::Iter<'a, SegmentInfo>,
    reader: Option<SegmentReader>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(after: WalSeq, writer_id: WriterId, segments: vec_deque::Iter<'a, SegmentInfo>) -> Self {
        Self { after, writer_id, segments, reader: None }
    }

    fn advance(&mut self) -> Result<Option<Replayed>, WalError> {
        loop {
            let Some(reader) = &mut self.reader else {
                match self.segments.find(|segment| !segment.is_empty() && segment.last_seq > self.after) {
                    Some(segment) => self.reader = Some(self.open(segment)?),
                    None => return Ok(None),
                }
                continue;
            };
            match reader.next_frame() {
                Ok(Some(frame)) if frame.seq <= self.after => {}
                Ok(Some(frame)) => {
                    return Ok(Some(Replayed { seq: frame.seq, header: frame.header, payload: frame.payload }));
                }
                Ok(None) => self.reader = None,
                Err(FrameError::Other(error)) => return Err(error),
                Err(FrameError::Flaw(flaw)) => {
                    let damage = Damage::CompleteSegment { seq: reader.next_seq, flaw };
                    return Err(WalError::damaged(&reader.path, reader.offset, damage));
                }
            }
        }
    }

    fn open(&self, segment: &SegmentInfo) -> Result<SegmentReader, WalError> {
        match SegmentReader::open(&segment.path, segment.first_seq, self.writer_id)? {
            OpenedSegment::Good(reader) if reader.bytes == segment.bytes => Ok(reader),
            _ => Err(WalError::damaged(&segment.path, segment.bytes, Damage::ChangedSinceOpened)),
        }
    }
}

impl Iterator for Replay<'_> {
    type Item = Result<Replayed, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            self.reader = None;
            self.segments = vec_deque::Iter::default();
        }
        next
    }
}
