//! gRPC's length-prefixed message, of which a unary request has one.
//!
//! Read here instead of by tonic's codec, because tonic inflates on the reactor and without a bound over all
//! requests, and answers an oversized message with `OUT_OF_RANGE`, which OTLP clients send again for ever.
//!
//! ```text
//! | 0 or 1: compressed | length, 4 bytes big-endian | message |
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tonic::Status;

/// Bytes before the message.
pub(super) const PREFIX_BYTES: usize = 5;

/// The one message of a unary request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Whether `message` is compressed as `grpc-encoding` says.
    pub(super) compressed: bool,
    /// The message.
    pub(super) message: Bytes,
}

impl Frame {
    /// Reads a whole request body.
    ///
    /// # Errors
    /// The status for a body that is no message, or more than one.
    pub(super) fn parse(mut body: Bytes) -> Result<Self, Status> {
        if body.len() < PREFIX_BYTES {
            return Err(Status::invalid_argument("the request has no whole gRPC message"));
        }
        let compressed = match body.get_u8() {
            0 => false,
            1 => true,
            // What gRPC prescribes for a broken protocol.
            flag => return Err(Status::internal(format!("the compressed-flag is {flag}; it is 0 or 1"))),
        };
        let length = body.get_u32();
        if body.len() as u64 != u64::from(length) {
            return Err(Status::invalid_argument(format!(
                "the gRPC message says {length} bytes and has {}; send one whole message",
                body.len()
            )));
        }
        Ok(Self { compressed, message: body })
    }

    /// A reply's bytes, not compressed.
    pub(super) fn of(message: &impl Message) -> Bytes {
        let length = message.encoded_len();
        let mut frame = BytesMut::with_capacity(PREFIX_BYTES + length);
        frame.put_u8(0);
        // A reply holds a count and a short message.
        frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        frame.extend_from_slice(&message.encode_to_vec());
        frame.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_whole_message_is_read_and_nothing_else() {
        let whole = Bytes::from_static(&[1, 0, 0, 0, 2, 8, 9]);
        assert_eq!(
            Frame::parse(whole.clone()).unwrap(),
            Frame { compressed: true, message: Bytes::from_static(&[8, 9]) }
        );
        for cut in 0..whole.len() {
            assert!(Frame::parse(whole.slice(..cut)).is_err(), "{cut}");
        }
        assert!(Frame::parse([whole.clone(), whole].concat().into()).is_err());
        assert_eq!(Frame::parse(Bytes::from_static(&[2, 0, 0, 0, 0])).unwrap_err().code(), tonic::Code::Internal);
    }
}
