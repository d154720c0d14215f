//! A store that misbehaves: a wrapper around any object store that fails, stalls, cuts reads short, loses
//! conditional puts, and succeeds while reporting failure, all from a seed.
//!
//! What it never does: show a listing or an object as it was before, or a name half written. S3, GCS and Azure are
//! strongly consistent, and so is a local folder.
//!
//! ```text
//! operation --> fate (plan.rs: seed, kind, path, how-manieth) --> stall --> inner store, or not --> answer, or a lie
//! ```
//! What real clients would hand on of a body that ends early: HTTP's framing tells them, they ask again for the rest,
//! and in the end report an error ([`Fault::Cut`]). Only a proxy that shortens a ranged reply and its
//! `Content-Length`, but not its `Content-Range`, gets a short body past them ([`Fault::CutSilently`],
//! [`Fault::LastLineCut`]).

mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart, coalesce_ranges,
};
use rand::RngExt;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio_util::task::TaskTracker;

use plan::{Dealer, Fate};
pub use plan::{Fault, Op, Plan};

/// A wrapper around a store; clones share everything.
#[derive(Debug, Clone)]
pub struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    plan: Plan,
    faulty: AtomicBool,
    /// The operation after which nothing more reaches the store.
    last: AtomicU64,
    /// The end of a path, and where in it, as a part of its length, the next object that is put there has a bit flipped.
    corruption: Mutex<Option<(String, f64)>>,
    /// Held by a test that says itself when what is done later is done.
    gate: Arc<RwLock<()>>,
    dealer: Mutex<Dealer>,
    /// Multipart uploads that were begun and neither completed nor aborted.
    open_uploads: AtomicI64,
    /// What is done later.
    late: TaskTracker,
}

