//! Files that another engine wrote, and another engine that rewrites beside ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use super::{DAY, everything, files, said};
use crate::support::logs::numbered_logs;
use crate::support::python::python;
use crate::support::server::Home;

/// A lake whose one date is in `count` files of ten logs.
fn imported(count: u64) -> Home {
    let home = Home::new("");
    for file in 0..count {
        import(&home, &numbered_logs("foreign", file * 10..(file + 1) * 10, DAY));
    }
    home
}

fn import(home: &Home, text: &str) {
    let path = home.path().join("import.jsonl");
    std::fs::write(&path, text).unwrap();
    said(&home.verb("import").arg(&path).output().unwrap());
}

/// Runs a script over the logs' table, `t`.
fn in_python(home: &Home, script: &str) {
    let head = "import sys, deltalake, pyarrow as pa, pyarrow.compute as pc\nt = deltalake.DeltaTable(sys.argv[1])\n";
    let output = python().args(["-c", &format!("{head}{script}")]).arg(home.lake().join("logs")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn sorted_files(home: &Home) -> Vec<bool> {
    let is_sorted = |file: &Value| {
        let path = home.lake().join("logs").join(file["path"].as_str().unwrap());
        let file = std::fs::File::open(path).unwrap();
        let footer = parquet::file::reader::SerializedFileReader::new(file).unwrap();
        let footer = parquet::file::reader::FileReader::metadata(&footer).file_metadata().clone();
        footer
            .key_value_metadata()
            .is_some_and(|entries| entries.iter().any(|entry| entry.key == "telestrata.sort_order"))
    };
    files(home).iter().filter(|file| file["table_name"] == "logs").map(is_sorted).collect()
}

/// What `deltalake` made of a date is sorted, in one run, and holds the same rows; whether it is alone on its date, beside
/// ours, or without the promoted columns.
#[rstest::rstest]
#[case::optimized_to_one("t.optimize.compact()", 0)]
#[case::beside_ours("t.optimize.compact()", 3)]
#[case::appended(
    "rows = t.to_pyarrow_table().sort_by([('body', 'descending')])
deltalake.write_deltalake(t, rows, mode='append')",
    0
)]
#[case::without_promoted_columns(
    "rows = t.to_pyarrow_table()
keep = [name for name in rows.column_names if name not in ('host_name', 'url_path', 'user_id')]
deltalake.write_deltalake(t, rows.select(keep), mode='append', schema_mode='merge')",
    0
)]
fn another_engine_s_files_are_sorted_into_the_date_s_run(#[case] script: &str, #[case] after: u64) {
    let home = imported(3);
    in_python(&home, script);
    for file in 3..3 + after {
        import(&home, &numbered_logs("foreign", file * 10..(file + 1) * 10, DAY));
    }
    let before = everything(&home);
    assert!(sorted_files(&home).contains(&false), "nothing is another engine's");
    said(&home.verb("compact").output().unwrap());
    assert_eq!(sorted_files(&home), [true]);
    assert_eq!(everything(&home), before);
    assert_eq!(said(&home.verb("compact").output().unwrap()), "nothing to compact\n");
    assert!(home.verb("check").arg("--deep").output().unwrap().status.success());
}

/// A file without one of the contract's columns is not merged, since a merge would make up its values.
#[test]
fn a_file_that_lacks_a_column_of_the_contract_is_left_and_named() {
    let home = imported(2);
    // By hand: `write_deltalake` fills in NULLs.
    let script = "import os, time, pyarrow.parquet as pq
from deltalake.transaction import AddAction
rows = t.to_pyarrow_table()
day = str(rows['date'][0])
path = f'date={day}/foreign.parquet'
pq.write_table(rows.drop_columns(['severity_text', 'date']), f'{sys.argv[1]}/{path}')
size = os.path.getsize(f'{sys.argv[1]}/{path}')
add = AddAction(path, size, {'date': day}, int(time.time() * 1000), True, '{}')
t.create_write_transaction([add], 'append', t.schema(), ['date'])";
    in_python(&home, script);
    let before = files(&home);
    let output = home.verb("compact").arg("--json").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = report["error"].as_str().unwrap();
    assert!(!output.status.success() && error.contains("it lacks `severity_text`"), "{report}");
    assert_eq!(files(&home), before);
}

/// Another engine begins a rewrite, ours is first with the same files, and the other's then must not put their rows in
/// once more.
#[rstest::rstest]
#[case("optimize")]
#[case("delete")]
fn another_engine_s_rewrite_that_comes_second_doubles_nothing(#[case] operation: &str) {
    let home = imported(4);
    import(&home, &numbered_logs("foreign", 40..50, DAY).replace("\"log 45\"", "\"doomed\""));
    let before = everything(&home);
    let mut other = python()
        .arg("rewriters.py")
        .arg(home.lake().join("logs"))
        .args(["stale", operation])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "opened");
    said(&home.verb("compact").output().unwrap());
    other.stdin.take().unwrap().write_all(b"\n").unwrap();
    let told = lines.next().unwrap().unwrap();
    assert!(other.wait().unwrap().success());
    assert!(told.starts_with("refused"), "{told}");
    assert_eq!(everything(&home), before);
    assert_eq!(json!(files(&home).len()), json!(1), "{told}");
}
