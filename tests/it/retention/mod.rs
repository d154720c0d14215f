//! Retention: what is kept is what a naive reading of the rules says, whole traces, once, whoever else is at work.

mod faults;
mod foreign;
mod world;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveTime, Utc};
use serde_json::Value;
use telestrata::config::{Config, Layers};
use telestrata::lake::LakeRoot;
use telestrata::maintenance::{JobKind, LedgerEntry, Progress, Retention, RetentionReport};
use telestrata::model::signal::Signal;

use crate::support::server::{Home, telestrata};
use world::{Kept, Model, Row, Rules, date, file_of, trace_id, traces};

const RULES: Rules = Rules { traces_after: 4, traces_then: Some(12), logs_after: 6, logs_then: Some(15), share: 0.25 };

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn import(home: &Home, rows: &[Row]) {
    let file = home.path().join("import.jsonl");
    std::fs::write(&file, file_of(rows)).unwrap();
    said(&home.verb("import").arg(&file).output().unwrap());
}

fn sql(home: &Home, query: &str) -> Vec<Value> {
    let answer = said(&home.verb("sql").args(["--format", "json", query]).output().unwrap());
    serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"))
}

fn number(home: &Home, query: &str) -> f64 {
    sql(home, query)[0].as_object().unwrap().values().next().unwrap().as_f64().unwrap()
}

/// What is there; a row that is there twice is an error.
fn kept(home: &Home) -> Kept {
    let query = "select cast(attributes['n'] as bigint) as n, coalesce(adjusted_count, 1) as c from spans \
                 union all select cast(attributes['n'] as bigint), coalesce(adjusted_count, 1) from logs";
    let mut kept = Kept::new();
    for row in sql(home, query) {
        let number = row["n"].as_u64().unwrap();
        assert!(kept.insert(number, row["c"].as_f64().unwrap()).is_none(), "row {number} is there twice");
    }
    kept
}

/// Where the two differ, for a message that can be read.
fn assert_same(found: &Kept, expected: &Kept, rows: &[Row], when: &str) {
    let numbers = found.keys().chain(expected.keys());
    let differ: Vec<_> = numbers
        .filter(|number| match (found.get(number), expected.get(number)) {
            (Some(found), Some(expected)) => (found - expected).abs() > 1e-9,
            (found, expected) => found.is_some() != expected.is_some(),
        })
        .map(|number| (found.get(number), expected.get(number), rows.iter().find(|row| row.number == *number)))
        .take(5)
        .collect();
    assert!(differ.is_empty(), "{when}: (found, expected, row) {differ:#?}");
}

/// Retention with a clock of the test's own.
fn job(home: &Home) -> Retention {
    let mut layers = Layers::load(Some(&home.path().join("telestrata.toml")), |_| None).unwrap();
    layers.set_flag("lake", Some(home.lake().to_str().unwrap()));
    let config = Config::from_layers(&layers).unwrap();
    let root = config.lake.clone();
    job_of(&config, root)
}

/// A configuration of these rules.
fn config(rules: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telestrata.toml");
    std::fs::write(&path, rules).unwrap();
    Config::from_layers(&Layers::load(Some(&path), |_| None).unwrap()).unwrap()
}

fn job_of(config: &Config, root: LakeRoot) -> Retention {
    Retention {
        root,
        rules: Arc::clone(&config.retention),
        query: config.query.clone(),
        target_bytes: config.compaction.target_bytes,
        memory: config.compaction.memory,
        entry: LedgerEntry::new(JobKind::Retention, "the test"),
        progress: Progress::default(),
    }
}

fn at(day: u64) -> DateTime<Utc> {
    date(day).and_time(NaiveTime::from_hms_opt(3, 0, 0).unwrap()).and_utc()
}

async fn apply(home: &Home, day: u64) -> RetentionReport {
    let report = job(home).apply(&Signal::ALL, at(day)).await.unwrap();
    assert!(report.failures.is_empty() && report.overtaken == 0, "{report:?}");
    report
}

fn going(report: &RetentionReport, table: &str) -> u64 {
    report.lines.iter().filter(|line| line.goes && line.table == table).map(|line| line.rows).sum()
}

