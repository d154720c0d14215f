//! A reader: a Python process that answers questions about a lake, one at a time (`tests/clients/python/readers`).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::support::python::python;

/// Every reader, by the name that `python -m readers` knows.
pub const READERS: [&str; 7] =
    ["polars", "deltalake", "pandas-deltalake", "pandas-pyarrow", "pyarrow", "duckdb", "clickhouse"];

/// A zone that no one would take for UTC: times must not depend on the machine's.
const FAR_ZONE: &str = "Asia/Kathmandu";

/// A running reader. Dropped, it ends.
#[derive(Debug)]
pub struct Reader {
    /// Its name.
    pub name: &'static str,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    pub fn start(name: &'static str) -> Self {
        let mut command = python();
        command.args(["-m", "readers", name]).env("TZ", FAR_ZONE).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { name, child, questions, answers: BufReader::new(answers) }
    }

    /// The rows that it answers with, or what it says went wrong.
    pub fn ask(&mut self, lake: &Path, ask: &Value) -> Result<Vec<Value>, String> {
        writeln!(self.questions, "{}", json!({ "lake": lake, "ask": ask })).map_err(|error| self.ended(&error))?;
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(length) if length > 0 => {}
            result => return Err(self.ended(&result)),
        }
        let mut reply: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        match (reply["answer"].take(), reply["error"].take()) {
            (Value::Array(rows), _) => Ok(rows),
            (_, Value::String(error)) => Err(error),
            _ => Err(format!("neither an answer nor an error: {line}")),
        }
    }

    /// As [`Reader::ask`], of one number.
    pub fn number(&mut self, lake: &Path, ask: &Value) -> Result<i64, String> {
        let rows = self.ask(lake, ask)?;
        rows.first().and_then(|row| row[0].as_i64()).ok_or_else(|| format!("{ask}: not one number: {rows:?}"))
    }

    fn ended(&mut self, why: &dyn std::fmt::Debug) -> String {
        format!("the reader's process ended ({:?}): {why:?}", self.child.try_wait())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
