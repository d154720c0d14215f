//! What an acknowledgement means across repeats, restarts and bounds.

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, telestrata};

const DAY: u64 = 1_700_000_000;

/// The same bytes again are acknowledged and stored once: while hot, after the flush that released the WAL, and after
/// restarts with and without notice.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_stored_once_also_across_restarts() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let client = reqwest::Client::new();
    let body = || numbered_logs("repeats", 0..10, DAY);
    let server = home.serve();
    for _ in 0..2 {
        send_logs(&client, &server.otlp_http(), body()).await.unwrap();
    }
    server.flush().await;
    send_logs(&client, &server.otlp_http(), body()).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, 10);
    assert_eq!(server.metric("telestrata_repeated_requests_total", "logs").await, 2.0);
    server.kill();
    let server = home.serve();
    send_logs(&client, &server.otlp_http(), body()).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, 10);
    server.terminate();
    let server = home.serve();
    send_logs(&client, &server.otlp_http(), body()).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, 10);
    // Another request with the same records is another request.
    send_logs(&client, &server.otlp_http(), format!("{} ", body())).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, 20);
}

/// What was acknowledged and not flushed is there after `kill -9`, judged by the time it came, not by the restart's.
#[tokio::test(flavor = "multi_thread")]
async fn replay_restamps_nothing() {
    let mut home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let tomorrow = chrono::Utc::now().timestamp() as u64 + 20 * 3600;
    let body = numbered_logs("replay", 0..5, tomorrow);
    send_logs(&reqwest::Client::new(), &server.otlp_http(), body).await.unwrap();
    let before = server.sql("select * from logs order by body").await;
    assert_eq!(before.len(), 5);
    server.kill();
    // Stricter rules for new requests do not reject what was accepted.
    home.reconfigure("[flush]\nage = \"1h\"\n[ingest]\nmax_future = \"1s\"\n");
    let server = home.serve();
    assert_eq!(server.sql("select * from logs order by body").await, before);
    server.terminate();
    // Without a server the rows are in the files; a second server can't take the log of a running one.
    let server = home.serve();
    let second = home
        .verb("serve")
        .arg("--wal")
        .arg(home.wal())
        .args(["--otlp-grpc", "off", "--otlp-http", "off", "--http", "off", "--flight", "off", "--postgres", "off"])
        .output();
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("open elsewhere"), "{second:?}");
    assert_eq!(server.sql("select * from logs order by body").await, before);
}

/// A damaged log is refused with the file's name, and nothing is changed.
#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_middle_of_the_log_is_refused() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    for request in 0..3 {
        let body = numbered_logs("damage", request * 10..request * 10 + 10, DAY);
        send_logs(&reqwest::Client::new(), &server.otlp_http(), body).await.unwrap();
    }
    server.kill();
    let segment = std::fs::read_dir(home.wal()).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|extension| extension == "wal")).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x40;
    std::fs::write(&segment, &bytes).unwrap();
    let refused = home
        .verb("serve")
        .arg("--wal")
        .arg(home.wal())
        .args(["--otlp-grpc", "off", "--otlp-http", "off", "--http", "off", "--flight", "off", "--postgres", "off"])
        .output();
    let refused = refused.unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains(segment.to_str().unwrap()) && message.contains("damaged"), "{message}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "nothing was changed");
}

/// At the WAL's bound senders are told to come again later, and after a flush they are taken again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_pushes_back_and_recovers() {
    let home = Home::new(
        "[flush]\nage = \"1h\"\n[ingest]\nmax_request_bytes = \"64 KiB\"\nwal_max_bytes = \"64 MiB\"\nrepeat_window = \"0s\"\n",
    );
    let server = home.serve();
    let client = reqwest::Client::new();
    let mut sent = 0;
    let refused = loop {
        let body = numbered_logs(&"long".repeat(8000), sent * 100..sent * 100 + 10, DAY);
        match send_logs(&client, &server.otlp_http(), body).await {
            Ok(()) => sent += 1,
            Err(status) => break status,
        }
        assert!(sent < 3000, "the log takes more than its bound");
    };
    assert!(refused.starts_with("503"), "{refused}");
    server.flush().await;
    let body = numbered_logs("after", 1_000_000..1_000_010, DAY);
    send_logs(&client, &server.otlp_http(), body).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, (sent as i64 + 1) * 10);
}

