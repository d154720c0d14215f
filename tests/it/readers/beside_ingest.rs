//! Readers beside a server that ingests and flushes: no snapshot is ever anything that the sender can't account for.
//!
//! `TELESTRATA_READER_ROUNDS` sets how often each reader looks. Each look lets the sender send a few requests more, and
//! the next one waits until some of them are committed: there is something new to see whatever the machine's speed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::reader::{READERS, Reader};
use crate::support::logs::send_logs;
use crate::support::server::{Home, Server, wait_for};

const DEFAULT_ROUNDS: usize = 6;
const PER_REQUEST: i64 = 20;
/// As many requests are sent for each look, so that a look is always followed by a flush.
const REQUESTS_PER_FLUSH: i64 = 7;
const FIRST_DAY: i64 = 1_700_000_000;

/// How many rows readers may see, at least and at most.
#[derive(Debug, Default)]
struct Ledger {
    committed: AtomicI64,
    sent: AtomicI64,
}

/// A request of [`PER_REQUEST`] numbered logs on two dates, so that its rows are in two files of one commit.
fn request(first: i64) -> String {
    let records: Vec<Value> = (first..first + PER_REQUEST)
        .map(|number| {
            json!({
                "timeUnixNano": format!("{}000000000", FIRST_DAY + number % 2 * 86_400 + number % 1_000),
                "attributes": [{ "key": "number", "value": { "intValue": number.to_string() } }],
            })
        })
        .collect();
    json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }).to_string()
}

/// Sends as long as there are looks to send for.
async fn send(server: &Server, ledger: &Ledger, looks: &Semaphore) {
    let client = reqwest::Client::new();
    for number in 0.. {
        let Ok(look) = looks.acquire().await else { return };
        look.forget();
        ledger.sent.fetch_add(PER_REQUEST, Ordering::AcqRel);
        send_logs(&client, &server.otlp_http(), request(number * PER_REQUEST)).await.unwrap();
        // The server also flushes by itself; only after this one it is known how far the table is at least.
        if number % REQUESTS_PER_FLUSH == 0 {
            server.flush().await;
            ledger.committed.store((number + 1) * PER_REQUEST, Ordering::Release);
        }
    }
}

/// One snapshot's rows: each number once, each request whole, and both dates with their half. Returns how many.
fn whole_requests(reader: &mut Reader, lake: &Path) -> Result<i64, String> {
    let numbers = reader.ask(lake, &json!(["lookup", "logs", "attributes", "number"]))?;
    let mut requests = BTreeMap::<i64, i64>::new();
    for row in &numbers {
        let number: i64 =
            row[0].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("no number: {row}"))?;
        if row[1] != json!(1) {
            return Err(format!("log {number} is there {} times", row[1]));
        }
        *requests.entry(number / PER_REQUEST).or_default() += 1;
    }
    match requests.iter().find(|(_, rows)| **rows != PER_REQUEST) {
        Some((request, rows)) => Err(format!("{rows} of {PER_REQUEST} rows of request {request} are there")),
        None => Ok(requests.len() as i64 * PER_REQUEST),
    }
}

/// Looks again and again, each time at something new.
fn watch(reader: &mut Reader, lake: &Path, rounds: usize, ledger: &Ledger, looks: &Semaphore) {
    let mut counts = vec![0];
    for round in 0..rounds {
        looks.add_permits(REQUESTS_PER_FLUSH as usize);
        let last = counts[counts.len() - 1];
        let committed =
            wait_for("another commit", || Some(ledger.committed.load(Ordering::Acquire)).filter(|rows| *rows > last));
        let seen = (|| {
            let before = reader.number(lake, &json!(["count", "logs"]))?;
            let rows = whole_requests(reader, lake)?;
            let first_day = reader.number(lake, &json!(["where", "logs", "date", "=", "2023-11-14"]))?;
            let after = reader.number(lake, &json!(["count", "logs"]))?;
            Ok::<_, String>([before, rows, first_day * 2, after])
        })();
        let seen = seen.unwrap_or_else(|error| panic!("{}, round {round}: {error}", reader.name));
        let sent = ledger.sent.load(Ordering::Acquire);
        let told = format!("{}, round {round}: counts {seen:?} after {counts:?}", reader.name);
        assert!(seen[0] >= committed, "{told}: {committed} were committed before");
        assert!(seen[3] <= sent, "{told}: {sent} were sent");
        for count in seen {
            assert!(count >= counts[counts.len() - 1], "{told}: the count fell");
            assert_eq!(count % PER_REQUEST, 0, "{told}: a request is there in part");
            counts.push(count);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_ingest_and_flush_no_reader_ever_sees_a_wrong_count() {
    let rounds = std::env::var("TELESTRATA_READER_ROUNDS").map_or(DEFAULT_ROUNDS, |text| text.parse().unwrap());
    let home = Home::new("[flush]\nage = \"20ms\"\nbytes = \"16 KiB\"\n");
    let server = Arc::new(home.serve());
    let (ledger, looks) = (Arc::new(Ledger::default()), Arc::new(Semaphore::new(1)));
    let sender = {
        let (server, ledger, looks) = (Arc::clone(&server), Arc::clone(&ledger), Arc::clone(&looks));
        tokio::spawn(async move { send(&server, &ledger, &looks).await })
    };
    wait_for("the first commit", || (ledger.committed.load(Ordering::Acquire) > 0).then_some(()));
    let lake: PathBuf = home.lake();
    let watching: Vec<_> = READERS
        .into_iter()
        .map(|name| {
            let (lake, ledger, looks) = (lake.clone(), Arc::clone(&ledger), Arc::clone(&looks));
            tokio::task::spawn_blocking(move || watch(&mut Reader::start(name), &lake, rounds, &ledger, &looks))
        })
        .collect();
    // All of them end before one's failure ends the test and takes the lake away.
    let ended = futures::future::join_all(watching).await;
    ended.into_iter().for_each(|reader| reader.unwrap());
    looks.close();
    sender.await.unwrap();
    server.flush().await;
    let sent = ledger.sent.load(Ordering::Acquire);
    let commits = server.metric("telestrata_commit_seconds_count", "logs").await;
    println!("{sent} rows in {commits} commits");
    assert_eq!(server.number("select count(*) from logs").await, sent);
    for name in READERS {
        let mut reader = Reader::start(name);
        assert_eq!(whole_requests(&mut reader, &lake), Ok(sent), "{name}, at the end");
        assert_eq!(reader.number(&lake, &json!(["count", "logs"])), Ok(sent), "{name}, at the end");
    }
}
