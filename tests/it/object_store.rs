//! The lake on an object store: the same promises as on a disk, to one server and to two.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::proxy::Proxy;
use crate::support::s3::S3;
use crate::support::server::{Home, Server, wait_for};

const DAY: u64 = 1_700_000_000;

/// Rows go to the bucket, and come back from it to a process that has nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_bucket_survives_its_server() {
    let s3 = S3::start().await;
    let home = Home::with_lake_at("[flush]\nage = \"1h\"\n", &s3.lake("one"), &s3.env());
    let server = home.serve();
    let client = reqwest::Client::new();
    send_logs(&client, &server.otlp_http(), numbered_logs("cloud", 0..100, DAY)).await.unwrap();
    server.flush().await;
    send_logs(&client, &server.otlp_http(), numbered_logs("cloud", 100..150, DAY)).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, 150);
    assert!(server.metric("telestrata_store_requests_total", "Put").await > 0.0);
    server.kill();
    let cold = home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&cold.stdout), "n\n100\n", "{}", String::from_utf8_lossy(&cold.stderr));
    let server = home.serve();
    assert_eq!(server.number("select count(distinct attributes['number']) from logs").await, 150);
    server.terminate();
    let checked = home.verb("check").output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let creates = s3.requests();
    assert!(creates.iter().any(|request| request.starts_with("PUT /lakes/one/logs/_delta_log/")), "{creates:?}");
}

/// Two servers, each with its own log, write one lake: nothing is lost, nothing doubled, and each sees the other's
/// rows within seconds, also after one was killed and came back.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_a_lake() {
    const REQUESTS: u64 = 40;
    const ROWS: u64 = 5;
    let s3 = S3::start().await;
    let home = || Home::with_lake_at("[flush]\nage = \"300ms\"\n", &s3.lake("shared"), &s3.env());
    let homes = [home(), home()];
    // At once: both find no tables, and make them.
    let (left, right) = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let right = scope.spawn(|| homes[1].serve());
            (homes[0].serve(), right.join().unwrap())
        })
    });
    let send = async |server: &Server, name: &str, requests: std::ops::Range<u64>| {
        let client = reqwest::Client::new();
        for request in requests {
            let body = numbered_logs(name, request * ROWS..(request + 1) * ROWS, DAY);
            send_logs(&client, &server.otlp_http(), body).await.unwrap();
        }
    };
    tokio::join!(send(&left, "left", 0..REQUESTS), send(&right, "right", 0..REQUESTS / 2));
    right.kill();
    send(&left, "left", REQUESTS..2 * REQUESTS).await;
    let right = tokio::task::block_in_place(|| homes[1].serve());
    send(&right, "right", REQUESTS / 2..REQUESTS).await;
    let expected = i64::try_from(3 * REQUESTS * ROWS).unwrap();
    for server in [&left, &right] {
        let query = "select count(*) * 1000000 + count(distinct service_name || attributes['number']) from logs";
        // Within seconds; ten are what a busy machine may make of the two.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let seen = server.number(query).await;
            if seen == expected * 1_000_001 {
                break;
            }
            // Fewer are on their way; more would be doubles.
            assert!(seen < expected * 1_000_001, "{seen}");
            assert!(Instant::now() < deadline, "after 10 s {seen} of {expected} rows");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    left.terminate();
    right.terminate();
    let cold = homes[0].verb("sql").args(["--format", "csv", "select count(*) as n from logs"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&cold.stdout), format!("n\n{expected}\n"));
}

/// A file that is too large for one request goes up in parts, and reads back whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_up_in_parts() {
    use sha2::Digest as _;
    const ROWS: u64 = 6_000;
    let s3 = S3::start().await;
    let home = Home::with_lake_at("", &s3.lake("large"), &s3.env());
    // Bodies that do not compress.
    let noise = |seed: u64| -> String {
        (0..50u64).map(|part| format!("{:x}", sha2::Sha256::digest((seed * 1000 + part).to_le_bytes()))).collect()
    };
    let mut lines = String::new();
    for number in 0..ROWS {
        let line = serde_json::json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{
            "timeUnixNano": (DAY * 1_000_000_000 + number).to_string(),
            "body": { "stringValue": noise(number) },
        }] }] }] });
        lines.push_str(&format!("{line}\n"));
    }
    let file = home.path().join("noise.jsonl");
    std::fs::write(&file, lines).unwrap();
    let imported = home.verb("import").arg(&file).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let requests = s3.requests();
    let parts = requests.iter().filter(|request| request.contains("partNumber=")).count();
    assert!(parts > 1, "{parts} parts; {requests:?}");
    let query = "select sum(length(body)) as n from logs";
    let cold = home.verb("sql").args(["--format", "csv", query]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&cold.stdout), format!("n\n{}\n", ROWS * 50 * 64));
}

