//! The queries, what doors answered in one form, and how two answers differ.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::doors::Door;
use super::types::Types;

/// Differences of one query that are told; the others of it are like them.
const TOLD: usize = 4;

/// A query, as clients are given it.
#[derive(Debug, Clone, Serialize)]
pub struct Query {
    pub name: String,
    pub sql: String,
    /// Objects of `type` and `value`, as HTTP takes them.
    pub params: Value,
    /// The reference's, once it is known.
    pub types: Vec<String>,
}

impl Query {
    /// Every file of `queries/`, by name.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fifty/queries");
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let sql = std::fs::read_to_string(path).unwrap();
        assert!(sql.starts_with("-- "), "{}: say what it is for", path.display());
        let params = sql.lines().find_map(|line| line.strip_prefix("-- params: ")).unwrap_or("[]");
        let params = serde_json::from_str(params).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { name, sql, params, types: Vec::new() }
    }
}

/// What a door answered, in the form of `tests/clients/python/doors/neutral.py`.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    pub name: String,
    /// Name and type of each; none where rows alone tell of columns and there are none.
    #[serde(default)]
    pub columns: Option<Vec<(String, Option<String>)>>,
    #[serde(default)]
    pub rows: Vec<Vec<Value>>,
    #[serde(default)]
    pub error: Option<Value>,
}

impl Answer {
    /// The types of its columns, as far as it says them.
    pub fn types(&self) -> Vec<String> {
        self.columns.iter().flatten().filter_map(|(_, kind)| kind.clone()).collect()
    }
}

/// Where a door's answers are not what the reference and the table of types make expect.
pub fn differences(
    door: &Door,
    types: &Types,
    queries: &[Query],
    reference: &[Answer],
    answers: &[Answer],
) -> Vec<String> {
    let mut all = Vec::new();
    for (query, expected) in queries.iter().zip(reference) {
        let excepted = door.exceptions.iter().find(|(name, _)| query.name.ends_with(name));
        let Some(answer) = answers.iter().find(|answer| answer.name == query.name) else {
            if !(door.without_parameters && query.params != Value::Array(Vec::new())) {
                all.push(format!("{} {}: not answered", door.name, query.name));
            }
            continue;
        };
        let found = difference(door, types, expected, answer);
        match excepted {
            None => all.extend(found.into_iter().map(|what| format!("{} {}: {what}", door.name, query.name))),
            Some((_, why)) => {
                let said = found.iter().any(|what| what.contains(why));
                assert!(said, "{} {}: an exception that is none: {why}: {found:?}", door.name, query.name);
            }
        }
    }
    all
}

fn difference(door: &Door, types: &Types, expected: &Answer, answer: &Answer) -> Vec<String> {
    if let Some(error) = &answer.error {
        return vec![format!("{error}")];
    }
    let columns = expected.columns.as_deref().unwrap();
    if let Some(own) = &answer.columns {
        let names =
            |columns: &[(String, Option<String>)]| columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        if names(columns) != names(own) {
            return vec![format!("columns {:?} instead of {:?}", names(own), names(columns))];
        }
        for ((name, word), (_, kind)) in columns.iter().zip(own) {
            let expected = (door.kind)(types, word.as_deref().unwrap());
            if kind.is_some() && *kind != expected {
                return vec![format!("{name} is {kind:?} instead of {expected:?}")];
            }
        }
    }
    if answer.rows.len() != expected.rows.len() {
        return vec![format!("{} rows instead of {}", answer.rows.len(), expected.rows.len())];
    }
    let mut found = Vec::new();
    for (row, (own, expected)) in answer.rows.iter().zip(&expected.rows).enumerate() {
        for ((cell, expected), (name, word)) in own.iter().zip(expected).zip(columns) {
            let expected = (door.cell)(word.as_deref().unwrap(), expected);
            if *cell != expected {
                found.push(format!("row {row}, {name}: {} instead of {}", short(cell), short(&expected)));
            }
        }
    }
    found.truncate(TOLD);
    found
}

fn short(cell: &Value) -> String {
    cell.to_string().chars().take(200).collect()
}
