//! A local folder as an object store whose writes survive power loss (invariant 7).
//!
//! Guarantee: when a put returns, the object's bytes and every folder entry on the way to it are on disk, and no
//! name ever showed a half-written object: bytes are synced under a temporary name *before* they are linked.
//! `object_store`'s own local store links an unsynced file, so that a power cut can leave an empty Delta commit.
//! A put that failed at its last step, or was cut short by a kill, may have left a name that is not on disk yet. So that
//! no commit is taken for done and then lost, a Delta log's folder is synced before it is listed to anyone.
//!
//! ```text
//! put      --> write <name>#<digits>, fsync --> link (create) or rename (overwrite) --> fsync the folder
//! multipart -> parts to a staged file --> rename by object_store --> fsync the file, fsync the folder
//! list     --> names --> fsync the folder, if it is a Delta log --> the answer
//! ```

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

const STORE: &str = "local folder";

/// The folder that holds a table's commits.
const LOG_FOLDER: &str = "_delta_log";

type SyncFolder = fn(&FsPath) -> io::Result<()>;

/// The whole local file system; paths are absolute, without the leading slash.
#[derive(Debug)]
pub struct DurableLocalStore {
    inner: Arc<LocalFileSystem>,
    sync_folder: SyncFolder,
}

impl Default for DurableLocalStore {
    fn default() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()), sync_folder }
    }
}

impl fmt::Display for DurableLocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurableLocalStore")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for DurableLocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) || !opts.attributes.is_empty() {
            return self.inner.put_opts(location, payload, opts).await;
        }
        let target = self.inner.path_to_filesystem(location)?;
        let sync_folder = self.sync_folder;
        blocking(move || put_durably(&target, &payload, &opts.mode, sync_folder)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let target = self.inner.path_to_filesystem(location)?;
        if let Some(parent) = target.parent().map(FsPath::to_path_buf) {
            blocking(move || create_dirs_durably(&parent).map_err(generic)).await?;
        }
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { inner, target }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.settled(prefix, self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.settled(prefix, self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listing = self.inner.list_with_delimiter(prefix).await?;
        if let Some(folder) = self.log_folder(prefix)? {
            settle(folder, self.sync_folder).await?;
        }
        Ok(listing)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        // A local copy is a hard link, and as old as its source: vacuum would take it for a leftover. So both are new.
        self.touch(from).await?;
        self.inner.copy_opts(from, to, options).await?;
        self.sync_entry(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync_entry(to).await
    }
}

impl DurableLocalStore {
    /// Makes a file look as if it had just been written.
    async fn touch(&self, location: &Path) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        blocking(move || {
            let touched = File::options().write(true).open(&path);
            touched.and_then(|file| file.set_modified(SystemTime::now())).map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::NotFound { path: path.display().to_string(), source: error.into() },
                _ => generic(error),
            })
        })
        .await
    }

    /// The folder of a listing, where that is a Delta log.
    fn log_folder(&self, prefix: Option<&Path>) -> Result<Option<PathBuf>> {
        let log = prefix.filter(|prefix| prefix.filename() == Some(LOG_FOLDER));
        log.map(|prefix| self.inner.path_to_filesystem(prefix)).transpose()
    }

    /// The listing, once what it shows is on disk.
    fn settled(
        &self,
        prefix: Option<&Path>,
        listing: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let sync_folder = self.sync_folder;
        match self.log_folder(prefix) {
            Ok(None) => listing,
            Ok(Some(folder)) => async move {
                let names: Vec<_> = listing.try_collect().await?;
                settle(folder, sync_folder).await?;
                Ok(futures::stream::iter(names.into_iter().map(Ok)))
            }
            .try_flatten_stream()
            .boxed(),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    async fn sync_entry(&self, location: &Path) -> Result<()> {
        let target = self.inner.path_to_filesystem(location)?;
        blocking(move || sync_file_and_folder(&target).map_err(generic)).await
    }
}

#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    target: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let target = self.target.clone();
        blocking(move || sync_file_and_folder(&target).map_err(generic)).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

fn put_durably(target: &FsPath, payload: &PutPayload, mode: &PutMode, sync_folder: SyncFolder) -> Result<()> {
    let parent = target.parent().unwrap_or(FsPath::new("/"));
    create_dirs_durably(parent).map_err(generic)?;
    // `#` and digits keep the name out of listings: object_store's local store skips such files.
    let mut staged = target.as_os_str().to_owned();
    staged.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    let staged = PathBuf::from(staged);
    let outcome = write_synced(&staged, payload).and_then(|()| match mode {
        PutMode::Create => fs::hard_link(&staged, target),
        _ => fs::rename(&staged, target),
    });
    if !matches!((&outcome, mode), (Ok(()), PutMode::Overwrite)) {
        // The staged name may be gone already; what remains is never listed.
        let _ = fs::remove_file(&staged);
    }
    outcome.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => Error::AlreadyExists { path: target.display().to_string(), source: source.into() },
        _ => generic(source),
    })?;
    sync_folder(parent).map_err(generic)
}

