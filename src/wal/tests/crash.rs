//! A machine that stops, and a disk that changes bytes.
//!
//! The machine stops: the last segment ends anywhere, with anything behind. What was synced before that is there.
//! The disk changes a byte: the log refuses, or cuts within the last group, and never hands out a wrong record.

use std::fs::File;
use std::ops::Range;

use super::*;
use crate::wal::frame::EncodedRecord;
use crate::wal::segment::SEGMENT_HEADER_BYTES;
use crate::wal::{Damage, Flaw, WalError};

/// A log that stopped, and what it had stored.
struct Image {
    folder: TempDir,
    stored: Vec<Replayed>,
    /// Where each stored record of the last segment stands in it.
    places: Vec<(WalSeq, Range<u64>)>,
    last_group: Vec<WalSeq>,
}

impl Image {
    /// Stores bursts of so many requests each.
    async fn new(bursts: &[usize], settings: WalSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rig = Rig::start(folder.path(), settings);
        let mut tags = 1..;
        for burst in bursts {
            rig.store_together(&tags.by_ref().take(*burst).collect::<Vec<_>>()).await;
        }
        rig.wal.close().await.unwrap();
        let stored: Vec<_> = rig.published.groups().concat().into_iter().map(|(seq, tag)| record(seq.0, tag)).collect();
        let last_group = rig.published.groups().pop().unwrap_or_default().into_iter().map(|(seq, _)| seq).collect();

        let last_segment = files(folder.path(), "wal").pop().unwrap();
        let first_seq: u64 = last_segment.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let mut end = SEGMENT_HEADER_BYTES as u64;
        let in_last = stored.iter().filter(|stored| stored.seq.0 >= first_seq);
        let places = in_last.map(|stored| {
            let frame = EncodedRecord::new(&stored.header, stored.payload.clone(), usize::MAX).unwrap().frame_bytes();
            let start = end;
            end += u64::from(frame);
            (stored.seq, start..end)
        });
        Self { places: places.collect(), folder, stored, last_group }
    }

    fn last_segment(&self) -> PathBuf {
        files(self.folder.path(), "wal").pop().unwrap()
    }

    /// The records that are whole when the last segment is cut to `bytes`.
    fn whole_before(&self, bytes: u64) -> &[Replayed] {
        let lost = self.places.iter().filter(|(_, place)| place.end > bytes).count();
        &self.stored[..self.stored.len() - lost]
    }

    /// Where the last group starts in the last segment.
    fn last_group_start(&self) -> u64 {
        let place = self.places.iter().find(|(seq, _)| self.last_group.contains(seq));
        place.map_or(0, |(_, place)| place.start)
    }
}

/// Ends the last segment at a byte, with junk behind, recovers it, and checks that it holds what was whole.
fn check_cut(image: &Image, folder: &Path, bytes: usize, junk: &[u8]) {
    let path = folder.join(image.last_segment().file_name().unwrap());
    let mut content = fs::read(image.last_segment()).unwrap();
    content.truncate(bytes);
    content.extend(junk);
    fs::write(&path, &content).unwrap();

    let opened = OpenedWal::open(folder, small()).unwrap();
    assert_eq!(replay(&opened, 0), image.whole_before(bytes as u64), "cut at {bytes}");
    let ends = image.places.iter().map(|(_, place)| place.end as usize).chain([SEGMENT_HEADER_BYTES, 0]);
    let kept = ends.filter(|end| *end <= bytes).max().unwrap();
    assert_eq!(opened.cut_bytes() as usize, content.len() - kept, "cut at {bytes}");
}

/// Goes on with a log that was cut, and checks that nothing of what was cut comes back.
async fn check_goes_on(image: &Image, folder: &Path, bytes: usize) {
    let rig = Rig::start(folder, small());
    let mut expected = image.whole_before(bytes as u64).to_vec();
    let tag = image.stored.len() as u64 + 1;
    let seq = rig.store(tag).await.0;
    assert_eq!(seq, expected.last().map_or(0, |record| record.seq.0) + 1);
    rig.wal.close().await.unwrap();
    expected.push(record(seq, tag));
    assert_eq!(records(folder), expected, "cut at {bytes}, then gone on");
}

