//! An answer's bytes, which hold their room until they are sent or the client is gone.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use super::AnswerRoom;
use crate::error::Result;

/// Bytes that are handed over at a time.
const PIECE: usize = 64 << 10;

/// A body that keeps `room` for its bytes.
///
/// # Errors
/// As [`AnswerRoom::reach`].
pub(in crate::server) fn held_body(bytes: impl Into<Bytes>, mut room: AnswerRoom) -> Result<Body> {
    let bytes = bytes.into();
    room.reach(bytes.len())?;
    Ok(Body::from_stream(stream::unfold((bytes, room), async |(mut rest, room)| {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(PIECE.min(rest.len()));
        Some((Ok::<_, Infallible>(piece), (rest, room)))
    })))
}
