//! What a server does to its lake by itself: files become few while every count stays right, whatever goes wrong.
//!
//! `TELESTRATA_BACKGROUND_ROUNDS` sets the number of requests (CI: few), `TELESTRATA_BACKGROUND_KILLS` that of kills.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use telestrata::maintenance::{Background, CompactionJob, CompactionSettings, MaintenanceSettings};
use telestrata::metrics::Metrics;
use telestrata::model::signal::Signal;

use crate::support::fault_run::Run;
use crate::support::fault_store::Plan;
use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, Server};

/// 2023-11-14T22:13:20Z in seconds: a day that is over.
const DAY: u64 = 1_700_000_000;

/// Rows of a request.
const ROWS: u64 = 5;

/// Looks often.
const OFTEN: &str = "[maintenance]\ninterval = \"50ms\"\n";

/// So slow that a merge takes minutes: what it reads first passes at once, what comes then waits.
const SLOW: &str = "io_bytes_per_second = 100\n";

fn rounds(name: &str, few: u64) -> u64 {
    std::env::var(name).map_or(few, |rounds| rounds.parse().unwrap())
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn send(server: &Server, numbers: std::ops::Range<u64>, second: u64) {
    let body = numbered_logs("background", numbers, second);
    send_logs(&reqwest::Client::new(), &server.otlp_http(), body).await.unwrap();
}

/// Every number is there, once.
async fn assert_counts(server: &Server, rows: u64) {
    let query = "select count(*) * 1000000 + count(distinct attributes['number']) from logs";
    assert_eq!(server.number(query).await, i64::try_from(rows).unwrap() * 1_000_001);
}

/// The row of the job that compacts logs.
async fn job(server: &Server) -> Value {
    let query = "select * from system.jobs where job = 'compaction' and table_name = 'logs'";
    server.sql(query).await.remove(0)
}

/// Asks a server again until it is so.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"));
}

async fn until_merging(server: &Server) {
    let is_merging = async || job(server).await["phase"].as_str().is_some_and(|phase| phase.contains("merging"));
    until("a merge to begin", is_merging).await;
}

/// Waits until these rows are in files, and each date (all are over) is one run beside which what came late is less
/// than an eighth: how the flushes fell decides whether there is such a rest.
async fn until_merged(server: &Server, rows: u64) {
    let query = "select coalesce(sum(row_count), 0) from system.files where table_name = 'logs'";
    until("the rows to be in files", async || server.number(query).await == i64::try_from(rows).unwrap()).await;
    let query = "select count(*) from (select sum(row_count) - max(row_count) as late, max(row_count) as run from system.files \
                 where table_name = 'logs' group by date) where late * 8 >= run";
    until("the files to become few", async || server.number(query).await == 0).await;
}

