//! From a received body to the store: the one way in, whichever door.

use std::sync::Arc;

use bytes::Bytes;

use super::decompress::{Compression, decompress};
use crate::auth::Principal;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{IngestReply, IngestRequest, Store};
use crate::metrics::ByReason;
use crate::model::signal::{Encoding, Signal};
use crate::server::room::{Held, Room};

/// Requests of the largest size that may be received at a time, decompressed ones counted as what they became.
const LARGEST_AT_ONCE: usize = 4;

/// Takes requests for a store.
#[derive(Debug)]
pub(in crate::server) struct Intake {
    store: Arc<Store>,
    room: Arc<Room>,
    max_request_bytes: usize,
}

/// One received request.
#[derive(Debug)]
pub(super) struct Received {
    /// Which signal.
    pub(super) signal: Signal,
    /// How the plain body is encoded.
    pub(super) encoding: Encoding,
    /// By which way it came: the `source` column.
    pub(super) source: &'static str,
    /// Who sent it.
    pub(super) principal: Principal,
    /// How the body is compressed.
    pub(super) compression: Compression,
    /// The body as it came.
    pub(super) body: Bytes,
    /// The room that the body takes.
    pub(super) held: Held,
}

impl Intake {
    /// An intake for requests of up to `max_request_bytes`, before and after decompression.
    pub(in crate::server) fn new(store: Arc<Store>, max_request_bytes: usize) -> Self {
        let room = Room::new(max_request_bytes.saturating_mul(LARGEST_AT_ONCE));
        Self { store, room, max_request_bytes }
    }

    /// Bytes of one request, before and after decompression.
    pub(super) const fn max_request_bytes(&self) -> usize {
        self.max_request_bytes
    }

    /// Room for a request that is about to be received.
    pub(super) fn hold(&self) -> Held {
        self.room.hold()
    }

    /// Decompresses a request and gives it to the store. `Ok` after the store acknowledged.
    ///
    /// # Errors
    /// Those of [`Store::ingest`], and `TooLarge` or `Invalid` from decompressing.
    pub(super) async fn take(&self, request: Received) -> Result<IngestReply> {
        let Received { signal, encoding, source, principal, compression, body, held } = request;
        let (body, held) = match compression {
            Compression::Identity => (body, held),
            compressed => self
                .inflate(compressed, body, held)
                .await
                .inspect_err(|error| self.count_refused(signal, error.kind()))?,
        };
        let principal = principal.name().map(str::to_owned);
        let reply = self.store.ingest(IngestRequest { signal, encoding, source, principal, body }).await;
        drop(held);
        reply
    }

    async fn inflate(&self, compression: Compression, body: Bytes, mut held: Held) -> Result<(Bytes, Held)> {
        let max_bytes = self.max_request_bytes;
        tokio::task::spawn_blocking(move || {
            let plain = decompress(compression, &body, max_bytes, &mut held)?;
            held.shrink(body.len());
            Ok((plain, held))
        })
        .await
        .map_err(|error| Error::internal("a decompressing thread died").with_source(error))?
    }

    /// Counts a request that was refused before the store saw it.
    pub(super) fn count_refused(&self, signal: Signal, kind: ErrorKind) {
        let reason = match kind {
            ErrorKind::Invalid => "malformed",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Unavailable => "unavailable",
            _ => "failed",
        };
        self.count_refused_as(signal, reason);
    }

    /// Counts a request in a content type or compression that is not known.
    pub(super) fn count_unsupported(&self, signal: Signal) {
        self.count_refused_as(signal, "unsupported");
    }

    fn count_refused_as(&self, signal: Signal, reason: &'static str) {
        self.store.metrics().refused_requests.get_or_create(&ByReason { signal: signal.table(), reason }).inc();
    }
}
