//! Flush encode and scan: decoded rows to sorted Parquet files, and SQL over them.

#![allow(missing_docs, reason = "criterion's macros make functions without docs")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use telestrata::buffer::TableState;
use telestrata::demo::{DemoSignal, Shop};
use telestrata::lake::{AppendTxn, CloudAccess, LakeRoot, LakeTable, write_sorted};
use telestrata::model::promoted::default_promoted;
use telestrata::model::{Encoding, Signal};
use telestrata::otlp::{RequestMeta, decode};
use telestrata::query::{Pinned, QueryBudget, QueryEngine, Question, SqlObjects, Supervision};
use telestrata::wal::WalSeq;

const START_NANOS: u64 = 1_790_000_000_000_000_000;
const RECORDS: u64 = 200_000;

/// The demo shop's rows of each signal.
fn rows() -> [Vec<RecordBatch>; 3] {
    let meta =
        RequestMeta { ingest_time: 1_790_000_000_000_000, latest_time: i64::MAX, source: "bench", principal: None };
    let mut batches: [Vec<RecordBatch>; 3] = Default::default();
    for request in Shop::new(1, START_NANOS).encoded_requests(RECORDS) {
        let signal = match request.signal {
            DemoSignal::Logs => Signal::Logs,
            DemoSignal::Traces => Signal::Spans,
            DemoSignal::Metrics => Signal::Metrics,
        };
        batches[signal.index()].push(decode(signal, Encoding::Proto, &request.body, &meta).unwrap().batch);
    }
    batches
}

fn flush(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let promoted = default_promoted();
    let mut group = c.benchmark_group("flush_encode");
    group.sample_size(10);
    for (signal, batches) in Signal::ALL.into_iter().zip(rows()) {
        group.throughput(Throughput::Elements(batches.iter().map(|batch| batch.num_rows() as u64).sum()));
        group.bench_function(signal.table(), |b| {
            b.iter_batched(
                || (Arc::new(InMemory::new()) as Arc<dyn ObjectStore>, batches.clone()),
                |(store, batches)| {
                    let written = write_sorted(&store, signal, &promoted, batches);
                    black_box(runtime.block_on(written).unwrap())
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

async fn lake(folder: &std::path::Path) -> (LakeRoot, Pinned) {
    let root = LakeRoot::parse(folder.to_str().unwrap(), &CloudAccess::default()).unwrap();
    let mut pinned = Vec::new();
    for (signal, batches) in Signal::ALL.into_iter().zip(rows()) {
        let table = LakeTable::new(&root, signal).unwrap();
        let snapshot = table.load_or_create(&default_promoted()).await.unwrap();
        let files = write_sorted(table.store(), signal, snapshot.promoted(), batches).await.unwrap();
        let txn = AppendTxn { app_id: "bench".to_owned(), version: 1, after: None, exclusive: true };
        let snapshot = table.append(&snapshot, &files, &[txn]).await.unwrap();
        pinned.push((signal, Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() })));
    }
    (root, Pinned(pinned))
}

fn scan(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (root, pinned) = runtime.block_on(lake(folder.path()));
    let budget = QueryBudget {
        max_memory: 4 << 30,
        max_time: Duration::from_mins(5),
        max_rows: None,
        max_scan_bytes: None,
        footer_cache: 64 << 20,
        small_files: 0,
        span_slack: Duration::from_hours(1),
    };
    let views = Arc::new(SqlObjects::built_in().unwrap());
    let engine = QueryEngine::new(root, &budget, views, runtime.handle().clone()).unwrap();
    let run = |sql: &'static str| {
        let (engine, pinned) = (&engine, pinned.clone());
        async move { engine.run(pinned, Question::new(sql), Supervision::default()).await.unwrap().collect().await.unwrap() }
    };
    let queries = [
        ("count", "select count(*) from spans"),
        ("group_by_service", "select service_name, count(*), avg(duration_nano) from spans group by 1"),
        ("promoted_by_lookup", "select count(*) from spans where attributes['http.route'] = '/api/checkout'"),
        ("map_lookup", "select count(*) from spans where attributes['app.no.such.key'] = 'x'"),
        ("trace_by_id", "select * from spans where trace_id = (select max(trace_id) from spans)"),
        ("span_logs", "select span_name, count(*) from span_logs group by 1"),
        ("traces", "select root_name, count(*), max(duration_ms) from traces group by 1"),
    ];
    let mut group = c.benchmark_group("scan");
    group.sample_size(10);
    for (name, sql) in queries {
        group.bench_function(name, |b| b.iter(|| runtime.block_on(run(sql))));
    }
    group.finish();
}

criterion_group!(benches, flush, scan);
criterion_main!(benches);
