//! Which data files may have a trace id, asked while a query is planned.
//!
//! Guarantee: a file is left out only if a run that covers it was read whole where it could name the id, and names no
//! time of it that is in the file. What can't be read covers nothing; it costs time and a warning, not the query.
//!
//! Cost: opening the table (as any Delta table, once); of each run of the months asked for, its footer (kept) and as a
//! rule one row group. Runs of up to 1 MiB on an object store are one request, and kept.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use super::run::{FileId, Run};
use super::sighting::{Sighting, key_of};
use super::{TABLE, month_of};
use crate::error::{ErrorKind, Result};
use crate::lake::{DerivedFile, DerivedSnapshot, DerivedTable, LakeRoot, LiveFile};
use crate::model::signal::Signal;

const MICROS: i64 = 1_000_000;

/// Fewer files are searched themselves: asking the index would cost as much.
const WORTH_IT: usize = 8;

/// Ids of one question, at most: each costs the read of a row group a run.
const MAX_IDS: usize = 256;

/// Runs that are read at once.
const READS_AT_ONCE: usize = 16;

/// Runs of at most this many bytes are read whole, where there is a store for that.
const SMALL: u64 = 1 << 20;

/// Bytes of opened runs that are kept.
const KEPT_RUNS: usize = 32 << 20;

/// Answers that are kept, and the sightings in them.
const KEPT_ANSWERS: usize = 8 << 10;
const KEPT_SIGHTINGS: usize = 256 << 10;

/// How often it is looked whether the index has grown.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// A lake's trace index, for asking.
#[derive(Debug)]
pub struct TraceIndex {
    table: DerivedTable,
    /// Reads and keeps whole objects; `None` for a local folder.
    small: Option<Arc<dyn ObjectStore>>,
    known: tokio::sync::Mutex<Option<Known>>,
    kept: Mutex<Kept>,
}

/// The index as it was when it was last looked at; no snapshot where there was none.
#[derive(Debug, Clone)]
struct Known {
    snapshot: Option<DerivedSnapshot>,
    looked: Instant,
}

/// What was read of runs, which never change.
#[derive(Debug, Default)]
struct Kept {
    runs: HashMap<String, Arc<Run>>,
    /// The oldest first.
    order: VecDeque<String>,
    bytes: usize,
    answers: HashMap<(String, i64), Arc<[Sighting]>>,
    sightings: usize,
}

/// What the runs of one version say.
struct Answer {
    files: Vec<Arc<LiveFile>>,
    /// Files that no run covers.
    uncovered: usize,
    /// A run was not there: it may have been merged away.
    outdated: bool,
}

impl TraceIndex {
    /// The index of a lake; `small`, rooted like the lake's store, reads small objects whole and keeps them.
    ///
    /// # Errors
    /// Where the lake's root is no usable path. Nothing is read.
    pub fn new(root: &LakeRoot, small: Option<Arc<dyn ObjectStore>>) -> Result<Self> {
        let path = root.table_path(TABLE.name)?;
        let small = small.map(|store| Arc::new(PrefixStore::new(store, path)) as Arc<dyn ObjectStore>);
        let table = DerivedTable::new(root, TABLE)?;
        Ok(Self { table, small, known: tokio::sync::Mutex::default(), kept: Mutex::default() })
    }

