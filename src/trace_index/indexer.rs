//! Brings the index up to the tables: new data files into a run a month, many small runs into one, and runs whose files
//! are gone out.
//!
//! Guarantees: a run is committed with what it covers; a merge is a compare-and-swap that takes its inputs out and puts
//! their union in (invariant 6). Stopped at any point, what is committed is right, and the next step goes on from there.
//! Two indexers on one lake may do the same work twice, which harms nothing.
//!
//! How large the index stays: a month that is over has a logarithm of runs, none of them twice as large as all smaller
//! ones together, beside full ones; the newest month has fewer than [`MANY`] small runs. Compaction puts other files in
//! the place of those that a run covers: once seven of eight are gone, the run goes too, and what is left of its files
//! comes in again. So a file is read again once for seven that are gone, and no run outlives its files.
//!
//! Memory: the sightings of a run in the making and of the files being read, as given to [`Indexer::new`]; a merge
//! takes its inputs and its output, of [`FULL`] bytes at most each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::harvest::{Harvest, harvest};
use super::run::{EncodedRun, FileId, Run, RunWriter, WholeRun};
use super::sighting::{Sighting, sort_and_merge};
use super::{MONTH, TABLE, month_of};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DerivedFile, DerivedSnapshot, DerivedTable, LakeRoot, LakeTable, LiveFile, LiveFiles};
use crate::model::signal::Signal;

/// A month has fewer small runs than this; the rest is merged.
const MANY: usize = 8;

/// The fewest runs that are worth a merge in the newest month.
const FEW: usize = 4;

/// A run goes when no more than this part of the files that it covered are live.
const LIVE_SHARE: usize = 8;

/// Bytes of a merged run, at most; one of half of that is merged no more.
const FULL: u64 = 64 << 20;

/// Runs of one commit, at most.
const RUNS_PER_COMMIT: usize = 32;

/// Footers, and data files of up to [`LARGE`], that are read at once.
const READS_AT_ONCE: usize = 8;
const LARGE: u64 = 8 << 20;

/// Pauses before the further tries of a commit, in ms.
const PAUSES: [u64; 4] = [0, 100, 400, 1600];

/// The live files of the lake's tables.
pub type Live = [(Signal, Arc<LiveFiles>)];

/// Keeps the index of one lake.
#[derive(Debug)]
pub struct Indexer {
    table: DerivedTable,
    sources: [Arc<dyn ObjectStore>; 3],
    max_sightings: usize,
    snapshot: Option<DerivedSnapshot>,
    /// What each live run covers.
    covers: HashMap<String, HashSet<FileId>>,
    /// Files that the index can't hold; they are searched themselves.
    unfit: HashSet<FileId>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Data files that are covered now and were not before.
    pub indexed: usize,
    /// Data files that are still to be indexed.
    pub left: usize,
}

/// Data files of one month, each with its signal.
type Sources = Vec<(Signal, Arc<LiveFile>, FileId)>;

impl Indexer {
    /// An indexer that takes about so many bytes of memory for sightings; touches nothing.
    pub fn new(root: &LakeRoot, max_bytes: usize) -> Result<Self> {
        let source = |signal: Signal| root.table_store(signal.table());
        Ok(Self {
            table: DerivedTable::new(root, TABLE)?,
            sources: [source(Signal::Logs)?, source(Signal::Spans)?, source(Signal::Metrics)?],
            max_sightings: max_bytes / size_of::<Sighting>() / 2,
            snapshot: None,
            covers: HashMap::new(),
            unfit: HashSet::new(),
        })
    }

    /// How many of these files no run covers, as far as is known without asking the store.
    pub fn uncovered(&self, live: &Live) -> usize {
        self.sources_of(live).values().map(Vec::len).sum()
    }

