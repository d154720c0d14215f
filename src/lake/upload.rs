//! One object's bytes on their way to the store, as they are made: one put if they are few, in parts if not.
//!
//! Guarantee: an upload that fails is aborted, also where a part fails last of all: a cloud store keeps, and bills, the
//! parts of an upload that nobody ends. Memory: the parts in flight and one more.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, PutPayloadMut, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// An object up to this size is one request, a larger one an upload of parts of this size; some stores want equal ones.
const PART_BYTES: usize = 8 << 20;

/// Parts of one object on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// Uploads what comes until the sender is dropped. Answers how many bytes that was.
///
/// # Errors
/// What the store answers; the object may be there all the same.
pub(super) async fn upload(store: &dyn ObjectStore, path: &Path, chunks: mpsc::Receiver<Bytes>) -> Result<u64> {
    let mut parts = Parts { chunks, left: Bytes::new() };
    let first = parts.next().await;
    if first.content_length() < PART_BYTES {
        let size = first.content_length() as u64;
        store.put(path, first).await?;
        return Ok(size);
    }
    let mut upload = store.put_multipart(path).await?;
    let outcome = send_parts(upload.as_mut(), first, parts).await;
    if outcome.is_err()
        && let Err(error) = upload.abort().await
    {
        tracing::warn!(%path, %error, "an upload that failed could not be aborted; have the store expire such uploads");
    }
    outcome
}

async fn send_parts(upload: &mut dyn MultipartUpload, first: PutPayload, mut parts: Parts) -> Result<u64> {
    let mut size = 0;
    let mut part = first;
    // Dropped on an error, and its tasks with it, before the upload is aborted.
    let mut in_flight = JoinSet::new();
    while part.content_length() > 0 {
        if in_flight.len() >= PARTS_IN_FLIGHT {
            sent(in_flight.join_next().await)?;
        }
        size += part.content_length() as u64;
        in_flight.spawn(upload.put_part(part));
        part = parts.next().await;
    }
    while !in_flight.is_empty() {
        sent(in_flight.join_next().await)?;
    }
    upload.complete().await?;
    Ok(size)
}

fn sent(part: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    part.transpose()?.transpose().map(Option::unwrap_or_default)
}

/// Chunks of any size as parts of one size.
struct Parts {
    chunks: mpsc::Receiver<Bytes>,
    left: Bytes,
}

impl Parts {
    /// The next part; shorter than the others at the end, then empty.
    async fn next(&mut self) -> PutPayload {
        let mut part = PutPayloadMut::new();
        while part.content_length() < PART_BYTES {
            if self.left.is_empty() {
                match self.chunks.recv().await {
                    Some(chunk) => self.left = chunk,
                    None => break,
                }
            }
            let taken = self.left.len().min(PART_BYTES - part.content_length());
            part.push(self.left.split_to(taken));
        }
        part.freeze()
    }
}
