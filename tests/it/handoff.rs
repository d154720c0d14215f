//! The hand-off: while rows are ingested and flushed, a reader's count never falls and never overshoots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::Home;

const PER_REQUEST: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_count_never_falls_and_never_overshoots() {
    let requests: u64 = std::env::var("TELESTRATA_HANDOFF_REQUESTS").map_or(300, |text| text.parse().unwrap());
    let home = Home::new("[flush]\nage = \"50ms\"\nbytes = \"32 KiB\"\n");
    let server = Arc::new(home.serve());
    let (sent, acknowledged) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (server, sent, acknowledged, done) =
            (Arc::clone(&server), Arc::clone(&sent), Arc::clone(&acknowledged), Arc::clone(&done));
        tokio::spawn(async move {
            let (mut last, mut reads) = (0, 0);
            while !done.load(Ordering::Acquire) {
                let before = acknowledged.load(Ordering::Acquire);
                // Two ways to count: by the log's statistics alone, and by reading the rows.
                let query = if reads % 2 == 0 { "select count(*) from logs" } else { "select count(body) from logs" };
                let count = server.number(query).await;
                let after = sent.load(Ordering::Acquire);
                assert!(count >= last, "the count fell from {last} to {count}");
                assert!(count >= before, "{before} were acknowledged, {count} are seen");
                assert!(count <= after, "{after} were sent, {count} are seen");
                last = count;
                reads += 1;
            }
            reads
        })
    };
    let client = reqwest::Client::new();
    for request in 0..requests {
        let first = request * PER_REQUEST;
        sent.fetch_add(PER_REQUEST as i64, Ordering::AcqRel);
        // Two dates, so that a flush writes more than one file.
        let body = numbered_logs("handoff", first..first + PER_REQUEST, 1_700_000_000 + request % 2 * 86_400);
        send_logs(&client, &server.otlp_http(), body).await.unwrap();
        acknowledged.fetch_add(PER_REQUEST as i64, Ordering::AcqRel);
    }
    done.store(true, Ordering::Release);
    let reads = reader.await.unwrap();
    let flushes = server.metric("telestrata_commit_seconds_count", "logs").await;
    println!("{reads} counts beside {requests} requests and {flushes} flushes");
    assert!(reads > 3 && flushes > 3.0, "{reads} reads and {flushes} flushes: the test shows nothing");
    assert_eq!(server.number("select count(*) from logs").await, (requests * PER_REQUEST) as i64);
}
