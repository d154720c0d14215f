//! Group commit: order, acknowledgement, cancellation, bounds, and failing for good.

use std::sync::atomic::{AtomicU64, Ordering};

use rstest::rstest;
use tokio::task::JoinSet;

use super::faults::Call;
use super::*;
use crate::wal::WalError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_published_in_sequence_order_before_they_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenedWal::open(folder.path(), small()).unwrap();
    let last_published = Arc::new(AtomicU64::new(0));
    let (in_sink, published) = (Arc::clone(&last_published), Published::default());
    let mut collect = published.sink();
    let wal = opened.start(WalSeq(0), move |group: Group<Tag>| {
        for (seq, _) in &group.records {
            assert_eq!(in_sink.swap(seq.0, Ordering::SeqCst), seq.0 - 1, "no gap, no disorder");
        }
        collect(group);
    });
    let wal = Arc::new(wal.unwrap());

    let mut appends = JoinSet::new();
    for tag in 0..200 {
        let (wal, last_published) = (Arc::clone(&wal), Arc::clone(&last_published));
        appends.spawn(async move {
            let appended = wal.append(&header(tag), payload(tag), tag).await.unwrap();
            assert!(last_published.load(Ordering::SeqCst) >= appended.seq.0, "published before acknowledged");
            (appended.seq, tag)
        });
    }
    let mut acknowledged = appends.join_all().await;
    acknowledged.sort();
    assert_eq!(published.groups().concat(), acknowledged);

    wal.close().await.unwrap();
    let stored: Vec<_> = acknowledged.iter().map(|(seq, tag)| record(seq.0, *tag)).collect();
    assert_eq!(records(folder.path()), stored);
}

#[tokio::test]
async fn what_gathers_during_a_sync_is_one_write_and_one_sync() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), WalSettings { segment_bytes: 1 << 20, ..small() });
    rig.disk.take_calls();
    rig.store_together(&[1, 2, 3, 4, 5]).await;
    assert_eq!(rig.disk.take_calls(), [Call::Write, Call::Sync, Call::Write, Call::Sync]);
    let groups = rig.published.groups();
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 4]);
    let stats = rig.wal.stats();
    assert_eq!((stats.group_commits, stats.appended_records, stats.pending_records), (2, 5, 0));
    assert_eq!(stats.last_synced_seq, WalSeq(5));
}

#[tokio::test]
async fn nothing_is_published_or_acknowledged_before_its_sync() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    let mut append = Box::pin(rig.store(1));
    assert!(poll_once(&mut append).await.is_pending());
    rig.disk.wait_for_held_sync();
    assert!(poll_once(&mut append).await.is_pending());
    assert!(rig.published.tags().is_empty());
    assert_eq!(rig.wal.stats().pending_records, 1);
    rig.disk.let_syncs_go();
    assert_eq!(append.await, WalSeq(1));
    assert_eq!(rig.published.tags(), [1]);
}

#[tokio::test]
async fn a_dropped_append_that_was_queued_is_stored_and_published_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    for tag in 1..=3 {
        let mut append = Box::pin(rig.store(tag));
        assert!(poll_once(&mut append).await.is_pending());
    }
    rig.disk.let_syncs_go();
    let repeat = rig.wal.append(&header(2), payload(2), 2).await.unwrap();
    assert!(repeat.repeat, "the client that gave up asks again");
    rig.wal.close().await.unwrap();
    assert_eq!(rig.published.tags(), [1, 2, 3]);
    assert_eq!(records(folder.path()), [record(1, 1), record(2, 2), record(3, 3)]);
}

#[tokio::test]
async fn past_the_bound_appends_wait_and_one_dropped_while_waiting_has_done_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = WalSettings { segment_bytes: 1 << 20, ..small() };
    let bound = settings.max_pending_bytes as u64;
    let rig = Rig::start(folder.path(), settings);
    let large = Bytes::from(vec![7; 60 << 10]);
    let append = |tag| {
        let (wal, large) = (Arc::clone(&rig.wal), large.clone());
        Box::pin(async move { wal.append(&header(tag), large, tag).await })
    };
    rig.disk.hold_syncs();
    let mut appends: Vec<_> = (1..=4).map(append).collect();
    for append in &mut appends {
        assert!(poll_once(append).await.is_pending());
    }
    let stats = rig.wal.stats();
    assert_eq!(stats.pending_records, 2, "the others wait outside");
    assert!(stats.pending_bytes <= bound);
    drop(appends.remove(2));
    rig.disk.let_syncs_go();
    for append in appends {
        append.await.unwrap();
    }
    assert_eq!(rig.published.tags(), [1, 2, 4]);
}

