//! TLS on the doors, with real clients: OpenTelemetry's SDK, curl, and this program's own verbs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rstest::rstest;
use serde_json::Value;

use crate::support::certificates::Authority;
use crate::support::clients::Sdk;
use crate::support::logs::numbered_logs;
use crate::support::people::{everyone, password, token};
use crate::support::server::{Home, Server};

const DAY: u64 = 1_700_000_000;
const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

/// A server with TLS and everyone's credentials.
fn server(names: &[&str], expired: bool) -> (Home, Authority, Server) {
    let mut home = Home::new("");
    let authority = Authority::new(home.path());
    home.reconfigure(&(authority.certify(names, expired) + &everyone()));
    let server = home.serve();
    (home, authority, server)
}

fn client(authority: &Authority) -> reqwest::Client {
    let trusted = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap()
}

async fn rows(client: &reqwest::Client, server: &Server, query: &str) -> Vec<Value> {
    let request = client.post(format!("https://{}/v1/sql", server.address("http"))).bearer_auth(token("query"));
    let response = request.body(query.to_owned()).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[rstest]
#[case::grpc("grpc", "otlp_grpc")]
#[case::http("http/protobuf", "otlp_http")]
#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_sends_with_a_token_over_tls_and_not_with_a_wrong_one(#[case] protocol: &str, #[case] door: &str) {
    let (_home, authority, server) = server(&HERE, false);
    let endpoint = format!("https://{}", server.address(door));
    let certificate = authority.file();
    let send = async |token: &str| {
        let headers = format!("authorization=Bearer%20{token}");
        let env = [
            ("OTEL_EXPORTER_OTLP_HEADERS", &*headers),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate.to_str().unwrap()),
            // Which goes over the SDK's own, and may be set on this machine.
            ("REQUESTS_CA_BUNDLE", certificate.to_str().unwrap()),
        ];
        let mut sender = Sdk::Python.start_in(&env, "numbered", protocol, "gzip", &endpoint, "tls");
        sender.go().await;
        assert_eq!(sender.line().await.as_deref(), Some("done"));
        sender.end().await.1
    };
    let client = client(&authority);
    for (token, says) in [
        (token("admin").replace("5e", "5f"), ["UNAUTHENTICATED", "401"]),
        (token("query"), ["PERMISSION_DENIED", "403"]),
    ] {
        let said = send(&token).await;
        assert!(says.iter().any(|part| said.contains(part)), "{said}");
        assert!(!said.to_lowercase().contains("retry"), "a refusal is not sent again: {said}");
        assert_eq!(rows(&client, &server, "select count(*) as n from logs").await[0]["n"], 0);
    }
    let said = send(&token("ingest")).await;
    let stored = "select ingest_principal as who, count(*) as n from logs group by 1 \
                  union all select ingest_principal, count(*) from spans group by 1";
    let stored = rows(&client, &server, stored).await;
    assert_eq!(stored, vec![serde_json::json!({"who": "ingest-token", "n": 100}); 2], "{said}");
}

