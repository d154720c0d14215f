//! Frames: how a record stands in a segment, so that its bytes prove themselves.
//!
//! ```text
//!  +------------------------------------- prelude, 36 bytes ------------------------------------+-- body ----------+
//!  | magic 4 | header len 4 | payload len 4 | body crc 4 | seq 8 | synced seq 8 | prelude crc 4 | header | payload |
//!  +--------------------------------------------------------------------------------------------+------------------+
//! ```
//! (little-endian, CRC-32)
//!
//! - The prelude has a checksum of its own, so that lengths are trusted before the body is read, and so that looking
//!   for frames in damaged bytes costs the same wherever it looks.
//! - That checksum starts from the segment's random id. A payload cannot contain a frame that counts (a sender does
//!   not know the id), nor can stale bytes of another segment pass for records of this one.
//! - The body's checksum needs neither sequence nor segment: appenders compute it in parallel, before they queue.
//! - `synced seq` is the last sequence known durable when the frame was written. It is what tells damage from a torn
//!   tail: see `recover.rs`.

use std::io::IoSlice;

use bytes::Bytes;

use super::error::WalError;
use super::fields::Fields;
use super::reader::Flaw;
use super::record::{RecordHeader, WalSeq};
use super::segment::SegmentId;

pub(super) const MAGIC: [u8; 4] = *b"TsFr";
pub(super) const PRELUDE_BYTES: usize = 36;
/// The format's bound, checked before anything is allocated. The setting may be lower today than when a record was
/// written, so it is not what reading goes by.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 30;
/// The most that a frame has beside its payload.
pub(super) const MAX_HEAD_BYTES: usize = PRELUDE_BYTES + RecordHeader::MAX_BYTES;

const CHECKED_BYTES: usize = PRELUDE_BYTES - 4;

/// The fixed part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prelude {
    pub(super) header_len: u32,
    pub(super) payload_len: u32,
    pub(super) body_crc: u32,
    pub(super) seq: WalSeq,
    pub(super) synced_seq: WalSeq,
}

impl Prelude {
    fn encode(&self, segment: SegmentId) -> [u8; PRELUDE_BYTES] {
        let mut out = [0; PRELUDE_BYTES];
        let (checked, crc) = out.split_at_mut(CHECKED_BYTES);
        let fields: [&[u8]; 6] = [
            &MAGIC,
            &self.header_len.to_le_bytes(),
            &self.payload_len.to_le_bytes(),
            &self.body_crc.to_le_bytes(),
            &self.seq.0.to_le_bytes(),
            &self.synced_seq.0.to_le_bytes(),
        ];
        let mut rest = &mut *checked;
        for field in fields {
            let (slot, after) = rest.split_at_mut(field.len());
            slot.copy_from_slice(field);
            rest = after;
        }
        crc.copy_from_slice(&segment.checksum(checked).to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8; PRELUDE_BYTES], segment: SegmentId) -> Result<Self, Flaw> {
        let mut fields = Fields(bytes);
        if fields.array() != Some(MAGIC) {
            return Err(Flaw::NoFrame);
        }
        let (checked, crc) = bytes.split_at(CHECKED_BYTES);
        if crc != segment.checksum(checked).to_le_bytes() {
            return Err(Flaw::PreludeChecksum);
        }
        Self::read(&mut fields).filter(Self::is_possible).ok_or(Flaw::ImpossiblePrelude)
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            header_len: fields.u32()?,
            payload_len: fields.u32()?,
            body_crc: fields.u32()?,
            seq: WalSeq(fields.u64()?),
            synced_seq: WalSeq(fields.u64()?),
        })
    }

    fn is_possible(&self) -> bool {
        self.header_len as usize <= RecordHeader::MAX_BYTES
            && self.payload_len as usize <= MAX_PAYLOAD_BYTES
            && self.synced_seq < self.seq
            && self.seq <= WalSeq::MAX
    }

    pub(super) fn body_len(&self) -> u64 {
        u64::from(self.header_len) + u64::from(self.payload_len)
    }
}

