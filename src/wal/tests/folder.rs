//! The folder: one writer, one id, and files that belong together.

use super::*;
use crate::wal::{Damage, WalError};

fn open(folder: &Path) -> Result<OpenedWal, WalError> {
    OpenedWal::open(folder, small())
}

fn damage(folder: &Path) -> (PathBuf, Damage) {
    match open(folder) {
        Err(WalError::Damaged { path, damage, .. }) => (path, damage),
        other => panic!("expected damage, got {other:?}"),
    }
}

/// A stopped log with one record a segment.
async fn three_segments() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), small());
    for tag in 1..=3 {
        rig.wal.append(&header(tag), vec![tag as u8; 1000].into(), tag).await.unwrap();
    }
    rig.wal.close().await.unwrap();
    assert_eq!(files(folder.path(), "wal").len(), 3);
    folder
}

#[tokio::test]
async fn a_second_opener_is_told_which_folder_is_in_use_until_the_first_closes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/wal");
    let opened = open(&folder).unwrap();
    let locked = open(&folder).unwrap_err();
    assert!(matches!(&locked, WalError::Locked { folder: named } if *named == folder), "{locked}");
    assert!(locked.to_string().contains("deep/wal"));
    let wal = opened.start(WalSeq(0), |_: Group<Tag>| {}).unwrap();
    assert!(matches!(open(&folder), Err(WalError::Locked { .. })));
    wal.close().await.unwrap();
    open(&folder).unwrap();
}

#[tokio::test]
async fn the_writer_id_stays_for_the_life_of_the_folder() {
    let folder = three_segments().await;
    let id = open(folder.path()).unwrap().writer_id();
    assert_eq!(open(folder.path()).unwrap().writer_id(), id);
    assert_eq!(fs::read_to_string(folder.path().join("writer-id")).unwrap(), format!("{id}\n"));
    let other = tempfile::tempdir().unwrap();
    assert_ne!(open(other.path()).unwrap().writer_id(), id);
}

#[tokio::test]
async fn records_without_their_writer_id_are_refused() {
    let folder = three_segments().await;
    fs::remove_file(folder.path().join("writer-id")).unwrap();
    assert_eq!(damage(folder.path()), (folder.path().join("writer-id"), Damage::WriterIdMissing));
    fs::write(folder.path().join("writer-id"), "me\n").unwrap();
    assert_eq!(damage(folder.path()), (folder.path().join("writer-id"), Damage::WriterIdUnreadable));
}

#[tokio::test]
async fn segments_of_another_folder_are_refused() {
    let (folder, other) = (three_segments().await, three_segments().await);
    let [_, segment, _] = &files(other.path(), "wal")[..] else { panic!("three segments") };
    let there = folder.path().join(segment.file_name().unwrap());
    fs::copy(segment, &there).unwrap();
    let (path, damage) = damage(folder.path());
    assert_eq!(path, there);
    assert!(matches!(damage, Damage::ForeignWriter { .. }), "{damage}");
}

#[tokio::test]
async fn a_missing_segment_is_noticed_where_the_chain_breaks() {
    let folder = three_segments().await;
    let segments = files(folder.path(), "wal");
    fs::remove_file(&segments[1]).unwrap();
    let gap = Damage::Gap { expected: WalSeq(2), found: WalSeq(1) };
    assert_eq!(damage(folder.path()), (segments[2].clone(), gap));
}

#[tokio::test]
async fn a_segment_cut_short_in_the_middle_is_damage_also_between_its_records() {
    let folder = three_segments().await;
    let segments = files(folder.path(), "wal");
    let content = fs::read(&segments[1]).unwrap();
    fs::write(&segments[1], &content[..content.len() - 1]).unwrap();
    assert!(matches!(damage(folder.path()), (path, Damage::CompleteSegment { .. }) if path == segments[1]));
    fs::write(&segments[1], &content[..64]).unwrap();
    assert!(matches!(damage(folder.path()), (path, Damage::Gap { .. }) if path == segments[2]));
    fs::write(&segments[1], &content[..63]).unwrap();
    assert_eq!(damage(folder.path()), (segments[1].clone(), Damage::SegmentHeader));
}

#[tokio::test]
async fn a_damage_report_names_file_and_offset_and_what_to_do() {
    let folder = three_segments().await;
    let segments = files(folder.path(), "wal");
    let mut content = fs::read(&segments[0]).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&segments[0], content).unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    let expected = [segments[0].to_str().unwrap(), "at byte 64", "record 1", "restore it from a copy"];
    assert!(expected.iter().all(|part| message.contains(part)), "{message}");
}

#[tokio::test]
async fn renamed_files_and_names_the_log_never_gives_are_refused() {
    let folder = three_segments().await;
    let segments = files(folder.path(), "wal");
    let renamed = folder.path().join("00000000000000000009.wal");
    fs::rename(&segments[2], &renamed).unwrap();
    assert_eq!(damage(folder.path()), (renamed.clone(), Damage::Renamed { header: WalSeq(3) }));
    fs::rename(&renamed, &segments[2]).unwrap();
    let odd = folder.path().join("3.wal");
    fs::copy(&segments[2], &odd).unwrap();
    assert_eq!(damage(folder.path()), (odd, Damage::Name));
}

#[tokio::test]
async fn a_later_version_is_named_not_cut() {
    let folder = three_segments().await;
    let segment = files(folder.path(), "wal").pop().unwrap();
    let mut content = fs::read(&segment).unwrap();
    content[8] = 2;
    let crc = crc32fast::hash(&content[..60]).to_le_bytes();
    content[60..64].copy_from_slice(&crc);
    fs::write(&segment, content).unwrap();
    let refused = open(folder.path());
    assert!(matches!(refused, Err(WalError::UnknownVersion { version: 2, supported: 1, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_replay_notices_what_changes_under_it_and_stops() {
    let folder = three_segments().await;
    let opened = open(folder.path()).unwrap();
    let segment = &files(folder.path(), "wal")[1];
    let mut content = fs::read(segment).unwrap();
    content[200] ^= 1;
    fs::write(segment, content).unwrap();
    let mut replay = opened.replay(WalSeq(0));
    assert_eq!(replay.next().unwrap().unwrap().seq, WalSeq(1));
    assert!(matches!(replay.next(), Some(Err(WalError::Damaged { .. }))));
    assert!(replay.next().is_none());
}

#[tokio::test]
async fn replay_starts_after_what_it_is_given() {
    let folder = three_segments().await;
    let opened = open(folder.path()).unwrap();
    let seqs = |after| replay(&opened, after).iter().map(|record| record.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(0), [1, 2, 3]);
    assert_eq!(seqs(2), [3]);
    assert_eq!(seqs(9), [0; 0]);
}
