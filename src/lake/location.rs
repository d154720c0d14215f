//! Where a lake is: the root as a URL, and the object store behind it.
//!
//! The seam for cloud stores: a root is a URL and an `Arc<dyn ObjectStore>` that serves the URL's host from its
//! top. Everything above works on that pair.

use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;

use super::local_store::DurableLocalStore;
use super::whole_reads::WholeReads;
use crate::error::{Error, Result};

/// The root of a lake.
#[derive(Debug, Clone)]
pub struct LakeRoot {
    url: Url,
    store: Arc<dyn ObjectStore>,
}

impl LakeRoot {
    /// Parses a folder (`./telemetry`) or a URL (`file:///srv/telemetry`).
    ///
    /// # Errors
    /// `Config` for a URL of a scheme that this version can't store to, or a path that is not absolute and can't be
    /// made so.
    pub fn parse(root: &str) -> Result<Self> {
        match Url::parse(root) {
            Ok(url) if url.scheme() == "file" => {
                let folder = url.to_file_path().map_err(|()| {
                    Error::config(format!("lake root `{root}` is not a local folder; use file:///absolute/path"))
                })?;
                Self::local(&folder)
            }
            Ok(url) if root.contains("://") => Err(Error::config(format!(
                "lake root `{root}`: this version stores to local folders only, not to {}://; name a folder",
                url.scheme()
            ))),
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
        Ok(Self { url, store: Arc::new(DurableLocalStore::default()) })
    }

    /// The root with a store of one's own behind it: for tests that break things on purpose.
    pub fn with_store(url: Url, store: Arc<dyn ObjectStore>) -> Self {
        Self { url, store: Arc::new(WholeReads(store)) }
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
        let by_path = LakeRoot::parse(folder.path().to_str().unwrap()).unwrap();
        let by_url = LakeRoot::parse(by_path.url().as_str()).unwrap();
        assert_eq!(by_path.url(), by_url.url());
        assert!(by_path.table_url("logs").unwrap().path().ends_with("/logs/"));
    }

    #[test]
    fn a_root_that_does_not_exist_yet_has_no_dots_in_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let dotted = folder.path().join("not-yet").join("..").join("new").join("lake");
        let root = LakeRoot::parse(dotted.to_str().unwrap()).unwrap();
        assert_eq!(root.local_folder().unwrap(), folder.path().canonicalize().unwrap().join("new").join("lake"));
        root.table_path("logs").unwrap();
    }

    #[test]
    fn a_store_that_is_not_supported_is_refused_by_name() {
        let error = LakeRoot::parse("s3://bucket/prefix").unwrap_err();
        assert!(error.to_string().contains("s3://"), "{error}");
    }
}
