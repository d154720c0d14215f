//! The same mistake is told at every door, in the door's own code, with the place in the query where one is.

use serde_json::{Value, json};

use super::answer::{Answer, Query};
use super::doors::{ask, cli, flight, http, postgres};

/// A query that fails, and what each door says.
struct Failure {
    name: &'static str,
    sql: &'static str,
    /// HTTP's status and problem type.
    http: (u16, &'static str),
    sqlstate: &'static str,
    grpc: &'static str,
    /// Line and column, from 1.
    position: Option<(u64, u64)>,
    /// A part of the message that every door gives.
    message: &'static str,
}

const INVALID: (u16, &str) = (400, "invalid");
const BUDGET: (u16, &str) = (422, "budget_exceeded");

const FAILURES: &[Failure] = &[
    Failure {
        name: "syntax",
        sql: "SELECT 1\n  2 FROM logs",
        http: INVALID,
        sqlstate: "42601",
        grpc: "INVALID_ARGUMENT",
        position: Some((2, 3)),
        message: "found: 2",
    },
    Failure {
        name: "unknown table",
        sql: "SELECT *\nFROM lgos",
        http: INVALID,
        sqlstate: "42P01",
        grpc: "INVALID_ARGUMENT",
        position: Some((2, 6)),
        message: "did you mean logs?",
    },
    Failure {
        name: "unknown column",
        sql: "SELECT bdy FROM logs",
        http: INVALID,
        sqlstate: "42703",
        grpc: "INVALID_ARGUMENT",
        position: Some((1, 8)),
        message: "did you mean body?",
    },
    Failure {
        name: "unknown function",
        sql: "SELECT 'größe', frobnicate(1)",
        http: INVALID,
        sqlstate: "42883",
        grpc: "INVALID_ARGUMENT",
        position: Some((1, 17)),
        message: "there is no function frobnicate",
    },
    Failure {
        name: "division by zero",
        sql: "SELECT 10 / (value - 1) FROM generate_series(1, 10)",
        http: INVALID,
        sqlstate: "22012",
        grpc: "INVALID_ARGUMENT",
        position: None,
        message: "ivide by zero",
    },
    Failure {
        name: "a value that is no number",
        sql: "SELECT CAST(source AS bigint) FROM spans",
        http: INVALID,
        sqlstate: "22P02",
        grpc: "INVALID_ARGUMENT",
        position: None,
        message: "Cannot cast string",
    },
    Failure {
        name: "too many rows",
        sql: "SELECT value FROM generate_series(1, 5000)",
        http: BUDGET,
        sqlstate: "53400",
        grpc: "RESOURCE_EXHAUSTED",
        position: None,
        message: "[query] max_rows, 1000",
    },
    Failure {
        name: "too much memory",
        sql: "SELECT count(*) FROM generate_series(1, 1000000) a(v) JOIN generate_series(1, 1000000) b(v) ON a.v = b.v",
        http: BUDGET,
        sqlstate: "53400",
        grpc: "RESOURCE_EXHAUSTED",
        position: None,
        message: "[query] max_memory, 1.0 MiB",
    },
    Failure {
        name: "too much time",
        sql: "SELECT max(value) FROM generate_series(1, 9000000000000000)",
        http: BUDGET,
        sqlstate: "53400",
        grpc: "RESOURCE_EXHAUSTED",
        position: None,
        message: "[query] max_time, 3s",
    },
    Failure {
        name: "forbidden",
        sql: "DROP TABLE logs",
        http: INVALID,
        sqlstate: "42501",
        grpc: "INVALID_ARGUMENT",
        position: None,
        message: "queries",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn every_door_tells_the_same_mistake_in_its_own_code() {
    let (_home, server) = super::serve("[query]\nmax_rows = 1000\nmax_time = '3s'\nmax_memory = '1 MiB'\n").await;
    let query = |failure: &Failure| Query {
        name: failure.name.to_owned(),
        sql: failure.sql.to_owned(),
        params: json!([]),
        types: Vec::new(),
    };
    let queries: Vec<Query> = FAILURES.iter().map(query).collect();
    let answers = |arguments: Vec<String>| tokio::task::block_in_place(|| ask(&arguments, &queries));
    let mut wrong = Vec::new();
    let mut check = |door: &str, failure: &Failure, said: Value, expected: Value, message: &str| {
        if said != expected || !message.contains(failure.message) {
            wrong.push(format!("{door}, {}: {said} instead of {expected}: {message}", failure.name));
        }
    };
    for (failure, answer) in FAILURES.iter().zip(answers(http(&server, "json"))) {
        let error = error(&answer);
        let (status, kind) = failure.http;
        let position = failure.position.map(|(line, column)| json!({ "line": line, "column": column }));
        let expected = json!([status, format!("urn:telestrata:problem:{kind}"), position]);
        check(
            "http",
            failure,
            json!([error["status"], error["type"], error["position"]]),
            expected,
            text(&error["detail"]),
        );
    }
    for (failure, answer) in FAILURES.iter().zip(answers(postgres(&server, "text"))) {
        let error = error(&answer);
        let expected =
            json!([failure.sqlstate, failure.position.map(|place| characters(failure.sql, place).to_string())]);
        check("postgres", failure, json!([error["sqlstate"], error["position"]]), expected, text(&error["message"]));
    }
    for (failure, answer) in FAILURES.iter().zip(answers(flight(&server))) {
        let error = error(&answer);
        let told = failure.position.is_none_or(|place| tells(text(&error["message"]), place));
        check("flight", failure, json!([error["status"], told]), json!([failure.grpc, true]), text(&error["message"]));
    }
    for (failure, answer) in FAILURES.iter().zip(answers(cli(&server))) {
        let error = error(&answer);
        let told = failure.position.is_none_or(|place| tells(text(&error["message"]), place));
        check("cli", failure, json!([error["code"], told]), json!([1, true]), text(&error["message"]));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    server.terminate();
}

fn error(answer: &Answer) -> Value {
    answer.error.clone().unwrap_or_else(|| panic!("{} was answered", answer.name))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a message has the place in it; the parser's own do.
fn tells(message: &str, (line, column): (u64, u64)) -> bool {
    let ways = [format!("line {line}, column {column}"), format!("Line: {line}, Column: {column}")];
    ways.iter().any(|way| message.contains(way))
}

/// A place as PostgreSQL counts: characters of the whole text, from 1.
fn characters(sql: &str, (line, column): (u64, u64)) -> u64 {
    let before = sql.split('\n').take(line as usize - 1).map(|line| line.chars().count() as u64 + 1);
    before.sum::<u64>() + column
}
