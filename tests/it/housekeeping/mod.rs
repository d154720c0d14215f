//! Housekeeping: what no version needs goes, and nothing else; whoever is killed in the middle of it.

mod log;
mod snapshots;
mod under_a_server;
mod vacuum;
mod writers;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::server::Home;

/// 2023-11-14T22:13:20Z in seconds.
const DAY: u64 = 1_700_000_000;

/// Nothing is flushed or maintained but on demand.
const BY_HAND: &str = "[flush]\nage = \"1h\"\n[maintenance]\nenabled = false\n";

/// Twice the default grace.
const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 3600);

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A JSON object a line.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The report of one table of a verb with `--json`.
fn of_table<'a>(reports: &'a [Value], table: &str) -> &'a Value {
    reports.iter().find(|report| report["table"] == table).unwrap_or_else(|| panic!("no {table}: {reports:?}"))
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Makes files look as if they had been written so long ago.
fn age(folder: &Path, by: Duration) {
    let then = SystemTime::now() - by;
    for path in files_below(folder) {
        File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

/// `vacuum plan|apply --json`, of every table.
fn vacuumed(home: &Home, verb: &str) -> Vec<Value> {
    // The lake comes after the second word.
    let mut command = crate::support::server::telestrata();
    let output = command.current_dir(home.path()).args(["vacuum", verb, "--json", "--lake"]).arg(home.lake()).output();
    lines(&said(&output.unwrap()))
}

/// The numbers of `numbered_logs` that the files have, in order.
fn numbers(home: &Home) -> Vec<i64> {
    let query = "select cast(attributes['number'] as bigint) as n from logs order by n";
    let answer = said(&home.verb("sql").args(["--format", "csv", query]).output().unwrap());
    answer.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}
