//! The doors and their clients, and what each of them says otherwise.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::answer::{Answer, Query};
use super::types::Types;
use crate::support::python::python;
use crate::support::server::{Server, telestrata};

/// A way to ask.
pub struct Door {
    pub name: &'static str,
    /// The client's arguments.
    arguments: fn(&Server) -> Vec<String>,
    /// What it calls a type of SQL; `None` where it says none.
    pub kind: fn(&Types, &str) -> Option<String>,
    /// A value of a type, as it gives it.
    pub cell: fn(&str, &Value) -> Value,
    /// Queries whose answers differ, and what is then said.
    pub exceptions: &'static [(&'static str, &'static str)],
    /// Whether its client sends no parameters.
    pub without_parameters: bool,
}

/// PostgreSQL keeps names as they are; JSON, Arrow's readers and the CLI could not tell such columns apart.
const NAMES: (&str, &str) = ("_columns_of_one_name", "instead of");
/// PostgreSQL's clients are answered in PostgreSQL's types there.
const OWN_SCHEMA: (&str, &str) = ("_information_schema", "ordinal_position is Some(\"int4\")");
const INTERVALS: &str = "is an interval";

const PLAIN: Door = Door {
    name: "",
    arguments: |_| Vec::new(),
    kind: |_, word| Some(word.to_owned()),
    cell: |_, cell| cell.clone(),
    exceptions: &[],
    without_parameters: false,
};

/// Every door but the reference.
pub const DOORS: &[Door] = &[
    Door {
        name: "http parquet",
        arguments: |server| http(server, "parquet"),
        exceptions: &[("_intervals", INTERVALS), ("_nulls", INTERVALS), ("_no_rows_of_every_type", INTERVALS)],
        ..PLAIN
    },
    Door { name: "http json", arguments: |server| http(server, "json"), kind: |_, _| None, ..PLAIN },
    Door { name: "http ndjson", arguments: |server| http(server, "ndjson"), kind: |_, _| None, ..PLAIN },
    Door { name: "http csv", arguments: |server| http(server, "csv"), kind: |_, _| None, cell: csv_cell, ..PLAIN },
    Door { name: "flight", arguments: flight, ..PLAIN },
    Door { name: "postgres text", arguments: |server| postgres(server, "text"), ..POSTGRES },
    Door { name: "postgres binary", arguments: |server| postgres(server, "binary"), ..POSTGRES },
    Door { name: "cli", arguments: cli, without_parameters: true, ..PLAIN },
];

const POSTGRES: Door = Door {
    kind: |types, word| Some(types.postgres(word)),
    cell: postgres_cell,
    exceptions: &[NAMES, OWN_SCHEMA],
    ..PLAIN
};

/// The client's arguments for HTTP.
pub fn http(server: &Server, format: &str) -> Vec<String> {
    vec!["http".to_owned(), server.http(), format.to_owned()]
}

/// For PostgreSQL, with results as `text` or `binary`.
pub fn postgres(server: &Server, form: &str) -> Vec<String> {
    vec!["postgres".to_owned(), postgres_conninfo(server), form.to_owned()]
}

/// For Flight SQL.
pub fn flight(server: &Server) -> Vec<String> {
    vec!["flight".to_owned(), format!("grpc://{}", server.flight())]
}

/// For the command line.
pub fn cli(server: &Server) -> Vec<String> {
    vec!["cli".to_owned(), server.http(), telestrata().get_program().to_str().unwrap().to_owned()]
}

/// Where PostgreSQL's clients find the server.
pub fn postgres_conninfo(server: &Server) -> String {
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    format!("host={host} port={port} user=analyst dbname=telestrata")
}

/// The answers that the others are held to: HTTP's Arrow stream.
pub fn reference(server: &Server, queries: &[Query]) -> Vec<Answer> {
    ask(&http(server, "arrow"), queries)
}

/// The answers of every door, asked side by side.
pub fn ask_all(server: &Server, queries: &[Query]) -> Vec<Vec<Answer>> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = DOORS.iter().map(|door| scope.spawn(|| ask(&(door.arguments)(server), queries))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    })
}

/// What a client answers.
pub fn ask(arguments: &[String], queries: &[Query]) -> Vec<Answer> {
    let mut command: Command = python();
    command.args(["-m", "doors"]).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").env("TZ", "Asia/Kathmandu");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let asked = serde_json::to_vec(queries).unwrap();
    child.stdin.take().unwrap().write_all(&asked).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// NULL is an empty cell, and the infinities are `inf` and `-inf`.
fn csv_cell(word: &str, cell: &Value) -> Value {
    let spelled = match (word, cell.as_str()) {
        ("double" | "real", Some("Infinity")) => "inf",
        ("double" | "real", Some("-Infinity")) => "-inf",
        (_, None) if cell.is_null() => "",
        _ => return cell.clone(),
    };
    json!(spelled)
}

/// Times have microseconds and are in UTC, and a duration is an interval.
fn postgres_cell(word: &str, cell: &Value) -> Value {
    let Some(text) = cell.as_str() else { return cell.clone() };
    match word {
        "timestamp" | "timestamp with time zone" => {
            let time = chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc();
            // Towards 1970, as a cast in SQL cuts them; chrono's own goes down.
            let nanos = i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
            let micros = chrono::DateTime::from_timestamp_micros((nanos / 1000) as i64).unwrap();
            json!(micros.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        }
        "duration" => json!(interval_of(text)),
        _ => cell.clone(),
    }
}

/// `-PT1.5S` is `-1.500000000 secs`.
fn interval_of(duration: &str) -> String {
    if duration == "P0D" {
        return "0 secs".to_owned();
    }
    let (sign, rest) = duration.strip_prefix('-').map_or(("", duration), |rest| ("-", rest));
    let seconds: f64 = rest.trim_start_matches("PT").trim_end_matches('S').parse().unwrap();
    let (whole, fraction) = (seconds.trunc() as u64, seconds.fract());
    let mut parts = Vec::new();
    for (count, unit) in [(whole / 3600, "hours"), (whole / 60 % 60, "mins")] {
        if count > 0 {
            parts.push(format!("{sign}{count} {unit}"));
        }
    }
    let seconds = (whole % 60) as f64 + fraction;
    if seconds > 0.0 {
        parts.push(format!("{sign}{seconds:.9} secs"));
    }
    parts.join(" ")
}
