//! Hitting a budget is an error that names the budget, its value and what to do.

use crate::support::logs::numbered_logs;
use crate::support::server::Home;

const DAY: u64 = 1_700_000_000;

/// A lake of a thousand logs, and a configuration.
fn lake(config: &str) -> Home {
    let home = Home::new(config);
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("budget", 0..1000, DAY)).unwrap();
    assert!(home.verb("import").arg("logs.jsonl").output().unwrap().status.success());
    home
}

#[rstest::rstest]
#[case::rows("max_rows = 10", "select body from logs", "[query] max_rows, 10;")]
#[case::bytes("max_scan_bytes = \"1 KiB\"", "select body, attributes from logs", "[query] max_scan_bytes, 1.0 KiB;")]
#[case::time(
    "max_time = \"100ms\"",
    "select max(value) from generate_series(1, 9000000000000000)",
    "[query] max_time, 100ms;"
)]
#[case::memory(
    "max_memory = \"1 MiB\"",
    "select count(*) from generate_series(1, 1000000) a(v) join generate_series(1, 1000000) b(v) on a.v = b.v",
    "[query] max_memory, 1.0 MiB for all queries: HashJoinInput"
)]
fn an_exceeded_budget_is_named(#[case] setting: &str, #[case] query: &str, #[case] named: &str) {
    let home = lake(&format!("[query]\n{setting}\n"));
    let refused = home.verb("sql").args(["--format", "csv", query]).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains(named) && text.contains("or raise max_"), "{text}");
    assert!(!text.contains("DataFusion") && !text.contains("External"), "{text}");
}

/// What stays within is answered: a result of just so many rows, and counts that read no file.
#[test]
fn what_stays_within_a_budget_is_answered() {
    let home = lake("[query]\nmax_rows = 10\nmax_scan_bytes = \"1 KiB\"\nmax_memory = \"1 MiB\"\n");
    for (query, rows) in [("select count(*) as n from logs", 1), ("select value from generate_series(1, 10)", 10)] {
        let answer = home.verb("sql").args(["--format", "csv", query]).output().unwrap();
        let text = String::from_utf8_lossy(&answer.stdout);
        assert_eq!(text.lines().count(), rows + 1, "{text}{}", String::from_utf8_lossy(&answer.stderr));
    }
}

/// A client of a server is told the same, and the server counts it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_counts_what_it_refused() {
    let home = lake("[query]\nmax_scan_bytes = \"1 KiB\"\n");
    let server = home.serve();
    let ask = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).body("select * from logs");
    let refused = ask.send().await.unwrap();
    assert_eq!(refused.status(), 422);
    let problem: serde_json::Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:telestrata:problem:budget_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("max_scan_bytes, 1.0 KiB"), "{problem}");
    assert_eq!(server.metric("telestrata_queries_total", "budget_exceeded").await, 1.0);
    server.terminate();
}
