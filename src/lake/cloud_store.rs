//! S3, Google Cloud Storage and Azure Blob Storage: their clients, bounded, and their requests counted.
//!
//! Guarantees: a put in create mode is the provider's own conditional put, on which Delta commits rest; at most
//! [`CloudAccess::max_requests`] requests are under way; a failing request is tried again for
//! [`CloudAccess::retry_time`], and its error then says so; plaintext is spoken only to an endpoint that is written with `http://`.
//! Credentials come from the provider's usual environment variables and are never logged.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::limit::LimitStore;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result, RetryConfig, UploadPart, coalesce_ranges,
};
use url::Url;

use crate::error::Error;
use crate::metrics::{StoreOperation, StoreRequests};

/// Tries of one request after the first: so many that the time ends them and never the count.
const MAX_RETRIES: usize = 10_000;

/// The longest pause between two tries, and the share of the retry time that it may take at most: by so much the last
/// try may come late.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const PAUSE_SHARE: u32 = 4;

/// What a pause may grow by: to between 100 ms and so many times the last one, at random. Of 2 it would hardly grow.
const PAUSE_GROWTH: f64 = 5.;

/// The environment's endpoints.
const ENDPOINT_VARIABLES: [&str; 4] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_ENDPOINT"];

/// What says where S3's credentials are, other than the machine.
const S3_CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// Objects on a page of a listing, with every provider.
const LIST_PAGE: u64 = 1000;

/// How an object store is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudAccess {
    /// The API's URL where it is not the provider's own; else the environment's (`AWS_ENDPOINT_URL` and its like).
    pub endpoint: Option<Url>,
    /// S3: name the bucket in the host instead of the path.
    pub virtual_hosts: bool,
    /// Requests under way at once.
    pub max_requests: usize,
    /// How long a failing request is tried again: what the store or the network can't do now. A refusal is final.
    pub retry_time: Duration,
}

impl Default for CloudAccess {
    fn default() -> Self {
        Self { endpoint: None, virtual_hosts: false, max_requests: 64, retry_time: Duration::from_secs(30) }
    }
}

/// The store of an `s3://`, `gs://` or `az://` URL, `None` for another scheme; its requests are counted into `requests`.
/// Sends nothing.
///
/// # Errors
/// `Config` where the URL, the environment's settings and `access` make no client.
pub(super) fn cloud_store(
    url: &Url,
    access: &CloudAccess,
    requests: StoreRequests,
) -> Option<crate::error::Result<CloudStore>> {
    // What is wrong with it may be a password in it, so it is not shown.
    let secret = |name: &&str| {
        let endpoint = std::env::var(name).ok().and_then(|text| Url::parse(&text).ok());
        endpoint.is_some_and(|url| !url.username().is_empty() || url.password().is_some())
    };
    if let Some(name) = ENDPOINT_VARIABLES.iter().find(|name| secret(name)) {
        return Some(Err(Error::config(format!(
            "{name} has a user or a password in it; give them in variables of their own"
        ))));
    }
    let client = match url.scheme() {
        "s3" => s3(url, access),
        "gs" => gcs(url, access),
        "az" => azure(url, access),
        _ => return None,
    };
    let failed = |error| Error::config(format!("lake root `{url}`: no client can be made")).with_source(error);
    Some(client.map_err(failed).map(|client| {
        let inner = Arc::new(LimitStore::new(client, access.max_requests));
        CloudStore { inner, requests, retry_time: access.retry_time }
    }))
}

fn s3(url: &Url, access: &CloudAccess) -> Result<Arc<dyn ObjectStore>> {
    if S3_CREDENTIALS.iter().all(|name| std::env::var_os(name).is_none()) {
        tracing::info!(
            "neither AWS_ACCESS_KEY_ID nor a web identity or container role is set: asking the instance for its role"
        );
    }
    let mut builder = AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry(access));
    let configured = builder.get_config_value(&AmazonS3ConfigKey::S3Endpoint);
    let configured = configured.or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let endpoint = access.endpoint.clone().or_else(|| configured.and_then(|text| text.parse().ok()));
    if let Some(mut endpoint) = endpoint {
        if access.virtual_hosts
            && let (Some(host), Some(bucket)) = (endpoint.host_str(), url.host_str())
        {
            let host = format!("{bucket}.{host}");
            // An address has no names below it: the client then says that it can't find the host.
            let _ = endpoint.set_host(Some(&host));
        }
        let text = endpoint.as_str().trim_end_matches('/');
        builder = builder
            .with_config(AmazonS3ConfigKey::S3Endpoint, text)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), is_plaintext(&endpoint));
    }
    if access.virtual_hosts {
        builder = builder.with_virtual_hosted_style_request(true);
    }
    Ok(Arc::new(builder.build()?))
}

