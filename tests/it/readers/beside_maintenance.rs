//! Readers that count in a loop while jobs rewrite and remove the files they count in: what every job must keep is there
//! at every look, each row once.
//!
//! `TELESTRATA_READER_ROUNDS` sets how many rounds of jobs there are.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use serde_json::{Value, json};
use telestrata::lake::{CloudAccess, LakeRoot};
use telestrata::maintenance::{Intent, TABLES, vacuum};

use super::reader::Reader;
use crate::support::server::{Home, Server, telestrata};

const DEFAULT_ROUNDS: u64 = 4;

/// Rows that stay, of logs and of spans.
const KEPT: u64 = 60;

/// Those that open the tables by their logs, each in its own way.
const READERS: [&str; 3] = ["polars", "deltalake", "duckdb"];

const CONFIG: &str = "
[flush]
age = \"1h\"
[[retention]]
table = \"logs\"
after = \"30d\"
keep_where = \"attributes['keep'] = 'yes'\"
[[retention]]
table = \"traces\"
after = \"30d\"
keep_where = \"error_count > 0\"
";

/// Longer than any look takes, and any commit; shorter than the configuration allows, so that files go meanwhile.
const GRACE: Duration = Duration::from_secs(15);

/// Days ago: two dates on which rules act, and one that they leave alone.
const AGES: [u64; 3] = [41, 40, 2];

fn nanos(now: DateTime<Utc>, number: u64) -> String {
    let day = now.date_naive() - Days::new(AGES[number as usize % AGES.len()]);
    let second = 3600 + i64::try_from(number % 3600).unwrap();
    format!("{}000000000", day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp() + second)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Logs and spans: those that stay, or those of a round, which jobs take away.
fn requests(now: DateTime<Utc>, round: Option<u64>) -> [(&'static str, Value); 2] {
    let attributes = |number: u64| match round {
        None => vec![text("keep", "yes"), text("kept", &number.to_string())],
        Some(round) => vec![text("keep", "no"), text("user.id", &format!("user {round}"))],
    };
    let logs: Vec<Value> = (0..KEPT)
        .map(|number| json!({ "timeUnixNano": nanos(now, number), "attributes": attributes(number) }))
        .collect();
    let spans: Vec<Value> = (0..KEPT)
        .map(|number| {
            let id = number + 1 + round.map_or(0, |round| (round + 1) * 1_000);
            json!({
                "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "work", "kind": 2,
                "startTimeUnixNano": nanos(now, number), "endTimeUnixNano": nanos(now, number),
                "status": { "code": if round.is_none() { 2 } else { 1 } }, "attributes": attributes(number),
            })
        })
        .collect();
    [
        ("/v1/logs", json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": logs }] }] })),
        ("/v1/traces", json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })),
    ]
}

async fn store(server: &Server, requests: [(&'static str, Value); 2]) {
    let client = reqwest::Client::new();
    for (path, body) in requests {
        let url = format!("{}{path}", server.otlp_http());
        let sent = client.post(url).header("content-type", "application/json").body(body.to_string()).send().await;
        let sent = sent.unwrap();
        assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    }
    server.flush().await;
}

/// The rows that stay, of a table: each is there once.
fn look(reader: &mut Reader, lake: &Path, table: &str) -> Result<(), String> {
    let rows = reader.ask(lake, &json!(["lookup", table, "attributes", "kept"]))?;
    let counts: BTreeMap<u64, i64> =
        rows.iter().filter_map(|row| Some((row[0].as_str()?.parse().ok()?, row[1].as_i64()?))).collect();
    let wrong: Vec<_> = (0..KEPT).filter(|number| counts.get(number) != Some(&1)).collect();
    if wrong.is_empty() && counts.len() as u64 == KEPT {
        Ok(())
    } else {
        Err(format!("{} rows stay, of {KEPT}; not there once: {wrong:?} of {counts:?}", counts.len()))
    }
}

/// One round of every job; answers how many files the vacuum removed.
async fn work(home: &Home, server: &Server, round: u64) -> u64 {
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
    };
    run(home.verb("compact").arg("--json"));
    run(telestrata().current_dir(home.path()).args(["retention", "apply", "--json", "--lake"]).arg(home.lake()));
    let attribute = format!("user.id=user {round}");
    let http = server.http();
    let erase = ["erase", "apply", "--json", "--connect", &http, "--attribute", &attribute];
    run(telestrata().current_dir(home.path()).args(erase));
    let root = LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap();
    let reports = vacuum(&root, &TABLES, GRACE, Utc::now(), Intent::Apply).await.unwrap();
    assert!(reports.iter().all(|report| report.error.is_none()), "{reports:?}");
    reports.iter().map(|report| report.removed.files).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_every_job_no_reader_ever_counts_wrong() {
    let rounds = std::env::var("TELESTRATA_READER_ROUNDS").map_or(DEFAULT_ROUNDS, |text| text.parse().unwrap());
    let home = Home::new(CONFIG);
    let server = home.serve();
    let now = Utc::now();
    store(&server, requests(now, None)).await;
    let lake = home.lake();
    let (ended, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watching: Vec<_> = READERS
        .into_iter()
        .map(|name| {
            let (lake, ended, looks) = (lake.clone(), Arc::clone(&ended), Arc::clone(&looks));
            tokio::task::spawn_blocking(move || {
                let mut reader = Reader::start(name);
                // The last look begins after the last job.
                loop {
                    let is_last = ended.load(Ordering::Acquire);
                    for table in ["logs", "spans"] {
                        look(&mut reader, &lake, table).unwrap_or_else(|error| panic!("{name}, {table}: {error}"));
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                    if is_last {
                        break;
                    }
                }
            })
        })
        .collect();
    let (mut round, mut removed) = (0, 0);
    while round < rounds || removed == 0 {
        store(&server, requests(now, Some(round))).await;
        removed += work(&home, &server, round).await;
        round += 1;
    }
    ended.store(true, Ordering::Release);
    futures::future::join_all(watching).await.into_iter().for_each(|reader| reader.unwrap());
    println!("{} looks beside {round} rounds of jobs; {removed} files removed", looks.load(Ordering::Relaxed));
    for table in ["logs", "spans"] {
        let kept = format!("select count(*) from {table}");
        assert_eq!(server.number(&kept).await, i64::try_from(KEPT).unwrap(), "{table}: nothing else is left");
    }
}
