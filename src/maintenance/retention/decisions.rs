//! What was decided of each trace: an open Delta table, `trace_decisions`.
//!
//! Guarantees: a trace is decided once, since decisions are appended by a compare-and-swap on top of a version whose
//! decisions were looked through; they are committed before the first row goes, so that a run that was killed goes on by
//! them, and what arrives late follows them.
//!
//! A trace that goes on after it was decided has a further row with its newer last date; all else is repeated.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit, TimestampMillisecondType};
use chrono::{DateTime, Days, NaiveDate, Utc};
use futures::TryStreamExt;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::REACH_DAYS;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DerivedFile, DerivedSnapshot, DerivedTable, DerivedTableSpec, LakeRoot, StoreFile, store_failed};

/// The table's look.
pub const DECISIONS: DerivedTableSpec =
    DerivedTableSpec { name: "trace_decisions", schema, partition: LAST_DATE, statistics: FIRST_DATE };

const LAST_DATE: &str = "last_date";
const FIRST_DATE: &str = "first_date";

/// zstd level; ids are random, so a higher one gains little.
const ZSTD_LEVEL: i32 = 3;

fn schema() -> Value {
    let field = |name: &str, kind: &str, comment: &str| json!({ "name": name, "type": kind, "nullable": true, "metadata": { "comment": comment } });
    json!({ "type": "struct", "fields": [
        field(LAST_DATE, "string", "UTC date of the trace's last span or log when it was decided, YYYY-MM-DD"),
        field("trace_id", "string", "the trace"),
        field(FIRST_DATE, "date", "UTC date of its first span or log"),
        field("kept", "boolean", "whether its rows stay"),
        field("weight", "double", "how many traces a kept one stands for: 1 / the probability with which chance kept it, 1 without chance"),
        field("rule", "string", "the condition that decided"),
        field("decided_at", "timestamp", "when"),
    ] })
}

/// A trace id as it is compared: 128 bits that differ where the texts do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TraceKey(u128);

impl TraceKey {
    pub(super) fn of(trace_id: &str) -> Self {
        Self(xxh3_128(trace_id.as_bytes()))
    }
}

/// What was decided of a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decision {
    pub(super) kept: bool,
    /// How many traces it stands for, at least 1.
    pub(super) weight: f64,
    /// Days since 1970.
    pub(super) last_day: i32,
    /// When it was taken, in ms since 1970; [`JUST_NOW`] in the run that takes it.
    pub(super) decided_ms: i64,
}

/// Later than any file was written.
pub(super) const JUST_NOW: i64 = i64::MAX;

/// A decision to be written.
#[derive(Debug, Clone)]
pub(super) struct NewDecision {
    pub(super) trace_id: String,
    pub(super) first_day: i32,
    pub(super) decision: Decision,
}

/// Decisions by trace.
pub(super) type Decided = HashMap<TraceKey, Decision>;

/// The table at one version.
#[derive(Debug)]
pub(super) struct Decisions {
    table: DerivedTable,
    snapshot: Option<DerivedSnapshot>,
}

impl Decisions {
    /// The newest version; nothing is made where there is none.
    pub(super) async fn open(root: &LakeRoot) -> Result<Self> {
        let table = DerivedTable::new(root, DECISIONS)?;
        let snapshot = table.load().await?;
        Ok(Self { table, snapshot })
    }