/// Changes a byte of a file, checks that no wrong record comes of it, and puts the file back.
fn check_flip(image: &Image, folder: &Path, file: &Path, at: usize, flip: u8) {
    let path = folder.join(file.file_name().unwrap());
    let original = fs::read(file).unwrap();
    let mut changed = original.clone();
    changed[at] ^= flip;
    fs::write(&path, &changed).unwrap();
    let place = format!("{} byte {at} xor {flip:#x}", file.display());
    match OpenedWal::open(folder, small()) {
        Ok(opened) => check_accepted(image, &opened, file, at as u64, &place),
        Err(WalError::Damaged { path: blamed, .. }) => {
            // A changed writer id is noticed at the first file that has another.
            assert!(blamed == path || file.ends_with("writer-id"), "{place}: {}", blamed.display());
            assert_eq!(fs::read(&path).unwrap(), changed, "{place}: refused, and yet changed");
        }
        Err(error) => panic!("{place}: {error}"),
    }
    fs::write(&path, &original).unwrap();
}

fn check_accepted(image: &Image, opened: &OpenedWal, file: &Path, at: u64, place: &str) {
    let found = replay(opened, 0);
    assert!(image.stored.starts_with(&found), "{place}: a wrong record");
    if found.len() < image.stored.len() {
        assert_eq!(file, image.last_segment(), "{place}: only the last segment may be cut");
        assert!(at >= image.last_group_start(), "{place}: only the last group may be cut");
        assert!(opened.cut_bytes() > 0, "{place}: a cut is reported");
    } else {
        assert!(file.ends_with("writer-id"), "{place}: went unnoticed");
        let written = fs::read_to_string(file).unwrap();
        assert_eq!(opened.writer_id().to_string(), written.trim_end(), "{place}: read as the same id");
    }
}

#[tokio::test]
async fn cut_at_every_byte_a_log_recovers_every_record_that_is_whole() {
    let image = Image::new(&[1, 2], WalSettings { segment_bytes: 1 << 16, ..small() }).await;
    let bytes = fs::metadata(image.last_segment()).unwrap().len() as usize;
    let folder = copy(image.folder.path());
    for cut in 0..=bytes {
        check_cut(&image, folder.path(), cut, &[]);
        if cut % 16 == 0 {
            let folder = copy(folder.path());
            check_goes_on(&image, folder.path(), cut).await;
        }
    }
}

#[tokio::test]
async fn every_changed_byte_is_refused_or_within_the_last_group() {
    let image = Image::new(&[3, 4, 2], small()).await;
    assert!(files(image.folder.path(), "wal").len() >= 2);
    let folder = copy(image.folder.path());
    let mut files = files(image.folder.path(), "wal");
    files.push(image.folder.path().join("writer-id"));
    for file in files {
        for at in 0..fs::metadata(&file).unwrap().len() as usize {
            check_flip(&image, folder.path(), &file, at, 1 << (at % 8));
        }
    }
}

#[test]
fn cut_anywhere_with_anything_behind_a_log_recovers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bursts = prop::collection::vec(1..6_usize, 1..8);
    let junk = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), (0..200_usize).prop_map(|zeros| vec![0; zeros])];
    let segment_bytes = prop::sample::select(vec![1024, 4096, 1 << 16]);
    let config = ProptestConfig::with_cases(48);
    proptest!(config, |(bursts in bursts, segment_bytes in segment_bytes, at in any::<prop::sample::Index>(), junk in junk)| {
        runtime.block_on(async {
            let image = Image::new(&bursts, WalSettings { segment_bytes, ..small() }).await;
            let bytes = fs::metadata(image.last_segment()).unwrap().len() as usize;
            let cut = at.index(bytes + 1);
            // Behind an unfinished header nothing was ever written.
            let junk: &[u8] = if cut < SEGMENT_HEADER_BYTES { &[] } else { &junk };
            let folder = copy(image.folder.path());
            check_cut(&image, folder.path(), cut, junk);
            check_goes_on(&image, folder.path(), cut).await;
        });
    });
}