/// Without a server, the same rows, in files that are whole.
fn assert_cold(home: &Home, rows: u64) {
    let query = "select count(*) as n, count(distinct attributes['number']) as d from logs";
    let answer = said(&home.verb("sql").args(["--format", "csv", query]).output().unwrap());
    assert_eq!(answer, format!("n,d\n{rows},{rows}\n"));
    let check = home.verb("check").args(["--deep", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert!(check.status.success(), "{report}");
}

/// Name and niceness of a process's threads (proc(5)).
#[cfg(target_os = "linux")]
fn threads(pid: u32) -> Vec<(String, i64)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stat = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("stat")).ok();
    let thread = |stat: String| {
        let (before, after) = stat.rsplit_once(')')?;
        let niceness = after.split_whitespace().nth(16)?.parse().ok()?;
        Some((before.split_once('(')?.1.to_owned(), niceness))
    };
    tasks.filter_map(stat).filter_map(thread).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_compacts_by_itself_while_every_count_is_right() {
    let home = Home::new(&format!("[flush]\nage = \"100ms\"\n{OFTEN}"));
    let server = home.serve();
    let rounds = rounds("TELESTRATA_BACKGROUND_ROUNDS", 40);
    for round in 0..rounds {
        send(&server, round * ROWS..(round + 1) * ROWS, DAY).await;
        assert_counts(&server, (round + 1) * ROWS).await;
    }
    server.flush().await;
    until_merged(&server, rounds * ROWS).await;
    assert_counts(&server, rounds * ROWS).await;

    until("a run with nothing left to do", async || {
        let job = job(&server).await;
        job["last_success"].is_string() && job["last_error"].is_null() && job["failures"] == 0
    })
    .await;
    // Counted when the run ends, which is after its commit is seen.
    until("what was rewritten to be counted", async || {
        server.metric("telestrata_job_rewritten_bytes_total", "table=\"logs\"").await > 0.0
    })
    .await;
    assert!(server.metric("telestrata_background_bytes_total", "").await > 0.0);
    until("nothing to be pending", async || server.metric("telestrata_compaction_pending_bytes", "").await == 0.0)
        .await;
    let query = "select count(*) from system.history where operation = 'OPTIMIZE'";
    assert!(server.number(query).await > 0);
    #[cfg(target_os = "linux")]
    {
        let threads = threads(server.pid());
        let own = threads.iter().find(|(name, _)| name == "telestrata").unwrap().1;
        let background: Vec<_> = threads.iter().filter(|(name, _)| name == "background").collect();
        assert!(!background.is_empty(), "{threads:?}");
        assert!(background.iter().all(|(_, niceness)| *niceness == (own + 10).min(19)), "{threads:?}");
        assert!(threads.iter().any(|(name, niceness)| name == "query" && *niceness == own), "{threads:?}");
    }
    server.terminate();
    assert_cold(&home, rounds * ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_lake_compact_it_beside_each_other() {
    let config = format!("[flush]\nage = \"100ms\"\n{OFTEN}");
    let one = Home::new(&config);
    let other = Home::with_lake_at(&config, one.lake().to_str().unwrap(), &[]);
    let servers = [one.serve(), other.serve()];
    let rounds = rounds("TELESTRATA_BACKGROUND_ROUNDS", 40);
    for round in 0..rounds {
        let server = &servers[usize::try_from(round % 2).unwrap()];
        send(server, round * ROWS..(round + 1) * ROWS, DAY + round % 3 * 86_400).await;
        let doubled = "select count(*) - count(distinct attributes['number']) from logs";
        assert_eq!(server.number(doubled).await, 0, "round {round}");
    }
    for server in &servers {
        server.flush().await;
    }
    for server in &servers {
        until_merged(server, rounds * ROWS).await;
        assert_counts(server, rounds * ROWS).await;
    }
    let mut merged = [0.0; 2];
    for (server, merged) in servers.iter().zip(&mut merged) {
        *merged = server.metric("telestrata_job_rewritten_bytes_total", "table=\"logs\"").await;
    }
    println!("{rounds} requests, bytes that each server replaced: {merged:?}");
    for server in servers {
        server.terminate();
    }
    assert_cold(&one, rounds * ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_while_a_merge_runs_leaves_the_table_as_it_was() {
    let kills = rounds("TELESTRATA_BACKGROUND_KILLS", 4);
    let seed = rounds("TELESTRATA_BACKGROUND_SEED", u64::from(std::process::id()));
    println!("TELESTRATA_BACKGROUND_SEED={seed} TELESTRATA_BACKGROUND_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);
    let flush = "[flush]\nage = \"50ms\"\n";
    let mut home = Home::new(flush);
    let mut rows = 0;
    for kill in 0..kills {
        let is_slow = kill % 2 == 0;
        home.reconfigure(&format!("{flush}{OFTEN}{}", if is_slow { SLOW } else { "" }));
        let server = home.serve();
        assert_counts(&server, rows).await;
        for _ in 0..3 {
            send(&server, rows..rows + ROWS, DAY).await;
            rows += ROWS;
            server.flush().await;
        }
        if is_slow {
            until_merging(&server).await;
        }
        // The moment of the kill is random; the test's verdict does not depend on it.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        server.kill();
    }
    home.reconfigure(&format!("{flush}{OFTEN}"));
    let server = home.serve();
    assert_counts(&server, rows).await;
    until_merged(&server, rows).await;
    assert_counts(&server, rows).await;
    server.terminate();
    assert_cold(&home, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_merge() {
    let mut home = Home::new(&format!("[flush]\nage = \"1h\"\n{OFTEN}{SLOW}"));
    let server = home.serve();
    for request in 0..4 {
        send(&server, request * ROWS..(request + 1) * ROWS, DAY).await;
        server.flush().await;
    }
    until_merging(&server).await;
    send(&server, 4 * ROWS..5 * ROWS, DAY).await;
    // Its flush is bounded by no throttle. The merge would take far longer than the test waits.
    server.terminate();
    assert_cold(&home, 5 * ROWS);
    home.reconfigure(OFTEN);
    let server = home.serve();
    until_merged(&server, 5 * ROWS).await;
    server.terminate();
    assert_cold(&home, 5 * ROWS);
}

/// Makes every file below a folder as old as this.
fn age(folder: &Path, by: Duration) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, by);
        } else {
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - by).unwrap();
        }
    }
}

fn data_files(home: &Home, date: &str) -> usize {
    std::fs::read_dir(home.lake().join(format!("logs/date={date}"))).map_or(0, Iterator::count)
}

/// Files that a compaction replaced days ago, and rows past the age that a rule says, go without a command.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_vacuums_and_lets_old_rows_go_by_itself() {
    let mut home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    let (old, young) = (now - 40 * 86_400, now - 4 * 86_400);
    for request in 0..3 {
        send(&server, request * ROWS..(request + 1) * ROWS, young).await;
        server.flush().await;
    }
    send(&server, 3 * ROWS..4 * ROWS, old).await;
    server.terminate();
    let _ = said(&home.verb("compact").output().unwrap());
    age(&home.lake(), Duration::from_secs(3 * 86_400));
    let date = |second: u64| {
        let time = chrono::DateTime::from_timestamp(i64::try_from(second).unwrap(), 0).unwrap();
        time.format("%Y-%m-%d").to_string()
    };
    assert_eq!(data_files(&home, &date(young)), 4, "three were replaced by one");

    home.reconfigure(&format!("{OFTEN}[[retention]]\ntable = \"logs\"\nafter = \"30d\"\n"));
    let server = home.serve();
    until("the replaced files to go", async || data_files(&home, &date(young)) == 1).await;
    until("the old rows to go", async || server.number("select count(*) from logs").await == 15).await;
    assert_counts(&server, 3 * ROWS).await;
    let done = "select count(*) from system.jobs where last_success is not null and last_error is null";
    // Compaction of three tables, retention, and vacuum and log of each table; nobody has asked for an erasure.
    let jobs = "select count(*) from system.jobs where job <> 'erasure'";
    until("each job to succeed", async || server.number(done).await == server.number(jobs).await).await;
    assert!(server.number("select count(distinct job) from system.jobs where job <> 'erasure'").await == 4);
    let vacuumed = "select files_done from system.jobs where job = 'vacuum' and table_name = 'logs'";
    assert_eq!(server.number(vacuumed).await, 3);
    server.terminate();
    assert_cold(&home, 3 * ROWS);
}

/// Overwrites a file with what is no Parquet.
fn damage(folder: &Path) {
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let size = std::fs::metadata(&file).unwrap().len();
    std::fs::write(&file, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_can_not_be_merged_is_told_and_stops_no_other() {
    let mut home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    for request in 0..6 {
        send(&server, request * ROWS..(request + 1) * ROWS, DAY + request % 2 * 86_400).await;
        server.flush().await;
    }
    server.terminate();
    damage(&home.lake().join("logs/date=2023-11-14"));
    home.reconfigure(OFTEN);
    let server = home.serve();
    let good = "select count(*) from system.files where date = '2023-11-15'";
    until("the good date to be merged", async || server.number(good).await == 1).await;
    until("the bad date to be told", async || job(&server).await["last_error"].is_string()).await;
    let job = job(&server).await;
    assert!(job["last_error"].as_str().unwrap().contains("2023-11-14"), "{job}");
    assert!(server.metric("telestrata_job_failures_total", "table=\"logs\"").await >= 1.0);
    let ready = reqwest::get(format!("{}/readyz", server.http())).await.unwrap();
    assert_eq!(ready.status(), 200, "requests and queries go on");
    assert_eq!(server.number("select count(*) from system.files where date = '2023-11-14'").await, 3);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_shows_as_an_error_and_is_tried_again() {
    let run = Run::without_flushes(1);
    let store = run.open(&run.store(Plan::QUIET), "wal", &[]).await;
    // Each of three dates gets two files.
    for _ in 0..2 {
        for _ in 0..3 {
            run.send(&store).await.unwrap();
        }
        store.flush().await.unwrap();
    }
    let faults = run.store(Plan { failed: 1.0, read_failed: 1.0, list_broken: 1.0, ..Plan::QUIET });
    let every = Duration::from_millis(10);
    let settings = MaintenanceSettings { enabled: true, cpu_threads: 1, io_bytes_per_second: None, interval: every };
    let metrics = Arc::new(Metrics::default());
    let background = Background::new(&settings, &run.root(&faults), Arc::clone(&metrics)).unwrap();
    let snapshots = Arc::clone(&store);
    background.spawn(Box::new(CompactionJob::new(
        Signal::Logs,
        CompactionSettings::new(512 << 20, 1 << 30),
        every,
        store.writer_id(),
        Arc::new(move |signal| Some(snapshots.snapshot(signal))),
        Arc::clone(&metrics),
    )));
    let row = || background.states().rows().remove(0);
    until("the failure", async || row().failures > 1 && row().last_error.is_some()).await;
    assert_eq!(store.snapshot(Signal::Logs).files().len(), 6);
    faults.behave();
    until("the dates to be merged", async || {
        store.follow().await;
        store.snapshot(Signal::Logs).files().len() == 3
    })
    .await;
    until("the success", async || row().last_success.is_some() && row().last_error.is_none()).await;
    background.stop().await;
    drop(background);
    run.finish(&[store]).await;
}
