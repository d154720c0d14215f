//! `kill -9` at any moment, under load: every acknowledged record is there once, nothing is there twice.
//!
//! `TELESTRATA_CRASH_ROUNDS` sets the number of kills (CI: a few; see docs/operations.md for the long run),
//! `TELESTRATA_CRASH_SEED` replays a run.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::Mutex;

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::Home;

const PER_REQUEST: u64 = 20;
const SENDERS: usize = 4;
const DAY: u64 = 1_700_000_000;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_under_load_loses_and_doubles_nothing() {
    let rounds = from_env("TELESTRATA_CRASH_ROUNDS", 6);
    let seed = from_env("TELESTRATA_CRASH_SEED", u64::from(std::process::id()));
    println!("TELESTRATA_CRASH_SEED={seed} TELESTRATA_CRASH_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    // Small and frequent flushes: kills fall into every phase of one.
    let home = Home::new("[flush]\nage = \"150ms\"\nbytes = \"64 KiB\"\n");
    let next = Arc::new(AtomicU64::new(0));
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    for round in 0..rounds {
        let server = home.serve();
        let check = server.number("select count(*) - count(distinct attributes['number']) from logs").await;
        assert_eq!(check, 0, "round {round}: rows are there twice");
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (url, next, acknowledged) = (server.otlp_http(), Arc::clone(&next), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    let client = reqwest::Client::new();
                    loop {
                        let first = next.fetch_add(PER_REQUEST, Ordering::Relaxed);
                        let body = numbered_logs("crash", first..first + PER_REQUEST, DAY);
                        match send_logs(&client, &url, body).await {
                            Ok(()) => acknowledged.lock().await.extend(first..first + PER_REQUEST),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        // The moment of the kill is random; the test's verdict does not depend on it.
        tokio::time::sleep(Duration::from_millis(random.random_range(20..900))).await;
        server.kill();
        for sender in senders {
            sender.await.unwrap();
        }
    }
    let server = home.serve();
    let stored: Vec<u64> = server
        .sql("select cast(attributes['number'] as bigint) as number from logs")
        .await
        .iter()
        .map(|row| row["number"].as_u64().unwrap())
        .collect();
    let distinct: HashSet<u64> = stored.iter().copied().collect();
    assert_eq!(stored.len(), distinct.len(), "seed {seed}: rows are there twice");
    let acknowledged = acknowledged.lock().await;
    let lost: Vec<u64> = acknowledged.difference(&distinct).copied().collect();
    assert!(lost.is_empty(), "seed {seed}: acknowledged and lost: {lost:?}");
    assert!(!acknowledged.is_empty(), "nothing was acknowledged; the test shows nothing");
    // A request is stored whole or not at all.
    let requests: HashSet<u64> = distinct.iter().map(|number| number / PER_REQUEST).collect();
    assert_eq!(distinct.len() as u64, requests.len() as u64 * PER_REQUEST, "seed {seed}: a request is there in part");
    server.terminate();
    // Files that no commit names are listed, and do no harm: the count without a server is the same.
    let check = home.verb("check").arg("--json").output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    println!("{rounds} kills, {} acknowledged, check: {report}", acknowledged.len());
    assert_eq!(report["missing"].as_array().map(Vec::len), Some(0), "{report}");
    let cold = home.verb("sql").args(["select count(*) as n from logs", "--format", "json"]).output().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&cold.stdout).unwrap();
    assert_eq!(rows[0]["n"].as_u64(), Some(stored.len() as u64));
}
