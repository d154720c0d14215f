//! Segment files: their names, and the header each starts with.
//!
//! ```text
//!  00000000000000004711.wal
//!  | magic 8 | version 4 | writer id 16 | segment id 16 | first seq 8 | previous seq 8 | crc 4 |  frames ...
//! ```
//! - The header, and then the folder's entry, are synced before a frame is written. So a file that is longer than its
//!   header had a good one.
//! - `previous seq` is where the segment before this one ended. It chains the files: a missing or
//!   shortened segment shows. `first seq` may be greater than `previous seq + 1`, where the tables were ahead of the
//!   log (see `OpenedWal::start`).
//! - `segment id` is random and seeds the checksums of the segment's frames.
//!
//! Later versions keep these 64 bytes and the place of the version and the checksum in them.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::fields::Fields;
use super::folder::WriterId;
use super::record::WalSeq;

pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
pub(super) const FORMAT_VERSION: u32 = 1;
pub(super) const SEGMENT_EXTENSION: &str = "wal";

const MAGIC: [u8; 8] = *b"telewal\n";
const CHECKED_BYTES: usize = SEGMENT_HEADER_BYTES - 4;

/// Random identity of one segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentId([u8; 16]);

impl SegmentId {
    pub(super) fn random() -> Self {
        Self(*Uuid::new_v4().as_bytes())
    }

    /// CRC-32 of `bytes` as they stand in this segment.
    pub(super) fn checksum(self, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.0);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) writer_id: WriterId,
    pub(super) segment_id: SegmentId,
    pub(super) first_seq: WalSeq,
    pub(super) previous_seq: WalSeq,
}

/// Why a segment header could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFlaw {
    /// It is too short or does not check.
    Invalid,
    /// It checks, and is of another version.
    Version(u32),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.extend(MAGIC);
        out.extend(FORMAT_VERSION.to_le_bytes());
        out.extend(self.writer_id.bytes());
        out.extend(self.segment_id.0);
        out.extend(self.first_seq.0.to_le_bytes());
        out.extend(self.previous_seq.0.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads the header off the front of `bytes`.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFlaw> {
        let header: &[u8; SEGMENT_HEADER_BYTES] = bytes.first_chunk().ok_or(HeaderFlaw::Invalid)?;
        let (checked, crc) = header.split_at(CHECKED_BYTES);
        let mut fields = Fields(checked);
        if fields.array() != Some(MAGIC) || crc != crc32fast::hash(checked).to_le_bytes() {
            return Err(HeaderFlaw::Invalid);
        }
        match fields.u32() {
            Some(FORMAT_VERSION) => Self::read(&mut fields).filter(Self::is_possible).ok_or(HeaderFlaw::Invalid),
            Some(version) => Err(HeaderFlaw::Version(version)),
            None => Err(HeaderFlaw::Invalid),
        }
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            writer_id: WriterId::from_bytes(fields.array()?),
            segment_id: SegmentId(fields.array()?),
            first_seq: WalSeq(fields.u64()?),
            previous_seq: WalSeq(fields.u64()?),
        })
    }

    fn is_possible(&self) -> bool {
        self.previous_seq < self.first_seq && self.first_seq <= WalSeq::MAX
    }
}

/// A segment that is on disk, as far as release and replay need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentInfo {
    pub(super) path: PathBuf,
    pub(super) id: SegmentId,
    /// By its header. Its first record has this sequence, if it has a record.
    pub(super) first_seq: WalSeq,
    /// Its last record; the sequence before `first_seq` where it is empty.
    pub(super) last_seq: WalSeq,
    pub(super) bytes: u64,
}

impl SegmentInfo {
    pub(super) fn is_empty(&self) -> bool {
        self.last_seq < self.first_seq
    }
}

/// The path of the file that starts at `first_seq`: twenty digits, so that names sort as sequences do.
pub(super) fn file_path(folder: &Path, first_seq: WalSeq, extension: &str) -> PathBuf {
    folder.join(format!("{first_seq:020}.{extension}"))
}

/// The sequence in a file's stem; `None` where the log gives no such name.
pub(super) fn parse_stem(stem: &str) -> Option<WalSeq> {
    if stem.len() != 20 || !stem.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    stem.parse().ok().map(WalSeq).filter(|seq| WalSeq(1) <= *seq && *seq <= WalSeq::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            writer_id: WriterId::random(),
            segment_id: SegmentId::random(),
            first_seq: WalSeq(4711),
            previous_seq: WalSeq(4700),
        }
    }

    #[test]
    fn a_header_reads_back_and_every_flipped_byte_is_found() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
        let read = SegmentHeader::decode(&bytes).expect("a good header");
        assert_eq!(read.encode(), bytes);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(SegmentHeader::decode(&flipped), Err(HeaderFlaw::Invalid), "byte {at}");
            assert_eq!(SegmentHeader::decode(&bytes[..at]), Err(HeaderFlaw::Invalid), "cut at {at}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..CHECKED_BYTES]).to_le_bytes();
        bytes[CHECKED_BYTES..].copy_from_slice(&crc);
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFlaw::Version(2)));
    }

    #[rstest]
    #[case("00000000000000004711", Some(WalSeq(4711)))]
    #[case("4711", None)]
    #[case("00000000000000000000", None)]
    #[case("+0000000000000004711", None)]
    #[case("99999999999999999999", None)]
    #[case("18446744073709551615", None)]
    fn names_are_read_strictly(#[case] stem: &str, #[case] seq: Option<WalSeq>) {
        assert_eq!(parse_stem(stem), seq);
    }

    #[test]
    fn a_path_sorts_as_its_sequence() {
        let path = file_path(Path::new("/wal"), WalSeq(4711), SEGMENT_EXTENSION);
        assert_eq!(path, Path::new("/wal/00000000000000004711.wal"));
    }
}
