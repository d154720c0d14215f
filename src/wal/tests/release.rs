//! Release: what the tables hold leaves the disk, and sequences go on from where they were.

use super::*;
use crate::wal::WalError;

/// A payload that fills a segment of [`small`].
fn filling() -> Bytes {
    Bytes::from(vec![7; 900])
}

async fn fill(rig: &Rig, tags: std::ops::RangeInclusive<Tag>) {
    for tag in tags {
        rig.wal.append(&header(tag), filling(), tag).await.unwrap();
    }
}

fn segments(rig: &Rig) -> usize {
    let segments = files(&rig.folder, "wal");
    let stats = rig.wal.stats();
    assert_eq!(stats.segments, segments.len());
    let bytes: u64 = segments.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(stats.unreleased_bytes, bytes);
    segments.len()
}

#[tokio::test]
async fn segments_go_once_all_their_records_are_released() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), WalSettings { segment_bytes: 2200, ..small() });
    fill(&rig, 1..=6).await;
    assert_eq!(segments(&rig), 3);
    rig.wal.release(WalSeq(1)).await.unwrap();
    assert_eq!(segments(&rig), 3, "record 2 is in the first segment too");
    rig.wal.release(WalSeq(3)).await.unwrap();
    assert_eq!(segments(&rig), 2);
    rig.wal.close().await.unwrap();
    let seqs: Vec<_> = records(folder.path()).iter().map(|record| record.seq.0).collect();
    assert_eq!(seqs, [3, 4, 5, 6]);
}

#[tokio::test]
async fn an_idle_log_keeps_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store_together(&[1, 2, 3]).await;
    let first_segment = files(folder.path(), "wal");
    rig.wal.release(WalSeq(2)).await.unwrap();
    assert_eq!(files(folder.path(), "wal"), first_segment, "it still has a record to keep");
    rig.wal.release(WalSeq(3)).await.unwrap();
    assert_eq!(segments(&rig), 1, "an empty one, whose name keeps the sequence");
    rig.wal.release(WalSeq(3)).await.unwrap();
    assert_eq!(segments(&rig), 1);
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()), []);
}

#[tokio::test]
async fn what_was_stored_before_a_turn_over_goes_while_later_records_stay() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store_together(&[1, 2]).await;
    rig.wal.turn_over().await.unwrap();
    rig.store_together(&[3]).await;
    assert_eq!(segments(&rig), 2);
    rig.wal.release(WalSeq(1)).await.unwrap();
    assert_eq!(segments(&rig), 2, "record 2 is still to be kept");
    rig.wal.release(WalSeq(2)).await.unwrap();
    assert_eq!(segments(&rig), 1);
    rig.wal.turn_over().await.unwrap();
    rig.wal.turn_over().await.unwrap();
    assert_eq!(segments(&rig), 2, "an empty segment is not turned over");
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()), [record(3, 3)]);
}

#[tokio::test]
async fn sequences_go_on_after_everything_was_released_also_without_a_floor() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store_together(&[1, 2, 3]).await;
    rig.wal.release(WalSeq(3)).await.unwrap();
    rig.wal.close().await.unwrap();

    assert_eq!(OpenedWal::open(folder.path(), small()).unwrap().last_seq(), WalSeq(3));
    let rig = Rig::start(folder.path(), small());
    assert_eq!(rig.store(4).await, WalSeq(4));
    rig.wal.close().await.unwrap();
}

#[tokio::test]
async fn sequences_go_on_also_where_nothing_is_left_but_a_segment_with_half_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), WalSettings { max_repeat_entries: 0, ..small() });
    rig.store_together(&[1, 2, 3]).await;
    rig.wal.release(WalSeq(3)).await.unwrap();
    rig.wal.close().await.unwrap();
    let [segment] = &files(folder.path(), "wal")[..] else { panic!("one segment") };
    let content = fs::read(segment).unwrap();
    fs::write(segment, &content[..30]).unwrap();

    let opened = OpenedWal::open(folder.path(), small()).unwrap();
    assert_eq!((opened.last_seq(), opened.cut_bytes()), (WalSeq(3), 30));
    drop(opened);
    let rig = Rig::start(folder.path(), small());
    assert_eq!(rig.store(4).await, WalSeq(4));
    rig.wal.close().await.unwrap();
}