/// Day by day over all that the rules say, with rows that come late: to traces that were kept, dropped, have ended, are not
/// decided, or are new.
#[tokio::test(flavor = "multi_thread")]
async fn day_by_day_what_is_kept_is_what_the_rules_say() {
    let home = Home::new(&RULES.toml());
    let mut rows = traces(14, 30);
    let mut model = Model::new(RULES);
    import(&home, &rows);
    model.add(&rows);
    let mut judged = 0;
    for day in 3..=34_u64 {
        if [9, 13, 21].contains(&day) {
            let number = rows.len() as u64;
            let late: Vec<Row> = (0..60_u64)
                .flat_map(|late| {
                    // Of traces of the last days, of long ago, of none before.
                    let trace = if late % 10 == 0 {
                        100_000 + day * 100 + late
                    } else {
                        (day.min(14) * 30).saturating_sub(late * 6)
                    };
                    let own = (trace / 30).min(day);
                    let number = number + late * 2;
                    [
                        Row { number, ..Row::span(number, trace, own, 4000) },
                        Row { number: number + 1, ..Row::log(number, Some(trace), own + late % 2, 4000) },
                    ]
                })
                .collect();
            import(&home, &late);
            model.add(&late);
            rows.extend(late);
        }
        let before = model.counts();
        model.apply(day);
        let after = model.counts();
        let plan = job(&home).plan(&Signal::ALL, date(day)).await.unwrap();
        assert!(plan.commits.is_empty() && plan.failures.is_empty(), "{plan:?}");
        let expected = [before[0] - after[0], before[1] - after[1]];
        assert_eq!(
            [going(&plan, "spans"), going(&plan, "logs")],
            expected.map(|rows| rows as u64),
            "plan of day {day}"
        );
        let done = apply(&home, day).await;
        assert_eq!((done.lines, done.traces_decided), (plan.lines, plan.traces_decided), "plan and run of day {day}");
        judged += done.traces_decided;
        assert_same(&kept(&home), &model.kept(), &rows, &format!("day {day}"));
        if day % 6 == 0 {
            let again = apply(&home, day).await;
            assert!(again.commits.is_empty() && again.traces_decided == 0, "again on day {day}: {again:?}");
        }
        if day == 17 {
            said(&home.verb("compact").output().unwrap());
            assert!(apply(&home, day).await.commits.is_empty(), "merged files are as judged as they were");
        }
    }
    assert!(judged > 300, "{judged}");
    assert_eq!(model.counts(), [0, 0], "in the end everything has ended");
    assert!(home.verb("check").arg("--deep").output().unwrap().status.success());
}

/// The rules of the tests that the machine's clock runs: the worlds are of 2024, and nothing of them ends.
const LONG_PAST: Rules = Rules { traces_after: 4, traces_then: None, logs_after: 6, logs_then: None, share: 0.25 };

fn retention(home: &Home, what: &str, arguments: &[&str]) -> Command {
    let mut command = telestrata();
    command.current_dir(home.path()).args(["retention", what, "--lake"]).arg(home.lake()).args(arguments);
    command
}

