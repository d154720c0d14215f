//! Who may come in, and what they may do there: a table of credentials x doors x statements, each cell tried.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tonic::metadata::MetadataValue;

use super::server_support::{TIME_NANOS, logs, metrics, spans};
use crate::support::logs::numbered_logs;
use crate::support::people::{ROLES, everyone, password, token};
use crate::support::server::{Home, Server, telestrata};

const DAY: u64 = 1_700_000_000;

/// What someone shows.
#[derive(Debug, Clone, PartialEq)]
enum Shown {
    Nothing,
    Token(String),
    Password(String, String),
    /// A header as it is; for doors of HTTP.
    Header(&'static str),
}

impl Shown {
    fn header(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Token(token) => Some(format!("Bearer {token}")),
            Self::Password(name, password) => Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))),
            Self::Header(header) => Some((*header).to_owned()),
        }
    }
}

/// What a statement needs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Credentials,
    Role(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    Unauthenticated,
    Forbidden,
}

impl Needs {
    /// What someone with this one role gets; `None` is someone who is not known.
    fn expected(self, role: Option<&str>) -> Outcome {
        match (self, role) {
            (Self::Nothing, _) => Outcome::Done,
            (_, None) => Outcome::Unauthenticated,
            (Self::Role(needed), Some(role)) if role != needed && role != "admin" => Outcome::Forbidden,
            _ => Outcome::Done,
        }
    }
}

/// A row of the table: a statement at a door.
struct Attempt {
    door: &'static str,
    what: &'static str,
    needs: Needs,
    /// Whether the door takes what is shown at all.
    takes: fn(&Shown) -> bool,
    try_it: Try,
}

type Try = for<'a> fn(&'a Server, &'a Shown, &'static str) -> BoxFuture<'a, Outcome>;

/// PostgreSQL's handshake is for names and passwords; who shows nothing gives a name alone.
fn takes(door: &str) -> fn(&Shown) -> bool {
    match door {
        "postgres" => |shown| matches!(shown, Shown::Nothing | Shown::Password(..)),
        _ => |_| true,
    }
}

fn attempts() -> Vec<Attempt> {
    use Needs::{Credentials, Nothing, Role};
    let rows: [(&str, &str, Needs, Try); 35] = [
        ("http", "GET /healthz", Nothing, ask_http),
        ("http", "GET /readyz", Nothing, ask_http),
        ("http", "GET /", Credentials, ask_http),
        ("http", "GET /metrics", Credentials, ask_http),
        ("http", "GET /nowhere", Credentials, ask_http),
        ("http", "POST /v1/sql", Role("query"), ask_http),
        ("http", "GET /v1/sql/running", Role("query"), ask_http),
        ("http", "POST /v1/sql/cancel", Role("query"), ask_http),
        ("http", "GET /v1/sql?query=select+1", Role("query"), ask_http),
        ("http", "GET /v1/tables", Role("query"), ask_http),
        ("http", "GET /v1/tables/logs/schema", Role("query"), ask_http),
        ("http", "GET /v1/traces/00000000000000000000000000000001", Role("query"), ask_http),
        ("http", "GET /api/services", Role("query"), ask_http),
        ("http", "GET /api/traces/00000000000000000000000000000001", Role("query"), ask_http),
        ("http", "GET /api/v3/services", Role("query"), ask_http),
        ("http", "POST /v1/flush", Role("maintain"), ask_http),
        ("http", "POST /v1/erase/plan", Role("maintain"), ask_http),
        ("http", "POST /v1/erase/apply", Role("maintain"), ask_http),
        ("http", "GET /v1/erase", Role("maintain"), ask_http),
        ("http", "POST /v1/import", Role("ingest"), ask_http),
        ("http", "GET /v1/config", Role("admin"), ask_http),
        ("otlp_http", "POST /v1/logs", Role("ingest"), ask_http),
        ("otlp_http", "POST /v1/traces", Role("ingest"), ask_http),
        ("otlp_grpc", "logs", Role("ingest"), ask_grpc),
        ("otlp_grpc", "spans", Role("ingest"), ask_grpc),
        ("otlp_grpc", "metrics", Role("ingest"), ask_grpc),
        ("postgres", "simple: select count(*) from logs", Role("query"), ask_postgres),
        ("postgres", "simple: select relname from pg_class", Role("query"), ask_postgres),
        ("postgres", "simple: copy (select body from logs) to stdout", Role("query"), ask_postgres),
        ("postgres", "extended: select count(*) from logs where body = $1", Role("query"), ask_postgres),
        ("postgres", "simple: show server_version", Role("query"), ask_postgres),
        ("flight", "statement", Role("query"), ask_flight),
        ("flight", "prepare", Role("query"), ask_flight),
        ("flight", "tables", Role("query"), ask_flight),
        ("flight", "handshake, then statement", Role("query"), ask_flight),
    ];
    let row = |(door, what, needs, try_it)| Attempt { door, what, needs, takes: takes(door), try_it };
    rows.into_iter().map(row).collect()
}