/// What the operator reads when the bucket is not there or the keys are missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_named() {
    let s3 = S3::start().await;
    let home = Home::with_lake_at("[store]\nretry_time = \"1s\"\n", "s3://nobodys/lake", &s3.env());
    let answer = home.verb("import").arg("-").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(1), "{text}");
    assert!(text.contains("nobodys") || text.contains("NoSuchBucket"), "{text}");
    assert!(!text.contains("secret-of-the-test"), "{text}");
}

/// The bucket in the host's name. The names lead nowhere here: an HTTP proxy, which moto is too, takes the requests.
#[tokio::test(flavor = "multi_thread")]
async fn buckets_can_be_named_in_the_host() {
    let s3 = S3::start().await;
    let mut env = s3.env();
    env.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
    env.push(("AWS_PROXY_URL".to_owned(), s3.endpoint().to_owned()));
    let config = "[store]\nendpoint = \"http://s3.us-east-1.amazonaws.com\"\nvirtual_hosts = true\n";
    let home = Home::with_lake_at(config, &s3.lake("hosts"), &env);
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("hosts", 0..10, DAY)).unwrap();
    let imported = home.verb("import").arg("logs.jsonl").output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let cold = home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&cold.stdout), "n\n10\n");
    let requests = s3.requests();
    let in_host = |request: &String| request.contains("://lakes.s3.us-east-1.amazonaws.com/");
    assert!(!requests.is_empty() && requests.iter().all(in_host), "{requests:?}");
}

/// A lake of ten rows, and the way to it by a wire.
async fn lake_behind(wire: &mut Proxy, config: &str) -> (S3, Home) {
    let s3 = S3::start().await;
    let near = Home::with_lake_at("", &s3.lake("away"), &s3.env());
    std::fs::write(near.path().join("logs.jsonl"), numbered_logs("away", 0..10, DAY)).unwrap();
    let imported = near.verb("import").arg("logs.jsonl").output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    wire.connect(s3.endpoint());
    let home = Home::with_lake_at(config, &s3.lake("away"), &S3::env_at(&wire.url()));
    (s3, home)
}

fn count(home: &Home) -> Command {
    let mut command = home.verb("sql");
    command.args(["--format", "csv", "select count(*) as n from logs"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A store that is away for seconds, answering 503 or not at all, costs a query seconds and no more.
#[rstest::rstest]
#[case::overloaded(false)]
#[case::not_listening(true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_query_outlasts_a_store_that_is_away_for_seconds(#[case] cut: bool) {
    let mut wire = Proxy::new();
    let (s3, home) = lake_behind(&mut wire, "").await;
    if cut {
        wire.cut().await;
    } else {
        wire.unavailable(true);
    }
    let asking = count(&home).spawn().unwrap();
    if !cut {
        wait_for("the query to be refused", || (wire.refused() > 0).then_some(()));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    if cut {
        wire.connect(s3.endpoint());
    } else {
        wire.unavailable(false);
    }
    let answer = asking.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "n\n10\n", "{}", String::from_utf8_lossy(&answer.stderr));
}

/// One that stays away is given up after `store.retry_time`, in words that say what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_away_is_given_up_in_time() {
    let mut wire = Proxy::new();
    let (_s3, home) = lake_behind(&mut wire, "[store]\nretry_time = \"2s\"\n").await;
    wire.unavailable(true);
    let started = Instant::now();
    let answer = count(&home).output().unwrap();
    let (took, text) = (started.elapsed(), String::from_utf8_lossy(&answer.stderr).into_owned());
    assert!(!answer.status.success(), "{text}");
    // Far from the 30 s that a request would have without the setting.
    assert!((2..20).contains(&took.as_secs()), "{took:?}: {text}");
    assert!(wire.refused() > 3, "{} tries", wire.refused());
    for said in ["503", "tried again for store.retry_time, 2s", "or raise store.retry_time"] {
        assert!(text.contains(said), "no `{said}` in: {text}");
    }
}

/// Keys that the store does not take are not shown to it again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final() {
    let s3 = S3::start().await;
    let home = Home::with_lake_at("", &s3.lake("refused"), &s3.env());
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("refused", 0..10, DAY)).unwrap();
    s3.refuse().await;
    let answer = home.verb("import").arg("logs.jsonl").output().unwrap();
    let text = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(1), "{text}");
    assert!(text.contains("403"), "{text}");
    let requests = s3.requests().iter().filter(|request| request.ends_with("403")).count();
    assert!((1..8).contains(&requests), "{requests} requests were refused");
}