    /// Indexes files that no run covers, the newest months first, merges what has become many, and takes out what has
    /// outlived its files.
    ///
    /// # Errors
    /// Where the store does not answer or another indexer keeps committing; the next step goes on.
    pub async fn step(&mut self, live: &Live) -> Result<Step> {
        if self.snapshot.is_none() && self.uncovered(live) == 0 {
            return Ok(Step { indexed: 0, left: 0 });
        }
        // A run that is new to this indexer may cover files that are newer than `live`: it has a step's time.
        let known: HashSet<String> = self.covers.keys().cloned().collect();
        self.follow().await?;
        self.retire(live, &known).await?;
        let sources = self.sources_of(live);
        let mut runs = Vec::new();
        let mut indexed = 0;
        for (month, files) in sources.iter().rev() {
            if runs.len() >= RUNS_PER_COMMIT {
                break;
            }
            runs.extend(self.index_month(month, files).await?);
        }
        if !runs.is_empty() {
            indexed = runs.iter().map(|(_, covers)| covers.len()).sum();
            let files: Vec<DerivedFile> = runs.iter().map(|(file, _)| file.clone()).collect();
            self.append(&files).await?;
            self.covers.extend(runs.into_iter().map(|(file, covers)| (file.path, covers)));
        }
        self.merge_where_many(live).await?;
        Ok(Step { indexed, left: self.uncovered(live) })
    }

    /// Files that no run covers, by month.
    fn sources_of(&self, live: &Live) -> BTreeMap<String, Sources> {
        let mut sources: BTreeMap<String, Sources> = BTreeMap::new();
        let covered: HashSet<&FileId> = self.covers.values().flatten().chain(&self.unfit).collect();
        for (signal, files) in live {
            for file in files.iter() {
                let Some(month) = month_of(file) else { continue };
                let id = FileId::of(*signal, file);
                if !covered.contains(&id) {
                    sources.entry(month.to_owned()).or_default().push((*signal, Arc::clone(file), id));
                }
            }
        }
        sources
    }

    /// Takes up what others have committed, and takes out runs that can't be read, so that their files come in again.
    async fn follow(&mut self) -> Result<()> {
        let snapshot = match &self.snapshot {
            Some(snapshot) => self.table.refresh(snapshot).await?,
            None => self.table.load_or_create().await?,
        };
        self.covers.retain(|path, _| snapshot.files().iter().any(|run| run.path == *path));
        let new: Vec<DerivedFile> =
            snapshot.files().iter().filter(|run| !self.covers.contains_key(&run.path)).cloned().collect();
        self.snapshot = Some(snapshot);
        let store = self.table.store();
        let opened = new.into_iter().map(|file| async move {
            let run = Run::open(store, &Path::from(file.path.as_str()), file.size).await;
            (file, run.map(|run| run.covers().clone()))
        });
        let opened: Vec<_> = futures::stream::iter(opened).buffer_unordered(READS_AT_ONCE).collect().await;
        let mut damaged = Vec::new();
        for (file, covers) in opened {
            match covers {
                Ok(covers) => _ = self.covers.insert(file.path, covers),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {
                    tracing::warn!(run = file.path, %error, "a file of the trace index is damaged; it is made again");
                    damaged.push(file);
                }
                Err(error) => return Err(error),
            }
        }
        if damaged.is_empty() { Ok(()) } else { self.swap(&[], &damaged).await }
    }

    /// Takes out, of the runs that were known before, those whose files are gone, or nearly all of them.
    async fn retire(&mut self, live: &Live, known: &HashSet<String>) -> Result<()> {
        let ids = ids(live);
        let is_outlived = |run: &&DerivedFile| {
            let covers = self.covers.get(&run.path).filter(|_| known.contains(&run.path));
            covers.is_some_and(|covers| {
                let alive = covers.iter().filter(|id| ids.contains(id)).count();
                alive * LIVE_SHARE <= covers.len()
            })
        };
        let outlived: Vec<DerivedFile> = self.known()?.files().iter().filter(is_outlived).cloned().collect();
        if outlived.is_empty() {
            return Ok(());
        }
        self.swap(&[], &outlived).await?;
        self.covers.retain(|path, _| !outlived.iter().any(|run| run.path == *path));
        Ok(())
    }