fn ask_http<'a>(server: &'a Server, shown: &'a Shown, what: &'static str) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        let (method, path) = what.split_once(' ').unwrap();
        let door = if ["/v1/logs", "/v1/traces"].contains(&path) { server.otlp_http() } else { server.http() };
        let body = match path {
            "/v1/sql" => "select count(*) from logs".to_owned(),
            "/v1/sql/cancel" => "no-such-query".to_owned(),
            "/v1/import" => numbered_logs("imported", 0..1, DAY),
            "/v1/erase/plan" | "/v1/erase/apply" => {
                r#"{"attribute": {"key": "user.id", "value": "nobody"}}"#.to_owned()
            }
            "/v1/logs" => numbered_logs("sent", 0..1, DAY),
            "/v1/traces" => r#"{"resourceSpans": []}"#.to_owned(),
            _ => String::new(),
        };
        let method: Method = method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{door}{path}")).body(body);
        if door == server.otlp_http() {
            request = request.header("content-type", "application/json");
        }
        if let Some(header) = shown.header() {
            request = request.header("authorization", header);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        match status {
            // Nothing has that path, or no query or trace that id: who is told so was let in.
            StatusCode::OK => Outcome::Done,
            StatusCode::NOT_FOUND if ["/nowhere", "/v1/sql/cancel"].contains(&path) || path.contains("traces/") => {
                Outcome::Done
            }
            StatusCode::UNAUTHORIZED => {
                let ways: Vec<_> =
                    headers.get_all("www-authenticate").iter().map(|way| way.to_str().unwrap()).collect();
                assert!(ways.iter().any(|way| way.starts_with("Bearer realm=")), "{what}: {ways:?}");
                assert!(ways.iter().any(|way| way.starts_with("Basic realm=")), "{what}: {ways:?}");
                refusal(&text, server.http() == door, "credentials");
                Outcome::Unauthenticated
            }
            StatusCode::FORBIDDEN => {
                refusal(&text, server.http() == door, "lacks the role");
                Outcome::Forbidden
            }
            _ => panic!("{what} with {shown:?}: {status} {text}"),
        }
    })
}

/// A refusal is a problem of the API, or a `google.rpc.Status` of OTLP.
fn refusal(text: &str, is_api: bool, says: &str) {
    let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    if is_api {
        assert!(body["type"].as_str().unwrap().starts_with("urn:telestrata:problem:"), "{text}");
        assert!(text.contains(says), "{text}");
    } else {
        assert!(body["code"].as_i64().unwrap() > 0 && body["message"].is_string(), "{text}");
    }
}

