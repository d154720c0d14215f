//! Reads the frames of one segment in order, checking all that can be checked of each.
//!
//! Memory: one record. A length is believed once its checksum, the format's bound and the file's size agree with it.
//! What a flaw means, a torn tail or damage, is for the caller to say: see `recover.rs`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::{Damage, WalError};
use super::folder::WriterId;
use super::frame::{PRELUDE_BYTES, Prelude, body_checksum};
use super::record::{RecordHeader, WalSeq};
use super::segment::{FORMAT_VERSION, HeaderFlaw, SEGMENT_HEADER_BYTES, SegmentHeader};

/// What is wrong with the bytes where a frame should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file ends too early.
    #[error("the file ends within its frame")]
    CutShort,
    /// No frame starts here.
    #[error("no frame starts there")]
    NoFrame,
    /// The fixed part does not check.
    #[error("the checksum of its frame's prelude does not match")]
    PreludeChecksum,
    /// The fixed part checks, but is none that this program writes.
    #[error("its frame's prelude is impossible")]
    ImpossiblePrelude,
    /// Header and payload do not check.
    #[error("the checksum of its header and payload does not match")]
    BodyChecksum,
    /// Another record stands where the next one should.
    #[error("record {found} stands there")]
    Sequence {
        /// The record that is there.
        found: WalSeq,
    },
    /// Header and payload check, but the header is none that this program writes.
    #[error("its header is unreadable")]
    UnreadableHeader,
}

impl Flaw {
    /// Whether an unfinished write can look like this. A checksum that matches rules it out.
    pub(super) fn can_be_torn(self) -> bool {
        match self {
            Self::CutShort | Self::NoFrame | Self::PreludeChecksum | Self::BodyChecksum => true,
            Self::ImpossiblePrelude | Self::Sequence { .. } | Self::UnreadableHeader => false,
        }
    }
}

/// One record as it was read.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) seq: WalSeq,
    pub(super) header: RecordHeader,
    pub(super) payload: Bytes,
}

/// Why the next frame could not be read.
#[derive(Debug)]
pub(super) enum FrameError {
    Flaw(Flaw),
    Other(WalError),
}

/// Reads one segment from its header on.
#[derive(Debug)]
pub(super) struct SegmentReader {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    /// Length of the file when it was opened.
    pub(super) bytes: u64,
    /// Where the next frame should be.
    pub(super) offset: u64,
    /// Which record should be there.
    pub(super) next_seq: WalSeq,
    file: BufReader<File>,
}

/// A segment file, opened.
#[derive(Debug)]
pub(super) enum OpenedSegment {
    Good(SegmentReader),
    /// The header does not check, and no frame can have been written: a crash came before its sync.
    Unfinished {
        bytes: u64,
    },
}

impl SegmentReader {
    /// Opens a segment that should start at `first_seq` and belong to `writer_id`.
    pub(super) fn open(path: &Path, first_seq: WalSeq, writer_id: WriterId) -> Result<OpenedSegment, WalError> {
        let mut file = File::open(path).map_err(WalError::io("open", path))?;
        let bytes = file.metadata().map_err(WalError::io("look at", path))?.len();
        let mut start = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        let limit = SEGMENT_HEADER_BYTES as u64;
        Read::by_ref(&mut file).take(limit).read_to_end(&mut start).map_err(WalError::io("read", path))?;
        let header = match SegmentHeader::decode(&start) {
            Ok(header) => header,
            Err(HeaderFlaw::Version(version)) => {
                return Err(WalError::UnknownVersion { path: path.to_owned(), version, supported: FORMAT_VERSION });
            }
            Err(HeaderFlaw::Invalid) if bytes <= limit => return Ok(OpenedSegment::Unfinished { bytes }),
            Err(HeaderFlaw::Invalid) => return Err(WalError::damaged(path, 0, Damage::SegmentHeader)),
        };
        if header.writer_id != writer_id {
            let damage = Damage::ForeignWriter { expected: writer_id, found: header.writer_id };
            return Err(WalError::damaged(path, 0, damage));
        }
        if header.first_seq != first_seq {
            return Err(WalError::damaged(path, 0, Damage::Renamed { header: header.first_seq }));
        }
        Ok(OpenedSegment::Good(Self {
            path: path.to_owned(),
            header,
            bytes,
            offset: limit,
            next_seq: first_seq,
            file: BufReader::with_capacity(1 << 18, file),
        }))
    }

    /// The next record, `None` at the end of the file. After an error the reader stays where it was.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let left = self.bytes.saturating_sub(self.offset);
        if left == 0 {
            return Ok(None);
        }
        let Some(left) = left.checked_sub(PRELUDE_BYTES as u64) else {
            return Err(FrameError::Flaw(Flaw::CutShort));
        };
        let mut prelude = [0; PRELUDE_BYTES];
        self.read_exact(&mut prelude)?;
        let prelude = Prelude::decode(&prelude, self.header.segment_id).map_err(FrameError::Flaw)?;
        if prelude.seq != self.next_seq {
            return Err(FrameError::Flaw(Flaw::Sequence { found: prelude.seq }));
        }
        if left < prelude.body_len() {
            return Err(FrameError::Flaw(Flaw::CutShort));
        }
        let mut header = vec![0; prelude.header_len as usize];
        self.read_exact(&mut header)?;
        let mut payload = vec![0; prelude.payload_len as usize];
        self.read_exact(&mut payload)?;
        if body_checksum(&header, &payload) != prelude.body_crc {
            return Err(FrameError::Flaw(Flaw::BodyChecksum));
        }
        let header = RecordHeader::decode(&header).ok_or(FrameError::Flaw(Flaw::UnreadableHeader))?;
        self.offset += PRELUDE_BYTES as u64 + prelude.body_len();
        self.next_seq = prelude.seq.next();
        Ok(Some(Frame { seq: prelude.seq, header, payload: payload.into() }))
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), FrameError> {
        self.file.read_exact(buffer).map_err(|source| FrameError::Other(WalError::io("read", &self.path)(source)))
    }
}