#[tokio::test]
async fn the_same_request_twice_waiting_for_room_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    let append = |tag| {
        let wal = Arc::clone(&rig.wal);
        Box::pin(async move { wal.append(&header(tag), vec![7; 60 << 10].into(), tag).await })
    };
    append(1).await.unwrap();
    rig.disk.hold_syncs();
    let mut appends: Vec<_> = [2, 3, 4, 4].map(append).into();
    for append in &mut appends {
        assert!(poll_once(append).await.is_pending());
    }
    assert!(append(1).await.unwrap().repeat, "what is stored is answered without waiting");
    rig.disk.let_syncs_go();
    let mut repeats = Vec::new();
    for append in appends {
        repeats.push(append.await.unwrap().repeat);
    }
    assert_eq!(repeats, [false, false, false, true]);
    assert_eq!(rig.published.tags(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_release_that_cannot_make_the_next_segment_poisons_the_log_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store(1).await;
    rig.disk.fail_next(Call::Sync);
    let failed = rig.wal.release(WalSeq(1)).await;
    assert!(
        matches!(&failed, Err(WalError::Poisoned { cause }) if matches!(**cause, WalError::Io { .. })),
        "{failed:?}"
    );
    let _ = rig.wal.close().await;
    assert_eq!(records(folder.path()), [record(1, 1)]);
}

#[rstest]
#[case::write(Call::Write)]
#[case::sync(Call::Sync)]
#[tokio::test]
async fn a_failed_write_or_sync_poisons_the_log_and_is_never_retried(#[case] call: Call) {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store(1).await;
    rig.disk.take_calls();
    rig.disk.fail_next(call);
    for tag in [2, 3] {
        let failed = rig.wal.append(&header(tag), payload(tag), tag).await;
        let Err(WalError::Poisoned { cause }) = failed else { panic!("expected a poisoned log, got {failed:?}") };
        assert!(
            matches!(&*cause, WalError::Io { source, .. } if source.to_string().contains("told to fail")),
            "{cause}"
        );
    }
    assert!(rig.wal.is_poisoned());
    assert!(matches!(rig.wal.release(WalSeq(1)).await, Err(WalError::Poisoned { .. })));
    assert!(matches!(rig.wal.close().await, Err(WalError::Poisoned { .. })));
    let last_call = rig.disk.take_calls().pop();
    assert_eq!(last_call, Some(call), "nothing was tried after it");
    assert_eq!(rig.published.tags(), [1], "what is not durable is not published");

    let after_restart = records(folder.path());
    assert_eq!(after_restart.first(), Some(&record(1, 1)));
    assert!(after_restart.len() == 1 || after_restart == [record(1, 1), record(2, 2)]);
}

#[tokio::test]
async fn a_failure_fails_everything_pending_repeats_included() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    let append = |tag| {
        let wal = Arc::clone(&rig.wal);
        Box::pin(async move { wal.append(&header(tag), payload(tag), tag).await })
    };
    let mut appends = vec![append(1)];
    assert!(poll_once(&mut appends[0]).await.is_pending());
    rig.disk.wait_for_held_sync();
    appends.extend([append(1), append(2), append(2)]);
    for append in &mut appends {
        assert!(poll_once(append).await.is_pending());
    }
    rig.disk.fail_next(Call::Sync);
    rig.disk.let_syncs_go();
    for append in appends {
        assert!(matches!(append.await, Err(WalError::Poisoned { .. })));
    }
    assert_eq!(rig.wal.stats().pending_records, 0);
}

#[tokio::test]
async fn a_failure_also_ends_the_wait_of_those_who_wait_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    let append = |tag| {
        let wal = Arc::clone(&rig.wal);
        Box::pin(async move { wal.append(&header(tag), vec![7; 60 << 10].into(), tag).await })
    };
    let mut appends: Vec<_> = (1..=4).map(append).collect();
    for append in &mut appends {
        assert!(poll_once(append).await.is_pending());
    }
    rig.disk.fail_next(Call::Sync);
    rig.disk.let_syncs_go();
    for append in appends {
        assert!(matches!(append.await, Err(WalError::Poisoned { .. })));
    }
    assert!(rig.published.tags().is_empty());
}

