//! Named snapshots: one moment of all tables that stays openable.

use std::time::Duration;

use serde_json::Value;

use super::{BY_HAND, DAY, age, lines, numbers, said, vacuumed};
use crate::support::logs::{numbered_logs, send_logs};
use crate::support::python::python;
use crate::support::server::{Home, Server, telestrata, wait_for};

const LONG_AGO: Duration = Duration::from_secs(40 * 24 * 3600);

fn snapshot(home: &Home, args: &[&str]) -> std::process::Output {
    telestrata().current_dir(home.path()).arg("snapshot").args(args).arg("--lake").arg(home.lake()).output().unwrap()
}

async fn flushed(server: &Server, flushes: std::ops::Range<u64>) {
    let client = reqwest::Client::new();
    for flush in flushes {
        send_logs(&client, &server.otlp_http(), numbered_logs("s", flush * 5..(flush + 1) * 5, DAY)).await.unwrap();
        server.flush().await;
    }
}

fn count_at(home: &Home, name: &str) -> String {
    said(
        &home
            .verb("sql")
            .args(["--snapshot", name, "--format", "csv", "select count(body) as n from logs"])
            .output()
            .unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_moment_opens_until_its_name_is_dropped() {
    let home = Home::new(BY_HAND);
    let server = home.serve();
    flushed(&server, 0..4).await;
    let made = lines(&said(&snapshot(&home, &["create", "before-upgrade", "--json"])));
    let version = made[0]["tables"]["logs"].as_u64().unwrap();
    assert_eq!((version, &made[0]["tables"]["spans"]), (4, &0.into()), "{made:?}");
    flushed(&server, 4..6).await;
    let _ = said(&home.verb("compact").output().unwrap());
    server.terminate();
    age(&home.lake(), LONG_AGO);
    let server = home.serve();
    flushed(&server, 6..8).await;
    server.terminate();

    let report = vacuumed(&home, "apply");
    let logs = super::of_table(&report, "logs");
    assert_eq!(logs["pinned"]["before-upgrade"]["files"], 4, "{logs}");
    assert_eq!(logs["removed"]["files"], 2, "those of the two flushes after it: {logs}");
    let log = home.lake().join("logs/_delta_log");
    assert!(!log.join(format!("{:020}.json", version - 1)).exists());
    assert!(log.join(format!("{version:020}.json")).exists());
    assert!(!log.join(format!("{:020}.json", version + 1)).exists());
    assert_eq!(count_at(&home, "before-upgrade"), "n\n20\n");
    assert_eq!(numbers(&home), (0..40).collect::<Vec<_>>());
    // Outside readers too, with and without the hint of where to begin.
    for _ in 0..2 {
        let mut at = python();
        let at = said(&at.arg("versions.py").arg(home.lake().join("logs")).arg(version.to_string()).output().unwrap());
        let newest = said(&python().arg("versions.py").arg(home.lake().join("logs")).output().unwrap());
        for (counts, expected) in [(at, 20), (newest, 40)] {
            let counts: Value = serde_json::from_str(&counts).unwrap();
            assert!(counts.as_object().unwrap().values().all(|count| *count == expected), "{counts}");
        }
        let _ = std::fs::remove_file(log.join("_last_checkpoint"));
        assert_eq!(numbers(&home).len(), 40);
    }
    let trace = home.verb("trace").args(["--snapshot", "before-upgrade", &"a".repeat(32)]).output().unwrap();
    assert!(String::from_utf8_lossy(&trace.stderr).contains("trace"), "{trace:?}");
    let exported = home
        .verb("export")
        .args(["--snapshot", "before-upgrade", "--table", "logs", "--format", "ndjson"])
        .output()
        .unwrap();
    assert_eq!(said(&exported).lines().count(), 20);

    assert!(said(&snapshot(&home, &["list"])).starts_with("before-upgrade  "));
    let _ = said(&snapshot(&home, &["drop", "before-upgrade"]));
    assert_eq!(said(&snapshot(&home, &["list"])), "no snapshots\n");
    let refused = home.verb("sql").args(["--snapshot", "before-upgrade", "select 1"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no snapshot `before-upgrade`"), "{refused:?}");
    assert_eq!(super::of_table(&vacuumed(&home, "apply"), "logs")["removed"]["files"], 4);
    assert!(!log.join(format!("{version:020}.json")).exists());
    assert_eq!(numbers(&home).len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_once_and_must_be_one() {
    let home = Home::new("");
    assert_eq!(snapshot(&home, &["create", "none"]).status.code(), Some(1), "there is no lake");
    home.serve().terminate();
    let _ = said(&snapshot(&home, &["create", "a.b-c_1"]));
    let again = snapshot(&home, &["create", "a.b-c_1"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("already"), "{again:?}");
    for bad in ["", "A", "../x", ".x", "a b"] {
        assert_eq!(snapshot(&home, &["create", bad]).status.code(), Some(2), "{bad}");
    }
    assert_eq!(snapshot(&home, &["drop", "absent"]).status.code(), Some(1));
    // What a snapshot pins is not known: nothing may go.
    std::fs::write(home.lake().join("_snapshots/broken.json"), "{").unwrap();
    let refused = telestrata().args(["vacuum", "apply", "--lake"]).arg(home.lake()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("broken.json"), "{refused:?}");
}

/// While a server flushes and compactors run, snapshots are made; each has a whole number of requests, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_beside_a_server_hold_what_they_held() {
    let home = Home::new("[flush]\nage = \"50ms\"\n[maintenance]\nenabled = false\n");
    let server = home.serve();
    let client = reqwest::Client::new();
    let mut held = Vec::new();
    for round in 0..6_u64 {
        for request in round * 10..(round + 1) * 10 {
            send_logs(&client, &server.otlp_http(), numbered_logs("s", request * 5..(request + 1) * 5, DAY))
                .await
                .unwrap();
        }
        let name = format!("round-{round}");
        // Refused where the tables go on at every look.
        wait_for("a snapshot", || snapshot(&home, &["create", &name]).status.success().then_some(()));
        held.push((name.clone(), count_at(&home, &name)));
        let _ = said(&home.verb("compact").output().unwrap());
    }
    server.terminate();
    age(&home.lake(), LONG_AGO);
    let _ = vacuumed(&home, "apply");
    for (name, count) in &held {
        assert_eq!(count_at(&home, name), *count, "{name}");
        let rows: u64 = count.lines().nth(1).unwrap().parse().unwrap();
        assert_eq!(rows % 5, 0, "{name}: {rows} rows");
    }
    assert_eq!(numbers(&home), (0..300).collect::<Vec<_>>());
}