impl FaultStore {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Plan, seed: u64) -> Self {
        let shared = Shared {
            seed,
            plan,
            faulty: AtomicBool::new(true),
            last: AtomicU64::new(u64::MAX),
            corruption: Mutex::default(),
            gate: Arc::default(),
            dealer: Mutex::default(),
            open_uploads: AtomicI64::new(0),
            late: TaskTracker::new(),
        };
        Self { inner, shared: Arc::new(shared) }
    }

    /// Deals `fault` to the next operation of this kind on a path that ends so; of several, the first first.
    pub fn script(&self, op: Op, path: &str, fault: Fault) {
        self.shared.dealer().script(op, path, fault);
    }

    /// Deals `fault` to the operation of this number, counted from 1, if it can have it.
    pub fn script_nth(&self, operation: u64, fault: Fault) {
        self.shared.dealer().script_nth(operation, fault);
    }

    /// Flips a bit of the next object that is put, in one piece, under a path that ends so; `at` is where, from 0 to 1.
    pub fn corrupt(&self, path: &str, at: f64) {
        *self.shared.corruption.lock().unwrap() = Some((path.to_owned(), at));
    }

    /// Whether every scripted fault has been dealt.
    pub fn script_is_done(&self) -> bool {
        !self.shared.dealer().has_script_left()
    }

    /// Deals no more of what was scripted.
    pub fn forget_script(&self) {
        self.shared.dealer().forget_script();
    }

    /// From now on the store behaves.
    pub fn behave(&self) {
        self.shared.faulty.store(false, Ordering::Release);
    }

    /// The process that uses this wrapper dies: nothing more reaches the store but what is under way.
    pub fn die(&self) {
        self.die_after(0);
    }

    /// It dies after so many operations.
    pub fn die_after(&self, operations: u64) {
        self.shared.last.store(operations, Ordering::Release);
    }

    pub fn is_dead(&self) -> bool {
        self.shared.is_dead()
    }

    /// What is done later waits until the guard is dropped.
    pub async fn hold_back(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.shared.gate).write_owned().await
    }

    /// Waits for what is done later.
    pub async fn settle(&self) {
        self.shared.late.close();
        self.shared.late.wait().await;
        self.shared.late.reopen();
    }

    /// How often each fault was injected.
    pub fn injected(&self) -> BTreeMap<(Op, Fault), u64> {
        self.shared.dealer().injected().clone()
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.shared.dealer().operations().len() as u64
    }

    /// The kind of each.
    pub fn kinds(&self) -> Vec<Op> {
        self.shared.dealer().operations().to_vec()
    }

    /// Multipart uploads that were begun and neither completed nor aborted, which a cloud store bills.
    pub fn open_uploads(&self) -> i64 {
        self.shared.open_uploads.load(Ordering::Acquire)
    }

    /// The injected faults in their order, to follow a run that went wrong.
    pub fn log(&self) -> Vec<String> {
        self.shared.dealer().log().to_vec()
    }

    async fn fate(&self, op: Op, path: &Path) -> Result<Fate> {
        self.shared.fate(op, path).await
    }

    /// An operation that changes something, as its fate has it.
    async fn change<T: Send + 'static>(
        &self,
        op: Op,
        path: &Path,
        change: impl FnOnce(Arc<dyn ObjectStore>) -> BoxFuture<'static, Result<T>> + Send,
    ) -> Result<T> {
        let fate = self.fate(op, path).await?;
        let inner = Arc::clone(&self.inner);
        match fate.fault {
            Some(Fault::Failed) => Err(failure(op, path)),
            Some(Fault::Conflict) => Err(conflict(path)),
            Some(Fault::DoneButFailed) => change(inner).await.and(Err(failure(op, path))),
            Some(Fault::DoneButConflict) => change(inner).await.and(Err(conflict(path))),
            Some(Fault::DoneLater) => {
                let (change, gate) = (change(inner), Arc::clone(&self.shared.gate));
                self.shared.late.spawn(async move {
                    tokio::time::sleep(fate.delay).await;
                    let _open = gate.read().await;
                    // Whoever asked for it has been told that it failed.
                    drop(change.await);
                });
                Err(failure(op, path))
            }
            _ => change(inner).await,
        }
    }

    fn listing(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let path = prefix.cloned().unwrap_or_default();
        let entries = list(self.inner.as_ref());
        let shared = Arc::clone(&self.shared);
        let entries = async move {
            let mut fate = shared.fate(Op::List, &path).await?;
            let entries: Vec<_> = entries.map_ok(|meta| shared.dated(meta)).try_collect().await?;
            let kept = match fate.fault {
                Some(Fault::Failed) => return Err(failure(Op::List, &path)),
                Some(Fault::ListBroken) => fate.random.random_range(0..=entries.len()),
                _ => return Ok(futures::stream::iter(entries.into_iter().map(Ok)).boxed()),
            };
            let entries = entries.into_iter().take(kept).map(Ok);
            Ok(futures::stream::iter(entries.chain([Err(failure(Op::List, &path))])).boxed())
        };
        entries.try_flatten_stream().boxed()
    }
}