/// Syncs a folder that was listed. One that can't be written, or does not know of syncing, has nothing to lose.
async fn settle(folder: PathBuf, sync_folder: SyncFolder) -> Result<()> {
    blocking(move || match sync_folder(&folder) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem | ErrorKind::Unsupported | ErrorKind::InvalidInput
            ) =>
        {
            Err(generic(error))
        }
        _ => Ok(()),
    })
    .await
}

fn write_synced(path: &FsPath, payload: &PutPayload) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for chunk in payload {
        file.write_all(chunk)?;
    }
    file.sync_all()
}

fn sync_file_and_folder(path: &FsPath) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes a folder and every missing one above it, each entry synced in its parent.
fn create_dirs_durably(folder: &FsPath) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_dirs_durably(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    parent.map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn generic(source: io::Error) -> Error {
    Error::Generic { store: STORE, source: source.into() }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Generic { store: STORE, source: source.into() })?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use object_store::ObjectStoreExt as _;

    use super::*;

    fn location(folder: &tempfile::TempDir, name: &str) -> Path {
        Path::from_absolute_path(folder.path().join(name)).unwrap()
    }

    #[tokio::test]
    async fn a_second_create_of_a_name_is_refused_and_leaves_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocalStore::default();
        let path = location(&folder, "a/b/0.json");
        let create = || PutOptions { mode: PutMode::Create, ..Default::default() };
        store.put_opts(&path, "first".into(), create()).await.unwrap();
        let second = store.put_opts(&path, "second".into(), create()).await;
        assert!(matches!(second, Err(Error::AlreadyExists { .. })), "{second:?}");
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "first");
        let left: Vec<_> = fs::read_dir(folder.path().join("a/b")).unwrap().collect();
        assert_eq!(left.len(), 1, "no staged file is left behind: {left:?}");
    }

    /// The link of a commit is there and its folder's sync failed: nobody may take it for done until one succeeds.
    #[tokio::test]
    async fn a_commit_that_is_not_on_disk_is_not_listed() {
        static BROKEN: AtomicBool = AtomicBool::new(true);
        fn breakable_sync(folder: &FsPath) -> io::Result<()> {
            if BROKEN.load(Ordering::Relaxed) { Err(io::Error::other("no sync")) } else { sync_folder(folder) }
        }
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocalStore { sync_folder: breakable_sync, ..DurableLocalStore::default() };
        let commit = location(&folder, "logs/_delta_log/0.json");
        store.put(&commit, "{}".into()).await.unwrap_err();
        assert!(folder.path().join("logs/_delta_log/0.json").exists());
        let log = location(&folder, "logs/_delta_log");
        store.list_with_delimiter(Some(&log)).await.unwrap_err();
        store.list_with_offset(Some(&log), &log).try_collect::<Vec<_>>().await.unwrap_err();
        BROKEN.store(false, Ordering::Relaxed);
        assert_eq!(store.list_with_delimiter(Some(&log)).await.unwrap().objects.len(), 1);
        assert_eq!(store.list_with_offset(Some(&log), &log).try_collect::<Vec<_>>().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_copy_is_as_new_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocalStore::default();
        let (old, new) = (location(&folder, "old"), location(&folder, "new"));
        store.put(&old, "rows".into()).await.unwrap();
        let past = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        File::options().write(true).open(folder.path().join("old")).unwrap().set_modified(past).unwrap();
        let before = chrono::Utc::now() - chrono::TimeDelta::seconds(1);
        store.copy(&old, &new).await.unwrap();
        assert!(store.head(&new).await.unwrap().last_modified > before);
        assert!(matches!(store.copy(&location(&folder, "none"), &new).await, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn a_multipart_upload_arrives_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocalStore::default();
        let path = location(&folder, "x/y/file");
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("one ".into()).await.unwrap();
        upload.put_part("two".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one two");
    }
}