#[tokio::test]
async fn a_group_is_split_where_a_segment_ends() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store_together(&(1..=40).collect::<Vec<_>>()).await;
    rig.wal.close().await.unwrap();
    let sizes = files(folder.path(), "wal").iter().map(|path| fs::metadata(path).unwrap().len()).collect::<Vec<_>>();
    assert!(sizes.len() > 4 && sizes.iter().all(|bytes| *bytes <= small().segment_bytes), "{sizes:?}");
    assert_eq!(records(folder.path()), (1..=40).map(|n| record(n, n)).collect::<Vec<_>>());
}

#[rstest]
#[case::create(Call::Create)]
#[case::header(Call::Write)]
#[case::header_sync(Call::Sync)]
#[case::folder_sync(Call::SyncFolder)]
#[tokio::test]
async fn a_segment_that_cannot_be_made_poisons_the_log_and_recovery_goes_on_from_the_last_record(#[case] call: Call) {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.store(1).await;
    rig.disk.fail_next(call);
    let large = Bytes::from(vec![7; 1024]);
    let failed = rig.wal.append(&header(2), large, 2).await;
    assert!(matches!(failed, Err(WalError::Poisoned { .. })));
    let _ = rig.wal.close().await;

    let rig = Rig::start(folder.path(), small());
    assert_eq!(rig.store(2).await, WalSeq(2));
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()), [record(1, 1), record(2, 2)]);
}

#[tokio::test]
async fn short_writes_are_continued() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.write_at_most(5);
    rig.store_together(&[1, 2, 3, 4, 5, 6, 7, 8]).await;
    rig.wal.close().await.unwrap();
    assert_eq!(records(folder.path()), (1..=8).map(|n| record(n, n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_panic_in_the_sink_poisons_the_log_and_leaves_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenedWal::open(folder.path(), small()).unwrap();
    let wal = opened.start(WalSeq(0), |_: Group<Tag>| panic!("the sink is broken")).unwrap();
    let failed = wal.append(&header(1), payload(1), 1).await;
    let Err(WalError::Poisoned { cause }) = failed else { panic!("expected a poisoned log, got {failed:?}") };
    assert!(matches!(&*cause, WalError::Panicked { message } if message == "the sink is broken"));
    assert!(matches!(wal.close().await, Err(WalError::Poisoned { .. })));
    assert_eq!(records(folder.path()), [record(1, 1)], "durable, and for replay to publish");
}

#[tokio::test]
async fn closing_finishes_what_is_pending_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    let mut append = Box::pin(rig.store(1));
    assert!(poll_once(&mut append).await.is_pending());
    let mut close = Box::pin(rig.wal.close());
    assert!(poll_once(&mut close).await.is_pending());
    assert!(matches!(rig.wal.append(&header(2), payload(2), 2).await, Err(WalError::Closed)));
    assert!(matches!(rig.wal.release(WalSeq(1)).await, Err(WalError::Closed)));
    rig.disk.let_syncs_go();
    close.await.unwrap();
    assert_eq!(append.await, WalSeq(1));
    assert_eq!(rig.published.tags(), [1]);
    rig.wal.close().await.unwrap();
}

#[tokio::test]
async fn dropping_the_log_does_not_wait_and_what_is_pending_is_still_stored() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    rig.disk.hold_syncs();
    let mut append = Box::pin(rig.store(1));
    assert!(poll_once(&mut append).await.is_pending());
    drop(append);
    let Rig { disk, published, wal, .. } = rig;
    let mut stopped = wal.when_stopped();
    drop(wal);
    disk.let_syncs_go();
    while stopped.changed().await.is_ok() {}
    assert_eq!(published.tags(), [1]);
    assert_eq!(records(folder.path()), [record(1, 1)]);
}

#[tokio::test]
async fn records_and_names_that_are_too_large_are_refused_with_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    let limit = small().max_record_bytes;
    let refused = rig.wal.append(&header(1), vec![0; limit + 1].into(), 1).await;
    assert!(matches!(refused, Err(WalError::TooLarge { part: "payload", bytes, limit: l }) if bytes == l + 1));
    let long_source = RecordHeader { source: "x".repeat(5000), ..header(1) };
    let refused = rig.wal.append(&long_source, payload(1), 1).await;
    assert!(matches!(refused, Err(WalError::TooLarge { part: "source", bytes: 5000, .. })));
    rig.wal.append(&header(1), vec![0; limit].into(), 1).await.unwrap();
}

#[test]
fn the_log_and_its_futures_go_between_threads() {
    fn check<T: Send + Sync>(_: &T) {}
    fn check_future<T: Send>(_: &T) {}
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    check(&rig.wal);
    check_future(&rig.wal.append(&header(1), payload(1), 1));
    check_future(&rig.wal.release(WalSeq(1)));
    check_future(&rig.wal.close());
}
