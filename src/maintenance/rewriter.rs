//! Files in the place of others, proved and committed: what compaction, retention and erasure have in common.
//!
//! Guarantees: what a rewrite wrote is read back from the store before a commit names it, and holds exactly the rows that
//! the sieve let through; the commit is a compare-and-swap (invariant 6) and carries the proof and the ledger entry. A
//! rewrite that does not match its proof removes what it wrote and says so. Stopped at any point, the table is as it was
//! before or as it is after; what is left over is for vacuum.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ledger::LedgerEntry;
use super::merge::{MergedFiles, Output, merge, proof_of};
use super::progress::Progress;
use super::proof::Proof;
use super::run::{Mark, Run};
use super::sieve::Sieve;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DataFile, LakeTable, LiveFile, Rewrite, Rewritten, TableSnapshot, remove_staged};

/// Bytes of a row, about, where the log does not say how many rows a file has.
pub(super) const ROW_BYTES: u64 = 32;

/// Rewrites files of one table.
#[derive(Debug, Clone)]
pub struct Rewriter {
    /// The table.
    pub table: LakeTable,
    /// Bytes of a large file.
    pub target_bytes: u64,
    /// Bytes that sorting another engine's files may have in memory.
    pub memory: u64,
    /// Who does it, and why.
    pub entry: LedgerEntry,
    /// Told of what is done.
    pub progress: Progress,
}

/// What a rewrite did.
#[derive(Debug, Clone)]
pub enum Rewrote {
    /// It is in.
    Done(Counts),
    /// Nothing, since every row went on as it was; only where that was asked for.
    Unchanged(Counts),
    /// Nothing: another was first, and the files are not what they were. The snapshot is the newest one now.
    Overtaken,
}

/// What a rewrite took out and put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Files taken out.
    pub files_before: u64,
    /// Files put in.
    pub files_after: u64,
    /// Bytes taken out.
    pub bytes_before: u64,
    /// Bytes put in.
    pub bytes_after: u64,
    /// Rows taken out.
    pub rows_before: u64,
    /// Rows put in.
    pub rows_after: u64,
    /// The version that has it; the one that was read where nothing was done.
    pub version: u64,
}

/// When a rewrite is worth its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// Always: the files themselves are to be others.
    Always,
    /// Where a row is gone, has changed, or is in another lane than the first.
    IfChanged,
}