#[test]
fn the_command_shows_then_does_and_the_log_says_who() {
    let home = Home::new(&LONG_PAST.toml());
    let rows = traces(4, 40);
    let mut model = Model::new(LONG_PAST);
    import(&home, &rows);
    model.add(&rows);
    let all = kept(&home);

    // On this date the first date is past the traces' age, and none that of logs.
    let first = date(5).to_string();
    let plan: Value =
        serde_json::from_str(&said(&retention(&home, "plan", &["--json", "--as-of", &first]).output().unwrap()))
            .unwrap();
    let lines = plan["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["goes"] == true && line["first_date"] == line["last_date"]), "{plan}");
    assert!(lines.iter().any(|line| line["reason"].as_str().unwrap().contains("no rule is of them")), "{plan}");
    let early = date(4).to_string();
    let plan = said(&retention(&home, "plan", &["--as-of", &early]).output().unwrap());
    assert!(!plan.contains("goes"), "{plan}");
    assert_eq!(kept(&home), all, "a plan touches nothing");
    assert!(!home.lake().join("trace_decisions").exists());

    let done = said(&retention(&home, "apply", &[]).env("USER", "ann").output().unwrap());
    assert!(done.contains("[[retention]] number 1") && done.contains("commits"), "{done}");
    model.apply(1000);
    assert_same(&kept(&home), &model.kept(), &rows, "after apply");
    let again = said(&retention(&home, "apply", &[]).output().unwrap());
    assert!(!again.contains("goes") && !again.contains("commits"), "{again}");

    let log = home.lake().join("spans/_delta_log");
    let commits = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let entries: Vec<Value> = commits
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str::<Value>(&line).unwrap().get("commitInfo")?.get("telestrata").cloned())
        .collect();
    assert!(!entries.is_empty());
    for entry in &entries {
        assert_eq!((&entry["job"], &entry["by"]), (&"retention".into(), &"ann".into()), "{entry}");
    }
    assert!(entries.iter().any(|entry| entry["rule"] == "[[retention]] number 1"), "{entries:?}");
    // What is judged by table is left alone by a run of another table.
    let none = retention(&home, "apply", &["--table", "rows"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    let without = Home::new("");
    assert_eq!(retention(&without, "plan", &[]).output().unwrap().status.code(), Some(2));
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Killed at any moment, and then run again: what one run would have done, and every weight once.
#[test]
fn a_run_that_is_killed_goes_on_where_it_was() {
    // Few in CI; docs/operations.md has the command for hundreds.
    let rounds: u32 = std::env::var("TELESTRATA_RETENTION_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let home = Home::new(&LONG_PAST.toml());
    let rows = traces(5, 60);
    let mut model = Model::new(LONG_PAST);
    import(&home, &rows);
    model.add(&rows);
    model.apply(1000);
    let fresh = home.path().join("fresh");
    copied(&home.lake(), &fresh);
    let started = Instant::now();
    said(&retention(&home, "apply", &[]).output().unwrap());
    let takes = started.elapsed();
    assert_same(&kept(&home), &model.kept(), &rows, "undisturbed");
    for round in 0..rounds {
        std::fs::remove_dir_all(home.lake()).unwrap();
        copied(&fresh, &home.lake());
        // Killed twice, so that the second one goes on from the first; the moments cover the whole run.
        for part in [round, rounds - 1 - round] {
            let mut run = retention(&home, "apply", &[]).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(takes * (part + 1) / (rounds + 1));
            run.kill().unwrap();
            run.wait().unwrap();
        }
        said(&retention(&home, "apply", &[]).output().unwrap());
        assert_same(&kept(&home), &model.kept(), &rows, &format!("killed in round {round}"));
    }
}

/// Two runs and a compactor at once: each row is judged once.
#[test]
fn runs_at_once_and_a_compactor_agree() {
    let home = Home::new(&LONG_PAST.toml());
    let rows = traces(4, 60);
    let mut model = Model::new(LONG_PAST);
    for part in rows.chunks(rows.len() / 5) {
        import(&home, part);
    }
    model.add(&rows);
    model.apply(1000);
    let mut at_work: Vec<_> =
        (0..2).map(|_| retention(&home, "apply", &[]).stdout(Stdio::null()).spawn().unwrap()).collect();
    at_work.push(home.verb("compact").stdout(Stdio::null()).spawn().unwrap());
    for mut run in at_work {
        // 3: another was first; the next run does the rest.
        let code = run.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "{code:?}");
    }
    said(&retention(&home, "apply", &[]).output().unwrap());
    assert_same(&kept(&home), &model.kept(), &rows, "after all of them");
}

/// A hold keeps its rows and the traces that they are of, from the rules and from caps, as long as it is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_wins_while_it_lasts() {
    const HOLD: &str = "\n[[hold]]\ntable = \"logs\"\nwhere = \"service_name = 'cart'\"\nreason = \"case 17\"\n";
    let mut home = Home::new(&format!("{}{HOLD}", RULES.toml()));
    let rows = traces(6, 40);
    let mut model = Model::new(RULES);
    model.is_held = |row| row.is_log && row.service == "cart";
    import(&home, &rows);
    model.add(&rows);
    for day in [8, 12, 25] {
        model.apply(day);
        let report = apply(&home, day).await;
        assert_same(&kept(&home), &model.kept(), &rows, &format!("held on day {day}"));
        let held = report.lines.iter().find(|line| line.reason == "held: case 17");
        assert!(held.is_some_and(|line| line.rule.as_deref() == Some("[[hold]] number 1")), "{report:?}");
        assert!(apply(&home, day).await.commits.is_empty(), "again on day {day}");
    }
    let left = kept(&home);
    assert!(!left.is_empty() && left.len() < rows.len() / 2);

    // A cap that nothing fits under takes all but what is held.
    home.reconfigure(&format!("[[retention]]\ntable = \"logs\"\nmax_bytes = 1\n{HOLD}"));
    let capped = job(&home).apply(&Signal::ALL, at(26)).await.unwrap();
    assert!(capped.failures.is_empty(), "{capped:?}");
    let held = rows.iter().filter(|row| (model.is_held)(row)).count();
    assert_eq!(number(&home, "select count(*) from logs"), held as f64);

    home.reconfigure(&RULES.toml());
    apply(&home, 27).await;
    assert!(kept(&home).is_empty(), "let go of, it is as old as the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_takes_the_oldest_dates_and_never_todays() {
    let mut home = Home::new("");
    let rows: Vec<Row> = (0..900).map(|number| Row::log(number, None, number / 300, number)).collect();
    import(&home, &rows);
    let total = number(&home, "select sum(size_bytes) from system.files where table_name = 'logs'");
    home.reconfigure(&format!("[[retention]]\ntable = \"logs\"\nmax_bytes = {}\n", total as u64 - 1));
    let plan = job(&home).plan(&Signal::ALL, date(2)).await.unwrap();
    assert_eq!(going(&plan, "logs"), 300);
    let done = apply(&home, 2).await;
    assert_eq!(done.lines, plan.lines);
    assert!(done.lines.iter().any(|line| line.reason.contains("max_bytes") && line.whole_files == line.files));
    assert_eq!(number(&home, "select count(*) from logs"), 600.0);
    assert_eq!(number(&home, "select min(cast(attributes['n'] as int)) from logs"), 300.0);
    home.reconfigure("[[retention]]\ntable = \"logs\"\nmax_bytes = 1\n");
    apply(&home, 2).await;
    assert_eq!(number(&home, "select count(*) from logs"), 300.0, "today's stay");
}

/// Rates, error rates and edges of the views before and after, within what sampling may be off by: an estimate of a total
/// of which each trace has x, kept with probability p, has the variance of the sum of x² (1 - p) / p (Horvitz, Thompson).
/// Four times its root is passed once in 16,000 worlds, and this world is always the same.
#[test]
fn the_views_say_the_same_before_and_after_as_far_as_chance_allows() {
    let home = Home::new(&LONG_PAST.toml());
    // Each trace: a request of `front`, which calls `cart` in two of three, and an error in one of ten.
    let mut rows = Vec::new();
    for trace in 0..2000 {
        let front =
            Row { service: "front", is_error: trace % 10 == 0, ..Row::span(trace * 2, trace, trace % 2, trace) };
        rows.push(front);
        if trace % 3 > 0 {
            let parent = Some(trace * 2);
            rows.push(Row { service: "cart", parent, ..Row::span(trace * 2 + 1, trace, trace % 2, trace) });
        }
    }
    import(&home, &rows);
    let front = || number(&home, "select sum(requests) from red where service_name = 'front'");
    let calls = || number(&home, "select sum(calls) from service_edges where client = 'front' and server = 'cart'");
    let all = || number(&home, "select sum(requests) from red");
    let errors = || number(&home, "select sum(errors) from red");
    let before = (front(), calls(), all(), errors());
    assert_eq!(before, (2000.0, 1333.0, 3333.0, 200.0));
    said(&retention(&home, "apply", &[]).output().unwrap());
    let stored = number(&home, "select count(*) from spans");
    assert!(stored < rows.len() as f64 / 2.0, "{stored}");
    // Of the sampled traces (those without an error), the sum of the squares of what each has.
    let bound = |squares: f64| 4.0 * (squares * (1.0 - LONG_PAST.share) / LONG_PAST.share).sqrt();
    let is_near =
        |after: f64, before: f64, bound: f64| assert!((after - before).abs() <= bound, "{after}, {before} ± {bound}");
    is_near(front(), before.0, bound(1800.0));
    is_near(calls(), before.1, bound(1200.0));
    is_near(all(), before.2, bound(600.0 + 1200.0 * 4.0));
    assert_eq!(errors(), before.3, "errors are kept without chance");
    let worst = before.3 / (before.2 - bound(5400.0)) - before.3 / before.2;
    is_near(errors() / all(), before.3 / before.2, worst);
    for service in ["front", "cart"] {
        let weights =
            format!("select count(distinct coalesce(adjusted_count, 1)) from spans where service_name = '{service}'");
        assert_eq!(number(&home, &weights), 2.0, "1 and {}", 1.0 / LONG_PAST.share);
    }
}

#[test]
fn ids_of_the_worlds_are_as_random_as_they_must_be() {
    let chosen = (0..4000).filter(|trace| u64::from_str_radix(&trace_id(*trace)[18..20], 16).unwrap() >= 0xc0).count();
    assert!((900..1100).contains(&chosen), "{chosen}");
}