    /// Takes up what others have committed.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        self.snapshot = match &self.snapshot {
            Some(snapshot) => Some(self.table.refresh(snapshot).await?),
            None => self.table.load().await?,
        };
        Ok(())
    }

    /// The decisions that rows of these dates may follow, of the traces that are `wanted`.
    ///
    /// # Errors
    /// `Unavailable` where the store does not answer, `Damaged` where a file is no such table's.
    pub(super) async fn of_dates(
        &self,
        (first, last): (NaiveDate, NaiveDate),
        wanted: impl Fn(TraceKey, Decision) -> bool,
    ) -> Result<Decided> {
        let mut decided = Decided::new();
        for file in self.snapshot.iter().flat_map(DerivedSnapshot::files) {
            if !reaches(file, first, last) {
                continue;
            }
            self.read(file, |trace, decision| {
                if wanted(trace, decision) {
                    let known = decided.entry(trace).or_insert(decision);
                    known.last_day = known.last_day.max(decision.last_day);
                }
            })
            .await?;
        }
        Ok(decided)
    }

    /// Reads every decision of a file.
    async fn read(&self, file: &DerivedFile, mut take: impl FnMut(TraceKey, Decision)) -> Result<()> {
        let damaged = |what: &str| {
            Error::new(
                ErrorKind::Damaged,
                format!(
                    "{}/{} {what}; restore it from a backup, or late rows are judged anew",
                    DECISIONS.name, file.path
                ),
            )
        };
        let unreadable = |error: parquet::errors::ParquetError| {
            if store_failed(&error) {
                Error::unavailable(format!("{}/{} can't be read", DECISIONS.name, file.path)).with_source(error)
            } else {
                damaged("can't be decoded").with_source(error)
            }
        };
        let last_day = file.partition.parse().ok().and_then(days).ok_or_else(|| damaged("has no date"))?;
        let reader = StoreFile::new(self.table.store(), Path::from(file.path.as_str()), file.size);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(unreadable)?;
        let mut rows = builder.build().map_err(unreadable)?;
        while let Some(batch) = rows.try_next().await.map_err(unreadable)? {
            let column = |name: &str, kind: &DataType| {
                let column = batch.column_by_name(name).ok_or_else(|| damaged("lacks a column"))?;
                cast(column, kind).map_err(|error| damaged("has a column of another type").with_source(error))
            };
            let ids = column("trace_id", &DataType::Utf8)?;
            let kept = column("kept", &DataType::Boolean)?;
            let weights = column("weight", &DataType::Float64)?;
            let times = column("decided_at", &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))?;
            let (ids, kept, weights, times) = (
                ids.as_string::<i32>(),
                kept.as_boolean(),
                weights.as_primitive::<Float64Type>(),
                times.as_primitive::<TimestampMillisecondType>(),
            );
            for (((id, kept), weight), time) in ids.iter().zip(kept.iter()).zip(weights.iter()).zip(times.iter()) {
                let (Some(id), Some(kept)) = (id, kept) else { return Err(damaged("has a row without a trace")) };
                let decided_ms = time.unwrap_or(JUST_NOW);
                take(TraceKey::of(id), Decision { kept, weight: weight.unwrap_or(1.0), last_day, decided_ms });
            }
        }
        Ok(())
    }

    /// Adds decisions on top of the version that is known.
    ///
    /// # Errors
    /// `Unavailable` where another has committed since, or the outcome is not known: refresh and look again.
    pub(super) async fn append(&mut self, decisions: Vec<NewDecision>, rule: &str, now: DateTime<Utc>) -> Result<()> {
        if decisions.is_empty() {
            return Ok(());
        }
        let base = match &self.snapshot {
            Some(snapshot) => snapshot.clone(),
            None => {
                let made = self.table.load_or_create().await?;
                if !made.files().is_empty() {
                    // Another made it, and nobody has looked through what it decided.
                    return Err(Error::unavailable(format!(
                        "table `{}` has just been made by another",
                        DECISIONS.name
                    )));
                }
                made
            }
        };
        let mut by_date: BTreeMap<i32, Vec<NewDecision>> = BTreeMap::new();
        for decision in decisions {
            by_date.entry(decision.decision.last_day).or_default().push(decision);
        }
        let mut files = Vec::with_capacity(by_date.len());
        for (last_day, decisions) in by_date {
            files.push(self.write(last_day, decisions, rule, now).await?);
        }
        let before = base.version();
        let newest = self.table.commit(&base, &files, &[]).await?;
        if let Err(error) = self.table.checkpoint_if_due(before, &newest).await {
            tracing::warn!(%error, "no checkpoint of the trace decisions was written");
        }
        self.snapshot = Some(newest);
        Ok(())
    }

    async fn write(
        &self,
        last_day: i32,
        mut decisions: Vec<NewDecision>,
        rule: &str,
        now: DateTime<Utc>,
    ) -> Result<DerivedFile> {
        let date = date(last_day).ok_or_else(|| Error::internal(format!("day {last_day} is no date")))?;
        let rule = rule.to_owned();
        let (bytes, stats) = tokio::task::spawn_blocking(move || {
            decisions.sort_by(|one, other| one.trace_id.cmp(&other.trace_id));
            encode(&decisions, &rule, now)
        })
        .await
        .map_err(|error| Error::internal("an encoding thread died").with_source(error))??;
        let path = format!("{LAST_DATE}={date}/{}.parquet", uuid::Uuid::now_v7());
        let size = bytes.len() as u64;
        let put = self.table.store().put(&Path::from(path.as_str()), bytes.into()).await;
        put.map_err(|error| Error::unavailable(format!("can't write {}/{path}", DECISIONS.name)).with_source(error))?;
        Ok(DerivedFile { path, size, partition: date.to_string(), stats })
    }

    /// Lets go of the decisions that no row can follow any more: those of traces whose last date is `ended` or before.
    /// They go a while after the rows, so that a run that was stopped finds them.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(super) async fn forget(&mut self, ended: NaiveDate) -> Result<u64> {
        let Some(base) = &self.snapshot else { return Ok(0) };
        let last = ended.checked_sub_days(Days::new(2 * REACH_DAYS));
        let is_moot = |file: &&DerivedFile| {
            let date = file.partition.parse::<NaiveDate>();
            date.is_ok_and(|date| last.is_some_and(|last| date <= last))
        };
        let files: Vec<DerivedFile> = base.files().iter().filter(is_moot).cloned().collect();
        if files.is_empty() {
            return Ok(0);
        }
        self.snapshot = Some(self.table.commit(base, &[], &files).await?);
        Ok(files.iter().filter_map(DerivedFile::rows).sum())
    }
}

