//! Everyone at once on one table: a server that takes, flushes and answers, two compactors, and another engine that
//! deletes and optimizes. Every count is right, at every moment and at the end.
//!
//! `TELESTRATA_RACE_ROUNDS` sets the rounds; docs/operations.md has the command for hundreds.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{DAY, rounds, said};
use crate::support::logs::{numbered_logs, send_logs};
use crate::support::python::python;
use crate::support::s3::S3;
use crate::support::server::Home;

/// Rows of a request that stay.
const ROWS: u64 = 5;

/// Numbers of rows that are to be deleted begin here.
const DOOMED: u64 = 1_000_000_000;

/// A compactor that begins anew as soon as it is done; answers how many merges it made, and how often it came second.
fn compactor(home: &Arc<Home>, stop: &Arc<AtomicBool>) -> JoinHandle<(u64, u64)> {
    let (home, stop) = (Arc::clone(home), Arc::clone(stop));
    std::thread::spawn(move || {
        let (mut merges, mut overtaken) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let said = said(&home.verb("compact").args(["--json", "--table", "logs"]).output().unwrap());
            for line in said.lines() {
                let report: Value = serde_json::from_str(line).unwrap();
                merges += report["merges"].as_u64().unwrap();
                overtaken += report["overtaken"].as_u64().unwrap();
            }
        }
        (merges, overtaken)
    })
}

/// `deltalake` deletes the doomed and optimizes, again and again.
fn another_engine(table: &str, env: &[(String, String)]) -> Child {
    let mut command = python();
    command.args(["rewriters.py", table]).envs(env.iter().cloned());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[rstest::rstest]
#[case::on_a_disk(false)]
#[case::on_s3(true)]
#[tokio::test(flavor = "multi_thread")]
async fn rewriters_beside_a_server_and_each_other_lose_and_double_nothing(#[case] in_a_bucket: bool) {
    let rounds = rounds(if in_a_bucket { 12 } else { 40 });
    let s3 = if in_a_bucket { Some(S3::start().await) } else { None };
    let config = "[flush]\nage = \"100ms\"\n";
    let (home, table, env) = match &s3 {
        Some(s3) => {
            let home = Home::with_lake_at(config, &s3.lake("raced"), &s3.env());
            (home, format!("{}/logs", s3.lake("raced")), s3.env())
        }
        None => {
            let home = Home::new(config);
            let table = home.lake().join("logs").to_str().unwrap().to_owned();
            (home, table, Vec::new())
        }
    };
    let home = Arc::new(home);
    let server = home.serve();
    let stop = Arc::new(AtomicBool::new(false));
    let compactors = [compactor(&home, &stop), compactor(&home, &stop)];
    let mut other = another_engine(&table, &env);
    let client = reqwest::Client::new();
    let send = async |body: String| send_logs(&client, &server.otlp_http(), body).await.unwrap();
    for round in 0..rounds {
        // Two dates that are over: both have merges at any time.
        let day = DAY + round % 2 * 86_400;
        send(numbered_logs("raced", round * ROWS..(round + 1) * ROWS, day)).await;
        let number = DOOMED + round;
        let doomed = numbered_logs("raced", number..number + 1, day);
        send(doomed.replace(&format!("\"log {number}\""), "\"doomed\"")).await;
        let query = "select count(*) * 1000000 + count(distinct attributes['number']) from logs where body <> 'doomed'";
        let expected = i64::try_from((round + 1) * ROWS).unwrap();
        assert_eq!(server.number(query).await, expected * 1_000_001, "round {round}");
        let query = "select count(*) - count(distinct attributes['number']) from logs where body = 'doomed'";
        assert_eq!(server.number(query).await, 0, "round {round}: a row that was to go is there twice");
    }
    server.flush().await;
    stop.store(true, Ordering::Relaxed);
    let mut totals = (0, 0);
    for compactor in compactors {
        let (merges, overtaken) = compactor.join().unwrap();
        totals = (totals.0 + merges, totals.1 + overtaken);
    }
    // The other engine goes over all of it once more, with nobody beside it.
    drop(other.stdin.take());
    let other = other.wait_with_output().unwrap();
    let counts: Value = serde_json::from_slice(&other.stdout).unwrap_or_else(|error| panic!("{error}: {other:?}"));
    println!("{rounds} rounds: {} merges, {} overtaken; deltalake: {counts}", totals.0, totals.1);
    assert!(totals.0 > 0, "nothing was merged meanwhile");
    assert!(counts["delete"].as_u64() > Some(0), "nothing was deleted meanwhile: {counts}");
    server.terminate();
    let _ = said(&home.verb("compact").output().unwrap());
    let query = "select count(*) as n, count(distinct attributes['number']) as d, \
                 count(*) filter (where body = 'doomed') as doomed from logs";
    let answer = said(&home.verb("sql").args(["--format", "csv", query]).output().unwrap());
    assert_eq!(answer, format!("n,d,doomed\n{0},{0},0\n", rounds * ROWS));
    assert!(home.verb("check").output().unwrap().status.success());
}
