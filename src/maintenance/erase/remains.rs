//! What still has the value once the tables have it no more, and how long.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::eraser::EraseSettings;
use super::report::{EraseProof, Remainder};
use super::request::{EraseRequest, EraseScope, EraseWhat};
use crate::error::{Error, Result};
use crate::lake::{LakeRoot, LiveFile, TableLog, WriterKind, writers};

/// Of the files that an erasure replaced.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Aftermath {
    files: u64,
    bytes: u64,
    /// Those in whose statistics the value was a minimum or maximum.
    in_statistics: u64,
}

impl Aftermath {
    /// Files that were replaced, and the value that they had.
    pub(super) fn replace(&mut self, files: &[Arc<LiveFile>], value: Option<&str>) {
        for file in files {
            self.files += 1;
            self.bytes += file.size;
            self.in_statistics += u64::from(value.is_some_and(|value| has_in_statistics(file, value)));
        }
    }

    /// Those of another table.
    pub(super) fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.in_statistics += other.in_statistics;
    }
}

/// The log's maxima of text may be cut and rounded up, so what begins alike counts.
fn has_in_statistics(file: &LiveFile, value: &str) -> bool {
    const CUT: usize = 32;
    let head: String = value.chars().take(CUT).collect();
    let mut texts =
        file.stats.min_values.values().chain(file.stats.max_values.values()).filter_map(|text| text.as_str());
    texts.any(|text| text.contains(value) || text.starts_with(&head))
}

/// What is known of an erasure when its tables are done.
pub(super) struct Done<'a> {
    pub(super) request: &'a EraseRequest,
    pub(super) standing: Option<u64>,
    pub(super) aftermath: Aftermath,
    /// Other writers that may still commit what matches.
    pub(super) late_writers: Vec<String>,
    pub(super) by_server: bool,
    pub(super) proof: &'a EraseProof,
    /// Rows that match, by named snapshot.
    pub(super) snapshots: &'a BTreeMap<String, u64>,
}

/// Every place that is known to have the value still, or to have none.
///
/// # Errors
/// `Unavailable` where the lake does not answer.
pub(super) async fn remains(root: &LakeRoot, settings: &EraseSettings, done: &Done<'_>) -> Result<Vec<Remainder>> {
    let now = Utc::now();
    let mut remains = vec![replaced_files(root, settings, done, now).await?, log_entries(settings, done, now)];
    remains.extend(write_ahead_logs(root, done, now).await?);
    remains.extend(named_snapshots(done));
    remains.extend(versions(root, done).await?);
    remains.extend(done.late_writers.iter().map(|writer| other_writer(writer, done.standing)));
    remains.extend(arrivals(done));
    remains.push(Remainder {
        place: "copies".to_owned(),
        until: None,
        detail:
            "exports, backups, snapshots of disks, what processes that were killed left in a temporary folder, and \
                 what senders keep are not known here"
                .to_owned(),
    });
    Ok(remains)
}

async fn replaced_files(
    root: &LakeRoot,
    settings: &EraseSettings,
    done: &Done<'_>,
    now: DateTime<Utc>,
) -> Result<Remainder> {
    let Aftermath { files, bytes, .. } = done.aftermath;
    let grace = TimeDelta::from_std(settings.grace).unwrap_or(TimeDelta::MAX);
    let last = if files > 0 {
        Some(now)
    } else {
        last_removal(root, done.proof, now.checked_sub_signed(grace).unwrap_or(DateTime::<Utc>::MIN_UTC)).await?
    };
    let (until, detail) = if let Some(last) = last {
        let which = if files > 0 {
            format!("{files} files ({}) were replaced", bytesize::ByteSize(bytes))
        } else {
            "this run replaced no file; those that earlier ones or other jobs replaced may have it, and".to_owned()
        };
        let kept = humantime::format_duration(settings.grace);
        let then = "then `telestrata vacuum apply` deletes all but what named snapshots pin";
        (
            last.checked_add_signed(grace).unwrap_or(DateTime::<Utc>::MAX_UTC),
            format!("{which} are kept for {kept}, {then}"),
        )
    } else {
        (now, "no file was replaced lately; `telestrata vacuum plan` shows whether older ones are left".to_owned())
    };
    Ok(Remainder { place: "replaced-files".to_owned(), until: Some(text(until)), detail })
}

