//! Where a lake is: the root as a URL, and the object store behind it.
//!
//! A root is a URL and an `Arc<dyn ObjectStore>` that serves the URL's host (the bucket, the container, the file
//! system) from its top. Everything above works on that pair.

use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;

use super::cloud_store::{CloudAccess, cloud_store};
use super::local_store::DurableLocalStore;
use super::throttle::Throttle;
use super::throttled_store::ThrottledStore;
use super::whole_reads::WholeReads;
use crate::error::{Error, Result};
use crate::metrics::StoreRequests;

/// The root of a lake.
#[derive(Debug, Clone)]
pub struct LakeRoot {
    url: Url,
    store: Arc<dyn ObjectStore>,
    requests: StoreRequests,
    /// How an object store is reached; `None` for a folder, and for a store of one's own.
    access: Option<CloudAccess>,
    grace: Duration,
}

/// The grace of a lake that is given no other.
const GRACE: Duration = Duration::from_secs(24 * 3600);

impl LakeRoot {
    /// Parses a folder (`./telemetry`) or a URL (`file:///srv/telemetry`, `s3://bucket/prefix`, `gs://…`, `az://…`).
    /// Sends nothing.
    ///
    /// # Errors
    /// `Config` for a URL that names no store, settings that make no client, or a path that is not absolute and
    /// can't be made so.
    pub fn parse(root: &str, access: &CloudAccess) -> Result<Self> {
        match Url::parse(root) {
            Ok(url) if url.scheme() == "file" => {
                let folder = url.to_file_path().map_err(|()| {
                    Error::config(format!("lake root `{root}` is not a local folder; use file:///absolute/path"))
                })?;
                Self::local(&folder)
            }
            Ok(url) if root.contains("://") => Self::cloud(url, access),
            _ => Self::local(FsPath::new(root)),
        }
    }

    fn local(folder: &FsPath) -> Result<Self> {
        let absolute = std::path::absolute(folder).map_err(|error| {
            Error::config(format!("lake root `{}` can't be used", folder.display())).with_source(error)
        })?;
        let absolute = canonical(&absolute).map_err(|error| {
            Error::config(format!("lake root `{}` can't be used", folder.display())).with_source(error)
        })?;
        let url = Url::from_directory_path(&absolute)
            .map_err(|()| Error::config(format!("lake root `{}` is no absolute path", absolute.display())))?;
        Ok(Self::of(url, Arc::new(DurableLocalStore::default()), StoreRequests::default(), None))
    }

    fn cloud(mut url: Url, access: &CloudAccess) -> Result<Self> {
        // Not shown: what is wrong with it may be a password in it.
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(Error::config(
                "the lake's URL has a user, a password, a query or a fragment; write scheme://bucket/prefix, and give \
                 credentials in the provider's environment variables",
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(Error::config(format!("lake root `{url}` names no bucket; write scheme://bucket/prefix")));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let requests = StoreRequests::default();
        let store = Self::cloud_client(&url, access, &requests)?;
        Ok(Self::of(url, store, requests, Some(access.clone())))
    }

    fn cloud_client(url: &Url, access: &CloudAccess, requests: &StoreRequests) -> Result<Arc<dyn ObjectStore>> {
        let store = cloud_store(url, access, requests.clone()).ok_or_else(|| {
            Error::config(format!(
                "lake root `{url}`: there is no store for {}://; name a folder, or a URL of s3://, gs:// or az://",
                url.scheme()
            ))
        })??;
        Ok(Arc::new(WholeReads(Arc::new(store))))
    }

    fn of(url: Url, store: Arc<dyn ObjectStore>, requests: StoreRequests, access: Option<CloudAccess>) -> Self {
        Self { url, store, requests, access, grace: GRACE }
    }

    /// The same lake for background work, whose bytes pass `throttle`. An object store gets connections of its own for
    /// it, as many again as [`CloudAccess::max_requests`] at once, since a connection is served by the threads that opened
    /// it; requests are counted together.
    ///
    /// # Errors
    /// `Config` where no second client can be made.
    pub fn throttled(&self, throttle: &Throttle) -> Result<Self> {
        let inner = match &self.access {
            Some(access) => Self::cloud_client(&self.url, access, &self.requests)?,
            None => Arc::clone(&self.store),
        };
        let store = Arc::new(ThrottledStore { inner, throttle: throttle.clone() });
        Ok(Self { store, ..self.clone() })
    }

    /// The root with a store of one's own behind it: for tests that break things on purpose.
    pub fn with_store(url: Url, store: Arc<dyn ObjectStore>) -> Self {
        Self::of(url, Arc::new(WholeReads(store)), StoreRequests::default(), None)
    }

    /// The same with another grace: how long vacuum leaves what no commit names, and what was just removed.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// How long vacuum leaves what no commit names; a writer commits nothing that it staged half as long ago.
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    /// What was asked of an object store; stays at 0 for a local folder.
    pub const fn requests(&self) -> &StoreRequests {
        &self.requests
    }

    /// The URL, with a slash at its end.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The store that serves the URL's host from its top.
    pub const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The root as a person would write it: a path for a local folder.
    pub fn display(&self) -> String {
        self.local_folder().map_or_else(|| self.url.to_string(), |folder| folder.display().to_string())
    }

    /// The folder of a local lake.
    pub fn local_folder(&self) -> Option<PathBuf> {
        (self.url.scheme() == "file").then(|| self.url.to_file_path().ok()).flatten()
    }

    /// The URL of a table of this lake.
    pub fn table_url(&self, table: &str) -> Result<Url> {
        self.url
            .join(&format!("{table}/"))
            .map_err(|error| Error::internal(format!("no URL for table `{table}`")).with_source(error))
    }

    /// The path of a table in the store.
    pub fn table_path(&self, table: &str) -> Result<Path> {
        let url = self.table_url(table)?;
        Path::from_url_path(url.path())
            .map_err(|error| Error::config(format!("lake root `{}` has no usable path", self.url)).with_source(error))
    }

    /// The store as seen from a table's folder.
    pub fn table_store(&self, table: &str) -> Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(PrefixStore::new(Arc::clone(&self.store), self.table_path(table)?)))
    }
}

