//! Erasures beside compactors: whoever comes second at a commit begins again, and what was to go is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::telemetry::{log, logs};
use super::{erase, run, send};
use crate::support::server::Home;

/// Logs of a round, each of one of [`FILES`] files; a third of them goes.
const ROWS: u64 = 12;
const FILES: u64 = 4;

/// A server erases one person after another, while two compactors merge the same dates as fast as they can.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_merged_at_the_same_time_is_erased_all_the_same() {
    let rounds: u64 = std::env::var("TELESTRATA_ERASE_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let home = Arc::new(Home::new("[flush]\nage = \"1h\"\n"));
    let server = home.serve();
    let stop = Arc::new(AtomicBool::new(false));
    let compactors: Vec<_> = (0..2)
        .map(|_| {
            let (home, stop) = (Arc::clone(&home), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut merges = 0;
                while !stop.load(Ordering::Relaxed) {
                    let (code, out, errors) = run(home.verb("compact").args(["--json", "--table", "logs"]));
                    assert_eq!(code, 0, "{out}{errors}");
                    let reports = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
                    merges += reports.map(|report| report["merges"].as_u64().unwrap()).sum::<u64>();
                }
                merges
            })
        })
        .collect();
    let mut tries = 0;
    for round in 0..rounds {
        let user = format!("person-{round}");
        for file in 0..FILES {
            let numbers = (0..ROWS).filter(|row| row % FILES == file).map(|row| round * ROWS + row);
            let records: Vec<Value> = numbers
                .map(|number| {
                    let user = if number % 3 == 0 { user.as_str() } else { "nobody" };
                    log(number, "a row", &[("user.id", user)])
                })
                .collect();
            send(&server, "/v1/logs", logs(&records, &[], &[])).await;
            server.flush().await;
        }
        // 3: another was first too often; the next one does the rest.
        let attribute = format!("user.id={user}");
        while run(erase(&home, "apply", Some(&server)).args(["--attribute", &attribute])).0 == 3 {
            tries += 1;
            assert!(tries < 5 * rounds, "erasures come second for ever");
        }
        let left = format!("select count(*) from logs where attr('user.id') = '{user}'");
        assert_eq!(server.number(&left).await, 0, "round {round}");
        let all = "select count(*) * 1000000 + count(distinct attr('n')) from logs";
        let kept = i64::try_from((round + 1) * ROWS * 2 / 3).unwrap();
        assert_eq!(server.number(all).await, kept * 1_000_001, "round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    let merges: u64 = compactors.into_iter().map(|compactor| compactor.join().unwrap()).sum();
    println!("{rounds} erasures, {tries} of them made again, beside {merges} merges");
    assert!(merges > 0, "nothing was merged meanwhile");
    server.terminate();
    let query = "select count(*) as n, count(distinct attr('n')) as d, \
                 count(*) filter (where attr('user.id') like 'person-%') as still from logs";
    let (_, out, _) = run(home.verb("sql").args(["--format", "csv", query]));
    assert_eq!(out, format!("n,d,still\n{0},{0},0\n", rounds * ROWS * 2 / 3));
    assert_eq!(run(home.verb("check").arg("--deep")).0, 0);
}
