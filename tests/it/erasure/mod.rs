//! Erasure: what a person wants gone is gone everywhere, and nothing else is.

mod faults;
mod places;
mod races;
mod telemetry;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use telestrata::lake::{CloudAccess, LakeRoot};
use telestrata::maintenance::{Intent, vacuum};

use self::places::places_of;
use self::telemetry::{log, logs, metric, spans};
use crate::support::s3::S3;
use crate::support::server::{Home, Server, wait_for};

/// Found nowhere by chance.
const VALUE: &str = "u42-zq-hidden";
const OTHER: &str = "u43-zq-other";
const HOURLY: &str = "[flush]\nage = \"1h\"\n";

async fn send(server: &Server, path: &str, body: String) {
    let sent = reqwest::Client::new()
        .post(format!("{}{path}", server.otlp_http()))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let (status, text) = (sent.status(), sent.text().await.unwrap());
    assert!(status.is_success() && !text.contains("rejected"), "{status}: {text}");
}

/// The value, and another in its place, in every place that there is: nine rows with the value, nine without.
async fn send_everywhere(server: &Server, first: u64) {
    for (part, value) in [VALUE, OTHER].into_iter().enumerate() {
        let user = [("user.id", value)];
        let n = first + 100 * part as u64;
        send(server, "/v1/logs", logs(&[log(n, "in the record", &user)], &[], &[])).await;
        send(server, "/v1/logs", logs(&[log(n + 1, "in the resource", &[])], &user, &[])).await;
        send(server, "/v1/logs", logs(&[log(n + 2, "in the scope", &[])], &[], &user)).await;
        send(server, "/v1/traces", spans(n..n + 1, None, &user, &[], &[])).await;
        send(server, "/v1/traces", spans(n + 1..n + 2, None, &[], &user, &[])).await;
        send(server, "/v1/traces", spans(n + 2..n + 3, None, &[], &[], &user)).await;
        send(server, "/v1/metrics", metric(n, &user, &[])).await;
        send(server, "/v1/metrics", metric(n + 1, &[("n", value)], &user)).await;
        // Under another key it is another matter.
        send(server, "/v1/logs", logs(&[log(n + 3, "elsewhere", &[("peer.id", "u99")])], &[], &[])).await;
    }
}

/// Rows of each table.
async fn counts(server: &Server) -> [i64; 3] {
    let mut counts = [0; 3];
    for (count, table) in counts.iter_mut().zip(["logs", "spans", "metrics"]) {
        *count = server.number(&format!("select count(*) from {table}")).await;
    }
    counts
}

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The report of `erase plan` or `apply`; its exit code is 0.
fn report(command: &mut Command) -> Value {
    let (code, out, errors) = run(command.arg("--json"));
    assert_eq!(code, 0, "{out}{errors}");
    assert!(!out.contains(VALUE) && !errors.contains(VALUE), "{out}{errors}");
    serde_json::from_str(&out).unwrap()
}

/// `telestrata erase STEP` of a server or, without one, of the lake.
fn erase(home: &Home, step: &str, server: Option<&Server>) -> Command {
    let mut command = match server {
        Some(server) => {
            let mut command = crate::support::server::telestrata();
            command.args(["erase", step, "--connect", &server.http()]);
            command
        }
        None => {
            let mut command = home.verb("erase");
            // `verb` puts the lake behind the first word.
            let lake: Vec<_> = command.get_args().skip(1).map(ToOwned::to_owned).collect();
            let mut own = crate::support::server::telestrata();
            own.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            own.current_dir(home.path()).args(["erase", step]).args(lake);
            command = own;
            command
        }
    };
    command.stdin(Stdio::null());
    command
}

/// By table, the rows that a report says go: in files, and in memory.
fn rows_of(report: &Value) -> BTreeMap<String, (u64, u64)> {
    let tables = report["tables"].as_array().unwrap().iter();
    tables
        .map(|table| {
            let cold = table["dates"].as_array().unwrap().iter().map(|date| date["rows"].as_u64().unwrap()).sum();
            (table["table"].as_str().unwrap().to_owned(), (cold, table["hot_rows"].as_u64().unwrap()))
        })
        .collect()
}

fn rows(logs: (u64, u64), spans: (u64, u64), metrics: (u64, u64)) -> BTreeMap<String, (u64, u64)> {
    [("logs", logs), ("spans", spans), ("metrics", metrics)].map(|(name, rows)| (name.to_owned(), rows)).into()
}

