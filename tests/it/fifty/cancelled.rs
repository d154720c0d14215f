//! A cancel stops the work, each door's own way, and `/metrics` says so.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Instant;

use super::doors::postgres_conninfo;
use crate::support::python::python;
use crate::support::server::{Home, Server};

/// No row comes, and it has no end.
const SILENT: &str = "SELECT max(value) FROM generate_series(1, 9000000000000000)";
/// Rows come without end.
const ENDLESS: &str = "SELECT value FROM generate_series(1, 9000000000000000)";

const RUNNING: &str = "telestrata_running_queries";
const QUERIES: &str = "telestrata_queries_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_stops_the_work_at_every_door() {
    let home = Home::new("");
    let server = home.serve();
    let ways = [
        ("http_close", server.http(), ENDLESS, "closed"),
        ("http_post", server.http(), SILENT, "rows: urn:telestrata:problem:cancelled"),
        ("postgres", postgres_conninfo(&server), SILENT, "QueryCanceled: "),
        ("flight", format!("grpc://{}", server.flight()), SILENT, "OperationalError: CANCELLED"),
    ];
    for (number, (way, address, sql, told)) in ways.into_iter().enumerate() {
        let mut child = python()
            .args(["-m", "doors.cancel", way, &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || tokio::task::block_in_place(|| lines.next().unwrap().unwrap());
        say(&mut child, sql);
        assert_eq!(line(), "running");
        until_running(&server, 1.0).await;
        let asked = Instant::now();
        say(&mut child, "stop");
        until_running(&server, 0.0).await;
        println!("{way}: stopped within {:?}", asked.elapsed());
        let said = line();
        assert!(said.starts_with(told), "{way}: {said}");
        assert_eq!(server.metric(QUERIES, "cancelled").await, (number + 1) as f64, "{way}");
        child.wait().unwrap();
    }
    server.terminate();
}

fn say(child: &mut Child, line: &str) {
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
}

async fn until_running(server: &Server, count: f64) {
    let asked = Instant::now();
    while server.metric(RUNNING, "").await != count {
        assert!(asked.elapsed().as_secs() < 60, "not {count} queries running");
        tokio::task::yield_now().await;
    }
}