/// When a commit last took files out of these tables, if that was since a time.
async fn last_removal(root: &LakeRoot, proof: &EraseProof, since: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let mut last = None;
    for (table, version) in &proof.versions {
        let log = TableLog::new(root, table)?;
        let mut commits = log.removes_below(*version);
        while let Some(commit) = commits.try_next().await?.filter(|commit| commit.written >= since) {
            if !commit.removed.is_empty() {
                last = last.max(Some(commit.written));
                break;
            }
        }
    }
    Ok(last)
}

fn log_entries(settings: &EraseSettings, done: &Done<'_>, now: DateTime<Utc>) -> Remainder {
    let files = done.aftermath.in_statistics;
    let is_known = matches!(done.request.what, EraseWhat::Attribute { .. });
    let (until, detail) = if is_known && files == 0 {
        (now, "no log entry or checkpoint has it: it was no minimum or maximum of a replaced file".to_owned())
    } else {
        let until = now + TimeDelta::from_std(settings.log_retention).unwrap_or(TimeDelta::MAX);
        let which = if is_known {
            format!("{files} replaced files had it as a minimum or maximum of service_name or metric_name")
        } else {
            "a condition may be about minima and maxima of service_name and metric_name".to_owned()
        };
        (until, format!("{which}: the tables' log entries and checkpoints keep them until log clean-up"))
    };
    Remainder { place: "log-entries".to_owned(), until: Some(text(until)), detail }
}

async fn write_ahead_logs(root: &LakeRoot, done: &Done<'_>, now: DateTime<Utc>) -> Result<Vec<Remainder>> {
    let entry = |until, detail| Remainder { place: "write-ahead-log".to_owned(), until, detail };
    let mut entries = Vec::new();
    if done.by_server {
        entries.push(entry(Some(text(now)), "this server's segments with it are deleted".to_owned()));
    }
    for writer in writers(root).await? {
        if writer.card.kind == WriterKind::Server && !writer.is_live(now) {
            let detail = format!(
                "{} ended without a clean stop: its log may have it until it is started again and has flushed",
                writer.describe(now)
            );
            entries.push(entry(None, detail));
        }
    }
    if entries.is_empty() {
        entries.push(entry(Some(text(now)), "no server writes this lake, and each has stopped cleanly".to_owned()));
    }
    Ok(entries)
}

fn named_snapshots(done: &Done<'_>) -> Option<Remainder> {
    let pinned: Vec<String> = done.snapshots.iter().map(|(name, rows)| format!("{name} ({rows} rows)")).collect();
    (!pinned.is_empty()).then(|| Remainder {
        place: "named-snapshots".to_owned(),
        until: None,
        detail: format!(
            "named snapshots have rows that match: {}; `telestrata snapshot drop NAME` lets go of them",
            pinned.join(", ")
        ),
    })
}

/// Whether the bucket keeps versions shows in the answer for the newest commit.
async fn versions(root: &LakeRoot, done: &Done<'_>) -> Result<Option<Remainder>> {
    let Some((table, version)) = done.proof.versions.iter().next() else { return Ok(None) };
    let commit = Path::from(format!("_delta_log/{version:020}.json"));
    let found = root.table_store(table)?.head(&commit).await;
    let meta = match found {
        Ok(meta) => meta,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(Error::unavailable("the newest commit can't be looked at").with_source(error)),
    };
    let keeps = meta.version.is_some_and(|version| version != "null");
    Ok(keeps.then(|| Remainder {
        place: "versions".to_owned(),
        until: None,
        detail: "the bucket keeps versions of its objects: what is deleted stays there until its lifecycle rules for \
                 noncurrent versions take it away"
            .to_owned(),
    }))
}

fn other_writer(writer: &str, standing: Option<u64>) -> Remainder {
    let detail = match standing {
        Some(_) => format!("{writer} has not taken the standing erasure up: make the same request again"),
        None => format!(
            "{writer} may have rows that match in memory, and no erasure stands: have it flush, then make the same request again"
        ),
    };
    Remainder { place: "other-writers".to_owned(), until: None, detail }
}

fn arrivals(done: &Done<'_>) -> Option<Remainder> {
    let lets_in = match &done.request.what {
        EraseWhat::Where { .. } => "nothing that matches the condition is kept out: a condition does not stand",
        EraseWhat::Attribute { also_body: true, .. } => {
            "what comes with the value in its text alone is let in: a hash is of whole values"
        }
        EraseWhat::Attribute { .. } if done.request.scope == EraseScope::Trace => {
            "what comes late of these traces, and has not the attribute itself, is let in"
        }
        EraseWhat::Attribute { .. } => return None,
    };
    Some(Remainder { place: "arrivals".to_owned(), until: None, detail: lets_in.to_owned() })
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
