//! The Python blocks of docs/notebooks.md and of a lake's README are run, and answer what SQL does.

use std::path::Path;

use serde_json::{Value, json};

use super::answers::{FLUSH_BY_HAND, PROMOTE, store_batch};
use crate::support::python::python;
use crate::support::server::{Home, Server};

const SECTIONS: [&str; 7] =
    ["Polars", "deltalake", "pandas", "PyArrow", "DuckDB", "ClickHouse", "Through a running server"];

/// A server on a lake that had files before columns were promoted; the lake is also known as `telemetry`.
async fn lake_with_older_files() -> (Home, Server) {
    let mut home = Home::new(FLUSH_BY_HAND);
    let server = home.serve();
    store_batch(&server, "old", 0).await;
    server.terminate();
    home.reconfigure(&format!("{FLUSH_BY_HAND}{PROMOTE}"));
    let server = home.serve();
    store_batch(&server, "new", 1).await;
    std::os::unix::fs::symlink(home.lake(), home.path().join("telemetry")).unwrap();
    (home, server)
}

/// What each section of a page leaves in its variables.
fn run(page: &Path, home: &Home, server: &Server) -> Value {
    let output = python().arg("notebooks.py").arg(page).arg(home.path()).arg(server.flight()).output().unwrap();
    assert!(output.status.success(), "{}: {}", page.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The pairs of a group and its count, in one order.
fn pairs(groups: &Value) -> Vec<String> {
    let mut pairs: Vec<String> = groups.as_array().into_iter().flatten().map(Value::to_string).collect();
    pairs.sort_unstable();
    pairs
}

async fn groups(server: &Server, query: &str) -> Vec<String> {
    let rows = server.sql(query).await;
    pairs(&rows.iter().map(|row| json!([row["a"], row["b"]])).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipes_of_the_notebook_page_give_sqls_answers() {
    let (home, server) = lake_with_older_files().await;
    let left = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notebooks.md"), &home, &server);
    let spans = server.sql("select count(*) as count, max(time) as last from spans").await.remove(0);
    let by_tier = groups(&server, "select tier as a, count(*) as b from spans group by 1").await;
    let by_event = "select e['name'] as a, count(*) as b from (select unnest(events) as e from spans) group by 1";
    let by_event = groups(&server, by_event).await;
    for section in SECTIONS {
        let left = &left[section];
        assert_eq!(left["count"], spans["count"], "{section}");
        assert_eq!(left["last"], spans["last"], "{section}");
        assert_eq!(pairs(&left["by_tier"]), by_tier, "{section}");
        assert_eq!(pairs(&left["by_event"]), by_event, "{section}");
    }
    assert_eq!(left.as_object().map(serde_json::Map::len), Some(SECTIONS.len()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_of_a_lake_can_be_followed() {
    let (home, server) = lake_with_older_files().await;
    let left = run(&home.lake().join("README.md"), &home, &server);
    let logs = server.number("select count(*) from logs").await;
    for section in ["Polars", "pandas"] {
        assert_eq!(left[section]["count"], json!(logs), "{section}");
    }
}
