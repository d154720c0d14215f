//! What compaction costs those who send and ask beside it: a measurement, for docs/benchmarks.md.
//!
//!     cargo test --test it background_cost -- --ignored --nocapture
//!
//! The same requests go to a server without background work and to one with it, in turns, each on a copy of one lake whose
//! past dates are full of small files, so that compaction has work all the time: as fast as they are acknowledged, while a
//! query is asked again and again. `TELESTRATA_COST_ROUNDS` (3), `TELESTRATA_COST_RECORDS` (100,000), `TELESTRATA_COST_DATES`
//! (20) and `TELESTRATA_COST_IO` (as `maintenance.io_bytes_per_second`) set the size.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use telestrata::demo::{DemoSignal, EncodedRequest, Shop};

use crate::support::server::{Home, Server};

const SENDERS: usize = 4;

/// Files of each table and date before, and about how many records they have together.
const FILES_A_DATE: u64 = 10;
const RECORDS_A_FILE: u64 = 1000;

/// Over all rows of a table, with a column that has to be read.
const QUERY: &str = "select service_name, count(*), avg(duration_nano) from spans group by service_name";

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What one server did.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    records_a_second: f64,
    acknowledged_p50_ms: f64,
    acknowledged_p99_ms: f64,
    query_p50_ms: f64,
    query_p99_ms: f64,
    files: f64,
    cpu_seconds: f64,
    background_mb: f64,
}

impl Cost {
    fn values(self) -> [(&'static str, f64); 8] {
        [
            ("records a second", self.records_a_second),
            ("acknowledgement p50, ms", self.acknowledged_p50_ms),
            ("acknowledgement p99, ms", self.acknowledged_p99_ms),
            ("query p50, ms", self.query_p50_ms),
            ("query p99, ms", self.query_p99_ms),
            ("live files at the end", self.files),
            ("CPU of the server, s", self.cpu_seconds),
            ("bytes of background work, MB", self.background_mb),
        ]
    }
}

fn percentile(times: &mut [Duration], share: usize) -> f64 {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// User and system time of a process (proc(5)); 100 ticks a second on every Linux.
fn cpu_seconds(pid: u32) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..=12].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

async fn send_all(server: &Server, requests: Vec<EncodedRequest>) -> Vec<Duration> {
    let queue = Arc::new(Mutex::new(VecDeque::from(requests)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (queue, otlp) = (Arc::clone(&queue), server.otlp_http());
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut times = Vec::new();
                loop {
                    let Some(request) = queue.lock().unwrap().pop_front() else { return times };
                    let path = match request.signal {
                        DemoSignal::Logs => "/v1/logs",
                        DemoSignal::Traces => "/v1/traces",
                        DemoSignal::Metrics => "/v1/metrics",
                    };
                    let post = client.post(format!("{otlp}{path}")).header("content-type", "application/x-protobuf");
                    let sent = Instant::now();
                    let answer = post.body(request.body).send().await.unwrap();
                    assert!(answer.status().is_success(), "{}", answer.status());
                    times.push(sent.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for sender in senders {
        times.extend(sender.await.unwrap());
    }
    times
}

/// A lake whose past dates have small files, and how many rows.
async fn backlog(now: u64) -> (Home, u64) {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let mut records = 0;
    for date in 1..=from_env("TELESTRATA_COST_DATES", 20) {
        for part in 0..FILES_A_DATE {
            let shop = Shop::new(date * FILES_A_DATE + part, now - date * 86_400_000_000_000);
            let requests = shop.with_records_per_second(2000.0).encoded_requests(RECORDS_A_FILE);
            records += requests.iter().map(|request| request.records).sum::<u64>();
            send_all(&server, requests).await;
            server.flush().await;
        }
    }
    server.terminate();
    (home, records)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            std::fs::copy(&path, &copied).unwrap();
        }
    }
}

async fn measure(lake: &Path, before: u64, requests: Vec<EncodedRequest>, maintenance: &str) -> Cost {
    let records: u64 = requests.iter().map(|request| request.records).sum();
    let home = Home::new(&format!("[maintenance]\n{maintenance}"));
    copy(lake, &home.lake());
    let server = Arc::new(home.serve());
    let stop = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                server.sql(QUERY).await;
                times.push(asked.elapsed());
            }
            times
        }
    });
    let started = Instant::now();
    let mut acknowledged = send_all(&server, requests).await;
    let took = started.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut asked = asking.await.unwrap();
    server.flush().await;
    let query = "select (select count(*) from logs) + (select count(*) from spans) + (select count(*) from metrics)";
    assert_eq!(server.number(query).await, i64::try_from(before + records).unwrap());
    let cost = Cost {
        records_a_second: records as f64 / took.as_secs_f64(),
        acknowledged_p50_ms: percentile(&mut acknowledged, 50),
        acknowledged_p99_ms: percentile(&mut acknowledged, 99),
        query_p50_ms: percentile(&mut asked, 50),
        query_p99_ms: percentile(&mut asked, 99),
        files: server.number("select count(*) from system.files").await as f64,
        cpu_seconds: cpu_seconds(server.pid()),
        background_mb: server.metric("telestrata_background_bytes_total", "").await / 1e6,
    };
    Arc::into_inner(server).unwrap().terminate();
    cost
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn compaction_beside_ingest_and_queries() {
    let (rounds, records) = (from_env("TELESTRATA_COST_ROUNDS", 3), from_env("TELESTRATA_COST_RECORDS", 100_000));
    let now = u64::try_from(chrono::Utc::now().timestamp_nanos_opt().unwrap()).unwrap();
    let io = std::env::var("TELESTRATA_COST_IO").unwrap_or_else(|_| "100 MiB".to_owned());
    let with = format!("interval = \"100ms\"\nio_bytes_per_second = \"{io}\"\n");
    let ways = [("without", "enabled = false\n"), ("with", with.as_str())];
    let (lake, before) = backlog(now).await;
    println!("{before} records are there before");
    let mut costs: [Vec<Cost>; 2] = Default::default();
    for round in 0..rounds {
        for ((name, maintenance), costs) in ways.iter().zip(&mut costs) {
            let requests = Shop::new(round, now - 60_000_000_000).encoded_requests(records);
            let cost = measure(&lake.lake(), before, requests, maintenance).await;
            println!("round {round}, {name}: {cost:?}");
            costs.push(cost);
        }
    }
    let median = |way: &[Cost], value: usize| {
        let mut values: Vec<f64> = way.iter().map(|cost| cost.values()[value].1).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("| median of {rounds} rounds, {records} records | without | with | ratio |\n| --- | ---: | ---: | ---: |");
    for (value, (name, _)) in Cost::default().values().iter().enumerate() {
        let (without, with) = (median(&costs[0], value), median(&costs[1], value));
        println!("| {name} | {without:.1} | {with:.1} | {:.2} |", with / without);
    }
}