/// A record on its way into a segment: everything is encoded but its sequence and its segment, which the committer
/// knows.
#[derive(Debug)]
pub(super) struct EncodedRecord {
    /// Room for the prelude, then the header.
    head: Vec<u8>,
    payload: Bytes,
    header_len: u32,
    payload_len: u32,
    frame_bytes: u32,
    body_crc: u32,
}

impl EncodedRecord {
    /// Copies the header, shares the payload, and checksums both.
    pub(super) fn new(header: &RecordHeader, payload: Bytes, max_payload_bytes: usize) -> Result<Self, WalError> {
        let limit = max_payload_bytes.min(MAX_PAYLOAD_BYTES);
        let too_large = |bytes| WalError::TooLarge { part: "payload", bytes, limit };
        if payload.len() > limit {
            return Err(too_large(payload.len()));
        }
        let mut head = Vec::with_capacity(256);
        head.resize(PRELUDE_BYTES, 0);
        header.encode(&mut head)?;
        let (_, header) = head.split_at(PRELUDE_BYTES);
        let len = |bytes| u32::try_from(bytes).map_err(|_| too_large(bytes));
        Ok(Self {
            header_len: len(header.len())?,
            payload_len: len(payload.len())?,
            frame_bytes: len(head.len() + payload.len())?,
            body_crc: body_checksum(header, &payload),
            head,
            payload,
        })
    }

    /// Size of the whole frame.
    pub(super) fn frame_bytes(&self) -> u32 {
        self.frame_bytes
    }

    /// Fills in the prelude. To be called before [`EncodedRecord::slices`].
    pub(super) fn seal(&mut self, seq: WalSeq, synced_seq: WalSeq, segment: SegmentId) {
        let prelude = Prelude {
            header_len: self.header_len,
            payload_len: self.payload_len,
            body_crc: self.body_crc,
            seq,
            synced_seq,
        };
        for (slot, byte) in self.head.iter_mut().zip(prelude.encode(segment)) {
            *slot = byte;
        }
    }

    pub(super) fn slices(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(&self.head), IoSlice::new(&self.payload)]
    }
}

pub(super) fn body_checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prelude() -> impl Strategy<Value = Prelude> {
        (0..RecordHeader::MAX_BYTES as u32, 0..MAX_PAYLOAD_BYTES as u32, any::<u32>(), 1..u64::from(u32::MAX), 0..9u64)
            .prop_map(|(header_len, payload_len, body_crc, seq, lag)| Prelude {
                header_len,
                payload_len,
                body_crc,
                seq: WalSeq(seq),
                synced_seq: WalSeq((seq - 1).saturating_sub(lag)),
            })
    }

    proptest! {
        #[test]
        fn a_prelude_reads_back_in_its_segment_alone(prelude in prelude()) {
            let segment = SegmentId::random();
            let bytes = prelude.encode(segment);
            prop_assert_eq!(Prelude::decode(&bytes, segment), Ok(prelude));
            prop_assert_eq!(Prelude::decode(&bytes, SegmentId::random()), Err(Flaw::PreludeChecksum));
        }

        #[test]
        fn a_flipped_byte_of_a_prelude_is_found(prelude in prelude(), at in 0..PRELUDE_BYTES, flip in 1..=u8::MAX) {
            let segment = SegmentId::random();
            let mut bytes = prelude.encode(segment);
            bytes[at] ^= flip;
            prop_assert!(Prelude::decode(&bytes, segment).is_err());
        }
    }

    #[test]
    fn lengths_out_of_bounds_are_refused_though_they_check() {
        let segment = SegmentId::random();
        let fine = Prelude { header_len: 44, payload_len: 9, body_crc: 0, seq: WalSeq(5), synced_seq: WalSeq(4) };
        assert_eq!(Prelude::decode(&fine.encode(segment), segment), Ok(fine));
        let impossible = [
            Prelude { payload_len: u32::MAX, ..fine },
            Prelude { header_len: u32::MAX, ..fine },
            Prelude { synced_seq: WalSeq(5), ..fine },
            Prelude { seq: WalSeq(u64::MAX), ..fine },
        ];
        for prelude in impossible {
            assert_eq!(Prelude::decode(&prelude.encode(segment), segment), Err(Flaw::ImpossiblePrelude));
        }
    }
}
