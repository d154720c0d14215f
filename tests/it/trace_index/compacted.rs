//! The index of a lake that is filled and compacted again and again: it stays about as large as one that is made anew.

use telestrata::lake::{CloudAccess, DerivedTable, LakeRoot};
use telestrata::trace_index::TABLE;

use super::*;

const ROUNDS: u64 = 16;
const MONTHS: usize = 3;

/// The live runs: how many, and their bytes.
async fn size(home: &Home) -> (usize, u64) {
    let root = LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap();
    let snapshot = DerivedTable::new(&root, TABLE).unwrap().load().await.unwrap().unwrap();
    (snapshot.files().len(), snapshot.files().iter().map(|file| file.size).sum())
}

/// An id of a round and a day.
fn id(round: u64, day: u64) -> String {
    format!("{:032x}", 1 + round * 1_000_000 + day)
}

#[tokio::test]
async fn after_many_compactions_the_index_is_as_small_as_a_new_one() {
    let home = Home::new("");
    // Ten days of each of three months, which are over.
    let days: Vec<u64> = (0..30).map(|number| number % 10 + number / 10 * 30).collect();
    for round in 0..ROUNDS {
        let spans: Vec<Value> = days.iter().map(|day| span(*day, &id(round, *day))).collect();
        let logs: Vec<Value> = days.iter().map(|day| log(*day, round, &id(round, *day))).collect();
        import(&home, &[super::spans(&spans), super::logs(&logs)].join("\n"));
        let compacted = home.verb("compact").output().unwrap();
        assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    }
    let (runs, bytes) = size(&home).await;
    for (round, day) in [(0, 0), (ROUNDS / 2, 35), (ROUNDS - 1, 69)] {
        let query = format!("select count(*) as n from logs where trace_id = '{}'", id(round, day));
        assert_eq!(files_of(&home, &query), expected(&[("logs", &[day])]));
        assert_eq!(sql(&home, &query).0[0]["n"], 1);
    }
    std::fs::remove_dir_all(home.lake().join("trace_index")).unwrap();
    assert!(home.verb("compact").output().unwrap().status.success());
    let (new_runs, new_bytes) = size(&home).await;
    assert_eq!(new_runs, MONTHS, "a new index has a run a month");
    assert!(runs <= 3 * MONTHS, "{runs} runs after {ROUNDS} compactions");
    assert!(bytes <= 2 * new_bytes, "{bytes} bytes after {ROUNDS} compactions, {new_bytes} of a new index");
}
