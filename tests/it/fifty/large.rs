//! A result far larger than the memory that queries may take comes whole through every door, in bounded memory.

use std::io::Write;
use std::process::Stdio;

use super::doors::postgres_conninfo;
use crate::support::python::python;
use crate::support::server::{Home, Server};

/// Megabytes that queries may take together, and that a result may add to the process, whatever its size: a few batches
/// of 8,192 rows on their way, as they are and as they are sent.
const LIMIT: u64 = 32;
const ADDED: u64 = 128;

/// About 200 MB of text.
const ROWS: u64 = 200_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_result_larger_than_memory_is_streamed() {
    let home = Home::new(&format!("[query]\nmax_memory = '{LIMIT} MiB'\n"));
    let server = home.serve();
    let ways = [
        ("http", server.http()),
        ("ndjson", server.http()),
        ("flight", format!("grpc://{}", server.flight())),
        ("postgres", postgres_conninfo(&server)),
    ];
    for (way, address) in &ways {
        // What a connection and a first query cost, once.
        drain(way, address, 10_000);
    }
    for (way, address) in &ways {
        let before = peak(&server);
        let (rows, bytes) = drain(way, address, ROWS);
        assert_eq!(rows, ROWS, "{way}");
        assert!(bytes >= ROWS * 1000, "{way}: {bytes} bytes");
        let added = (peak(&server) - before) / 1024;
        println!("{way}: {} MB in {added} MB", bytes / 1_000_000);
        assert!(added < ADDED, "{way}: {} MB took {added} MB", bytes / 1_000_000);
    }
    server.terminate();
}

fn drain(way: &str, address: &str, rows: u64) -> (u64, u64) {
    // Each row its own text: what is equal might be sent once.
    let sql = format!("SELECT value, repeat(chr(97 + CAST(value % 26 AS int)), 1000) FROM generate_series(1, {rows})");
    let mut child = python()
        .args(["-m", "doors.drain", way, address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{way}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (rows, bytes) = text.trim().split_once(' ').unwrap();
    (rows.parse().unwrap(), bytes.parse().unwrap())
}

/// The most memory that the process had so far, in KB.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
