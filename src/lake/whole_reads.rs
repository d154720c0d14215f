//! Reads that are whole, or an error.
//!
//! Guarantee: a body that ends before the bytes that its reply promised is an error, never a shorter object.
//! Most such bodies are found by HTTP's framing. What is left is a reply that was shortened on its way together with
//! its `Content-Length`; `object_store` hands that on, and then a Parquet reader panics, and a Delta commit that was cut
//! after a line is taken for a shorter commit: without the transaction in its last line it would be made again, and its
//! server would show its rows twice.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{BoxStream, try_unfold};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result, coalesce_ranges,
};

/// A store whose reads are whole.
#[derive(Debug)]
pub(super) struct WholeReads(pub(super) Arc<dyn ObjectStore>);

impl fmt::Display for WholeReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for WholeReads {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let mut result = self.0.get_opts(location, options).await?;
        result.payload = match result.payload {
            GetResultPayload::Stream(body) if !head => {
                GetResultPayload::Stream(whole(body, location.clone(), &result.range))
            }
            payload => payload,
        };
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // As cloud stores do it, but over reads that are whole.
        coalesce_ranges(ranges, |range| self.get_range(location, range), OBJECT_STORE_COALESCE_DEFAULT).await
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

/// The body, with an error at its end where it is not of the promised length.
fn whole(
    body: BoxStream<'static, Result<Bytes>>,
    location: Path,
    range: &Range<u64>,
) -> BoxStream<'static, Result<Bytes>> {
    let promised = range.end.saturating_sub(range.start);
    try_unfold((body, 0), move |(mut body, read)| {
        let location = location.clone();
        async move {
            match body.next().await.transpose()? {
                Some(chunk) => {
                    let read = read + chunk.len() as u64;
                    Ok(Some((chunk, (body, read))))
                }
                None if read == promised => Ok(None),
                None => Err(Error::Generic {
                    store: "object store",
                    source: format!("{location}: the reply promised {promised} bytes and ended after {read}").into(),
                }),
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_of_another_length_is_an_error() {
        let body = |chunks: &'static [&'static str]| {
            let chunks = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
            whole(futures::stream::iter(chunks).boxed(), Path::from("a/b"), &(2..8)).collect::<Vec<_>>()
        };
        assert!(body(&["one", "two"]).await.iter().all(Result::is_ok));
        for wrong in [body(&["one"]).await, body(&[]).await, body(&["one", "two", "3"]).await] {
            let error = wrong.last().unwrap().as_ref().unwrap_err().to_string();
            assert!(error.contains("a/b: the reply promised 6 bytes"), "{error}");
        }
    }
}
