//! The log's promises, through its public calls, on real files and a disk that fails when told to.

mod commit;
mod crash;
mod faults;
mod folder;
mod model;
mod release;
mod repeats;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Group, OpenedWal, RecordHeader, Replayed, RequestId, Wal, WalSeq, WalSettings};
use crate::model::{Encoding, Signal};
use faults::FaultDisk;

/// What tests attach to a record: the number of its request.
type Tag = u64;

const NOW_MICROS: i64 = 1_790_000_000_000_000;

/// Small enough for a few records to fill a segment.
fn small() -> WalSettings {
    WalSettings {
        segment_bytes: 1024,
        max_bytes: 1 << 20,
        max_record_bytes: 64 << 10,
        max_pending_bytes: 128 << 10,
        repeat_window: Duration::from_secs(100),
        max_repeat_entries: 10_000,
    }
}

/// The header of request `tag`, taken at [`NOW_MICROS`].
fn header(tag: Tag) -> RecordHeader {
    RecordHeader {
        signal: Signal::Spans,
        encoding: Encoding::Proto,
        source: "otlp/grpc".to_owned(),
        principal: Some("shop".to_owned()),
        ingest_time_micros: NOW_MICROS,
        latest_time_micros: NOW_MICROS + 1,
        request_id: RequestId(u128::from(tag).to_be_bytes()),
        rejected: tag as u32,
    }
}

/// The payload of request `tag`: recognisable, and of a length of its own.
fn payload(tag: Tag) -> Bytes {
    Bytes::from(format!("payload of request {tag} ").repeat((tag % 7) as usize))
}

/// What a sink has published, group by group.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<Vec<PublishedGroup>>>);

type PublishedGroup = Vec<(WalSeq, Tag)>;

impl Published {
    fn sink(&self) -> impl FnMut(Group<Tag>) + Send + 'static {
        let published = self.clone();
        move |group| published.0.lock().unwrap().push(group.records)
    }

    fn groups(&self) -> Vec<PublishedGroup> {
        self.0.lock().unwrap().clone()
    }

    fn tags(&self) -> Vec<Tag> {
        self.groups().into_iter().flatten().map(|(_, tag)| tag).collect()
    }
}

/// A started log and all that a test watches of it.
struct Rig {
    folder: PathBuf,
    disk: FaultDisk,
    published: Published,
    wal: Arc<Wal<Tag>>,
}

impl Rig {
    fn start(folder: &Path, settings: WalSettings) -> Self {
        Self::start_above(folder, settings, WalSeq(0))
    }

    fn start_above(folder: &Path, settings: WalSettings, floor: WalSeq) -> Self {
        let (disk, published) = (FaultDisk::default(), Published::default());
        let opened = OpenedWal::open(folder, settings).unwrap();
        let wal = opened.start_on(Box::new(disk.clone()), floor, published.sink()).unwrap();
        Self { folder: folder.to_owned(), disk, published, wal: Arc::new(wal) }
    }

    /// Stores request `tag` and gives its sequence.
    async fn store(&self, tag: Tag) -> WalSeq {
        let appended = self.wal.append(&header(tag), payload(tag), tag).await.unwrap();
        assert!(!appended.repeat, "request {tag} is new");
        assert_eq!(appended.rejected, tag as u32);
        appended.seq
    }

    /// Stores requests in two groups: the first alone, and, while its sync is held, the others together.
    async fn store_together(&self, tags: &[Tag]) {
        let (first, others) = tags.split_first().expect("a request");
        self.disk.hold_syncs();
        let mut first = Box::pin(self.store(*first));
        assert!(poll_once(&mut first).await.is_pending());
        self.disk.wait_for_held_sync();
        let mut others: Vec<_> = others.iter().map(|tag| Box::pin(self.store(*tag))).collect();
        for other in &mut others {
            assert!(poll_once(other).await.is_pending());
        }
        self.disk.let_syncs_go();
        first.await;
        for other in others {
            other.await;
        }
    }
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Every unreleased record of a folder, in order.
fn records(folder: &Path) -> Vec<Replayed> {
    replay(&OpenedWal::open(folder, small()).unwrap(), 0)
}

fn replay(opened: &OpenedWal, after: u64) -> Vec<Replayed> {
    opened.replay(WalSeq(after)).collect::<Result<_, _>>().unwrap()
}

fn record(seq: u64, tag: Tag) -> Replayed {
    Replayed { seq: WalSeq(seq), header: header(tag), payload: payload(tag) }
}

/// The folder's files of one kind, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// The folder as a stopped machine would leave it now.
fn copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

pub(super) fn any_header() -> impl Strategy<Value = RecordHeader> {
    let names = (".{0,40}", prop::option::of(".{0,40}"));
    let choices = (prop::sample::select(&Signal::ALL), prop::bool::ANY);
    (choices, names, any::<(i64, i64, [u8; 16], u32)>()).prop_map(|((signal, json), (source, principal), rest)| {
        RecordHeader {
            signal,
            encoding: if json { Encoding::Json } else { Encoding::Proto },
            source,
            principal,
            ingest_time_micros: rest.0,
            latest_time_micros: rest.1,
            request_id: RequestId(rest.2),
            rejected: rest.3,
        }
    })
}