fn ask_grpc<'a>(server: &'a Server, shown: &'a Shown, what: &'static str) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        fn with<T>(shown: &Shown, message: T) -> tonic::Request<T> {
            let mut request = tonic::Request::new(message);
            if let Some(header) = shown.header() {
                request.metadata_mut().insert("authorization", MetadataValue::try_from(header).unwrap());
            }
            request
        }
        let url = server.otlp_grpc();
        let answer = match what {
            "logs" => LogsServiceClient::connect(url).await.unwrap().export(with(shown, logs(1))).await.map(drop),
            "spans" => TraceServiceClient::connect(url)
                .await
                .unwrap()
                .export(with(shown, spans(&[TIME_NANOS])))
                .await
                .map(drop),
            _ => MetricsServiceClient::connect(url)
                .await
                .unwrap()
                .export(with(shown, metrics(&[TIME_NANOS])))
                .await
                .map(drop),
        };
        match answer.map_err(|status| status.code()) {
            Ok(()) => Outcome::Done,
            Err(tonic::Code::Unauthenticated) => Outcome::Unauthenticated,
            Err(tonic::Code::PermissionDenied) => Outcome::Forbidden,
            Err(code) => panic!("{what} with {shown:?}: {code}"),
        }
    })
}

fn ask_postgres<'a>(server: &'a Server, shown: &'a Shown, what: &'static str) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        use tokio_postgres::error::SqlState;
        let address = server.postgres();
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port.parse().unwrap()).user("admin-user").dbname("telestrata");
        if let Shown::Password(name, password) = shown {
            config.user(name).password(password);
        }
        let (client, connection) = match config.connect(tokio_postgres::NoTls).await {
            Ok(connected) => connected,
            // Asked for a password, the client has none to give.
            Err(error) if *shown == Shown::Nothing && error.code().is_none() => return Outcome::Unauthenticated,
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => return Outcome::Forbidden,
            Err(error) => {
                assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD), "{shown:?}: {error:?}");
                return Outcome::Unauthenticated;
            }
        };
        tokio::spawn(connection);
        let answered = match what.split_once(": ").unwrap() {
            ("simple", query) if query.starts_with("copy") => match client.copy_out(query).await {
                Ok(rows) => futures::TryStreamExt::try_collect::<Vec<_>>(rows).await.map(drop),
                Err(error) => Err(error),
            },
            ("simple", query) => client.simple_query(query).await.map(drop),
            (_, query) => client.query(query, &[&"x"]).await.map(drop),
        };
        match answered {
            Ok(()) => Outcome::Done,
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Outcome::Forbidden,
            Err(error) => panic!("{what} with {shown:?}: {error:?}"),
        }
    })
}

fn ask_flight<'a>(server: &'a Server, shown: &'a Shown, what: &'static str) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        match flight(server, shown.header(), what).await.map_err(|status| status.code()) {
            Ok(()) => Outcome::Done,
            Err(tonic::Code::Unauthenticated) => Outcome::Unauthenticated,
            Err(tonic::Code::PermissionDenied) => Outcome::Forbidden,
            Err(code) => panic!("{what} with {shown:?}: {code}"),
        }
    })
}

async fn flight(server: &Server, mut header: Option<String>, what: &str) -> Result<(), tonic::Status> {
    use arrow_flight::flight_service_client::FlightServiceClient;
    use arrow_flight::sql::{
        ActionCreatePreparedStatementRequest, CommandGetTables, CommandStatementQuery, ProstMessageExt,
    };
    use arrow_flight::{Action, FlightDescriptor, HandshakeRequest};
    use prost::Message as _;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.flight())).unwrap();
    let mut client = FlightServiceClient::new(channel.connect().await.unwrap());
    fn with<T>(header: Option<&String>, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", MetadataValue::try_from(header).unwrap());
        }
        request
    }
    let query = "select count(*) from logs".to_owned();
    let command = match what {
        "prepare" => {
            let body = ActionCreatePreparedStatementRequest { query, transaction_id: None }.as_any().encode_to_vec();
            let action = Action { r#type: "CreatePreparedStatement".into(), body: body.into() };
            return client.do_action(with(header.as_ref(), action)).await?.into_inner().message().await.map(drop);
        }
        "tables" => CommandGetTables::default().as_any().encode_to_vec(),
        _ => CommandStatementQuery { query, transaction_id: None }.as_any().encode_to_vec(),
    };
    if what.starts_with("handshake") {
        let hello = futures::stream::iter([HandshakeRequest::default()]);
        let answer = client.handshake(with(header.as_ref(), hello)).await?;
        let session = answer.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
        assert_ne!(Some(&session), header.as_ref());
        header = Some(session);
    }
    let info = client.get_flight_info(with(header.as_ref(), FlightDescriptor::new_cmd(command))).await?.into_inner();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut answer = client.do_get(with(header.as_ref(), ticket)).await?.into_inner();
    while answer.message().await?.is_some() {}
    Ok(())
}