impl Shared {
    /// As this store's clock has it.
    fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        ObjectMeta { last_modified: meta.last_modified - self.plan.behind, ..meta }
    }

    fn dealer(&self) -> MutexGuard<'_, Dealer> {
        self.dealer.lock().unwrap()
    }

    async fn fate(&self, op: Op, path: &Path) -> Result<Fate> {
        let plan = if self.faulty.load(Ordering::Acquire) { &self.plan } else { &Plan::QUIET };
        let fate = self.dealer().deal(self.seed, plan, op, path);
        if !fate.stall.is_zero() {
            tokio::time::sleep(fate.stall).await;
        }
        if self.is_dead() { Err(failure(op, path)) } else { Ok(fate) }
    }

    fn corrupted(&self, path: &Path, payload: PutPayload) -> PutPayload {
        let mut corruption = self.corruption.lock().unwrap();
        let Some((_, at)) = corruption.take_if(|(end, _)| path.as_ref().ends_with(end.as_str())) else {
            return payload;
        };
        let mut bytes = Bytes::from(payload).to_vec();
        let at = (bytes.len() as f64 * at) as usize;
        bytes[at] ^= 1;
        bytes.into()
    }

    fn is_dead(&self) -> bool {
        let last = self.last.load(Ordering::Acquire);
        last < u64::MAX && self.dealer().operations().len() as u64 > last
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore(seed {}, {})", self.shared.seed, self.shared.dealer())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let op = if matches!(opts.mode, PutMode::Overwrite) { Op::Put } else { Op::ConditionalPut };
        let (path, payload) = (location.clone(), self.shared.corrupted(location, payload));
        self.change(op, location, |inner| async move { inner.put_opts(&path, payload, opts).await }.boxed()).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let path = location.clone();
        let upload = self
            .change(Op::Upload, location, |inner| async move { inner.put_multipart_opts(&path, opts).await }.boxed())
            .await?;
        self.shared.open_uploads.fetch_add(1, Ordering::AcqRel);
        Ok(Box::new(FaultUpload { upload, location: location.clone(), shared: Arc::clone(&self.shared), open: true }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut fate = self.fate(Op::Get, location).await?;
        if fate.fault == Some(Fault::Failed) {
            return Err(failure(Op::Get, location));
        }
        let head = options.head;
        let mut result = self.inner.get_opts(location, options).await?;
        result.meta = self.shared.dated(result.meta);
        if head {
            return Ok(result);
        }
        let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
        let body = result.bytes().await?;
        let end = match fate.fault {
            Some(Fault::Cut | Fault::CutSilently) => fate.random.random_range(0..body.len().max(1)),
            Some(Fault::LastLineCut) => body.iter().rposition(|byte| *byte == b'\n').unwrap_or_default(),
            _ => body.len(),
        };
        let chunk = fate.random.random_range(1..=end.max(1));
        let mut steps: Vec<Result<Bytes>> =
            (0..end).step_by(chunk).map(|from| Ok(body.slice(from..end.min(from + chunk)))).collect();
        if fate.fault == Some(Fault::Cut) {
            steps.push(Err(failure(Op::Get, location)));
        }
        Ok(GetResult {
            payload: GetResultPayload::Stream(futures::stream::iter(steps).boxed()),
            meta,
            range,
            attributes,
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // As the clients of cloud stores do it: every fetch has a fate of its own.
        coalesce_ranges(ranges, |range| self.get_range(location, range), OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                let path = location.clone();
                store
                    .change(Op::Delete, &location, |inner| async move { inner.delete(&path).await }.boxed())
                    .await
                    .map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(prefix, |inner| inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(prefix, |inner| inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        match self.fate(Op::List, &path).await?.fault {
            Some(_) => Err(failure(Op::List, &path)),
            None => {
                let mut listed = self.inner.list_with_delimiter(prefix).await?;
                listed.objects = listed.objects.into_iter().map(|meta| self.shared.dated(meta)).collect();
                Ok(listed)
            }
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, target) = (from.clone(), to.clone());
        self.change(Op::Copy, to, |inner| async move { inner.copy_opts(&from, &target, options).await }.boxed()).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (from, target) = (from.clone(), to.clone());
        self.change(Op::Rename, to, |inner| async move { inner.rename_opts(&from, &target, options).await }.boxed())
            .await
    }
}

#[derive(Debug)]
struct FaultUpload {
    upload: Box<dyn MultipartUpload>,
    location: Path,
    shared: Arc<Shared>,
    open: bool,
}

impl FaultUpload {
    fn closed(&mut self) {
        if std::mem::take(&mut self.open) {
            self.shared.open_uploads.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for FaultUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.upload.put_part(data);
        let (shared, location) = (Arc::clone(&self.shared), self.location.clone());
        async move {
            match shared.fate(Op::Part, &location).await?.fault {
                Some(Fault::Failed) => Err(failure(Op::Part, &location)),
                Some(_) => part.await.and(Err(failure(Op::Part, &location))),
                None => part.await,
            }
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.shared.fate(Op::Complete, &self.location).await?.fault;
        if fault == Some(Fault::Failed) {
            return Err(failure(Op::Complete, &self.location));
        }
        let result = self.upload.complete().await?;
        self.closed();
        if fault.is_some() { Err(failure(Op::Complete, &self.location)) } else { Ok(result) }
    }

    async fn abort(&mut self) -> Result<()> {
        if self.shared.fate(Op::Abort, &self.location).await?.fault.is_some() {
            return Err(failure(Op::Abort, &self.location));
        }
        self.upload.abort().await?;
        self.closed();
        Ok(())
    }
}

fn failure(op: Op, path: &Path) -> Error {
    Error::Generic { store: "fault store", source: format!("{op:?} of {path}: an injected failure").into() }
}

fn conflict(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "an injected conflict".into() }
}