/// The folder without links, `.` and `..`, so that one lake has one URL; what does not exist yet is kept as written.
fn canonical(folder: &FsPath) -> std::io::Result<PathBuf> {
    match folder.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match (folder.parent(), folder.components().next_back()) {
                (Some(parent), Some(Component::Normal(name))) => Ok(canonical(parent)?.join(name)),
                (Some(parent), Some(Component::ParentDir)) => {
                    Ok(canonical(parent)?.parent().unwrap_or(parent).to_path_buf())
                }
                _ => Err(error),
            }
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_its_url_are_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        let by_path = LakeRoot::parse(folder.path().to_str().unwrap(), &CloudAccess::default()).unwrap();
        let by_url = LakeRoot::parse(by_path.url().as_str(), &CloudAccess::default()).unwrap();
        assert_eq!(by_path.url(), by_url.url());
        assert!(by_path.table_url("logs").unwrap().path().ends_with("/logs/"));
    }

    #[test]
    fn a_root_that_does_not_exist_yet_has_no_dots_in_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let dotted = folder.path().join("not-yet").join("..").join("new").join("lake");
        let root = LakeRoot::parse(dotted.to_str().unwrap(), &CloudAccess::default()).unwrap();
        assert_eq!(root.local_folder().unwrap(), folder.path().canonicalize().unwrap().join("new").join("lake"));
        root.table_path("logs").unwrap();
    }

    #[rstest::rstest]
    #[case("ftp://host/lake", "s3://")]
    #[case("s3:///lake", "names no bucket")]
    #[case("s3://key:secret@bucket/lake", "environment variables")]
    #[case("s3://bucket/lake?versionId=1", "environment variables")]
    fn a_url_that_names_no_store_is_refused_and_says_why(#[case] root: &str, #[case] why: &str) {
        let error = LakeRoot::parse(root, &CloudAccess::default()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[rstest::rstest]
    #[case("s3://bucket", "s3://bucket/", "logs")]
    #[case("s3://my_bucket/a/b", "s3://my_bucket/a/b/", "a/b/logs")]
    #[case("gs://bucket/a/", "gs://bucket/a/", "a/logs")]
    fn a_cloud_root_has_its_tables_below_its_prefix(#[case] root: &str, #[case] url: &str, #[case] table: &str) {
        let root = LakeRoot::parse(root, &CloudAccess::default()).unwrap();
        assert_eq!(root.url().as_str(), url);
        assert_eq!(root.table_path("logs").unwrap().as_ref(), table);
    }
}
