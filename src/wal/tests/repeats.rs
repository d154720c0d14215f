//! The same request, sent again.

use super::faults::Call;
use super::*;
use crate::wal::Appended;

/// Request `tag`, taken so many seconds after [`NOW_MICROS`]. The window of [`small`] is 100 s.
fn header_at(tag: Tag, seconds: i64) -> RecordHeader {
    RecordHeader { ingest_time_micros: NOW_MICROS + seconds * 1_000_000, ..header(tag) }
}

async fn send(rig: &Rig, tag: Tag, seconds: i64) -> (u64, bool) {
    let appended = rig.wal.append(&header_at(tag, seconds), payload(tag), tag).await.unwrap();
    assert_eq!(appended.rejected, tag as u32, "the reply of the first time");
    (appended.seq.0, appended.repeat)
}

const FIRST: bool = false;
const REPEAT: bool = true;

#[tokio::test]
async fn a_repeat_within_the_window_is_acknowledged_and_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    assert_eq!(send(&rig, 1, 0).await, (1, FIRST));
    assert_eq!(send(&rig, 2, 50).await, (2, FIRST));
    assert_eq!(send(&rig, 1, 100).await, (1, REPEAT));
    assert_eq!(send(&rig, 1, 101).await, (3, FIRST), "the window has passed");
    assert_eq!(send(&rig, 1, 150).await, (3, REPEAT));
    assert_eq!(rig.wal.stats().repeats, 2);
    assert_eq!(rig.published.tags(), [1, 2, 1]);
}

#[tokio::test]
async fn a_repeat_of_a_pending_request_shares_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    let header = header(1);
    let append = || Box::pin(rig.wal.append(&header, payload(1), 1));
    let (mut first, mut second) = (append(), append());
    assert!(poll_once(&mut first).await.is_pending());
    assert!(poll_once(&mut second).await.is_pending());
    assert_eq!(rig.wal.stats().pending_records, 1);
    rig.disk.let_syncs_go();
    assert_eq!(second.await.unwrap(), Appended { seq: WalSeq(1), repeat: true, rejected: 1 });
    assert_eq!(first.await.unwrap(), Appended { seq: WalSeq(1), repeat: false, rejected: 1 });
    assert_eq!(rig.published.tags(), [1]);
}

#[tokio::test]
async fn repeats_are_known_across_a_restart_and_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    for tag in 1..=20 {
        send(&rig, tag, tag as i64).await;
    }
    rig.wal.release(WalSeq(10)).await.unwrap();
    rig.wal.close().await.unwrap();
    assert!(!files(folder.path(), "seen").is_empty());

    let rig = Rig::start(folder.path(), small());
    for tag in 1..=20 {
        assert_eq!(send(&rig, tag, 60).await, (tag, REPEAT));
    }
    rig.wal.release(WalSeq(20)).await.unwrap();
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()), []);

    let rig = Rig::start(folder.path(), small());
    for tag in 1..=20 {
        assert_eq!(send(&rig, tag, 60).await, (tag, REPEAT), "with no record left");
    }
    assert_eq!(send(&rig, 7, 108).await, (21, FIRST), "the window holds across restarts too");
    rig.wal.close().await.unwrap();
}

#[tokio::test]
async fn lists_of_released_requests_go_when_the_window_has_passed() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    for tag in 1..=20 {
        send(&rig, tag, 0).await;
    }
    rig.wal.release(WalSeq(20)).await.unwrap();
    assert!(!files(folder.path(), "seen").is_empty());
    assert_eq!(send(&rig, 21, 101).await, (21, FIRST));
    rig.wal.release(WalSeq(0)).await.unwrap();
    assert!(files(folder.path(), "seen").is_empty());
    rig.wal.release(WalSeq(21)).await.unwrap();
    assert_eq!(files(folder.path(), "seen").len(), 1);
    rig.wal.close().await.unwrap();
}

#[tokio::test]
async fn the_window_is_bounded_and_says_what_it_forgot() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), WalSettings { max_repeat_entries: 3, ..small() });
    for tag in 1..=5 {
        send(&rig, tag, 0).await;
    }
    let stats = rig.wal.stats();
    assert_eq!((stats.repeat_entries, stats.repeats_forgotten), (3, 2));
    assert_eq!(send(&rig, 3, 0).await, (3, REPEAT));
    assert_eq!(send(&rig, 1, 0).await, (6, FIRST), "the oldest went first");
}

#[tokio::test]
async fn a_request_that_a_crash_left_durable_is_a_repeat_though_its_sender_saw_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.fail_next(Call::Sync);
    assert!(rig.wal.append(&header(1), payload(1), 1).await.is_err());
    let _ = rig.wal.close().await;
    assert_eq!(records(folder.path()), [record(1, 1)]);
    let rig = Rig::start(folder.path(), small());
    assert_eq!(send(&rig, 1, 0).await, (1, REPEAT));
    rig.wal.close().await.unwrap();
}

#[tokio::test]
async fn a_changed_list_is_refused_whichever_byte() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    send(&rig, 1, 0).await;
    send(&rig, 2, 0).await;
    rig.wal.release(WalSeq(2)).await.unwrap();
    rig.wal.close().await.unwrap();
    let [list] = &files(folder.path(), "seen")[..] else { panic!("one list") };
    let [segment] = &files(folder.path(), "wal")[..] else { panic!("one segment") };
    fs::remove_file(segment).unwrap();
    assert_eq!(OpenedWal::open(folder.path(), small()).unwrap().last_seq(), WalSeq(2), "a list keeps the sequence too");
    let content = fs::read(list).unwrap();
    for at in 0..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 0x20;
        fs::write(list, changed).unwrap();
        assert!(OpenedWal::open(folder.path(), small()).is_err(), "byte {at}");
        fs::write(list, &content[..at]).unwrap();
        assert!(OpenedWal::open(folder.path(), small()).is_err(), "cut at {at}");
    }
}