    /// Writes runs of one month, and says what each covers.
    async fn index_month(&mut self, month: &str, files: &Sources) -> Result<Vec<(DerivedFile, HashSet<FileId>)>> {
        let (large, small): (Sources, Sources) = files.iter().cloned().partition(|(_, file, _)| file.size > LARGE);
        let (sources, max) = (&self.sources, self.max_sightings);
        let read = |(signal, file, id): (Signal, Arc<LiveFile>, FileId)| async move {
            (harvest(&sources[signal.index()], signal, &file, max).await, signal, file, id)
        };
        let small = futures::stream::iter(small.into_iter().map(read)).buffer_unordered(READS_AT_ONCE);
        let large = futures::stream::iter(large.into_iter().map(read)).buffer_unordered(1);
        let mut harvests = small.chain(large).boxed();
        let (mut runs, mut unfit) = (Vec::new(), Vec::new());
        let (mut sightings, mut covers) = (Vec::new(), HashSet::new());
        while let Some((harvested, signal, file, id)) = harvests.next().await {
            match harvested {
                Ok(Harvest::Seen(seen)) => {
                    if !covers.is_empty() && sightings.len() + seen.len() > max {
                        runs.push(
                            self.write(month, std::mem::take(&mut sightings), std::mem::take(&mut covers)).await?,
                        );
                    }
                    sightings.extend(seen);
                    covers.insert(id);
                }
                Ok(Harvest::Unfit(why)) => {
                    tracing::warn!(table = %signal, path = file.path, why, "a file is left out of the trace index");
                    unfit.push(id);
                }
                // Compacted away and vacuumed since the snapshot; or damaged, which queries and `check` report.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {
                    tracing::warn!(table = %signal, %error, "a file is left out of the trace index");
                    unfit.push(id);
                }
                Err(error) => return Err(error),
            }
        }
        drop(harvests);
        if !covers.is_empty() {
            runs.push(self.write(month, sightings, covers).await?);
        }
        self.unfit.extend(unfit);
        Ok(runs)
    }

    async fn write(
        &self,
        month: &str,
        mut sightings: Vec<Sighting>,
        covers: HashSet<FileId>,
    ) -> Result<(DerivedFile, HashSet<FileId>)> {
        let ids = covers.clone();
        let run = compute(move || {
            sort_and_merge(&mut sightings);
            let mut writer = RunWriter::new()?;
            for sighting in sightings {
                writer.push(sighting)?;
            }
            writer.finish(ids)
        })
        .await?;
        Ok((self.put(month, run).await?, covers))
    }

    async fn put(&self, month: &str, run: EncodedRun) -> Result<DerivedFile> {
        let path = format!("{MONTH}={month}/{}", run.name);
        let size = run.bytes.len() as u64;
        let put = self.table.store().put(&Path::from(path.as_str()), run.bytes.into()).await;
        put.map_err(|error| Error::unavailable(format!("can't write {path}")).with_source(error))?;
        Ok(DerivedFile { path, size, partition: month.to_owned(), stats: run.stats })
    }

    /// Commits new runs; after an error, unless they are in.
    async fn append(&mut self, runs: &[DerivedFile]) -> Result<()> {
        let mut outcome = self.swap(runs, &[]).await;
        for pause in PAUSES {
            if !matches!(&outcome, Err(error) if error.kind() == ErrorKind::Unavailable) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            outcome = match self.refresh().await {
                Ok(snapshot) if runs.iter().all(|run| is_live(snapshot, run)) => Ok(()),
                Ok(_) => self.swap(runs, &[]).await,
                Err(error) => Err(error),
            };
        }
        outcome
    }

    async fn refresh(&mut self) -> Result<&DerivedSnapshot> {
        let base = self.known()?;
        let newest = self.table.refresh(base).await?;
        Ok(self.snapshot.insert(newest))
    }

    /// One commit on top of the version that is known.
    async fn swap(&mut self, added: &[DerivedFile], removed: &[DerivedFile]) -> Result<()> {
        let base = self.known()?;
        let before = base.version();
        let snapshot = self.table.commit(base, added, removed).await?;
        if let Err(error) = self.table.checkpoint_if_due(before, &snapshot).await {
            tracing::warn!(%error, "no checkpoint of the trace index was written");
        }
        self.snapshot = Some(snapshot);
        Ok(())
    }

    fn known(&self) -> Result<&DerivedSnapshot> {
        self.snapshot.as_ref().ok_or_else(|| Error::internal("the trace index is not open"))
    }

    /// Merges the small runs of the newest month where they are many, and of earlier ones wherever it is worth it: a
    /// lookup without a time asks every run of every month.
    async fn merge_where_many(&mut self, live: &Live) -> Result<()> {
        let mut months: BTreeMap<String, Vec<DerivedFile>> = BTreeMap::new();
        for run in self.known()?.files().iter().filter(|run| run.size < FULL / 2) {
            months.entry(run.partition.clone()).or_default().push(run.clone());
        }
        let newest = live.iter().flat_map(|(_, files)| files.iter().filter_map(|file| month_of(file))).max();
        let picked = months.into_iter().filter_map(|(month, runs)| {
            let is_over = newest.is_some_and(|newest| month.as_str() < newest);
            if !is_over && runs.len() < MANY {
                return None;
            }
            let picked = picked(runs, if is_over { 1 } else { FEW });
            (picked.len() > 1).then_some((month, picked))
        });
        let picked: Vec<_> = picked.collect();
        if picked.is_empty() {
            return Ok(());
        }
        let ids = ids(live);
        for (month, runs) in picked {
            self.merge(&month, runs, &ids).await?;
        }
        Ok(())
    }

    /// Puts one run in the place of several. It covers those of their files that are live.
    async fn merge(&mut self, month: &str, inputs: Vec<DerivedFile>, live: &HashSet<FileId>) -> Result<()> {
        let store = self.table.store();
        let reads = inputs.clone().into_iter().map(|input| async move {
            let path = Path::from(input.path.as_str());
            let bytes = match store.get(&path).await {
                Ok(object) => object.bytes().await,
                Err(error) => Err(error),
            };
            let bytes = bytes.map_err(|error| super::run::unreadable(&path, error.into()))?;
            let run = Run::of_tail(&path, &bytes)?;
            Ok::<_, Error>(WholeRun::new(run, path, bytes))
        });
        let read: Result<Vec<WholeRun>> = futures::stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await;
        let live = live.clone();
        let merged = match read {
            Ok(read) => compute(move || merged(read, &live)).await,
            Err(error) => Err(error),
        };
        let (run, covers) = match merged {
            Ok(merged) => merged,
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {
                // Which one does not matter: all of them are small, and soon made again.
                tracing::warn!(%error, "a file of the trace index is damaged; it and its like are made again");
                self.swap(&[], &inputs).await?;
                self.covers.retain(|path, _| !inputs.iter().any(|input| input.path == *path));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let output = self.put(month, run).await?;
        if let Err(error) = self.swap(std::slice::from_ref(&output), &inputs).await {
            let snapshot = self.refresh().await?;
            if !is_live(snapshot, &output) {
                // Another has merged them, or has added runs: there is a next time.
                tracing::info!(%error, "a merge of the trace index was overtaken");
                return Ok(());
            }
        }
        self.covers.retain(|path, _| !inputs.iter().any(|input| input.path == *path));
        self.covers.insert(output.path, covers);
        Ok(())
    }
}

/// Indexes a whole lake, as far as it is not.
///
/// # Errors
/// As [`Indexer::step`].
pub async fn catch_up(root: &LakeRoot, max_bytes: usize) -> Result<usize> {
    let mut indexer = Indexer::new(root, max_bytes)?;
    // Before the tables: what a run covers that is not live afterwards is gone.
    if let Some(snapshot) = indexer.table.load().await? {
        indexer.snapshot = Some(snapshot);
        indexer.follow().await?;
    }
    let mut live = Vec::new();
    for signal in Signal::ALL {
        if let Some(snapshot) = LakeTable::new(root, signal)?.load().await? {
            live.push((signal, Arc::clone(snapshot.files())));
        }
    }
    let mut indexed = 0;
    loop {
        let step = indexer.step(&live).await?;
        indexed += step.indexed;
        if step.left == 0 || step.indexed == 0 {
            return Ok(indexed);
        }
    }
}

fn is_live(snapshot: &DerivedSnapshot, run: &DerivedFile) -> bool {
    snapshot.files().iter().any(|live| live.path == run.path)
}

/// The data files that are live.
fn ids(live: &Live) -> HashSet<FileId> {
    live.iter().flat_map(|(signal, files)| files.iter().map(|file| FileId::of(*signal, file))).collect()
}

/// Which of a month's runs to merge: the smallest `few`, and more as long as the next is no larger than twice what is
/// picked, so that a row is written again a logarithm of times.
fn picked(mut runs: Vec<DerivedFile>, few: usize) -> Vec<DerivedFile> {
    runs.sort_by_key(|run| run.size);
    let mut bytes = 0;
    let worth = runs.iter().enumerate().take_while(|(number, run)| {
        let take = bytes + run.size <= FULL && (*number < few || run.size <= 2 * bytes);
        bytes += run.size;
        take
    });
    let count = worth.count();
    runs.truncate(count);
    runs
}

/// One run of several, and what it covers.
fn merged(mut runs: Vec<WholeRun>, live: &HashSet<FileId>) -> Result<(EncodedRun, HashSet<FileId>)> {
    let mut heads = BinaryHeap::new();
    for (number, run) in runs.iter_mut().enumerate() {
        heads.extend(run.next()?.map(|sighting| Reverse((sighting, number))));
    }
    let mut writer = RunWriter::new()?;
    while let Some(Reverse((sighting, number))) = heads.pop() {
        writer.push(sighting)?;
        if let Some(run) = runs.get_mut(number) {
            heads.extend(run.next()?.map(|sighting| Reverse((sighting, number))));
        }
    }
    let covers: HashSet<FileId> =
        runs.iter().flat_map(|run| run.run().covers()).filter(|id| live.contains(id)).copied().collect();
    Ok((writer.finish(covers.iter().copied())?, covers))
}

/// Runs work that takes long on a thread where it holds up no one.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a thread of the trace index died").with_source(error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::equal(&[5, 5, 5, 5, 5, 5, 5, 5], 8)]
    #[case::the_large_one_waits(&[1, 1, 1, 1, 1, 1, 1, 90], 7)]
    #[case::some_at_least(&[1, 10, 100, 1000, 100_000, 100_000, 100_000, 100_000], 4)]
    #[case::never_more_than_full(&[30 << 20, 30 << 20, 30 << 20, 30 << 20, 30 << 20, 30 << 20, 30 << 20, 30 << 20], 2)]
    fn small_runs_are_merged_with_their_like(#[case] sizes: &[u64], #[case] count: usize) {
        check(sizes, FEW, count);
    }

    #[rstest::rstest]
    #[case::two(&[5, 5], 2)]
    #[case::one_and_a_large_one(&[5, 11], 1)]
    #[case::a_large_one_that_has_grown_into(&[5, 5, 20, 100], 3)]
    fn of_a_month_that_is_over_all_that_are_alike(#[case] sizes: &[u64], #[case] count: usize) {
        check(sizes, 1, count);
    }

    fn check(sizes: &[u64], few: usize, count: usize) {
        let run = |size: &u64| DerivedFile {
            path: String::new(),
            size: *size,
            partition: String::new(),
            stats: String::new(),
        };
        let runs = picked(sizes.iter().rev().map(run).collect(), few);
        assert_eq!(runs.iter().map(|run| run.size).collect::<Vec<_>>(), sizes[..count]);
    }
}
