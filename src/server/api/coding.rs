//! Compressed answers (RFC 9110, section 12.5.3): text as gzip or zstd, where the client takes it.
//!
//! Guarantee: what goes in comes out at once, not when a buffer is full, so that rows arrive while the query runs.

use std::io::Write;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::{Error, Result};
use crate::output::Format;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// zstd's own default, 3, costs a fifth more time for a few per cent.
const ZSTD_LEVEL: i32 = 1;

impl Coding {
    /// What the client likes best; of equals zstd. Text alone: Parquet is compressed inside, and Arrow's readers often
    /// take the bytes as they come, of clients that accept a coding without being asked to (`requests` and its `raw`).
    pub(super) fn accepted(headers: &HeaderMap, format: Format) -> Self {
        if matches!(format, Format::Arrow | Format::Parquet) {
            return Self::Identity;
        }
        let mut best = (Self::Identity, 0.0);
        let asked = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for range in asked.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let coding = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Self::Gzip,
                "zstd" => Self::Zstd,
                _ => continue,
            };
            let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
            let quality: f32 = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            if quality > best.1 || (quality == best.1 && coding == Self::Zstd) {
                best = (coding, quality);
            }
        }
        if best.1 > 0.0 { best.0 } else { Self::Identity }
    }

    /// The value of `Content-Encoding`.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// What compresses one body.
    pub(super) fn compressor(self) -> Result<Compressor> {
        Ok(match self {
            Self::Identity => Compressor::Identity,
            Self::Gzip => Compressor::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Self::Zstd => Compressor::Zstd(zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(failed)?),
        })
    }
}

/// Compresses one body, piece by piece. CPU work: call it where blocking is welcome.
pub(super) enum Compressor {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    /// The piece, compressed; the reader can decompress it as it comes.
    pub(super) fn write(&mut self, piece: Bytes) -> Result<Bytes> {
        if piece.is_empty() {
            return Ok(piece);
        }
        match self {
            Self::Identity => Ok(piece),
            Self::Gzip(encoder) => {
                encoder.write_all(&piece).and_then(|()| encoder.flush()).map_err(failed)?;
                Ok(std::mem::take(encoder.get_mut()).into())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&piece).and_then(|()| encoder.flush()).map_err(failed)?;
                Ok(std::mem::take(encoder.get_mut()).into())
            }
        }
    }

    /// The last piece, and the end.
    pub(super) fn finish(self, last: Bytes) -> Result<Bytes> {
        match self {
            Self::Identity => Ok(last),
            Self::Gzip(mut encoder) => {
                encoder.write_all(&last).map_err(failed)?;
                encoder.finish().map(Bytes::from).map_err(failed)
            }
            Self::Zstd(mut encoder) => {
                encoder.write_all(&last).map_err(failed)?;
                encoder.finish().map(Bytes::from).map_err(failed)
            }
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::internal("the answer can't be compressed").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;

    use super::*;

    #[rstest::rstest]
    #[case("", Coding::Identity)]
    #[case("gzip, deflate, br, zstd", Coding::Zstd)]
    #[case("gzip, deflate", Coding::Gzip)]
    #[case("zstd;q=0.5, GZIP;q=0.8", Coding::Gzip)]
    #[case("gzip;q=0, zstd; q=0", Coding::Identity)]
    #[case("br, *", Coding::Identity)]
    fn the_best_liked_known_coding_is_taken(#[case] accept: &'static str, #[case] expected: Coding) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        assert_eq!(Coding::accepted(&headers, Format::Json), expected);
        assert_eq!(Coding::accepted(&headers, Format::Parquet), Coding::Identity);
        assert_eq!(Coding::accepted(&headers, Format::Arrow), Coding::Identity);
    }

    #[rstest::rstest]
    #[case(Coding::Gzip)]
    #[case(Coding::Zstd)]
    fn each_piece_can_be_read_when_it_comes(#[case] coding: Coding) {
        let mut compressor = coding.compressor().unwrap();
        let mut sent = compressor.write(Bytes::from_static(b"first,")).unwrap().to_vec();
        let begun = decompressed(coding, &sent);
        assert_eq!(begun, "first,");
        sent.extend(compressor.write(Bytes::new()).unwrap());
        sent.extend(compressor.write(Bytes::from_static(b"second,")).unwrap());
        sent.extend(compressor.finish(Bytes::from_static(b"last")).unwrap());
        assert_eq!(decompressed(coding, &sent), "first,second,last");
    }

    /// What can be read of a body that may be cut off.
    fn decompressed(coding: Coding, bytes: &[u8]) -> String {
        let mut reader: Box<dyn Read> = match coding {
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            _ => Box::new(zstd::Decoder::new(bytes).unwrap()),
        };
        let (mut text, mut chunk) = (Vec::new(), [0; 64]);
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            text.extend_from_slice(&chunk[..read]);
        }
        String::from_utf8(text).unwrap()
    }
}