fn curl(authority: &Authority, args: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--cacert"])
        .arg(authority.file())
        .args(args)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_door_agrees_on_its_protocol_and_speaks_nothing_in_plaintext() {
    let (_home, authority, server) = server(&HERE, false);
    let api = format!("https://{}", server.address("http"));
    let answer = curl(
        &authority,
        &[
            "--user",
            &format!("query-user:{}", password("query")),
            "--data",
            "select 1 as one",
            &format!("{api}/v1/sql"),
        ],
    );
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), r#"[{"one":1}]"#, "{answer:?}");
    // curl offers HTTP/2 as well; what was agreed on is told.
    let version = |url: &str, door: &str| {
        let flags = ["--output", "/dev/null", "--write-out", "%{http_version}", url, door];
        String::from_utf8(curl(&authority, &flags).stdout).unwrap()
    };
    assert_eq!(version("--http2", &format!("{api}/healthz")), "1.1");
    assert_eq!(version("--http2", &format!("https://{}/", server.address("otlp_http"))), "1.1");
    assert_eq!(version("--http2", &format!("https://{}/", server.address("otlp_grpc"))), "2");
    // Not trusted by default.
    let untrusting =
        Command::new("curl").args(["--silent", "--show-error", &format!("{api}/healthz")]).output().unwrap();
    assert_eq!(untrusting.status.code(), Some(60), "{untrusting:?}");
    for door in ["http", "otlp_http", "otlp_grpc", "flight"] {
        let mut stream = TcpStream::connect(server.address(door)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // An alert and the end, or the end alone; a reset where the alert was not waited for.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.first().is_none_or(|byte| *byte == 21), "{door}: {answer:?}");
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("HTTP") && !text.contains("ok"), "{door}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_and_flight_clients_come_over_tls_alone() {
    let (_home, authority, server) = server(&HERE, false);
    let mut command = crate::support::python::python();
    command.arg("credentials.py").args([server.postgres(), server.flight()]).arg(authority.file());
    command.args(["query-user", &password("query"), &token("query")]).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success() && said(&output).contains("all as it should be"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_hang_hold_up_nobody() {
    let (_home, authority, server) = server(&HERE, false);
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(server.address("http")).unwrap()).collect();
    assert_eq!(rows(&client(&authority), &server, "select 1 as one").await[0]["one"], 1);
    drop(silent);
    server.terminate();
}

/// A verb that connects to a server, trusting this authority, with this environment.
fn verb(home: &Home, args: &[&str], trusts: &Path, env: &[(&str, &str)]) -> Output {
    let mut command = crate::support::server::telestrata();
    command.current_dir(home.path()).args(args).envs(env.iter().copied());
    command.env("SSL_CERT_FILE", trusts).env_remove("SSL_CERT_DIR");
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_verbs_come_over_tls_with_credentials() {
    let (home, authority, server) = server(&HERE, false);
    let url = format!("https://{}", server.address("http"));
    // Without TLS nothing is trusted, and nothing needs to be there.
    let open = Home::new("");
    let plain = open.serve();
    let output = verb(&home, &["sql", "--connect", &plain.http(), "select 1"], Path::new("/dev/null"), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let ca = authority.file();
    let admin = token("admin");
    let as_token = [("TELESTRATA_TOKEN", &*admin)];
    let admins = password("admin");
    let as_user = [("TELESTRATA_USER", "admin-user"), ("TELESTRATA_PASSWORD", &*admins)];
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("shop", 0..7, DAY)).unwrap();
    let output = verb(&home, &["import", "--connect", &url, "logs.jsonl"], &ca, &as_token);
    assert!(output.status.success(), "{}", said(&output));
    let count =
        ["sql", "--connect", &url, "select count(*) as n, max(ingest_principal) as who from logs", "--format", "csv"];
    for env in [&as_token[..], &as_user[..]] {
        let output = verb(&home, &count, &ca, env);
        assert!(output.status.success() && said(&output).contains("7,admin-token"), "{}", said(&output));
    }
    for args in [
        &["check", "--lake", "lake", "--wal", "wal", "--connect", &url][..],
        &["export", "--connect", &url, "--table", "logs", "--format", "ndjson"],
    ] {
        let output = verb(&home, args, &ca, &as_token);
        assert!([Some(0), Some(3)].contains(&output.status.code()), "{args:?}: {}", said(&output));
        assert!(!said(&output).contains("credentials are needed"), "{args:?}: {}", said(&output));
    }
    // Who shows nothing, the wrong thing, too much, or lacks the role.
    let query = token("ingest");
    for (env, says) in [
        (&[][..], "TELESTRATA_TOKEN"),
        (&[("TELESTRATA_TOKEN", "tst_no_1")], "not one of this server's"),
        (&[("TELESTRATA_TOKEN", &*query)], "lacks the role `query`"),
        (&[("TELESTRATA_USER", "ann")], "TELESTRATA_PASSWORD is not"),
    ] {
        let output = verb(&home, &count, &ca, env);
        assert!(!output.status.success() && said(&output).contains(says), "{says}: {}", said(&output));
        assert!(env.iter().all(|(name, value)| *name == "TELESTRATA_USER" || !said(&output).contains(value)));
    }
    // Who is not to be trusted.
    let other = Home::new("");
    let output = verb(&home, &count, &Authority::new(other.path()).file(), &as_token);
    assert!(!output.status.success() && said(&output).contains("no answer from https://"), "{}", said(&output));
    let plain = count.map(|arg| arg.replace("https://", "http://"));
    let output = verb(&home, &plain.each_ref().map(String::as_str), &ca, &as_token);
    assert!(!output.status.success() && said(&output).contains("no answer"), "{}", said(&output));
    // A password in a URL is not repeated.
    let output = verb(&home, &["sql", "--connect", "https://ann:hunter2@127.0.0.1:1", "select 1"], &ca, &[]);
    assert!(!output.status.success() && !said(&output).contains("hunter2"), "{}", said(&output));
    let output = verb(&home, &["sql", "--connect", "ftp://ann:hunter2@127.0.0.1:1", "select 1"], &ca, &[]);
    assert!(!output.status.success() && !said(&output).contains("hunter2"), "{}", said(&output));
}

#[rstest]
#[case::of_another_host(&["other.example"], false, "not valid for name")]
#[case::expired(&HERE, true, "expired")]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_is_refused_by_our_client(
    #[case] names: &[&str],
    #[case] expired: bool,
    #[case] says: &str,
) {
    let (home, authority, server) = server(names, expired);
    let url = format!("https://{}", server.address("http"));
    let admin = token("admin");
    let env = [("TELESTRATA_TOKEN", &*admin)];
    let output = verb(&home, &["sql", "--connect", &url, "select 1"], &authority.file(), &env);
    assert!(!output.status.success() && said(&output).to_lowercase().contains(says), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_to_another_server_with_its_token() {
    let (home, authority, server) = server(&HERE, false);
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("shop", 0..5, DAY)).unwrap();
    let from = Home::new("");
    assert!(from.verb("import").arg(home.path().join("logs.jsonl")).output().unwrap().status.success());
    let to = format!("https://{}", server.address("otlp_http"));
    let lake = from.lake();
    let args =
        ["export", "--lake", lake.to_str().unwrap(), "--table", "logs", "--to", &to, "--protocol", "http/protobuf"];
    let headers = format!("authorization=Bearer%20{}", token("ingest"));
    let output = verb(&home, &args, &authority.file(), &[("OTEL_EXPORTER_OTLP_HEADERS", &headers)]);
    assert!(output.status.success(), "{}", said(&output));
    let stored =
        rows(&client(&authority), &server, "select count(*) as n, max(ingest_principal) as who from logs").await;
    assert_eq!(stored[0], serde_json::json!({"n": 5, "who": "ingest-token"}));
    let output = verb(&home, &args, &authority.file(), &[]);
    assert!(!output.status.success() && said(&output).contains("401"), "{}", said(&output));
    let output = verb(&home, &args, &authority.file(), &[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]);
    assert!(
        said(&output).contains("OTEL_EXPORTER_OTLP_HEADERS") && !said(&output).contains("hunter2"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_bad_certificate_or_key_is_named_at_the_start() {
    let home = Home::new("");
    let authority = Authority::new(home.path());
    let good = authority.certify(&HERE, false);
    std::fs::rename(home.path().join("server.key"), home.path().join("other.key")).unwrap();
    assert_eq!(good, authority.certify(&HERE, false), "another key in the same file");
    std::fs::write(home.path().join("text.pem"), "-----BEGIN NOTHING\nhunter2\n").unwrap();
    std::fs::write(home.path().join("empty.pem"), "").unwrap();
    for (certificate, key, says) in [
        ("missing.pem", "server.key", &["missing.pem", "No such file"][..]),
        ("server.pem", "missing.key", &["missing.key", "No such file"]),
        ("empty.pem", "server.key", &["empty.pem", "no certificate"]),
        ("server.pem", "server.pem", &["server.pem", "no private key"]),
        ("text.pem", "server.key", &["text.pem", "not valid PEM"]),
        ("server.pem", "other.key", &["server.pem", "other.key"]),
    ] {
        let (certificate, key) = (home.path().join(certificate), home.path().join(key));
        let config = home.path().join("bad.toml");
        std::fs::write(&config, format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")).unwrap();
        let mut command = home.verb("serve");
        command.arg("--wal").arg(home.wal()).arg("--config").arg(&config);
        for door in ["--otlp-grpc", "--otlp-http", "--flight", "--postgres"] {
            command.args([door, "off"]);
        }
        let output = command.args(["--http", "127.0.0.1:0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(says.iter().all(|part| said(&output).contains(part)), "{says:?}: {}", said(&output));
        assert!(!said(&output).contains("hunter2"), "{}", said(&output));
    }
}
