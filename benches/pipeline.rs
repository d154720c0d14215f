//! The whole program: the demo shop's requests into a real server, to the commit, and what that cost the server.
//!
//!     cargo bench --bench pipeline
//!
//! The shop's requests are made beforehand. Several senders post them as OTLP/HTTP protobuf, each waiting for its
//! acknowledgement, which means fsynced; at the end everything is flushed and committed. What counts is CPU time of
//! the server's process, since senders and server share this machine's cores.
//!
//! `TELESTRATA_BENCH_RECORDS` (default 1,500,000) and `TELESTRATA_BENCH_SENDERS` (default 8) set the size,
//! `TELESTRATA_BENCH_SERVER` measures another build of the program.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use telestrata::demo::{DemoSignal, EncodedRequest, Shop};

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn main() {
    let records = from_env("TELESTRATA_BENCH_RECORDS", 1_500_000);
    let senders = from_env("TELESTRATA_BENCH_SENDERS", 8);
    let start =
        u64::try_from(chrono::Utc::now().timestamp_nanos_opt().expect("a date before 2262")).expect("after 1970");
    let requests = Shop::new(7, start - 3_600_000_000_000).encoded_requests(records);
    let records: u64 = requests.iter().map(|request| request.records).sum();
    let bytes: usize = requests.iter().map(|request| request.body.len()).sum();
    println!("{records} records in {} requests, {:.0} MB of protobuf", requests.len(), bytes as f64 / 1e6);

    let folder = tempfile::tempdir().expect("a folder");
    let ready = folder.path().join("ready.json");
    let program =
        std::env::var("TELESTRATA_BENCH_SERVER").unwrap_or_else(|_| env!("CARGO_BIN_EXE_telestrata").to_owned());
    let mut server = Command::new(program)
        .current_dir(folder.path())
        .args([
            "serve",
            "--otlp-grpc",
            "off",
            "--otlp-http",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--flight",
            "off",
            "--postgres",
            "off",
            "--ready-file",
        ])
        .arg(&ready)
        .stdout(Stdio::null())
        .spawn()
        .expect("the server starts");
    let doors: serde_json::Value = loop {
        if let Some(doors) = std::fs::read_to_string(&ready).ok().and_then(|text| serde_json::from_str(&text).ok()) {
            break doors;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let otlp = format!("http://{}", doors["otlp_http"].as_str().expect("an address"));
    let http = format!("http://{}", doors["http"].as_str().expect("an address"));

    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let before = cpu_seconds(server.id());
    let started = Instant::now();
    let mut latencies = runtime.block_on(send_all(requests, &otlp, senders));
    let acknowledged = started.elapsed();
    runtime.block_on(async {
        let flushed = reqwest::Client::new().post(format!("{http}/v1/flush")).send().await.expect("an answer");
        assert!(flushed.status().is_success());
    });
    let took = started.elapsed();
    let cpu = cpu_seconds(server.id()) - before;
    let peak = status_kib(server.id(), "VmHWM:") / 1024;
    let count = runtime.block_on(async {
        let sql =
            "select (select count(*) from logs) + (select count(*) from spans) + (select count(*) from metrics) as n";
        let answer = reqwest::Client::new().post(format!("{http}/v1/sql")).body(sql).send().await.expect("an answer");
        answer.json::<serde_json::Value>().await.expect("rows")[0]["n"].as_u64().expect("a count")
    });
    assert_eq!(count, records, "what was acknowledged is not what is stored");
    latencies.sort_unstable();
    let percentile = |p: usize| latencies[(latencies.len() - 1) * p / 100].as_secs_f64() * 1e3;
    let stored = folder_bytes(&folder.path().join("telemetry"));
    println!("acknowledged in {:.2} s, committed in {:.2} s", acknowledged.as_secs_f64(), took.as_secs_f64());
    println!("server CPU {cpu:.2} s: {:.0} records per second of CPU", records as f64 / cpu);
    println!("acknowledgement p50 {:.1} ms, p99 {:.1} ms, with {senders} senders", percentile(50), percentile(99));
    println!("peak memory {peak} MiB, on disk {:.1} bytes a record", stored as f64 / records as f64);
    server.kill().expect("it ends");
    server.wait().expect("it ends");
}

async fn send_all(requests: Vec<EncodedRequest>, otlp: &str, senders: u64) -> Vec<Duration> {
    let queue = Arc::new(Mutex::new(VecDeque::from(requests)));
    let client = reqwest::Client::new();
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (queue, client, otlp) = (Arc::clone(&queue), client.clone(), otlp.to_owned());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let Some(request) = queue.lock().expect("no panic").pop_front() else { return latencies };
                    let path = match request.signal {
                        DemoSignal::Logs => "/v1/logs",
                        DemoSignal::Traces => "/v1/traces",
                        DemoSignal::Metrics => "/v1/metrics",
                    };
                    let body = bytes::Bytes::from(request.body);
                    loop {
                        let sent = Instant::now();
                        let post =
                            client.post(format!("{otlp}{path}")).header("content-type", "application/x-protobuf");
                        let answer = post.body(body.clone()).send().await.expect("an answer");
                        if answer.status().is_success() {
                            latencies.push(sent.elapsed());
                            break;
                        }
                        assert_eq!(answer.status().as_u16(), 503, "only back-pressure");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("no panic"));
    }
    latencies
}

/// User and system time of a process, from `/proc`.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|field| fields[*field].parse::<f64>().expect("ticks")).sum();
    // USER_HZ is 100 on every Linux this runs on.
    ticks / 100.0
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with(key)).expect("the key");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.metadata().expect("metadata") {
            metadata if metadata.is_dir() => folder_bytes(&entry.path()),
            metadata => metadata.len(),
        })
        .sum()
}
