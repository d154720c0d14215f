//! What the questions of docs/cookbook.md cost on a month of data.
//!
//!     cargo bench --bench cookbook
//!
//! Imports some minutes of the demo's shop for each of the last days, the last ones up to now, then runs each question
//! of docs/cookbook/ with EXPLAIN ANALYZE and prints a Markdown table: its time, and what it read of the lake's files.
//!
//! `TELESTRATA_BENCH_DAYS` (default 30), `TELESTRATA_BENCH_MINUTES` (default 20, of each day), `TELESTRATA_BENCH_RATE`
//! (default 500 spans and logs a second) set the size. `TELESTRATA_BENCH_LAKE` names a folder to keep the lake in, or to
//! find it in. `TELESTRATA_BENCH_PROGRAM` measures another build of the program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use telestrata::demo::{DemoSignal, Shop};

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn main() {
    let program =
        std::env::var("TELESTRATA_BENCH_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_telestrata").to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let lake = std::env::var_os("TELESTRATA_BENCH_LAKE").map_or_else(|| folder.path().join("lake"), PathBuf::from);
    if !lake.join("spans").exists() {
        fill(&program, &lake, folder.path());
    }
    let tables = run(Command::new(&program).arg("tables").arg("--lake").arg(&lake));
    println!("{}", tables.split("\n\n").next().unwrap_or_default());
    println!("\n| question | seconds | read | rows |\n| --- | --- | --- | --- |");
    let mut questions: Vec<PathBuf> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook"))
        .expect("the cookbook")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    questions.sort();
    for path in questions {
        let question = std::fs::read_to_string(&path).expect("a question");
        let trace = || newest_trace(&program, &lake);
        let sql = if question.contains("YOUR TRACE") { question.replace("YOUR TRACE", &trace()) } else { question };
        let ask = |sql: &str, format: &str| {
            let file = folder.path().join("question.sql");
            std::fs::write(&file, sql).expect("written");
            run(Command::new(&program).args(["sql", "--format", format, "--lake"]).arg(&lake).arg("-f").arg(file))
        };
        let started = Instant::now();
        let rows = ask(&sql, "ndjson").lines().count();
        let took = started.elapsed();
        let plan = ask(&format!("explain analyze {sql}"), "tsv");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let megabytes = scanned(&plan) as f64 / 1e6;
        println!("| {name} | {:.2} | {megabytes:.1} MB | {rows} |", took.as_secs_f64());
    }
}

fn fill(program: &str, lake: &Path, folder: &Path) {
    let (days, minutes) = (from_env("TELESTRATA_BENCH_DAYS", 30), from_env("TELESTRATA_BENCH_MINUTES", 20));
    let rate = from_env("TELESTRATA_BENCH_RATE", 500) as f64;
    let lasts = Duration::from_secs(60 * minutes);
    let now = u64::try_from(chrono::Utc::now().timestamp()).expect("after 1970");
    for day in 0..days {
        let start = (now - day * 86_400 - 60 * minutes) * 1_000_000_000;
        let mut shop = Shop::new(day, start).with_records_per_second(rate);
        let mut files = [(DemoSignal::Logs, "logs"), (DemoSignal::Traces, "spans"), (DemoSignal::Metrics, "metrics")]
            .map(|(signal, table)| {
                let path = folder.join(format!("{table}.otlp"));
                let file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
                (signal, table, path, file)
            });
        for export in shop.advance(lasts).exports {
            let body = export.encode();
            let file = files.iter_mut().find(|(signal, ..)| *signal == export.signal()).expect("every signal");
            let length = u32::try_from(body.len()).expect("a small request").to_be_bytes();
            file.3.write_all(&length).and_then(|()| file.3.write_all(&body)).expect("written");
        }
        for (_, table, path, mut file) in files {
            file.flush().expect("written");
            let import = ["import", "--format", "otlp-proto", "--signal", table, "--lake"];
            run(Command::new(program).args(import).arg(lake).arg(path));
        }
    }
}

fn newest_trace(program: &str, lake: &Path) -> String {
    let sql = "select trace_id from spans where time > now() - interval '2 days' and kind = 'SERVER' order by time desc limit 1";
    run(Command::new(program).args(["sql", "--format", "csv", "--lake"]).arg(lake).arg(sql))
        .lines()
        .nth(1)
        .expect("a trace")
        .to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Bytes read, added up over a plan's scans.
fn scanned(plan: &str) -> u64 {
    let shown = plan.split("bytes_scanned=").skip(1);
    shown.filter_map(|rest| bytes(rest.split([',', ']']).next()?)).sum()
}

/// `1.5 K`, `12.0 MB`, `1234`: as DataFusion shows counts.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim().trim_end_matches(|char: char| !char.is_ascii_digit());
    let scale = match text.trim()[digits.len()..].trim().chars().next() {
        Some('K') => 1e3,
        Some('M') => 1e6,
        Some('G') => 1e9,
        _ => 1.0,
    };
    digits.parse::<f64>().ok().map(|number| (number * scale) as u64)
}