impl Rewriter {
    /// Reads runs of one date, sifts their rows into lanes, and puts what remains in their place. `snapshot` is brought
    /// up to the version that tells the outcome.
    ///
    /// # Errors
    /// What reading, sifting or writing met; `Damaged` where the proof fails. Nothing is committed then.
    pub async fn rewrite(
        &self,
        snapshot: &mut TableSnapshot,
        runs: &[Run],
        lanes: &[Mark],
        sieve: &mut dyn Sieve,
        when: Commit,
    ) -> Result<Rewrote> {
        let date = runs.iter().flat_map(|run| &run.files).find_map(|file| file.date.clone());
        let Some(date) = date else { return Err(Error::internal("a rewrite of no files")) };
        let output = Output {
            promoted: snapshot.promoted().to_vec(),
            date,
            rows_a_file: rows_a_file(runs, self.target_bytes),
            lanes: lanes.to_vec(),
            memory: self.memory,
            progress: self.progress.clone(),
        };
        let merged = match merge(self.table.store(), self.table.signal(), runs, &output, sieve).await {
            Ok(merged) => merged,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Its files went away meanwhile: the newest version has others.
                let newest = self.table.refresh(snapshot).await?;
                if newest.version() == snapshot.version() {
                    return Err(error);
                }
                *snapshot = newest;
                return Ok(Rewrote::Overtaken);
            }
            Err(error) => return Err(error),
        };
        let removed: Vec<Arc<LiveFile>> = runs.iter().flat_map(|run| run.files.iter().cloned()).collect();
        let counts = counts(&removed, &merged.files, merged.read.rows, merged.passed.rows, snapshot.version());
        if when == Commit::IfChanged && merged.passed == merged.read && all_in_first_lane(&merged, lanes) {
            self.take_back(&merged.files).await;
            return Ok(Rewrote::Unchanged(counts));
        }
        self.prove(&removed, &merged).await?;
        let rewrite = Rewrite {
            removed: &removed,
            added: &merged.files,
            data_change: merged.passed != merged.read,
            info: &self.info(&counts, Some((merged.read, merged.passed)), &sieve.counts()),
        };
        self.commit(snapshot, rewrite, counts).await
    }

    /// Takes whole files out, by the log alone.
    ///
    /// # Errors
    /// As [`LakeTable::rewrite`].
    pub async fn remove(&self, snapshot: &mut TableSnapshot, files: &[Arc<LiveFile>]) -> Result<Rewrote> {
        let rows = files.iter().map(|file| file.rows.unwrap_or(0)).sum();
        let counts = counts(files, &[], rows, 0, snapshot.version());
        let rewrite = Rewrite { removed: files, added: &[], data_change: true, info: &self.info(&counts, None, &[]) };
        self.commit(snapshot, rewrite, counts).await
    }

    /// Puts files in the place of others that hold the same rows, without a proof: copies, byte for byte.
    ///
    /// # Errors
    /// As [`LakeTable::rewrite`].
    pub async fn replace_by_copies(
        &self,
        snapshot: &mut TableSnapshot,
        files: &[Arc<LiveFile>],
        copies: &[DataFile],
    ) -> Result<Rewrote> {
        let rows = files.iter().map(|file| file.rows.unwrap_or(0)).sum();
        let counts = counts(files, copies, rows, rows, snapshot.version());
        let rewrite =
            Rewrite { removed: files, added: copies, data_change: false, info: &self.info(&counts, None, &[]) };
        self.commit(snapshot, rewrite, counts).await
    }

    async fn commit(&self, snapshot: &mut TableSnapshot, rewrite: Rewrite<'_>, counts: Counts) -> Result<Rewrote> {
        let before = snapshot.version();
        match self.table.rewrite(snapshot, rewrite).await? {
            Rewritten::Done(newest) => {
                *snapshot = newest;
                self.progress.add_files(counts.files_before, counts.bytes_before);
                if let Err(error) = self.table.checkpoint_if_due(before, snapshot).await {
                    tracing::warn!(table = %self.table.signal(), %error, "a checkpoint failed; the next one is tried in its turn");
                }
                Ok(Rewrote::Done(Counts { version: snapshot.version(), ..counts }))
            }
            Rewritten::Overtaken(newest) => {
                *snapshot = newest;
                Ok(Rewrote::Overtaken)
            }
        }
    }

    /// Reads back what was written, and removes it where it is not what passed the sieve.
    async fn prove(&self, removed: &[Arc<LiveFile>], merged: &MergedFiles) -> Result<()> {
        let after = proof_of(self.table.store(), self.table.signal(), &merged.files).await;
        // A foreign file may not say how many rows it has.
        let listed: Option<u64> = removed.iter().map(|file| file.rows).sum();
        let (read, passed) = (merged.read, merged.passed);
        if after.as_ref().is_ok_and(|after| *after == passed) && listed.is_none_or(|listed| listed == read.rows) {
            return Ok(());
        }
        self.take_back(&merged.files).await;
        let after = after?;
        let listed = listed.map_or_else(|| "an unknown number of".to_owned(), |listed| listed.to_string());
        Err(Error::new(
            ErrorKind::Damaged,
            format!(
                "a rewrite of {} files of table `{}` was given up: the log has {listed} rows of them, {} were read; {} \
                 were written with checksum {:032x}, {} read back with {:032x}; `telestrata check --deep` finds the file",
                removed.len(),
                self.table.signal(),
                read.rows,
                passed.rows,
                passed.sum,
                after.rows,
                after.sum
            ),
        ))
    }

    async fn take_back(&self, files: &[DataFile]) {
        for file in files {
            remove_staged(self.table.store(), &file.path).await;
        }
    }

    /// What the commit says of itself.
    fn info(
        &self,
        counts: &Counts,
        proof: Option<(Proof, Proof)>,
        of_sieve: &[(&'static str, u64)],
    ) -> Map<String, Value> {
        let mut metrics = Map::from_iter([
            ("numRows".to_owned(), json!(counts.rows_after)),
            ("numRemovedRows".to_owned(), json!(counts.rows_before.saturating_sub(counts.rows_after))),
            ("numRemovedFiles".to_owned(), json!(counts.files_before)),
            ("numAddedFiles".to_owned(), json!(counts.files_after)),
            ("numRemovedBytes".to_owned(), json!(counts.bytes_before)),
            ("numAddedBytes".to_owned(), json!(counts.bytes_after)),
        ]);
        metrics.extend(of_sieve.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
        if let Some((read, passed)) = proof {
            metrics.insert("checksumBefore".to_owned(), json!(format!("{:032x}", read.sum)));
            metrics.insert("checksumAfter".to_owned(), json!(format!("{:032x}", passed.sum)));
        }
        Map::from_iter([
            ("operationMetrics".to_owned(), Value::Object(metrics)),
            (LedgerEntry::KEY.to_owned(), self.entry.to_json()),
        ])
    }
}

fn all_in_first_lane(merged: &MergedFiles, lanes: &[Mark]) -> bool {
    let first = lanes.first().copied().unwrap_or_default();
    merged.files.iter().all(|file| super::run::FileName::parse(&file.path).mark == first)
}

fn counts(removed: &[Arc<LiveFile>], added: &[DataFile], rows_before: u64, rows_after: u64, version: u64) -> Counts {
    Counts {
        files_before: removed.len() as u64,
        files_after: added.len() as u64,
        bytes_before: removed.iter().map(|file| file.size).sum(),
        bytes_after: added.iter().map(|file| file.size).sum(),
        rows_before,
        rows_after,
        version,
    }
}

/// Rows of a file so that all have about the same size, none above the target.
fn rows_a_file(runs: &[Run], target: u64) -> u64 {
    let bytes: u64 = runs.iter().map(|run| run.bytes).sum();
    // A foreign file may not say how many it has.
    let rows_of = |file: &Arc<LiveFile>| file.rows.unwrap_or(file.size / ROW_BYTES);
    let rows: u64 = runs.iter().flat_map(|run| &run.files).map(rows_of).sum();
    let count = bytes.div_ceil(target.max(1)).max(1);
    rows.div_ceil(count).max(1)
}