#[tokio::test]
async fn a_floor_above_the_log_is_a_legal_gap_and_one_below_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start_above(folder.path(), small(), WalSeq(41));
    assert_eq!(rig.store(1).await, WalSeq(42));
    rig.wal.close().await.unwrap();
    let rig = Rig::start_above(folder.path(), small(), WalSeq(7));
    assert_eq!(rig.store(2).await, WalSeq(43));
    rig.wal.close().await.unwrap();
    let rig = Rig::start_above(folder.path(), small(), WalSeq(99));
    rig.wal.close().await.unwrap();
    let rig = Rig::start_above(folder.path(), small(), WalSeq(199));
    assert_eq!(rig.store(3).await, WalSeq(200));
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()), [record(42, 1), record(43, 2), record(200, 3)]);
}

#[test]
fn a_floor_that_no_table_can_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenedWal::open(folder.path(), small()).unwrap();
    let refused = opened.start(WalSeq(u64::MAX), |_: Group<Tag>| {});
    assert!(matches!(refused, Err(WalError::SequencesExhausted { floor: WalSeq(u64::MAX) })));
}

#[tokio::test]
async fn a_full_log_refuses_at_once_and_takes_again_after_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let settings = WalSettings { max_bytes: 80 << 10, max_record_bytes: 60 << 10, ..small() };
    let bound = settings.max_bytes;
    let rig = Rig::start(folder.path(), settings.clone());
    let mut tag = 0;
    let full = loop {
        tag += 1;
        if let Err(error) = rig.wal.append(&header(tag), vec![1; 9000].into(), tag).await {
            break error;
        }
    };
    assert!(matches!(full, WalError::Full { bytes, limit } if limit == bound && bytes <= bound && bytes > bound / 2));
    let repeat = rig.wal.append(&header(1), vec![1; 9000].into(), 1).await.unwrap();
    assert!(repeat.repeat, "a repeat needs no room");
    rig.wal.close().await.unwrap();

    let rig = Rig::start(folder.path(), settings);
    let full = rig.wal.append(&header(tag), vec![1; 9000].into(), tag).await;
    assert!(matches!(full, Err(WalError::Full { .. })), "still, after a restart");
    rig.wal.release(WalSeq(3)).await.unwrap();
    rig.wal.append(&header(tag), vec![1; 9000].into(), tag).await.unwrap();
}

#[tokio::test]
async fn a_release_that_cannot_delete_is_reported_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    fill(&rig, 1..=3).await;
    let segment = &files(folder.path(), "wal")[0];
    // A folder in place of the file cannot be deleted as a file, not even by root.
    let content = fs::read(segment).unwrap();
    fs::remove_file(segment).unwrap();
    fs::create_dir(segment).unwrap();
    let failed = rig.wal.release(WalSeq(2)).await;
    assert!(matches!(&failed, Err(WalError::Io { path, .. }) if path == segment), "{failed:?}");
    assert!(!rig.wal.is_poisoned());
    fill(&rig, 4..=4).await;
    fs::remove_dir(segment).unwrap();
    fs::write(segment, content).unwrap();
    rig.wal.release(WalSeq(2)).await.unwrap();
    assert_eq!(segments(&rig), 2);
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()).len(), 2);
}

#[tokio::test]
async fn a_crash_at_any_file_of_a_release_leaves_a_log_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    fill(&rig, 1..=4).await;
    rig.wal.close().await.unwrap();
    let before = copy(folder.path());
    let rig = Rig::start(folder.path(), small());
    rig.wal.release(WalSeq(3)).await.unwrap();
    rig.wal.close().await.unwrap();

    // The release made lists and removed segments, oldest first, list before segment. Stop after each step.
    let steps: Vec<_> = (1..=3).map(|n| format!("{n:020}")).collect();
    for done in 0..=steps.len() {
        for list_only in [false, true] {
            let crash = copy(before.path());
            for (index, name) in steps.iter().enumerate() {
                let list = format!("{name}.seen");
                if index < done || (index == done && list_only) {
                    fs::copy(folder.path().join(&list), crash.path().join(&list)).unwrap();
                }
                if index < done {
                    fs::remove_file(crash.path().join(format!("{name}.wal"))).unwrap();
                }
            }
            let rig = Rig::start(crash.path(), small());
            for tag in 1..=4 {
                let appended = rig.wal.append(&header(tag), filling(), tag).await.unwrap();
                assert_eq!((appended.repeat, appended.seq), (true, WalSeq(tag)), "after {done} segments");
            }
            assert_eq!(rig.store(5).await, WalSeq(5));
            rig.wal.close().await.unwrap();
        }
    }
}
