//! The questions of docs/cookbook.md, asked of a shop that opened yesterday for two minutes and just now for three.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use telestrata::demo::{DemoSignal, Shop};

use crate::support::server::{Home, Server};

/// Stands in a question for the id of a trace.
const YOUR_TRACE: &str = "YOUR TRACE";

/// Questions whose answer may well be none in a quiet shop.
const MAY_BE_EMPTY: &[&str] = &["02-first-to-break", "04-new-errors", "31-find-a-user"];

/// The number and name of each question, and its text.
fn questions() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// Between its marks docs/cookbook.md is what the files say; TELESTRATA_UPDATE_DOCS=1 writes it anew.
#[test]
fn the_cookbook_is_made_of_its_files() {
    const BEGIN: &str =
        "<!-- questions: made from cookbook/ by TELESTRATA_UPDATE_DOCS=1 cargo test --test it cookbook_is_made -->\n";
    const END: &str = "<!-- end of questions -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut made = format!("{before}{BEGIN}");
    for (name, question) in questions() {
        let head: Vec<&str> = question.lines().map_while(|line| line.strip_prefix("--")).map(str::trim).collect();
        let (number, sql) = (name.split('-').next().unwrap().trim_start_matches('0'), &question);
        let sql: Vec<&str> = sql.lines().skip_while(|line| line.starts_with("--")).collect();
        made += &format!("\n## {number}. {}\n", head[0]);
        if head.len() > 1 {
            made += &format!("\n{}\n", head[1..].join("\n").trim());
        }
        made += &format!("\n[{name}.sql](cookbook/{name}.sql)\n\n```sql\n{}\n```\n", sql.join("\n"));
    }
    made += &format!("\n{END}{after}");
    if std::env::var_os("TELESTRATA_UPDATE_DOCS").is_some() {
        std::fs::write(path, made).unwrap();
    } else {
        assert!(text == made, "docs/cookbook.md is not what the files of docs/cookbook/ say");
    }
}

async fn send(server: &Server, mut shop: Shop, lasts: Duration) {
    let client = reqwest::Client::new();
    for export in shop.advance(lasts).exports {
        let path = match export.signal() {
            DemoSignal::Logs => "/v1/logs",
            DemoSignal::Traces => "/v1/traces",
            DemoSignal::Metrics => "/v1/metrics",
        };
        let post =
            client.post(format!("{}{path}", server.otlp_http())).header("content-type", "application/x-protobuf");
        let response = post.body(export.encode()).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_else(|| panic!("no text in {column}: {row}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_the_cookbook_has_its_answer() {
    let home = Home::new("[flush]\nage = '1h'\n");
    let server = home.serve();
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    let shop = |seed, ago: u64| Shop::new(seed, (now - ago) * 1_000_000_000).with_records_per_second(120.0);
    send(&server, shop(1, 86_400 + 1_800), Duration::from_secs(120)).await;
    server.flush().await;
    send(&server, shop(2, 185), Duration::from_secs(180)).await;

    let failed = server.sql("select trace_id from spans where status_code = 'ERROR' order by time desc limit 1").await;
    let trace = text(&failed[0], "trace_id");
    let questions = questions();
    assert!(questions.len() >= 30, "{}", questions.len());
    for (name, question) in questions {
        let rows = server.sql(&question.replace(YOUR_TRACE, trace)).await;
        assert!(!rows.is_empty() || MAY_BE_EMPTY.contains(&name.as_str()), "{name} has no answer");
        let column = |column| rows.iter().map(|row| text(row, column)).collect::<Vec<_>>();
        // What the shop is made to have: an external API that payment waits for, and gives up on.
        match name.as_str() {
            "05-slowest-dependency" => {
                let slow = column("dependency").into_iter().position(|name| name == "api.fraudscore.example").unwrap();
                // Before it come only the calls that it is within.
                assert!(slow <= 3, "{rows:?}");
            }
            "14-where-the-time-went" => {
                let percent: f64 = rows.iter().map(|row| row["percent"].as_f64().unwrap()).sum();
                assert!((percent - 100.0).abs() < 1.0, "{rows:?}");
            }
            "15-where-the-error-began" => assert_eq!(rows[0]["subtree_errors"], 1, "{rows:?}"),
            "16-who-calls-whom" => {
                let edges: Vec<_> = column("client").into_iter().zip(column("server")).collect();
                for edge in [("frontend", "catalog"), ("checkout", "payment"), ("payment", "api.fraudscore.example")] {
                    assert!(edges.contains(&edge), "{edge:?} is not in {edges:?}");
                }
            }
            "24-external-hosts" => assert!(column("server_address").contains(&"api.fraudscore.example"), "{rows:?}"),
            _ => {}
        }
    }
    server.terminate();
}
