//! Compaction: the same rows in fewer, larger, sorted files, whoever else writes meanwhile.

mod amplification;
mod duplicates;
mod faults;
mod foreign;
mod kills;
mod races;

use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use telestrata::demo::{DemoSignal, Shop};
use telestrata::maintenance::CompactionSettings;

use crate::support::server::{Home, Server};

/// 2023-11-14T22:13:20Z in seconds: two hours later the next date begins.
const DAY: u64 = 1_700_000_000;

/// Files of up to 64 MiB, merged all at once, every row kept.
const SETTINGS: CompactionSettings = CompactionSettings::new(64 << 20, 1 << 30);

const TABLES: [&str; 3] = ["logs", "spans", "metrics"];

/// The rounds of a race: few in CI, and hundreds by the command of docs/operations.md.
fn rounds(few: u64) -> u64 {
    std::env::var("TELESTRATA_RACE_ROUNDS").map_or(few, |rounds| rounds.parse().unwrap())
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Every row of every table with every column, in an order of its own.
fn everything(home: &Home) -> BTreeMap<&'static str, Vec<String>> {
    let rows = |table: &'static str| {
        let query = format!("select * from {table}");
        let answer = said(&home.verb("sql").args(["--format", "ndjson", &query]).output().unwrap());
        let mut rows: Vec<String> = answer.lines().map(str::to_owned).collect();
        rows.sort();
        (table, rows)
    };
    TABLES.into_iter().map(rows).collect()
}

fn files(home: &Home) -> Vec<Value> {
    let query = "select table_name, date, path, row_count from system.files order by path";
    serde_json::from_str(&said(&home.verb("sql").args(["--format", "json", query]).output().unwrap())).unwrap()
}

async fn send_shop(server: &Server, shop: &mut Shop, lasts: Duration) {
    let client = reqwest::Client::new();
    for export in shop.advance(lasts).exports {
        let path = match export.signal() {
            DemoSignal::Logs => "/v1/logs",
            DemoSignal::Traces => "/v1/traces",
            DemoSignal::Metrics => "/v1/metrics",
        };
        let sent = client
            .post(format!("{}{path}", server.otlp_http()))
            .header("content-type", "application/x-protobuf")
            .body(export.encode())
            .send()
            .await
            .unwrap();
        assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_lake_holds_the_same_rows_in_one_run_a_day_and_its_history_proves_it() {
    let mut home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    // Midnight comes two minutes in.
    let mut shop = Shop::new(3, (DAY + 6_280) * 1_000_000_000).with_records_per_second(60.0);
    for _ in 0..12 {
        send_shop(&server, &mut shop, Duration::from_secs(20)).await;
        server.flush().await;
    }
    server.terminate();
    // Promoted after the files were written.
    home.reconfigure("[[promoted]]\nname = \"sdk\"\nfrom = [\"resource_attributes['telemetry.sdk.language']\"]\n");
    home.serve().terminate();
    let before = everything(&home);
    let many = files(&home);
    assert!(before["logs"].len() > 100 && before["spans"].len() > 100 && before["metrics"].len() > 100);

    let reports = said(&home.verb("compact").arg("--json").output().unwrap());
    let reports: Vec<Value> = reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(reports.len() >= 3 && reports.iter().all(|report| report["files_after"] == 1), "{reports:?}");
    assert_eq!(everything(&home), before);
    let few = files(&home);
    assert!(few.len() < many.len() / 4, "{} files of {}", few.len(), many.len());
    assert_eq!(said(&home.verb("compact").output().unwrap()), "nothing to compact\n");
    assert_eq!(said(&home.verb("compact").arg("--renew").output().unwrap()), "nothing to compact\n");
    assert!(home.verb("check").arg("--deep").output().unwrap().status.success());

    // What is new in the configuration is in the old rows' file.
    let path = few.iter().find(|file| file["table_name"] == "spans").unwrap()["path"].as_str().unwrap();
    let file = std::fs::File::open(home.lake().join("spans").join(path)).unwrap();
    let schema = SerializedFileReader::new(file).unwrap().metadata().file_metadata().schema_descr_ptr();
    assert!(schema.columns().iter().any(|column| column.name() == "sdk"), "{schema:?}");

    let query = "select operation, data_change, files_added, files_removed, operation_metrics from system.history \
                 where table_name = 'logs' order by version desc limit 1";
    let rows: Vec<Value> =
        serde_json::from_str(&said(&home.verb("sql").args(["--format", "json", query]).output().unwrap())).unwrap();
    assert_eq!((&rows[0]["operation"], &rows[0]["data_change"]), (&"OPTIMIZE".into(), &false.into()));
    let metrics: Value = serde_json::from_str(rows[0]["operation_metrics"].as_str().unwrap()).unwrap();
    assert_eq!(metrics["checksumBefore"], metrics["checksumAfter"]);
    assert_eq!(metrics["checksumBefore"].as_str().unwrap().len(), 32);
    assert!(metrics["numRows"].as_u64().unwrap() > 0, "{metrics}");
}
