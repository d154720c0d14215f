//! An object store for background work: its bytes are bounded, and after a stop it refuses work.
//!
//! Data files wait for their turn. Delta's log is counted and never waits: it is small, and a commit that waits is lost to
//! another writer. After a stop, deletes and the ends of uploads still pass, so that what was begun is cleaned away.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use super::throttle::{Stopped, Throttle};

/// A store whose bytes pass a throttle.
#[derive(Debug)]
pub(super) struct ThrottledStore {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) throttle: Throttle,
}

impl ThrottledStore {
    async fn pass(&self, location: &Path, bytes: u64) -> Result<()> {
        if is_log(location) {
            self.throttle.charge(bytes);
            return Ok(());
        }
        self.throttle.pass(bytes).await.map_err(stopped)
    }
}

fn is_log(location: &Path) -> bool {
    location.parts().any(|part| part.as_ref() == "_delta_log")
}

fn stopped(error: Stopped) -> Error {
    Error::Generic { store: "throttle", source: error.into() }
}

impl fmt::Display for ThrottledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for ThrottledStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.pass(location, payload.content_length() as u64).await?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.pass(location, 0).await?;
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(ThrottledUpload { inner, throttle: self.throttle.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let result = self.inner.get_opts(location, options).await?;
        // How much it is, only the reply says; its body is not read before it is handed on.
        let bytes = if head { 0 } else { result.range.end.saturating_sub(result.range.start) };
        self.pass(location, bytes).await?;
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        self.pass(location, bytes).await?;
        self.inner.get_ranges(location, ranges).await
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
        // A cloud store copies by itself, and a local folder by a link: no bytes of ours.
        self.pass(to, 0).await?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.pass(to, 0).await?;
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct ThrottledUpload {
    inner: Box<dyn MultipartUpload>,
    throttle: Throttle,
}

#[async_trait]
impl MultipartUpload for ThrottledUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (throttle, bytes) = (self.throttle.clone(), data.content_length() as u64);
        // The order of parts is that of the calls.
        let part = self.inner.put_part(data);
        Box::pin(async move {
            throttle.pass(bytes).await.map_err(stopped)?;
            part.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;
    use prometheus_client::metrics::counter::Counter;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn store() -> (ThrottledStore, CancellationToken, Counter) {
        let (stop, moved) = (CancellationToken::new(), Counter::default());
        let throttle = Throttle::new(None, stop.clone(), moved.clone());
        (ThrottledStore { inner: Arc::new(InMemory::new()), throttle }, stop, moved)
    }

    #[tokio::test]
    async fn every_byte_that_comes_and_goes_is_counted() {
        let (store, _, moved) = store();
        let file = Path::from("logs/date=2024-01-01/a.parquet");
        store.put(&file, "0123456789".into()).await.unwrap();
        assert_eq!(moved.get(), 10);
        store.get_range(&file, 2..5).await.unwrap();
        store.get_ranges(&file, &[0..1, 8..10]).await.unwrap();
        assert_eq!(moved.get(), 16);
        store.get(&file).await.unwrap().bytes().await.unwrap();
        store.head(&file).await.unwrap();
        assert_eq!(moved.get(), 26);
        let mut upload = store.put_multipart(&"b".into()).await.unwrap();
        upload.put_part("four".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(moved.get(), 30);
    }

    #[tokio::test]
    async fn after_a_stop_only_the_log_and_what_cleans_up_passes() {
        let (store, stop, _) = store();
        let (file, commit) = (Path::from("logs/a.parquet"), Path::from("logs/_delta_log/0.json"));
        store.put(&file, "rows".into()).await.unwrap();
        let mut upload = store.put_multipart(&"logs/b.parquet".into()).await.unwrap();
        stop.cancel();
        store.put(&commit, "{}".into()).await.unwrap();
        store.get(&commit).await.unwrap();
        store.put(&"logs/c.parquet".into(), "rows".into()).await.unwrap_err();
        store.get(&file).await.unwrap_err();
        store.get_ranges(&file, &[0..1, 2..3]).await.unwrap_err();
        upload.put_part("rows".into()).await.unwrap_err();
        upload.abort().await.unwrap();
        store.delete(&file).await.unwrap();
    }
}