/// Whether a file may have a decision that a row of these dates follows.
fn reaches(file: &DerivedFile, first: NaiveDate, last: NaiveDate) -> bool {
    let stats: Option<Value> = serde_json::from_str(&file.stats).ok();
    let begin = stats.as_ref().and_then(|stats| stats.get("minValues")?.get(FIRST_DATE)?.as_str()?.parse().ok());
    let end: Option<NaiveDate> = file.partition.parse().ok();
    // What does not say is read, and found out there.
    let (Some(begin), Some(end)) = (begin, end) else { return true };
    let reach = Days::new(REACH_DAYS);
    let begin: NaiveDate = NaiveDate::checked_sub_days(begin, reach).unwrap_or(NaiveDate::MIN);
    begin <= last && first <= end.checked_add_days(reach).unwrap_or(NaiveDate::MAX)
}

fn encode(decisions: &[NewDecision], rule: &str, now: DateTime<Utc>) -> Result<(Vec<u8>, String)> {
    let internal = |error| Error::internal("no batch of trace decisions").with_source(error);
    let texts = |text: &dyn Fn(&NewDecision) -> String| -> ArrayRef {
        Arc::new(decisions.iter().map(|decision| Some(text(decision))).collect::<StringArray>())
    };
    let weights: Float64Array = decisions.iter().map(|new| new.decision.kept.then_some(new.decision.weight)).collect();
    let days: Date32Array = decisions.iter().map(|decision| Some(decision.first_day)).collect();
    let at = TimestampMicrosecondArray::from_value(now.timestamp_micros(), decisions.len()).with_timezone("UTC");
    let kept: BooleanArray = decisions.iter().map(|new| Some(new.decision.kept)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("trace_id", texts(&|decision| decision.trace_id.clone())),
        (FIRST_DATE, Arc::new(days)),
        ("kept", Arc::new(kept)),
        ("weight", Arc::new(weights)),
        ("rule", texts(&|_| rule.to_owned())),
        ("decided_at", Arc::new(at)),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, column)| column).collect());
    let batch = batch.map_err(internal)?;
    let encoding = |error: parquet::errors::ParquetError| Error::internal("no file of decisions").with_source(error);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(encoding)?))
        .set_created_by(concat!("telestrata ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(encoding)?;
    writer.write(&batch).map_err(encoding)?;
    let bytes = writer.into_inner().map_err(encoding)?;
    let day = |day: Option<i32>| day.and_then(date).map(|date| date.to_string());
    let first = decisions.iter().map(|decision| decision.first_day);
    let stats = json!({
        "numRecords": decisions.len(),
        "minValues": { FIRST_DATE: day(first.clone().min()) },
        "maxValues": { FIRST_DATE: day(first.max()) },
        "nullCount": { FIRST_DATE: 0 },
    });
    Ok((bytes, stats.to_string()))
}

/// Days since 1970.
pub(super) fn days(date: NaiveDate) -> Option<i32> {
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// The date of a day since 1970.
pub(super) fn date(day: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(i64::from(day)))
}
