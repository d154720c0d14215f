//! A request and its reply, whichever door it came by.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::model::signal::{Encoding, Signal};
use crate::wal::RequestId;

/// One OTLP export request.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    /// Which signal.
    pub signal: Signal,
    /// How `body` is encoded.
    pub encoding: Encoding,
    /// By which way it came: the `source` column.
    pub source: &'static str,
    /// Whose credentials sent it: the `ingest_principal` column.
    pub principal: Option<String>,
    /// The request, decompressed.
    pub body: Bytes,
}

/// What became of a request that was accepted: everything not rejected is durable and visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestReply {
    /// Records stored; not known for a repeat.
    pub stored: usize,
    /// Records rejected, for OTLP's partial success.
    pub rejected: u64,
    /// Why, for people; empty where none was rejected.
    pub message: String,
    /// Whether the same request was stored before.
    pub repeat: bool,
}

impl IngestRequest {
    /// Which request this is: equal for equal bytes of one sender, encoding and signal.
    pub(super) fn id(&self) -> RequestId {
        let mut hash = Sha256::new();
        hash.update([self.signal.code(), self.encoding.code(), u8::from(self.principal.is_some())]);
        let principal = self.principal.as_deref().unwrap_or_default();
        hash.update((principal.len() as u64).to_le_bytes());
        hash.update(principal);
        hash.update(&self.body);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        RequestId(id)
    }
}