    /// Those of a table's files that may have a row with one of the ids: for metrics, an exemplar with it.
    pub async fn files_with(
        &self,
        signal: Signal,
        ids: &BTreeSet<String>,
        files: Vec<Arc<LiveFile>>,
    ) -> Vec<Arc<LiveFile>> {
        if files.len() < WORTH_IT || ids.len() > MAX_IDS {
            return files;
        }
        let keys: HashSet<i64> = ids.iter().map(|id| key_of(id)).collect();
        match self.ask(signal, &keys, &files).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%error, "the trace index can't be read; every file is searched");
                files
            }
        }
    }

    async fn ask(&self, signal: Signal, keys: &HashSet<i64>, files: &[Arc<LiveFile>]) -> Result<Vec<Arc<LiveFile>>> {
        let Some(snapshot) = self.snapshot().await? else { return Ok(files.to_vec()) };
        let answer = self.answer(&snapshot, signal, keys, files).await;
        if answer.uncovered == 0 && !answer.outdated {
            return Ok(answer.files);
        }
        match self.newer(snapshot.version()).await? {
            Some(newer) => Ok(self.answer(&newer, signal, keys, files).await.files),
            None => Ok(answer.files),
        }
    }

    /// The version that is known, the newest where none is.
    async fn snapshot(&self) -> Result<Option<DerivedSnapshot>> {
        let mut known = self.known.lock().await;
        match known.as_ref() {
            Some(Known { snapshot: Some(snapshot), .. }) => return Ok(Some(snapshot.clone())),
            Some(known) if known.looked.elapsed() < REFRESH_EVERY => return Ok(None),
            _ => {}
        }
        let snapshot = self.table.load().await?;
        *known = Some(Known { snapshot: snapshot.clone(), looked: Instant::now() });
        drop(known);
        Ok(snapshot)
    }

    /// The version that is known, if it is above `version`, after a look for one if the last was not just now.
    async fn newer(&self, version: u64) -> Result<Option<DerivedSnapshot>> {
        let mut known = self.known.lock().await;
        let Some(Known { snapshot: Some(snapshot), looked }) = known.as_mut() else { return Ok(None) };
        if looked.elapsed() >= REFRESH_EVERY {
            *looked = Instant::now();
            if self.table.has_newer(snapshot).await? {
                *snapshot = self.table.refresh(snapshot).await?;
            }
        }
        let snapshot = (snapshot.version() > version).then(|| snapshot.clone());
        drop(known);
        Ok(snapshot)
    }

    async fn answer(
        &self,
        snapshot: &DerivedSnapshot,
        signal: Signal,
        keys: &HashSet<i64>,
        files: &[Arc<LiveFile>],
    ) -> Answer {
        let months: HashSet<&str> = files.iter().filter_map(|file| month_of(file)).collect();
        let runs: Vec<DerivedFile> =
            snapshot.files().iter().filter(|run| months.contains(run.partition.as_str())).cloned().collect();
        let reads = runs.into_iter().map(|run| async move { (self.find(&run, keys).await, run) });
        let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        let (mut read, mut times, mut outdated) = (Vec::new(), Vec::new(), false);
        while let Some((found, file)) = reads.next().await {
            match found {
                Ok((run, sightings)) => {
                    read.push(run);
                    times.extend(sightings.iter().filter(|seen| seen.signal == signal).map(micros));
                }
                Err(error) => {
                    outdated |= error.kind() == ErrorKind::NotFound;
                    tracing::warn!(
                        run = file.path, %error,
                        "a file of the trace index can't be read; what it covers is searched itself"
                    );
                }
            }
        }
        let mut uncovered = 0;
        let mut may_have = |file: &Arc<LiveFile>| {
            let overlaps = file.times().is_none_or(|(first, last)| {
                times.iter().any(|(seen_first, seen_last)| first <= *seen_last && *seen_first <= last)
            });
            let id = FileId::of(signal, file);
            let covered = read.iter().any(|run| run.covers().contains(&id));
            uncovered += usize::from(!covered);
            overlaps || !covered
        };
        let files = files.iter().filter(|file| may_have(file)).cloned().collect();
        Answer { files, uncovered, outdated }
    }

    /// A run, and its sightings of the keys.
    async fn find(&self, file: &DerivedFile, keys: &HashSet<i64>) -> Result<(Arc<Run>, Vec<Sighting>)> {
        let path = Path::from(file.path.as_str());
        let store = self.small.as_ref().filter(|_| file.size <= SMALL).unwrap_or_else(|| self.table.store());
        let kept = self.kept().runs.get(&file.path).map(Arc::clone);
        let run = match kept {
            Some(run) => run,
            None => {
                let run = Arc::new(Run::open(store, &path, file.size).await?);
                self.kept().keep_run(&file.path, &run);
                run
            }
        };
        let mut found = Vec::new();
        let mut unknown = HashSet::new();
        {
            let kept = self.kept();
            for key in keys {
                match kept.answers.get(&(file.path.clone(), *key)) {
                    Some(sightings) => found.extend_from_slice(sightings),
                    None => _ = unknown.insert(*key),
                }
            }
        }
        if !unknown.is_empty() {
            let new = run.find(store, &path, &unknown).await?;
            self.kept().keep_answers(&file.path, &unknown, &new);
            found.extend(new);
        }
        Ok((run, found))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A cache: whatever a panic left in it is still true.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep_run(&mut self, path: &str, run: &Arc<Run>) {
        if self.runs.insert(path.to_owned(), Arc::clone(run)).is_some() {
            return;
        }
        self.order.push_back(path.to_owned());
        self.bytes += run.memory_size();
        while self.bytes > KEPT_RUNS {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(run) = self.runs.remove(&oldest) {
                self.bytes -= run.memory_size();
            }
        }
    }

    fn keep_answers(&mut self, path: &str, keys: &HashSet<i64>, found: &[Sighting]) {
        if self.answers.len() + keys.len() > KEPT_ANSWERS || self.sightings + found.len() > KEPT_SIGHTINGS {
            self.answers.clear();
            self.sightings = 0;
        }
        self.sightings += found.len();
        for key in keys {
            let of_key = found.iter().filter(|seen| seen.key == *key).copied().collect();
            self.answers.insert((path.to_owned(), *key), of_key);
        }
    }
}

/// From and to when, in microseconds since 1970.
fn micros(seen: &Sighting) -> (i64, i64) {
    (seen.first.saturating_mul(MICROS), seen.last.saturating_mul(MICROS).saturating_add(MICROS - 1))
}
