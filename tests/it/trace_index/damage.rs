//! The index behind, damaged, doubled: it costs time, never rows.

use std::path::{Path, PathBuf};

use rstest::rstest;
use telestrata::lake::{CloudAccess, LakeRoot};
use telestrata::trace_index::catch_up;

use super::*;

fn runs(home: &Home) -> Vec<PathBuf> {
    let mut runs = Vec::new();
    for month in std::fs::read_dir(home.lake().join("trace_index")).unwrap() {
        let month = month.unwrap().path();
        if month.to_str().unwrap().contains("month=") {
            runs.extend(std::fs::read_dir(month).unwrap().map(|run| run.unwrap().path()));
        }
    }
    assert!(runs.len() >= 3, "a run a month: {runs:?}");
    runs
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn root(home: &Home) -> LakeRoot {
    LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap()
}

fn found(home: &Home) -> (i64, String) {
    let query = format!("select count(*) as n from logs where trace_id in ('{ACROSS}', '{ONLY_LOG}')");
    let (rows, stderr) = sql(home, &query);
    (rows[0]["n"].as_i64().unwrap(), stderr)
}

#[rstest]
#[case::not_there(|path: &Path| std::fs::remove_file(path).unwrap())]
#[case::empty(|path: &Path| change(path, Vec::clear))]
#[case::cut(|path: &Path| change(path, |bytes| bytes.truncate(bytes.len() / 2)))]
#[case::first_row_group_flipped(|path: &Path| change(path, |bytes| bytes[40] ^= 1))]
#[case::footer_flipped(|path: &Path| change(path, |bytes| { let at = bytes.len() - 60; bytes[at] ^= 1; }))]
#[case::another_program_s(|path: &Path| change(path, |bytes| *bytes = b"PAR1 nonsense PAR1".to_vec()))]
fn a_damaged_run_is_a_warning_and_is_made_again(#[case] damage: fn(&Path)) {
    let home = Home::new("");
    import(&home, &requests());
    assert_eq!(found(&home), (4, String::new()));
    runs(&home).iter().for_each(|run| damage(run));
    let (count, warning) = found(&home);
    assert_eq!(count, 4);
    assert!(warning.contains("trace index"), "{warning}");
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tokio.block_on(catch_up(&root(&home), 1 << 20)).unwrap();
    assert_eq!(found(&home).0, 4);
}

/// Nothing but the folder is gone; then the log alone.
#[test]
fn without_its_table_everything_is_searched() {
    let home = Home::new("");
    import(&home, &requests());
    std::fs::remove_dir_all(home.lake().join("trace_index/_delta_log")).unwrap();
    assert_eq!(found(&home), (4, String::new()), "no table is no damage");
    import(&home, &logs(&[log(3, 3, ACROSS)]));
    assert_eq!(found(&home), (5, String::new()));
    let query = format!("select * from logs where trace_id = '{ONLY_LOG}'");
    assert_eq!(files_of(&home, &query), expected(&[("logs", &[7])]), "it was made again");
    std::fs::write(home.lake().join("trace_index/_delta_log/00000000000000000001.json"), "nonsense").unwrap();
    let (count, warning) = found(&home);
    assert_eq!(count, 5);
    assert!(warning.contains("trace index"), "{warning}");
    let checked = home.verb("check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.code() == Some(3) && said.contains("answers are right without it"), "{checked:?}");
}

/// Many imports leave few runs, which cover all; and two at once do no harm.
#[tokio::test(flavor = "multi_thread")]
async fn runs_are_merged_and_two_indexers_get_along() {
    let home = Home::new("");
    import(&home, &requests());
    for number in 0..12 {
        import(&home, &logs(&[log(4, 100 + number, ACROSS), log(40, 100 + number, &other(number))]));
    }
    let live = || async {
        let spec = telestrata::lake::DerivedTable::new(&root(&home), telestrata::trace_index::TABLE).unwrap();
        spec.load().await.unwrap().unwrap().files().to_vec()
    };
    let runs = live().await;
    assert!(runs.len() < 3 * 8, "{runs:?}");
    let query = format!("select count(*) as n from logs where trace_id = '{}'", other(3));
    let all = files_of(&home, &query);
    assert!(all.iter().all(|(_, day)| *day == date(3) || *day == date(40)), "all are covered: {all:?}");
    std::fs::remove_dir_all(home.lake().join("trace_index")).unwrap();
    let root = root(&home);
    let (one, two) = tokio::join!(catch_up(&root, 1 << 20), catch_up(&root, 1 << 20));
    assert!(one.is_ok() || two.is_ok(), "{one:?} {two:?}");
    assert_eq!(found(&home), (16, String::new()));
    assert_eq!(files_of(&home, &query), all);
}
