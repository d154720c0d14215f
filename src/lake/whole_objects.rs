//! Immutable objects, each fetched whole by one request and kept: where requests cost more than bytes.
//!
//! Guarantees: only objects that never change under their name are kept (Delta's commits, data files); what is kept
//! is bounded, the oldest leaves first; an object that was not read to its end is not kept. Who asks for an object that
//! is being fetched waits for it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// What is kept, up to a bound.
#[derive(Debug)]
pub struct KeptObjects {
    max_bytes: usize,
    kept: Mutex<Kept>,
    /// Held by who fetches an object.
    turns: Mutex<HashMap<Path, Turn>>,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

#[derive(Debug, Default)]
struct Kept {
    objects: HashMap<Path, (ObjectMeta, Bytes)>,
    /// The oldest first.
    order: VecDeque<Path>,
    bytes: usize,
}

impl KeptObjects {
    /// Room for so many bytes.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, kept: Mutex::default(), turns: Mutex::default() }
    }

    fn get(&self, location: &Path) -> Option<(ObjectMeta, Bytes)> {
        self.lock().objects.get(location).cloned()
    }

    fn keep(&self, meta: &ObjectMeta, bytes: &Bytes) {
        if bytes.len() > self.max_bytes {
            return;
        }
        let mut kept = self.lock();
        if kept.objects.insert(meta.location.clone(), (meta.clone(), bytes.clone())).is_some() {
            return;
        }
        kept.bytes += bytes.len();
        kept.order.push_back(meta.location.clone());
        while kept.bytes > self.max_bytes {
            let Some(oldest) = kept.order.pop_front() else { return };
            if let Some((_, bytes)) = kept.objects.remove(&oldest) {
                kept.bytes -= bytes.len();
            }
        }
    }

    fn turn(&self, location: &Path) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(location.clone()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // A cache: whatever a panic left in it is still true.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store that reads the objects that `is_whole` picks as a whole, and keeps them.
#[derive(Debug)]
pub struct WholeObjects {
    inner: Arc<dyn ObjectStore>,
    kept: Arc<KeptObjects>,
    is_whole: fn(&Path) -> bool,
}

impl WholeObjects {
    /// Reads from `inner`, keeps in `kept`. What `is_whole` picks must never change under its name.
    pub fn new(inner: Arc<dyn ObjectStore>, kept: Arc<KeptObjects>, is_whole: fn(&Path) -> bool) -> Self {
        Self { inner, kept, is_whole }
    }

    async fn whole(&self, location: &Path) -> Result<(ObjectMeta, Bytes)> {
        if let Some(kept) = self.kept.get(location) {
            return Ok(kept);
        }
        let turn = self.kept.turn(location);
        let _held = turn.lock().await;
        if let Some(kept) = self.kept.get(location) {
            return Ok(kept);
        }
        let result = self.inner.get_opts(location, GetOptions::default()).await?;
        let meta = result.meta.clone();
        let bytes = result.bytes().await?;
        if bytes.len() as u64 == meta.size {
            self.kept.keep(&meta, &bytes);
        }
        Ok((meta, bytes))
    }
}

impl fmt::Display for WholeObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for WholeObjects {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let conditional = options.if_match.is_some()
            || options.if_none_match.is_some()
            || options.if_modified_since.is_some()
            || options.if_unmodified_since.is_some()
            || options.version.is_some();
        if conditional || options.head || !(self.is_whole)(location) {
            return self.inner.get_opts(location, options).await;
        }
        let (meta, bytes) = self.whole(location).await?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => range
                .as_range(meta.size)
                .map_err(|source| object_store::Error::Generic { store: "kept object", source: source.into() })?,
        };
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let slice = bytes.slice(within(range.start)..within(range.end));
        let payload = GetResultPayload::Stream(futures::stream::once(async move { Ok(slice) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: object_store::Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>> {
        if !(self.is_whole)(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        let read = ranges.iter().map(|range| async {
            let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
            self.get_opts(location, options).await?.bytes().await
        });
        let mut parts = Vec::with_capacity(ranges.len());
        // One after another: the first fetches, the others slice.
        for part in read {
            parts.push(part.await?);
        }
        Ok(parts)
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    #[tokio::test]
    async fn an_object_is_fetched_once_and_the_oldest_leaves_when_there_is_no_room() {
        let inner = Arc::new(InMemory::new());
        for name in ["a.json", "b.json", "c.txt"] {
            inner.put(&name.into(), "0123456789".into()).await.unwrap();
        }
        let kept = Arc::new(KeptObjects::new(15));
        let store = WholeObjects::new(Arc::clone(&inner) as _, kept, |path| path.as_ref().ends_with(".json"));
        assert_eq!(store.get_range(&"a.json".into(), 2..5).await.unwrap(), "234");
        assert_eq!(store.get_range(&"c.txt".into(), 2..5).await.unwrap(), "234");
        for name in ["a.json", "c.txt"] {
            inner.delete(&name.into()).await.unwrap();
        }
        assert_eq!(store.get_ranges(&"a.json".into(), &[0..1, 8..10]).await.unwrap(), ["0", "89"]);
        store.get(&"c.txt".into()).await.unwrap_err();
        assert_eq!(store.get(&"b.json".into()).await.unwrap().bytes().await.unwrap().len(), 10);
        store.get(&"a.json".into()).await.unwrap_err();
    }
}