/// A server's commits and an import's, on one lake at once: each sees the other's rows.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_beside_a_server_is_seen_by_it() {
    let home = Home::new("[flush]\nage = \"50ms\"\n");
    let server = home.serve();
    let file = home.path().join("logs.jsonl");
    std::fs::write(&file, numbered_logs("imported", 0..100, DAY)).unwrap();
    let import = home.verb("import").arg(&file).output().unwrap();
    assert!(import.status.success(), "{import:?}");
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("sent", 100..200, DAY)).await.unwrap();
    let started = std::time::Instant::now();
    while server.number("select count(*) from logs").await != 200 {
        assert!(started.elapsed().as_secs() < 60, "the server does not see the import");
        tokio::task::yield_now().await;
    }
    server.terminate();
    let count = telestrata()
        .arg("sql")
        .arg("--lake")
        .arg(home.lake())
        .args(["select count(*) as n from logs", "--format", "csv"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(count.stdout).unwrap(), "n\n200\n");
}

/// A table that can't be written keeps its rows hot and visible, holds up no other, and is flushed once it can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_fails_loses_nothing_and_is_made_up_for() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let client = reqwest::Client::new();
    send_logs(&client, &server.otlp_http(), numbered_logs("first", 0..10, DAY)).await.unwrap();
    // A file where the date's folder should be.
    let obstacle = home.lake().join("logs/date=2023-11-14");
    std::fs::write(&obstacle, b"").unwrap();
    let flush = || client.post(format!("{}/v1/flush", server.http())).send();
    assert_eq!(flush().await.unwrap().status().as_u16(), 503);
    send_logs(&client, &server.otlp_http(), numbered_logs("second", 10..20, DAY)).await.unwrap();
    assert_eq!(server.number("select count(*) from logs").await, 20);
    assert_eq!(server.metric("telestrata_hot_rows", "logs").await, 20.0);
    std::fs::remove_file(&obstacle).unwrap();
    assert!(flush().await.unwrap().status().is_success());
    assert_eq!(server.metric("telestrata_hot_rows", "logs").await, 0.0);
    assert_eq!(server.number("select count(distinct body) from logs").await, 20);
    assert_eq!(server.number("select count(*) from logs").await, 20);
    server.terminate();
    let check = home.verb("check").arg("--json").output().unwrap();
    let check: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(check["unlisted"], serde_json::json!([]), "the failed flush left nothing behind");
}

/// Two servers of one lake, one on a copy of the other's log folder, have one id, and count alike. Neither takes the
/// other's rows for its own: the second to commit stops taking requests, and its rows are in its log still.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_log_loses_nothing_in_silence() {
    let config = "[flush]\nage = \"1h\"\n";
    let home = Home::new(config);
    let client = reqwest::Client::new();
    let server = home.serve();
    send_logs(&client, &server.otlp_http(), numbered_logs("copied", 0..10, DAY)).await.unwrap();
    server.flush().await;
    server.terminate();
    let clone = Home::with_lake_at(config, home.lake().to_str().unwrap(), &[]);
    std::fs::create_dir_all(clone.wal()).unwrap();
    for entry in std::fs::read_dir(home.wal()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, clone.wal().join(path.file_name().unwrap())).unwrap();
    }

    let (server, second) = (home.serve(), clone.serve());
    send_logs(&client, &server.otlp_http(), numbered_logs("copied", 10..20, DAY)).await.unwrap();
    send_logs(&client, &second.otlp_http(), numbered_logs("copied", 20..30, DAY)).await.unwrap();
    server.flush().await;
    let refused = client.post(format!("{}/v1/flush", second.http())).send().await.unwrap();
    let (status, text) = (refused.status(), refused.text().await.unwrap());
    assert!(!status.is_success() && text.contains("another process commits under the same id"), "{status}: {text}");
    let ready = reqwest::get(format!("{}/readyz", second.http())).await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(second.number("select count(*) from logs").await, 20, "its own rows, and those of the first flush");
    second.kill();
    assert_eq!(server.number("select count(distinct attributes['number']) from logs").await, 20);

    // As docs/operations.md has it: its log on a lake of its own gives its rows back.
    let aside = Home::with_lake_at(config, clone.lake().to_str().unwrap(), &[]);
    std::fs::remove_dir_all(aside.wal()).ok();
    std::fs::rename(clone.wal(), aside.wal()).unwrap();
    let rescued = aside.serve();
    let query = "select count(*) from logs where cast(attributes['number'] as int) >= 20";
    assert_eq!(rescued.number(query).await, 10);
}
