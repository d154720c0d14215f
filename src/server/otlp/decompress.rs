//! Request bodies to their plain bytes, never past the bound.
//!
//! Guarantee: at most `max_bytes` and one step are ever inflated, whatever the compressed bytes promise.

use std::io::{BufReader, Read};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::server::body::too_large;
use crate::server::room::Held;

/// The largest window of a zstd frame, as a power of two: 32 MiB. RFC 9659 asks senders for at most 8 MiB, but the
/// Collector's best levels (klauspost/compress) use up to 32.
const ZSTD_WINDOW_LOG: u32 = 25;

/// Bytes inflated between two looks at the bounds.
const STEP: u64 = 256 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    Identity,
    /// RFC 1952, of one or several members.
    Gzip,
    /// RFC 1950, which HTTP calls deflate.
    Deflate,
    /// RFC 8878, of one or several frames.
    Zstd,
}

impl Compression {
    /// What HTTP requests may name; also the value of `Accept-Encoding`.
    pub(super) const HTTP: &str = "gzip, zstd, deflate, identity";

    /// What gRPC requests may name; also the value of `grpc-accept-encoding`.
    pub(super) const GRPC: &str = "gzip,zstd,deflate,identity";

    /// The compression of a header's value, `None` for one that is not known.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        let known = [
            ("", Self::Identity),
            ("identity", Self::Identity),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("zstd", Self::Zstd),
        ];
        known.into_iter().find_map(|(known, compression)| known.eq_ignore_ascii_case(name).then_some(compression))
    }
}

/// The plain bytes of `body`, which may have `max_bytes`. CPU work: call it where blocking is welcome.
///
/// # Errors
/// `TooLarge` past `max_bytes`, `Unavailable` where there is no room, `Invalid` for bytes that are damaged.
pub(super) fn decompress(compression: Compression, body: &Bytes, max_bytes: usize, held: &mut Held) -> Result<Bytes> {
    let body_bytes: &[u8] = body;
    match compression {
        Compression::Identity => Ok(body.clone()),
        Compression::Gzip => inflate(flate2::bufread::MultiGzDecoder::new(body_bytes), max_bytes, held),
        Compression::Deflate => inflate(flate2::bufread::ZlibDecoder::new(body_bytes), max_bytes, held),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(BufReader::new(body_bytes)).map_err(damaged)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(damaged)?;
            inflate(decoder, max_bytes, held)
        }
    }
}

fn inflate(mut plain: impl Read, max_bytes: usize, held: &mut Held) -> Result<Bytes> {
    let mut whole = Vec::new();
    loop {
        let read = plain.by_ref().take(STEP).read_to_end(&mut whole).map_err(damaged)?;
        if read == 0 {
            return Ok(Bytes::from(whole));
        }
        if whole.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        held.grow(read)?;
    }
}

fn damaged(error: std::io::Error) -> Error {
    Error::invalid("the body can't be decompressed as its encoding says").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::ErrorKind;
    use crate::server::room::Room;

    fn compressed(compression: Compression, plain: &[u8]) -> Bytes {
        match compression {
            Compression::Identity => Bytes::copy_from_slice(plain),
            Compression::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                writer.write_all(plain).unwrap();
                writer.finish().unwrap().into()
            }
            Compression::Deflate => {
                let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                writer.write_all(plain).unwrap();
                writer.finish().unwrap().into()
            }
            Compression::Zstd => zstd::encode_all(plain, 3).unwrap().into(),
        }
    }

    #[rstest::rstest]
    #[case(Compression::Gzip)]
    #[case(Compression::Deflate)]
    #[case(Compression::Zstd)]
    fn a_body_comes_back_up_to_the_bound_and_no_further(#[case] compression: Compression) {
        let plain = vec![7; 300_000];
        let body = compressed(compression, &plain);
        let room = Room::new(1 << 20);
        assert_eq!(decompress(compression, &body, plain.len(), &mut room.hold()).unwrap(), plain);
        let error = decompress(compression, &body, plain.len() - 1, &mut room.hold()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let full = Room::new(100_000);
        let error = decompress(compression, &body, plain.len(), &mut full.hold()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let cut = body.slice(..body.len() - 1);
        assert_eq!(
            decompress(compression, &cut, plain.len(), &mut room.hold()).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn members_and_frames_in_a_row_are_one_body() {
        let room = Room::new(1 << 20);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let twice = [compressed(compression, b"one "), compressed(compression, b"two")].concat().into();
            assert_eq!(decompress(compression, &twice, 100, &mut room.hold()).unwrap(), "one two");
        }
    }

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(Compression::from_name("GZIP"), Some(Compression::Gzip));
        assert_eq!(Compression::from_name(" zstd "), Some(Compression::Zstd));
        assert_eq!(Compression::from_name("br"), None);
        assert_eq!(Compression::from_name("gzip, gzip"), None);
    }
}
