//! What an acknowledgement costs: appends to a write-ahead log on the local disk, every group synced.
//!
//! One appender shows the latency of a sync; sixteen show what group commit makes of it. The disk decides both: the
//! folder is in `CARGO_TARGET_TMPDIR`, so that it is on a disk and not in memory.
//! `cargo bench --bench wal`

#![allow(clippy::expect_used, reason = "a benchmark has nobody to hand an error to")]
#![allow(missing_docs, reason = "criterion's macros make functions without docs")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use telestrata::model::{Encoding, Signal};
use telestrata::wal::{Group, OpenedWal, RecordHeader, RequestId, Wal, WalSeq, WalSettings};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const APPENDERS: [usize; 2] = [1, 16];
const PAYLOAD_BYTES: [usize; 2] = [8 << 10, 256 << 10];
/// Released as flushes would, before the disk fills.
const RELEASE_AT_BYTES: u64 = 512 << 20;

static NEXT_REQUEST: AtomicU64 = AtomicU64::new(0);

fn header() -> RecordHeader {
    let request = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
    RecordHeader {
        signal: Signal::Logs,
        encoding: Encoding::Proto,
        source: "otlp/grpc".to_owned(),
        principal: Some("bench".to_owned()),
        ingest_time_micros: 1_790_000_000_000_000,
        latest_time_micros: 1_790_086_400_000_000,
        request_id: RequestId(u128::from(request).to_be_bytes()),
        rejected: 0,
    }
}

/// Bytes that a checksum cannot shortcut, and that need no dependency to make.
fn payload(bytes: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes / 8).flat_map(|_| next()).collect()
}

fn start(folder: &Path) -> Arc<Wal<()>> {
    let opened = OpenedWal::open(folder, WalSettings::default()).expect("open the log");
    Arc::new(opened.start(WalSeq(0), |group: Group<()>| drop(black_box(group))).expect("start the log"))
}

async fn append_at_once(wal: &Arc<Wal<()>>, appenders: usize, payload: &Bytes) {
    let mut appends = JoinSet::new();
    for _ in 0..appenders {
        let (wal, payload) = (Arc::clone(wal), payload.clone());
        appends.spawn(async move { wal.append(&header(), payload, ()).await.expect("append") });
    }
    let last = appends.join_all().await.into_iter().map(|appended| appended.seq).max();
    if let Some(last) = last.filter(|_| wal.stats().unreleased_bytes > RELEASE_AT_BYTES) {
        wal.release(last).await.expect("release");
    }
}

fn append(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("wal_append");
    for payload_bytes in PAYLOAD_BYTES {
        let payload = payload(payload_bytes);
        for appenders in APPENDERS {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
            let wal = start(folder.path());
            group.throughput(Throughput::Bytes((payload_bytes * appenders) as u64));
            let id = BenchmarkId::new(format!("{appenders}_appenders"), format!("{}_KiB", payload_bytes >> 10));
            group.bench_function(id, |b| b.iter(|| runtime.block_on(append_at_once(&wal, appenders, &payload))));
            let stats = wal.stats();
            eprintln!(
                "{} records in {} groups, {:?} a sync",
                stats.appended_records,
                stats.group_commits,
                stats.sync_time / u32::try_from(stats.group_commits).unwrap_or(u32::MAX).max(1)
            );
            runtime.block_on(wal.close()).expect("close");
        }
    }
    group.finish();
}

fn main() {
    // Syncs take as long as the disk likes: few samples say as much as many.
    let mut criterion = Criterion::default().sample_size(30).configure_from_args();
    append(&mut criterion);
    criterion.final_summary();
}