#[test]
fn any_changed_byte_of_any_log_is_refused_or_within_the_last_group() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bursts = prop::collection::vec(1..8_usize, 1..8);
    let segment_bytes = prop::sample::select(vec![1024, 4096, 1 << 16]);
    let config = ProptestConfig::with_cases(48);
    proptest!(config, |(
        bursts in bursts,
        segment_bytes in segment_bytes,
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    )| {
        runtime.block_on(async {
            let image = Image::new(&bursts, WalSettings { segment_bytes, ..small() }).await;
            let files = files(image.folder.path(), "wal");
            let file = file.get(&files);
            let bytes = fs::metadata(file).unwrap().len() as usize;
            let folder = copy(image.folder.path());
            check_flip(&image, folder.path(), file, at.index(bytes), flip);
        });
    });
}

#[tokio::test]
async fn a_crash_while_a_group_is_written_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), WalSettings { segment_bytes: 1 << 16, ..small() });
    rig.store_together(&[1, 2, 3]).await;
    let synced_bytes = fs::metadata(files(folder.path(), "wal").pop().unwrap()).unwrap().len();
    rig.disk.hold_syncs();
    let mut unsynced = Box::pin(rig.store(4));
    assert!(poll_once(&mut unsynced).await.is_pending());
    rig.disk.wait_for_held_sync();
    let crash = copy(folder.path());
    let written = fs::read(files(crash.path(), "wal").pop().unwrap()).unwrap();
    for bytes in synced_bytes as usize..=written.len() {
        let crash = copy(crash.path());
        fs::write(files(crash.path(), "wal").pop().unwrap(), &written[..bytes]).unwrap();
        let found = records(crash.path());
        assert!(found.starts_with(&[record(1, 1), record(2, 2), record(3, 3)]));
        assert_eq!(found.len(), if bytes == written.len() { 4 } else { 3 });
    }
    rig.disk.let_syncs_go();
    unsynced.await;
}

#[tokio::test]
async fn the_proof_of_damage_is_found_also_where_it_straddles_what_is_read_at_once() {
    const READ_AT_ONCE: u64 = 1 << 20;
    let settings = WalSettings {
        segment_bytes: 1 << 22,
        max_bytes: 1 << 23,
        max_record_bytes: 1 << 21,
        max_pending_bytes: 1 << 22,
        ..small()
    };
    let head = u64::from(EncodedRecord::new(&header(1), Bytes::new(), 0).unwrap().frame_bytes());
    for before in [0, 1, 20, 35, 36, 37] {
        let folder = tempfile::tempdir().unwrap();
        let rig = Rig::start(folder.path(), settings.clone());
        let payload = vec![7; (READ_AT_ONCE - before - head) as usize];
        rig.wal.append(&header(1), payload.into(), 1).await.unwrap();
        rig.store(2).await;
        rig.wal.close().await.unwrap();
        let segment = files(folder.path(), "wal").pop().unwrap();
        let mut content = fs::read(&segment).unwrap();
        content[500] ^= 1;
        fs::write(&segment, content).unwrap();
        let refused = OpenedWal::open(folder.path(), settings.clone());
        let damage = Damage::SyncedRecord { seq: WalSeq(1), flaw: Flaw::BodyChecksum };
        assert!(matches!(&refused, Err(WalError::Damaged { damage: found, .. }) if *found == damage), "{refused:?}");
    }
}

#[tokio::test]
async fn a_payload_that_holds_frames_of_the_log_cannot_make_a_torn_tail_look_like_damage() {
    let image = Image::new(&[2, 2], WalSettings { segment_bytes: 1 << 16, ..small() }).await;
    let stolen = fs::read(image.last_segment()).unwrap();
    // The frames are of an earlier life of the log; a sender cannot know the id of the segment being written.
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(folder.path(), WalSettings { segment_bytes: 1 << 16, ..small() });
    rig.store(1).await;
    rig.wal.append(&header(2), stolen.into(), 2).await.unwrap();
    rig.wal.close().await.unwrap();
    let segment = files(folder.path(), "wal").pop().unwrap();
    let bytes = fs::metadata(&segment).unwrap().len();
    File::options().write(true).open(&segment).unwrap().set_len(bytes - 1).unwrap();
    let opened = OpenedWal::open(folder.path(), small()).unwrap();
    assert_eq!(replay(&opened, 0), [record(1, 1)]);
    assert!(opened.cut_bytes() > 0);
}
