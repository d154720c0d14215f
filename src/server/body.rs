//! A request's body, whole in memory: bounded in bytes and in time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::room::Held;
use crate::error::{Error, ErrorKind, Result};

/// Time for a whole body. OTLP exporters give up after ten seconds; the rest is for slow lines.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Time for which the rest of a refused body is read, as nginx's `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(5);

/// Reads a body of at most `max_bytes`.
///
/// The rest of a refused body is read for a while and thrown away: many clients look for the reply only when they
/// have sent everything, and closing with bytes unread resets the connection, which may destroy a reply on its way.
///
/// # Errors
/// `TooLarge` past `max_bytes`; `Unavailable` where there is no room or the body is slow, since it may be sent
/// again; `Invalid` where it breaks off.
pub(super) async fn read_body(body: Body, max_bytes: usize, held: &mut Held) -> Result<Bytes> {
    read_within(BODY_TIME, body, max_bytes, held).await
}

async fn read_within(time: Duration, body: Body, max_bytes: usize, held: &mut Held) -> Result<Bytes> {
    tokio::time::timeout(time, async {
        let announced = body.size_hint().lower();
        let mut frames = body.into_data_stream();
        let outcome = if announced > max_bytes as u64 {
            Err(too_large(max_bytes))
        } else {
            collect(&mut frames, max_bytes, held).await
        };
        if outcome.is_err() {
            let rest =
                frames.take_while(|frame| std::future::ready(frame.is_ok())).for_each(|_| std::future::ready(()));
            // The reply matters, not how much of the rest came.
            let _ = tokio::time::timeout(LINGER, rest).await;
        }
        outcome
    })
    .await
    .unwrap_or_else(|_| {
        Err(Error::unavailable(format!("the body did not arrive within {}s; send it again", time.as_secs())))
    })
}

/// The refusal of a request with more than `max_bytes`.
pub(super) fn too_large(max_bytes: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the request has more than {max_bytes} bytes; send smaller batches"))
}

async fn collect(frames: &mut BodyDataStream, max_bytes: usize, held: &mut Held) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| Error::invalid("the body broke off").with_source(error))?;
        if frame.len() > max_bytes - whole.len() {
            return Err(too_large(max_bytes));
        }
        held.grow(frame.len())?;
        whole.extend_from_slice(&frame);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;

    use super::*;
    use crate::server::room::Room;

    fn frames(frames: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(frames.iter().map(|frame| Ok::<_, Infallible>(*frame))))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bound() {
        let room = Room::new(100);
        assert_eq!(read_body(frames(&["ab", "cd"]), 4, &mut room.hold()).await.unwrap(), "abcd");
        let error = read_body(frames(&["ab", "cd"]), 3, &mut room.hold()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let error = read_body(frames(&["ab", "cd"]), 4, &mut Room::new(3).hold()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_may_be_sent_again() {
        let begun = stream::iter([Ok::<_, Infallible>("a")]).chain(stream::pending());
        let (body, mut held) = (Body::from_stream(begun), Room::new(10).hold());
        let error = read_within(Duration::from_millis(1), body, 10, &mut held).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let broken = stream::iter([Ok("a"), Err(std::io::Error::other("gone"))]);
        let error = read_body(Body::from_stream(broken), 10, &mut Room::new(10).hold()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