/// The places in a report's list of what remains.
fn remains(report: &Value) -> BTreeMap<String, Value> {
    let remains = report["remains"].as_array().unwrap().iter();
    remains.map(|entry| (entry["place"].as_str().unwrap().to_owned(), entry.clone())).collect()
}

/// The live files of a local lake, as whole paths.
fn live_files(home: &Home) -> Vec<PathBuf> {
    let query = "select table_name, path from system.files";
    let (code, out, errors) = run(home.verb("sql").args(["--format", "json", query]));
    assert_eq!(code, 0, "{errors}");
    let files: Vec<Value> = serde_json::from_str(&out).unwrap();
    let path =
        |file: &Value| home.lake().join(file["table_name"].as_str().unwrap()).join(file["path"].as_str().unwrap());
    files.iter().map(path).collect()
}

/// As if its writers had been silent for an hour.
fn age_cards(home: &Home) {
    for card in places::files(&home.lake().join("_writers")) {
        let text = std::fs::read_to_string(&card).unwrap();
        let mut said: Value = serde_json::from_str(&text).unwrap();
        said["heartbeat"] = json!("2026-01-01T00:00:00.000Z");
        std::fs::write(&card, said.to_string()).unwrap();
        let file = std::fs::File::options().write(true).open(&card).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_goes_from_every_place_of_a_running_server_and_stays_away() {
    let home = Home::new(HOURLY);
    let log_file = home.path().join("server.log");
    let server = home.serve_with("127.0.0.1:0", |command| {
        let file = std::fs::File::create(&log_file).unwrap();
        command.env("TELESTRATA_LOG", "debug,telestrata=trace").stderr(Stdio::from(file));
    });
    send_everywhere(&server, 0).await;
    server.flush().await;
    send_everywhere(&server, 1000).await;
    let before = counts(&server).await;
    assert_eq!(before, [16, 12, 8]);
    let attribute = format!("user.id={VALUE}");

    let planned = report(erase(&home, "plan", Some(&server)).args(["--attribute", &attribute]));
    assert_eq!(rows_of(&planned), rows((3, 3), (3, 3), (2, 2)), "{planned:#}");
    assert_eq!((&planned["applied"], &planned["proof"]), (&json!(false), &Value::Null));
    assert_eq!(counts(&server).await, before);
    assert!(!home.lake().join("_erasures").exists(), "a plan touches nothing");
    assert!(!places_of(VALUE, &home.lake()).is_empty() && !places_of(VALUE, &home.wal()).is_empty());

    let applied =
        report(erase(&home, "apply", Some(&server)).args(["--attribute", &attribute, "--reason", "ticket 7"]));
    assert_eq!(rows_of(&applied), rows((3, 3), (3, 3), (2, 2)), "{applied:#}");
    let proof = &applied["proof"];
    assert_eq!((&proof["matching"], &proof["rows"]), (&json!(0), &json!(20)), "{applied:#}");
    assert_eq!(counts(&server).await, [10, 6, 4]);
    let others = server.number(&format!("select count(*) from logs where attr('user.id') = '{OTHER}'")).await;
    assert_eq!(others, 6, "another's rows stay");
    assert_eq!(places_of(VALUE, &home.wal()), Vec::<PathBuf>::new());
    let left = places_of(VALUE, &home.lake());
    let live = live_files(&home);
    assert!(!left.is_empty(), "replaced files wait for vacuum");
    assert!(left.iter().all(|path| path.extension().unwrap() == "parquet" && !live.contains(path)), "{left:?}");
    let kept = remains(&applied);
    assert!(kept.contains_key("replaced-files") && kept.contains_key("write-ahead-log"), "{kept:?}");
    assert!(!kept.contains_key("other-writers") && !kept.contains_key("versions"), "{kept:?}");

    // What comes from now on is taken, and is not there.
    send_everywhere(&server, 2000).await;
    assert_eq!(counts(&server).await, [15, 9, 6]);
    assert!((server.metric("telestrata_erased_records_total", "logs").await - 6.0).abs() < 0.1);
    server.flush().await;
    send(&server, "/v1/logs", logs(&[log(1, "x", &[("user.id", VALUE)]), log(2, "y", &[])], &[], &[])).await;
    assert!(!places_of(VALUE, &home.wal()).is_empty(), "a request that is stored in part is stored as it came");
    server.flush().await;
    send(&server, "/v1/logs", logs(&[log(3, "z", &[])], &[], &[])).await;
    server.flush().await;
    assert_eq!(places_of(VALUE, &home.wal()), Vec::<PathBuf>::new(), "no longer than two flushes");

    // The ledger names the work and not the value.
    let history = server.sql("select * from system.history where data_change").await;
    assert!(!json!(history).to_string().contains(VALUE));
    let commits = places::files(&home.lake().join("logs/_delta_log"));
    let entries: String = commits.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    assert!(entries.contains("erasure 1: attribute user.id") && entries.contains("ticket 7"), "{entries}");

    let again = report(erase(&home, "apply", Some(&server)).args(["--attribute", &attribute]));
    assert_eq!((&again["standing"], rows_of(&again)), (&json!(1), rows((0, 0), (0, 0), (0, 0))), "{again:#}");
    server.terminate();
    let logged = std::fs::read_to_string(&log_file).unwrap();
    assert!(logged.contains("erasing") && !logged.contains(VALUE));
    let (code, out, _) = run(&mut home.verb("check"));
    assert_eq!(code, 0, "{out}");

    // Once the grace has passed.
    let root = LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap();
    let later = chrono::Utc::now() + chrono::TimeDelta::days(2);
    let grace = Duration::from_secs(24 * 3600);
    let vacuumed = vacuum(&root, &["logs", "spans", "metrics"], grace, later, Intent::Apply).await.unwrap();
    assert_eq!(vacuumed.len(), 3);
    assert_eq!(places_of(VALUE, &home.lake()), Vec::<PathBuf>::new());
    let (_, out, _) = run(home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]));
    assert_eq!(out, "n\n17\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_replayed_keeps_nothing_of_it() {
    let home = Home::new(HOURLY);
    let server = home.serve();
    send_everywhere(&server, 0).await;
    server.kill();
    assert!(!places_of(VALUE, &home.wal()).is_empty());
    let attribute = format!("user.id={VALUE}");

    let (code, out, errors) = run(erase(&home, "apply", None).args(["--attribute", &attribute]));
    assert_eq!((code, out.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("writes this lake") && errors.contains("--connect") && !errors.contains(VALUE), "{errors}");
    assert!(!home.lake().join("_erasures").exists(), "nothing was installed");
    age_cards(&home);
    let applied = report(erase(&home, "apply", None).args(["--attribute", &attribute]));
    assert!(remains(&applied)["write-ahead-log"]["detail"].as_str().unwrap().contains("clean stop"), "{applied:#}");
    let (code, out, _) = run(home.verb("check").arg("--wal").arg(home.wal()));
    assert!(code == 0 && out.contains("writer-silent"), "{out}");

    let server = home.serve();
    assert_eq!(counts(&server).await, [5, 3, 2]);
    assert!((server.metric("telestrata_erased_records_total", "spans").await - 3.0).abs() < 0.1);
    server.flush().await;
    assert_eq!(places_of(VALUE, &home.wal()), Vec::<PathBuf>::new());
    assert_eq!(places_of(VALUE, &home.lake()), Vec::<PathBuf>::new());
    server.terminate();
    assert_eq!(places::files(&home.lake().join("_writers")), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_of_a_lake_obey_what_one_was_told() {
    let home = Home::new(HOURLY);
    let beside = Home::with_lake_at(HOURLY, home.lake().to_str().unwrap(), &[]);
    let (server, second) = (home.serve(), beside.serve());
    send_everywhere(&server, 0).await;
    send_everywhere(&second, 1000).await;
    let (_, _, errors) = run(home.verb("sql").arg("select count(*) from logs"));
    assert_eq!(errors.matches("writes this lake").count(), 2, "{errors}");

    let applied = report(erase(&home, "apply", Some(&server)).args(["--attribute", &format!("user.id={VALUE}")]));
    assert!(!remains(&applied).contains_key("other-writers"), "{applied:#}");
    assert_eq!(rows_of(&applied), rows((0, 3), (0, 3), (0, 2)), "the other's memory is out of reach: {applied:#}");
    // It lets go of them itself, when it flushes.
    let value = format!("select count(*) from logs where attr('user.id') = '{VALUE}'");
    assert_eq!(second.number(&value).await, 3);
    second.flush().await;
    assert_eq!(second.number(&value).await, 0);
    send_everywhere(&second, 2000).await;
    second.flush().await;
    second.terminate();
    server.terminate();
    let (code, out, errors) = run(home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]));
    assert_eq!((code, out.as_str(), errors.as_str()), (0, "n\n15\n", ""));
    for folder in [home.lake(), home.wal(), beside.wal()] {
        assert_eq!(places_of(VALUE, &folder), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_whole_traces_and_conditions_are_asked_for() {
    let home = Home::new(HOURLY);
    let server = home.serve();
    let odd = "o'\"u\\42 hidden";
    let body = format!("mail of {odd} bounced");
    send(
        &server,
        "/v1/logs",
        logs(&[log(1, &body, &[]), log(2, "plain", &[]), log(3, "plain", &[("list", odd)])], &[], &[]),
    )
    .await;
    // A trace of five spans and two logs: the value is in one of the spans.
    send(&server, "/v1/traces", spans(10..14, Some(70), &[], &[], &[])).await;
    send(&server, "/v1/traces", spans(14..15, Some(70), &[("user.id", odd)], &[], &[])).await;
    send(&server, "/v1/traces", spans(20..23, Some(80), &[], &[], &[])).await;
    send(&server, "/v1/logs", logs(&[log(70, "of the trace", &[]), log(80, "of another", &[])], &[], &[])).await;
    server.flush().await;
    server.terminate();
    let attribute = format!("user.id={odd}");

    let exact = report(erase(&home, "plan", None).args(["--attribute", &attribute]));
    assert_eq!(rows_of(&exact), rows((0, 0), (1, 0), (0, 0)));
    let everywhere =
        report(erase(&home, "plan", None).args(["--attribute", &attribute, "--also-body", "--scope", "trace"]));
    assert_eq!(rows_of(&everywhere), rows((3, 0), (5, 0), (0, 0)), "{everywhere:#}");
    // From standard input it is in no list of processes.
    let mut command = erase(&home, "apply", None);
    command.args(["--attribute", "user.id", "--also-body", "--scope", "trace", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{odd}").unwrap();
    let applied = child.wait_with_output().unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let applied: Value = serde_json::from_slice(&applied.stdout).unwrap();
    assert_eq!(rows_of(&applied), rows((3, 0), (5, 0), (0, 0)), "{applied:#}");
    assert_eq!((&applied["traces"], &applied["proof"]["matching"]), (&json!(3), &json!(0)), "{applied:#}");
    assert!(remains(&applied).contains_key("arrivals"), "{applied:#}");

    let condition = ["--where", "duration_nano >= 0 and attributes['n'] is null", "--scope", "trace"];
    let planned = report(erase(&home, "plan", None).args(condition));
    assert_eq!(rows_of(&planned), rows((1, 0), (3, 0), (0, 0)), "logs of these traces go, too: {planned:#}");
    assert!(planned["tables"][2]["skipped"].as_str().unwrap().contains("duration_nano"), "{planned:#}");
    let (code, _, errors) = run(erase(&home, "plan", None).args(["--where", "nothing = 1"]));
    assert!(code == 1 && errors.contains("nothing"), "{errors}");
    let logs_alone = report(erase(&home, "apply", None).args(["--where", "service_name = 'shop'", "--table", "logs"]));
    assert_eq!(rows_of(&logs_alone), rows((2, 0), (0, 0), (0, 0)), "{logs_alone:#}");
    assert_eq!(logs_alone["standing"], Value::Null);
    let (_, out, _) = run(home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]));
    assert_eq!(out, "n\n0\n");
    let (_, out, _) = run(home.verb("sql").args(["--format", "csv", "select count(*) as n from spans"]));
    assert_eq!(out, "n\n3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_and_the_report_says_why() {
    let config = format!(
        "{HOURLY}\n[[hold]]\ntable = \"logs\"\nwhere = \"body = 'in the record'\"\nreason = \"case 2026/17\"\n"
    );
    let home = Home::new(&config);
    let server = home.serve();
    send_everywhere(&server, 0).await;
    server.flush().await;
    send_everywhere(&server, 1000).await;
    let attribute = format!("user.id={VALUE}");
    let applied = report(erase(&home, "apply", Some(&server)).args(["--attribute", &attribute]));
    assert_eq!(rows_of(&applied)["logs"], (2, 2), "{applied:#}");
    assert_eq!(applied["tables"][0]["held"], json!({ "case 2026/17": 2 }), "{applied:#}");
    assert_eq!((&applied["proof"]["matching"], &applied["proof"]["held"]), (&json!(0), &json!(2)));
    send_everywhere(&server, 2000).await;
    server.flush().await;
    let held = server.number(&format!("select count(*) from logs where attributes['user.id'] = '{VALUE}'")).await;
    assert_eq!(held, 3, "held rows come in, too");
    server.terminate();
    // Without the hold they go.
    let mut home = home;
    home.reconfigure(HOURLY);
    let applied = report(erase(&home, "apply", None).args(["--attribute", &attribute]));
    assert_eq!(rows_of(&applied)["logs"], (3, 0), "{applied:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifted_erasure_lets_in_again_and_imports_obey_too() {
    let home = Home::new(HOURLY);
    home.serve().terminate();
    let attribute = format!("user.id={VALUE}");
    let applied = report(erase(&home, "apply", None).args(["--attribute", &attribute]));
    assert_eq!(applied["standing"], json!(1));
    let import = |name: &str, records: &[Value]| {
        let file = home.path().join(name);
        std::fs::write(&file, logs(records, &[], &[])).unwrap();
        let (code, out, errors) = run(home.verb("import").arg("--json").arg(&file));
        assert_eq!(code, 0, "{errors}");
        let outcome: Value = serde_json::from_str(&out).unwrap();
        (outcome["signals"]["logs"]["stored"].as_u64().unwrap(), outcome["signals"]["logs"]["erased"].as_u64().unwrap())
    };
    let user = [("user.id", VALUE)];
    assert_eq!(import("a.jsonl", &[log(1, "a", &user), log(2, "b", &[])]), (1, 1));
    assert_eq!(import("b.jsonl", &[log(3, "c", &user)]), (0, 1), "all of it");
    let (_, out, _) = run(&mut erase(&home, "list", None));
    assert!(out.contains("1  user.id, since") && !out.contains(VALUE), "{out}");
    assert!(run(erase(&home, "lift", None).arg("1")).1.contains("lifted"));
    let (_, out, _) = run(&mut erase(&home, "list", None));
    assert!(out.contains("lifted by"), "{out}");
    assert_eq!(import("c.jsonl", &[log(4, "d", &user)]), (1, 0));
    let (code, _, errors) = run(erase(&home, "lift", None).arg("7"));
    assert!(code == 1 && errors.contains("there is no erasure 7"), "{errors}");
    let (_, out, _) = run(home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]));
    assert_eq!(out, "n\n2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_versioned_bucket_is_erased_from_and_named() {
    let s3 = S3::start().await;
    let versioned = reqwest::Client::new()
        .put(format!("{}/lakes?versioning", s3.endpoint()))
        .body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        .send()
        .await
        .unwrap();
    assert!(versioned.status().is_success(), "{}", versioned.text().await.unwrap());
    let home = Home::with_lake_at(HOURLY, &s3.lake("erased"), &s3.env());
    let server = home.serve();
    send_everywhere(&server, 0).await;
    server.flush().await;
    send_everywhere(&server, 1000).await;
    let applied = report(erase(&home, "apply", Some(&server)).args(["--attribute", &format!("user.id={VALUE}")]));
    assert_eq!(rows_of(&applied), rows((3, 3), (3, 3), (2, 2)), "{applied:#}");
    assert!(remains(&applied)["versions"]["detail"].as_str().unwrap().contains("noncurrent"), "{applied:#}");
    assert_eq!(counts(&server).await, [10, 6, 4]);
    let (_, _, errors) = run(home.verb("sql").arg("select 1 from logs limit 1"));
    assert!(errors.contains("writes this lake") && errors.contains(&server.http()), "{errors}");
    server.terminate();
    let (_, _, errors) = run(home.verb("sql").arg("select 1 from logs limit 1"));
    assert_eq!(errors, "");
    let kept = report(erase(&home, "plan", None).args(["--attribute", &format!("user.id={VALUE}")]));
    assert_eq!(rows_of(&kept), rows((0, 0), (0, 0), (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_http_is_in_the_body_and_its_refusals_repeat_nothing() {
    let home = Home::new("");
    let server = home.serve();
    let client = reqwest::Client::new();
    let post = async |path: &str, body: String| {
        let response = client.post(format!("{}{path}", server.http())).body(body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let good = json!({ "attribute": { "key": "user.id", "value": VALUE } }).to_string();
    let (status, text) = post("/v1/erase/plan", good.clone()).await;
    assert!(status == 200 && text.contains("attribute user.id"), "{status} {text}");
    for (path, body) in [
        ("/v1/erase/plan?value=u42-zq-hidden", good.clone()),
        ("/v1/erase/plan", good.replace("user.id", VALUE)),
        ("/v1/erase/apply", good.replace("\"attribute\"", &format!("\"{VALUE}\""))),
        ("/v1/erase/apply", format!("{good}{VALUE}")),
        ("/v1/erase/lift", format!("{{\"id\": {VALUE}}}")),
    ] {
        let (status, text) = post(path, body).await;
        assert!(status == 400 && !text.contains(VALUE), "{path}: {status} {text}");
    }
    let (status, _) = post("/v1/erase/apply", good).await;
    assert_eq!(status, 200);
    let standing: Value = reqwest::get(format!("{}/v1/erase", server.http())).await.unwrap().json().await.unwrap();
    assert_eq!((&standing[0]["id"], &standing[0]["attribute"]), (&json!(1), &json!("user.id")));
    assert!(standing[0].get("hash").is_none() && standing[0].get("value").is_none(), "{standing}");
    let (status, text) = post("/v1/erase/lift", "{\"id\": 1}".to_owned()).await;
    assert_eq!(status, 200, "{text}");
    wait_for("the lifted erasure to be forgotten", || {
        let entry = std::fs::read_to_string(home.lake().join("_erasures/00000001.json")).unwrap();
        (!entry.contains("hash")).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_told_and_the_others_are_done() {
    let home = Home::new(HOURLY);
    let user = [("user.id", VALUE)];
    for (name, record) in [("a.jsonl", log(1, "a", &user)), ("b.jsonl", log(2, "b", &user))] {
        let file = home.path().join(name);
        std::fs::write(&file, logs(&[record], &[], &[])).unwrap();
        let (code, _, errors) = run(home.verb("import").arg(&file));
        assert_eq!(code, 0, "{errors}");
    }
    let lost = live_files(&home).remove(0);
    std::fs::remove_file(&lost).unwrap();
    let attribute = format!("user.id={VALUE}");
    let (code, out, _) = run(erase(&home, "apply", None).args(["--json", "--attribute", &attribute]));
    assert_eq!(code, 3, "{out}");
    let applied: Value = serde_json::from_str(&out).unwrap();
    let name = lost.file_name().unwrap().to_str().unwrap();
    assert!(applied["tables"][0]["errors"].to_string().contains(name), "{applied}");
    assert_eq!(rows_of(&applied)["logs"].0, 1, "the other file's row: {applied}");
}

/// What a named snapshot has of it is told by every report, until the snapshot is dropped; and an erasure made again still
/// says how long the files stay that the first one replaced.
#[tokio::test(flavor = "multi_thread")]
async fn named_snapshots_are_told_as_long_as_they_have_it() {
    let home = Home::new(HOURLY);
    let server = home.serve();
    send_everywhere(&server, 0).await;
    server.flush().await;
    let snapshot = |verb: &str| {
        let mut command = crate::support::server::telestrata();
        command.args(["snapshot", verb, "before", "--lake"]).arg(home.lake());
        assert_eq!(run(&mut command).0, 0);
    };
    snapshot("create");
    let attribute = format!("user.id={VALUE}");
    let all = json!({ "before": 8 });
    let asked = |step| report(erase(&home, step, Some(&server)).args(["--attribute", &attribute]));
    assert_eq!(asked("plan")["snapshots"], all);
    for applied in [asked("apply"), asked("apply")] {
        assert_eq!(applied["snapshots"], all, "{applied:#}");
        let remains = remains(&applied);
        assert!(remains["named-snapshots"]["detail"].as_str().unwrap().contains("before (8 rows)"), "{applied:#}");
        assert_eq!(applied["proof"]["matching"], 0);
        let until: chrono::DateTime<chrono::Utc> =
            remains["replaced-files"]["until"].as_str().unwrap().parse().unwrap();
        assert!(until > chrono::Utc::now() + chrono::TimeDelta::hours(23), "{applied:#}");
    }
    let plan = asked("plan");
    assert_eq!((rows_of(&plan), &plan["snapshots"]), (rows((0, 0), (0, 0), (0, 0)), &all), "{plan:#}");
    snapshot("drop");
    assert_eq!(asked("plan")["snapshots"], json!({}));
    assert!(!remains(&asked("apply")).contains_key("named-snapshots"));
}
