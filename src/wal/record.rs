//! What one record says about its request, and how that is laid out in bytes.
//!
//! ```text
//!  signal   1 | encoding 1 | has principal 1 | zero 1 | rejected 4 | ingest time 8 | latest time 8
//!  request id 16 | source length 2 | principal length 2 | source | principal        (little-endian)
//! ```
//! Decoding is exact: bytes left over, an unknown code or text that is not UTF-8 make the header unreadable.

use std::fmt;

use super::error::WalError;
use super::fields::Fields;
use crate::model::{Encoding, Signal};

/// The place of a record in the log: 1, 2, 3, … for the life of a WAL folder. Zero is "before every record".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WalSeq(pub u64);

impl WalSeq {
    /// The last sequence there can be: a Delta `txn` version is a signed 64-bit number.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The sequence after this one. Callers keep below [`WalSeq::MAX`].
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(super) const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for WalSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A hash of a request, equal exactly for requests that are to be stored once. The caller folds in whatever makes two
/// requests different besides their bytes: the signal, the encoding, the principal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub [u8; 16]);

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// What a record says about its request, beside the raw bytes. Replay needs nothing else to do again what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// The one table the request is for.
    pub signal: Signal,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// By which way it came, for example `otlp/grpc`. At most 4 KiB.
    pub source: String,
    /// Whose credentials sent it, if any. At most 4 KiB.
    pub principal: Option<String>,
    /// When the request was taken, in microseconds since 1970. Also the clock of the repeat window.
    pub ingest_time_micros: i64,
    /// The latest time a record of this request was allowed to have, in microseconds since 1970.
    pub latest_time_micros: i64,
    /// Which request this is.
    pub request_id: RequestId,
    /// How many records of the request were rejected: part of the reply, also to a repeat.
    pub rejected: u32,
}

/// The longest `source` and `principal`.
const MAX_TEXT_BYTES: u16 = 4096;
const FIXED_BYTES: usize = 44;

impl RecordHeader {
    /// The most bytes that [`RecordHeader::encode`] appends.
    pub(super) const MAX_BYTES: usize = FIXED_BYTES + 2 * MAX_TEXT_BYTES as usize;

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), WalError> {
        let source_len = text_len("source", &self.source)?;
        let principal = self.principal.as_deref().unwrap_or_default();
        let principal_len = text_len("principal", principal)?;
        out.extend([self.signal.code(), self.encoding.code(), u8::from(self.principal.is_some()), 0]);
        out.extend(self.rejected.to_le_bytes());
        out.extend(self.ingest_time_micros.to_le_bytes());
        out.extend(self.latest_time_micros.to_le_bytes());
        out.extend(self.request_id.0);
        out.extend(source_len.to_le_bytes());
        out.extend(principal_len.to_le_bytes());
        out.extend(self.source.as_bytes());
        out.extend(principal.as_bytes());
        Ok(())
    }

    /// `None` for what [`RecordHeader::encode`] never writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let signal = Signal::from_code(fields.u8()?)?;
        let encoding = Encoding::from_code(fields.u8()?)?;
        let has_principal = match fields.array()? {
            [0, 0] => false,
            [1, 0] => true,
            _ => return None,
        };
        let rejected = fields.u32()?;
        let ingest_time_micros = fields.i64()?;
        let latest_time_micros = fields.i64()?;
        let request_id = RequestId(fields.array()?);
        let (source_len, principal_len) = (fields.u16()?, fields.u16()?);
        let source = fields.text(source_len)?.to_owned();
        let principal = fields.text(principal_len)?.to_owned();
        if !fields.0.is_empty() || (!has_principal && !principal.is_empty()) {
            return None;
        }
        Some(Self {
            signal,
            encoding,
            source,
            principal: has_principal.then_some(principal),
            ingest_time_micros,
            latest_time_micros,
            request_id,
            rejected,
        })
    }
}

fn text_len(part: &'static str, text: &str) -> Result<u16, WalError> {
    u16::try_from(text.len()).ok().filter(|len| *len <= MAX_TEXT_BYTES).ok_or_else(|| WalError::TooLarge {
        part,
        bytes: text.len(),
        limit: usize::from(MAX_TEXT_BYTES),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wal::tests::any_header;

    proptest! {
        #[test]
        fn decode_after_encode_gives_the_header_back(header in any_header()) {
            let mut bytes = Vec::new();
            header.encode(&mut bytes).expect("within bounds");
            prop_assert!(bytes.len() <= RecordHeader::MAX_BYTES);
            prop_assert_eq!(RecordHeader::decode(&bytes), Some(header));
        }

        #[test]
        fn a_header_of_another_length_is_unreadable(header in any_header(), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            header.encode(&mut bytes).expect("within bounds");
            prop_assert_eq!(RecordHeader::decode(&bytes[..cut.index(bytes.len())]), None);
            bytes.push(0);
            prop_assert_eq!(RecordHeader::decode(&bytes), None);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = RecordHeader::decode(&bytes);
        }
    }
}