fn gcs(url: &Url, access: &CloudAccess) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry(access));
    if let Some(endpoint) = &access.endpoint {
        builder = builder
            .with_base_url(endpoint.as_str().trim_end_matches('/'))
            .with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), is_plaintext(endpoint));
    }
    Ok(Arc::new(builder.build()?))
}

fn azure(url: &Url, access: &CloudAccess) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry(access));
    let configured = builder.get_config_value(&AzureConfigKey::Endpoint);
    let endpoint = access.endpoint.clone().or_else(|| configured.and_then(|text| text.parse().ok()));
    if let Some(endpoint) = endpoint {
        builder = builder
            .with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned())
            .with_config(AzureConfigKey::Client(ClientConfigKey::AllowHttp), is_plaintext(&endpoint));
    }
    Ok(Arc::new(builder.build()?))
}

fn is_plaintext(endpoint: &Url) -> String {
    (endpoint.scheme() == "http").to_string()
}

fn retry(access: &CloudAccess) -> RetryConfig {
    let max_backoff = LONGEST_PAUSE.min(access.retry_time / PAUSE_SHARE);
    let backoff = BackoffConfig { max_backoff, base: PAUSE_GROWTH, ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: MAX_RETRIES, retry_timeout: access.retry_time }
}

/// A provider's client that counts its requests; a try that the client repeats by itself counts once.
#[derive(Debug)]
pub(super) struct CloudStore {
    inner: Arc<LimitStore<Arc<dyn ObjectStore>>>,
    requests: StoreRequests,
    retry_time: Duration,
}

/// What a request ended in that was tried again for as long as it may be.
#[derive(Debug, thiserror::Error)]
#[error(
    "{source}; it was tried again for store.retry_time, {retry_time:?}: see whether the object store is up and can be \
     reached from here, or raise store.retry_time"
)]
struct Outlasted {
    retry_time: Duration,
    source: object_store::Error,
}

/// Whether more tries of the same are in vain: the store refuses these credentials, or was asked for long enough.
pub(super) fn is_final(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let refused = error.downcast_ref::<object_store::Error>().is_some_and(|error| {
            matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })
        });
        refused || error.is::<Outlasted>()
    })
}

impl CloudStore {
    /// A request's answer, with what to do where there was none.
    async fn answer<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let started = Instant::now();
        request.await.map_err(|error| match error {
            object_store::Error::Generic { store, .. } if started.elapsed() >= self.retry_time => {
                let source = Box::new(Outlasted { retry_time: self.retry_time, source: error });
                object_store::Error::Generic { store, source }
            }
            other => other,
        })
    }

    /// Counts the pages that so many objects came on.
    fn count_listing(requests: StoreRequests, listing: BoxStream<'static, Result<ObjectMeta>>) -> Listing {
        let mut seen = 0;
        listing
            .inspect(move |_| {
                // The first page is counted before anything comes.
                seen += 1;
                if seen > LIST_PAGE && seen % LIST_PAGE == 1 {
                    requests.count(StoreOperation::List, 0);
                }
            })
            .boxed()
    }
}

type Listing = BoxStream<'static, Result<ObjectMeta>>;

impl fmt::Display for CloudStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for CloudStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.requests.count(StoreOperation::Put, payload.content_length() as u64);
        self.answer(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.requests.count(StoreOperation::Put, 0);
        let inner = self.answer(self.inner.put_multipart_opts(location, opts)).await?;
        Ok(Box::new(CountedUpload { inner, requests: self.requests.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head { StoreOperation::Head } else { StoreOperation::Get };
        let result = self.answer(self.inner.get_opts(location, options)).await;
        let bytes = result.as_ref().map_or(0, |got| got.range.end - got.range.start);
        self.requests.count(operation, if operation == StoreOperation::Head { 0 } else { bytes });
        result
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // Not the inner store's: it would take one permit, and one count, for all its requests.
        coalesce_ranges(ranges, |range| self.get_range(location, range), OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let requests = self.requests.clone();
        let counted = locations.inspect(move |_| requests.count(StoreOperation::Delete, 0));
        self.inner.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> Listing {
        self.requests.count(StoreOperation::List, 0);
        Self::count_listing(self.requests.clone(), self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> Listing {
        self.requests.count(StoreOperation::List, 0);
        Self::count_listing(self.requests.clone(), self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.requests.count(StoreOperation::List, 0);
        self.answer(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.requests.count(StoreOperation::Put, 0);
        self.answer(self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.requests.count(StoreOperation::Put, 0);
        self.requests.count(StoreOperation::Delete, 0);
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct CountedUpload {
    inner: Box<dyn MultipartUpload>,
    requests: StoreRequests,
}

#[async_trait]
impl MultipartUpload for CountedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.requests.count(StoreOperation::Put, data.content_length() as u64);
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.requests.count(StoreOperation::Put, 0);
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.requests.count(StoreOperation::Delete, 0);
        self.inner.abort().await
    }
}