/// Everything that someone may show, and the role of who that is.
fn callers() -> Vec<(Shown, Option<&'static str>)> {
    let mut callers = vec![
        (Shown::Nothing, None),
        (Shown::Token("tst_admin-token_00".into()), None),
        (Shown::Token(token("admin").replace("admin", "root")), None),
        (Shown::Token(String::new()), None),
        (Shown::Password("admin-user".into(), "wrong".into()), None),
        (Shown::Password("admin-user".into(), String::new()), None),
        (Shown::Password("root".into(), password("admin")), None),
        // A token is no password, and a password no token.
        (Shown::Password("admin-token".into(), token("admin")), None),
        (Shown::Token(password("admin")), None),
        (Shown::Header("Bearer"), None),
        (Shown::Header("Basic !"), None),
        (Shown::Header("Negotiate abc"), None),
    ];
    for role in ROLES {
        callers.push((Shown::Token(token(role)), Some(role)));
        callers.push((Shown::Password(format!("{role}-user"), password(role)), Some(role)));
    }
    callers
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_its_own_at_each_door_and_nothing_else() {
    let home = Home::new(&everyone());
    let server = home.serve();
    let mut wrong = Vec::new();
    for attempt in attempts() {
        for (shown, role) in callers() {
            if !(attempt.takes)(&shown) {
                continue;
            }
            let found = (attempt.try_it)(&server, &shown, attempt.what).await;
            let expected = attempt.needs.expected(role);
            if found != expected {
                wrong.push(format!("{} {} {shown:?}: {found:?}, not {expected:?}", attempt.door, attempt.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let admin = as_admin(&server, Method::GET, "/metrics", "").await;
    for door in ["http", "otlp/http", "otlp/grpc", "flight", "postgres"] {
        for reason in ["unauthenticated", "forbidden"] {
            let counted = format!("telestrata_refused_callers_total{{door=\"{door}\",reason=\"{reason}\"}}");
            assert!(admin.contains(&counted), "{counted}: {admin}");
        }
    }
}

async fn as_admin(server: &Server, method: Method, path: &str, body: &str) -> String {
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.http()));
    let response = request.bearer_auth(token("admin")).body(body.to_owned()).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    text
}

async fn sql(server: &Server, query: &str) -> Value {
    serde_json::from_str(&as_admin(server, Method::POST, "/v1/sql", query).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_carries_the_name_of_its_sender_also_after_a_crash() {
    let home = Home::new(&everyone());
    let server = home.serve();
    let ingest = Shown::Token(token("ingest"));
    let user = Shown::Password("ingest-user".into(), password("ingest"));
    assert_eq!(ask_http(&server, &ingest, "POST /v1/logs").await, Outcome::Done);
    assert_eq!(ask_grpc(&server, &user, "spans").await, Outcome::Done);
    assert_eq!(ask_http(&server, &user, "POST /v1/import").await, Outcome::Done);
    let names = "select 'logs' as of, source, ingest_principal from logs \
                 union all select 'spans', source, ingest_principal from spans order by 1, 2";
    let expected = serde_json::json!([
        {"of": "logs", "source": "import/otlp-json", "ingest_principal": "ingest-user"},
        {"of": "logs", "source": "otlp/http", "ingest_principal": "ingest-token"},
        {"of": "spans", "source": "otlp/grpc", "ingest_principal": "ingest-user"},
    ]);
    assert_eq!(sql(&server, names).await, expected);
    server.kill();
    let server = home.serve();
    assert_eq!(sql(&server, names).await, expected, "replayed from the write-ahead log");
    as_admin(&server, Method::POST, "/v1/flush", "").await;
    assert_eq!(sql(&server, names).await, expected, "read from the lake");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_may_not_use_what_a_browser_remembers() {
    let home = Home::new(&everyone());
    let server = home.serve();
    let client = reqwest::Client::new();
    let ask = async |origin: Option<&str>| {
        let request = client.post(format!("{}/v1/sql", server.http())).body("select 1").bearer_auth(token("query"));
        let request = origin.map_or(request.try_clone().unwrap(), |origin| request.header("origin", origin));
        request.send().await.unwrap().status()
    };
    assert_eq!(ask(None).await, StatusCode::OK);
    assert_eq!(ask(Some(&server.http())).await, StatusCode::OK);
    for other in ["https://evil.example", "http://localhost:1", "null", "http://evil.example/127.0.0.1"] {
        assert_eq!(ask(Some(other)).await, StatusCode::FORBIDDEN, "{other}");
    }
    // OTLP from pages: the preflight shows nothing, and the refusal can be read.
    let preflight = client
        .request(Method::OPTIONS, format!("{}/v1/logs", server.otlp_http()))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["access-control-allow-headers"], "authorization,content-type");
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    let refused = client.post(format!("{}/v1/logs", server.otlp_http())).header("origin", "https://shop.example");
    let refused = refused.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_seen_and_cancelled_by_its_own_principal_and_by_admins() {
    let two = everyone()
        + &everyone()
            .replace("query-", "other-")
            .split("[[auth")
            .filter(|entry| entry.contains("other-"))
            .map(|entry| format!("[[auth{entry}"))
            .collect::<String>();
    let home = Home::new(&two);
    let server = home.serve();
    let url = server.http();
    let endless = "select count(*) from generate_series(1, 100000000000) a(x) where x % 7 = 8";
    let client = reqwest::Client::new();
    let running = client.post(format!("{url}/v1/sql")).header("x-query-id", "mine").body(endless);
    let running = tokio::spawn(running.bearer_auth(token("query")).send());
    let seen_by = async |name: &str, password: &str| -> Vec<String> {
        let list = client.get(format!("{url}/v1/sql/running")).basic_auth(name, Some(password)).send().await.unwrap();
        let list: Vec<Value> = serde_json::from_str(&list.text().await.unwrap()).unwrap();
        list.iter().map(|query| query["query_id"].as_str().unwrap().to_owned()).collect()
    };
    while seen_by("admin-user", &password("admin")).await.is_empty() {
        assert!(!running.is_finished());
        tokio::task::yield_now().await;
    }
    // Of the same role, and even of the same person by another name: not theirs.
    assert!(seen_by("query-user", &password("query")).await.is_empty());
    let cancel = async |who: &str, role: &str| {
        let request = client.post(format!("{url}/v1/sql/cancel")).body("mine").basic_auth(who, Some(password(role)));
        request.send().await.unwrap().status()
    };
    assert_eq!(cancel("query-user", "query").await, StatusCode::NOT_FOUND);
    assert!(!running.is_finished());
    assert_eq!(cancel("admin-user", "admin").await, StatusCode::OK);
    assert_eq!(running.await.unwrap().unwrap().status().as_u16(), 499);
}

/// `config hash` with a password on standard input.
fn hash(args: &[&str], password: &str) -> Output {
    let mut command = telestrata();
    command.args(["config", "hash"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A token needs no password: the pipe may be closed already.
    let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_config_hash_prints_is_what_the_configuration_takes() {
    let user = hash(&["--user", "ann@example.com", "--roles", "query,maintain"], "grüße, Welt\n");
    let made = hash(&["--token", "edge_1"], "");
    let scraper = hash(&["--token", "prometheus", "--roles", "none"], "");
    assert!([&user, &made, &scraper].iter().all(|output| output.status.success()), "{user:?} {made:?}");
    assert!(!text(&user.stdout).contains("Welt") && user.stderr.is_empty(), "{user:?}");
    let token = text(&made.stderr).lines().last().unwrap();
    assert!(token.starts_with("tst_edge_1_") && !text(&made.stdout).contains(token), "{made:?}");
    let home = Home::new(&[&user, &made, &scraper].map(|output| text(&output.stdout)).concat());
    let server = home.serve();
    let ann = Shown::Password("ann@example.com".into(), "grüße, Welt".into());
    let edge = Shown::Token(token.to_owned());
    let prometheus = Shown::Token(text(&scraper.stderr).lines().last().unwrap().to_owned());
    for (shown, what, outcome) in [
        (&ann, "POST /v1/sql", Outcome::Done),
        (&ann, "POST /v1/flush", Outcome::Done),
        (&ann, "POST /v1/import", Outcome::Forbidden),
        (&edge, "POST /v1/logs", Outcome::Done),
        (&edge, "POST /v1/sql", Outcome::Forbidden),
        (&prometheus, "GET /metrics", Outcome::Done),
        (&prometheus, "POST /v1/sql", Outcome::Forbidden),
        (&prometheus, "POST /v1/logs", Outcome::Forbidden),
    ] {
        assert_eq!(ask_http(&server, shown, what).await, outcome, "{what} with {shown:?}");
    }
    // A name that is another's.
    let alone = hash(&[], "pw\n");
    assert!(text(&alone.stdout).starts_with("scram = \"SCRAM-SHA-256$"), "{alone:?}");
    for (args, password, says) in [
        (&["--roles", "query"][..], "pw", "--user or --token"),
        (&["--user", "a:b"], "pw", "a:b"),
        (&["--user", "ann", "--roles", "root"], "pw", "root"),
        (&["--user", "ann"], "", "empty"),
    ] {
        let refused = hash(args, password);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(text(&refused.stderr).contains(says) && refused.stdout.is_empty(), "{refused:?}");
    }
}

#[test]
fn a_terminal_does_not_show_the_password() {
    // A pseudo-terminal shows what is typed unless the program says otherwise.
    let person = "import os, pty, signal, sys, termios\n\
        signal.alarm(60)\n\
        pid, terminal = pty.fork()\n\
        if pid == 0:\n\
        \x20   os.dup2(os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)\n\
        \x20   os.execvp(sys.argv[1], [sys.argv[1], 'config', 'hash'])\n\
        shown = b''\n\
        def until(text):\n\
        \x20   global shown\n\
        \x20   start = len(shown)\n\
        \x20   while text not in shown[start:]: shown += os.read(terminal, 1024)\n\
        \x20   while termios.tcgetattr(terminal)[3] & termios.ECHO: pass\n\
        until(b'password: ')\n\
        os.write(terminal, b'correct horse\\r')\n\
        until(b'again: ')\n\
        os.write(terminal, sys.argv[2].encode() + b'\\r')\n\
        try:\n\
        \x20   while True:\n\
        \x20       more = os.read(terminal, 1024)\n\
        \x20       if not more: break\n\
        \x20       shown += more\n\
        except OSError: pass\n\
        sys.stdout.buffer.write(shown)\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("added.toml");
    let type_twice = |again: &str| {
        let binary = env!("CARGO_BIN_EXE_telestrata");
        let mut command = Command::new("python3");
        command.args(["-c", person, binary, again]).arg(&file).env("TERM", "xterm").output().unwrap()
    };
    let output = type_twice("correct horse");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    // The file gets the entry and nothing of the talk on the terminal.
    let added = std::fs::read_to_string(&file).unwrap();
    assert!(output.status.success() && shown.contains("password: "), "{output:?}");
    assert!(added.starts_with("scram = \"SCRAM-SHA-256$") && added.lines().count() == 1, "{added:?}");
    assert!(!shown.contains("correct") && !shown.contains("horse"), "{shown}");
    let output = type_twice("correct hors");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("two passwords"), "{output:?}");
}

/// A server that must not start: its exit code and what it said.
fn refused_start(home: &Home, args: &[&str]) -> (Option<i32>, String) {
    let mut command = home.verb("serve");
    command.arg("--wal").arg(home.wal()).args(["--otlp-grpc", "off", "--otlp-http", "off", "--http", "off"]);
    let output = command.args(["--flight", "off", "--postgres", "off"]).args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_bind_that_other_machines_reach_is_refused_without_credentials_and_without_tls() {
    for door in ["otlp-grpc", "otlp-http", "http", "flight", "postgres"] {
        // The last of two flags of a name would be refused by clap.
        let home = Home::new(&format!("{} = \"0.0.0.0:0\"", door.replace('-', "_")));
        let mut command = home.verb("serve");
        command.arg("--wal").arg(home.wal());
        for other in ["otlp-grpc", "otlp-http", "http", "flight", "postgres"].iter().filter(|other| **other != door) {
            command.arg(format!("--{other}")).arg("off");
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{door}: {said}");
        for part in [&door.replace('-', "_"), "0.0.0.0:0", "telestrata config hash", "[tls]", "127.0.0.1"] {
            assert!(said.contains(part), "{door}: {part}: {said}");
        }
    }
    let home = Home::new(&format!("http = \"0.0.0.0:0\"\n{}", everyone()));
    let mut command = home.verb("serve");
    command.arg("--wal").arg(home.wal()).args(["--otlp-grpc", "off", "--otlp-http", "off", "--flight", "off"]);
    let output = command.args(["--postgres", "off"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--insecure-plaintext") && !said.contains("nobody has credentials"), "{said}");
    let home = Home::new("[auth]\n");
    assert!(refused_start(&home, &[]).1.contains("[auth] without anyone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_for_other_machines_is_spoken_where_it_was_asked_for() {
    let home = Home::new(&format!("insecure_plaintext = true\n{}", everyone()));
    let server = home.serve_with("0.0.0.0:0", |_| {});
    let port = server.http().rsplit_once(':').unwrap().1.to_owned();
    let ask = |who: Option<String>| {
        let request = reqwest::Client::new().post(format!("http://127.0.0.1:{port}/v1/sql")).body("select 1");
        who.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token)).send()
    };
    assert_eq!(ask(None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Some(token("query"))).await.unwrap().status(), StatusCode::OK);
}

/// Tokens cost seconds to check here, in a build that is not optimized.
fn costly(name: &str) -> (String, String) {
    let params = argon2::Params::new(64 * 1024, 3, 1, None).unwrap();
    let token = format!("tst_{name}_{}", "ab".repeat(32));
    let hash: argon2::password_hash::phc::PasswordHash =
        argon2::password_hash::PasswordHasher::hash_password_with_salt(
            &argon2::Argon2::from(params),
            token.as_bytes(),
            b"saltsaltsaltsalt",
        )
        .unwrap();
    (token, format!("[[auth.token]]\nname = \"{name}\"\nhash = \"{hash}\"\nroles = [\"ingest\"]\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_tokens_does_not_keep_senders_out() {
    let ((sender, one), (late, two)) = (costly("sender"), costly("late"));
    let home = Home::new(&(one + &two));
    let server = home.serve();
    let known = Shown::Token(sender);
    assert_eq!(ask_http(&server, &known, "POST /v1/logs").await, Outcome::Done);
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (url, token) = (server.otlp_http(), format!("tst_nobody{number}_{}", "ab".repeat(32)));
        flood.spawn(async move {
            let request = reqwest::Client::new().post(format!("{url}/v1/logs")).bearer_auth(token);
            request.header("content-type", "application/json").body("{}").send().await.unwrap().status()
        });
    }
    // Until one was refused, so that the flood has begun.
    assert_eq!(flood.join_next().await.unwrap().unwrap(), StatusCode::UNAUTHORIZED);
    for _ in 0..20 {
        assert_eq!(ask_http(&server, &known, "POST /v1/logs").await, Outcome::Done);
    }
    // Also one who was not proven before waits for a turn or two, not for the flood.
    assert_eq!(ask_http(&server, &Shown::Token(late), "POST /v1/logs").await, Outcome::Done);
    assert!(flood.len() > 50, "the flood was over before the senders came in");
}
