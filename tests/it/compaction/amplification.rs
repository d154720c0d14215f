//! How often rows are written again: days that are flushed into each minute and compacted every ten, counted off the log.
//!
//! `TELESTRATA_AMPLIFICATION_MINUTES` and `TELESTRATA_AMPLIFICATION_RATE` (records a second) make it longer, or denser;
//! docs/benchmarks.md has the command and what it printed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::Value;
use telestrata::demo::{DemoSignal, Shop};
use telestrata::ingest::{IngestRequest, Store};
use telestrata::lake::{LakeRoot, LakeTable};
use telestrata::maintenance::{Compactor, JobKind, LedgerEntry, Progress};
use telestrata::metrics::Metrics;
use telestrata::model::signal::{Encoding, Signal};
use url::Url;

use super::{DAY, SETTINGS};
use crate::support::fault_run;

/// Minutes between two compactions.
const EVERY: u64 = 10;

/// The bound of docs/decisions/0014 for a run that is not large: tiers of eight in rows, and once when the day is over.
const MOST: u32 = 8 + 1;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

async fn compact(root: &LakeRoot, today: NaiveDate) {
    for signal in Signal::ALL {
        let (table, entry) = (LakeTable::new(root, signal).unwrap(), LedgerEntry::new(JobKind::Compaction, "test"));
        let reports = Compactor::new(table, SETTINGS, entry, Progress::default()).run(today).await.unwrap();
        assert!(reports.iter().all(|report| report.error.is_none()), "{reports:?}");
    }
}

/// What a table's log says.
#[derive(Debug, Default)]
struct Written {
    flushes: u64,
    rewrites: u64,
    flushed: (u64, u64),
    rewritten: (u64, u64),
    /// The most often that a row was written again.
    most: u32,
    most_live: usize,
    live: usize,
}

/// Follows every file through the log: a file that a rewrite put in holds rows of those that it took out.
async fn written(store: &dyn ObjectStore, signal: Signal) -> Written {
    let mut written = Written::default();
    let mut live: HashMap<String, u32> = HashMap::new();
    for version in 0.. {
        let path = format!("lake/{signal}/_delta_log/{version:020}.json");
        let Ok(found) = store.get(&path.into()).await else { break };
        let body = found.bytes().await.unwrap();
        let actions: Vec<Value> = body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let removed: Vec<u32> = actions
            .iter()
            .filter_map(|action| action.get("remove"))
            .map(|remove| live.remove(remove["path"].as_str().unwrap()).unwrap())
            .collect();
        let times = removed.iter().max().map_or(0, |times| times + 1);
        let adds: Vec<&Value> = actions.iter().filter_map(|action| action.get("add")).collect();
        for add in &adds {
            let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
            let (bytes, rows) = (add["size"].as_u64().unwrap(), stats["numRecords"].as_u64().unwrap());
            let total = if removed.is_empty() { &mut written.flushed } else { &mut written.rewritten };
            *total = (total.0 + bytes, total.1 + rows);
            live.insert(add["path"].as_str().unwrap().to_owned(), times);
        }
        if !adds.is_empty() {
            *(if removed.is_empty() { &mut written.flushes } else { &mut written.rewrites }) += 1;
        }
        written.most = written.most.max(times);
        written.most_live = written.most_live.max(live.len());
    }
    written.live = live.len();
    written
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_written_again_a_bounded_number_of_times() {
    let minutes = from_env("TELESTRATA_AMPLIFICATION_MINUTES", 40);
    let rate = from_env("TELESTRATA_AMPLIFICATION_RATE", 2);
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let root = LakeRoot::with_store(Url::parse("s3://bucket/lake/").unwrap(), Arc::clone(&memory));
    let wal = tempfile::tempdir().unwrap();
    let settings = fault_run::settings(wal.path().join("wal"), Duration::from_secs(3600), Vec::new());
    let store = Store::open(root.clone(), settings, Arc::new(Metrics::default())).await.unwrap();
    // Midnight comes in the middle of a short run.
    let start = DAY + 6_400 - minutes.min(40) * 30;
    let mut shop = Shop::new(3, start * 1_000_000_000).with_records_per_second(rate as f64);
    for minute in 1..=minutes {
        for export in shop.advance(Duration::from_secs(60)).exports {
            let signal = match export.signal() {
                DemoSignal::Logs => Signal::Logs,
                DemoSignal::Traces => Signal::Spans,
                DemoSignal::Metrics => Signal::Metrics,
            };
            let encoding = Encoding::Proto;
            let body = export.encode().into();
            store.ingest(IngestRequest { signal, encoding, source: "otlp/http", principal: None, body }).await.unwrap();
        }
        store.flush().await.unwrap();
        if minute % EVERY == 0 {
            let now = i64::try_from(start + minute * 60).unwrap();
            compact(&root, DateTime::from_timestamp(now, 0).unwrap().date_naive()).await;
        }
    }
    store.close().await.unwrap();
    compact(&root, NaiveDate::from_ymd_opt(2030, 1, 1).unwrap()).await;
    for signal in Signal::ALL {
        let told = written(memory.as_ref(), signal).await;
        let ratio = |(of, to): (u64, u64)| of as f64 / to as f64;
        println!(
            "{signal}: {minutes} minutes at {rate} records/s: {:.2} bytes written again for a byte flushed, {:.2} rows for a \
             row, a row at most {} times; {told:?}",
            ratio((told.rewritten.0, told.flushed.0)),
            ratio((told.rewritten.1, told.flushed.1)),
            told.most
        );
        assert!(told.rewrites > 0 && (1..=MOST).contains(&told.most), "{signal}: {told:?}");
        assert!(told.rewritten.1 <= u64::from(MOST) * told.flushed.1, "{signal}: {told:?}");
        let dates = 2 + minutes / (24 * 60);
        assert!(told.live as u64 <= dates, "{signal}: a date that is over is one file: {told:?}");
    }
}
