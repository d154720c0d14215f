//! The bytes of all requests that are being received: bounded.
//!
//! Guarantee (invariant 11): the bodies held at a time, compressed and decompressed, are at most the room's limit
//! together. A request that finds no room is told to come again; none waits, since those that hold room may be slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Room for the bodies of requests.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    used: AtomicUsize,
}

/// The room that one request has taken; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    /// Room for `limit` bytes.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Takes no bytes yet.
    pub(super) fn hold(self: &Arc<Self>) -> Held {
        Held { room: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// `Unavailable` where they do not fit.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<()> {
        let Room { limit, used } = &*self.room;
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| sum <= limit);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| {
            Error::unavailable(format!(
                "{limit} bytes of requests are being received, the bound; send again in two seconds"
            ))
        })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back up to `bytes`.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.room.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_does_not_fit_is_refused_and_room_comes_back() {
        let room = Room::new(10);
        let mut first = room.hold();
        first.grow(7).unwrap();
        let mut second = room.hold();
        assert_eq!(second.grow(4).unwrap_err().kind(), ErrorKind::Unavailable);
        first.shrink(3);
        second.grow(4).unwrap();
        drop((first, second));
        room.hold().grow(10).unwrap();
        assert!(room.hold().grow(usize::MAX).is_err());
    }
}
