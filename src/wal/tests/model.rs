//! The log against a model of it: any order of appends, repeats, waits, releases and restarts.

use super::*;

#[derive(Debug, Clone)]
enum Op {
    /// Requests sent together, some of them more than once.
    Send(Vec<Tag>),
    /// Time goes by.
    Wait(i64),
    /// Everything up to this share of the records, in percent, is released.
    Release(u64),
    Reopen,
    /// Reopened by a caller whose tables are so far ahead.
    ReopenAhead(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec(1..30_u64, 1..8).prop_map(Op::Send),
        2 => (1..80_i64).prop_map(Op::Wait),
        2 => (0..=100_u64).prop_map(Op::Release),
        2 => Just(Op::Reopen),
        1 => (0..4_u64).prop_map(Op::ReopenAhead),
    ]
}

/// What the log should hold: every record ever stored, and up to where they were released.
#[derive(Default)]
struct Model {
    stored: Vec<Replayed>,
    last_seq: u64,
    released: u64,
    now_seconds: i64,
}

impl Model {
    fn header(&self, tag: Tag) -> RecordHeader {
        RecordHeader { ingest_time_micros: NOW_MICROS + self.now_seconds * 1_000_000, ..header(tag) }
    }

    /// The record that request `tag` repeats now.
    fn repeated(&self, tag: Tag) -> Option<u64> {
        let header = self.header(tag);
        let latest = self.stored.iter().rev().find(|stored| stored.header.request_id == header.request_id)?;
        let age = header.ingest_time_micros - latest.header.ingest_time_micros;
        (age <= small().repeat_window.as_micros() as i64).then_some(latest.seq.0)
    }

    async fn send(&mut self, rig: &Rig, tag: Tag) {
        let repeated = self.repeated(tag);
        let header = self.header(tag);
        let appended = rig.wal.append(&header, payload(tag), tag).await.unwrap();
        assert_eq!(appended.repeat, repeated.is_some(), "request {tag} at {}", self.now_seconds);
        assert_eq!(appended.seq.0, repeated.unwrap_or(self.last_seq + 1));
        if repeated.is_none() {
            self.last_seq = appended.seq.0;
            self.stored.push(Replayed { seq: appended.seq, header, payload: payload(tag) });
        }
    }

    /// A stopped log holds every record that was not released, perhaps some that were, and nothing else.
    fn check(&self, folder: &Path) {
        let opened = OpenedWal::open(folder, small()).unwrap();
        assert_eq!(opened.cut_bytes(), 0);
        assert_eq!(opened.last_seq(), WalSeq(self.last_seq));
        let unreleased: Vec<_> = self.stored.iter().filter(|stored| stored.seq.0 > self.released).cloned().collect();
        assert_eq!(replay(&opened, self.released), unreleased);
        assert!(self.stored.ends_with(&replay(&opened, 0)));
    }
}

async fn run(ops: Vec<Op>) {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let mut rig = Rig::start(folder.path(), small());
    for op in ops {
        match op {
            Op::Send(tags) => {
                for tag in tags {
                    model.send(&rig, tag).await;
                }
            }
            Op::Wait(seconds) => model.now_seconds += seconds,
            Op::Release(percent) => {
                model.released = model.released.max(model.last_seq * percent / 100);
                rig.wal.release(WalSeq(model.released)).await.unwrap();
            }
            Op::Reopen => {
                rig.wal.close().await.unwrap();
                model.check(folder.path());
                rig = Rig::start(folder.path(), small());
            }
            Op::ReopenAhead(ahead) => {
                rig.wal.close().await.unwrap();
                model.check(folder.path());
                model.last_seq += ahead;
                rig = Rig::start_above(folder.path(), small(), WalSeq(model.last_seq));
            }
        }
    }
    rig.wal.close().await.unwrap();
    model.check(folder.path());
}

#[test]
fn the_log_does_what_its_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(32), |(ops in prop::collection::vec(op(), 1..40))| {
        runtime.block_on(run(ops));
    });
}
