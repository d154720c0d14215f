//! The dashboards of `docs/grafana`, as far as their queries go.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::macros::Chosen;

pub const DASHBOARDS: [&str; 2] = ["service-health", "trace-search"];

pub struct Dashboard {
    pub json: Value,
}

/// A panel's query.
pub struct Query {
    pub panel: String,
    /// `timeseries`, `table`, ...
    pub kind: String,
    pub reference: String,
    /// `time_series` or `table`.
    pub format: String,
    pub sql: String,
}

impl Query {
    /// The panel and, where it has several queries, which.
    pub fn name(&self) -> String {
        format!("{}/{}", self.panel, self.reference)
    }
}

pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl Dashboard {
    pub fn read(name: &str) -> Self {
        let file = std::fs::read_to_string(folder().join(format!("dashboards/{name}.json"))).unwrap();
        Self { json: serde_json::from_str(&file).unwrap() }
    }

    pub fn panels(&self) -> &[Value] {
        self.json["panels"].as_array().unwrap()
    }

    /// The queries of all panels that ask the PostgreSQL data source.
    pub fn queries(&self) -> Vec<Query> {
        let targets = self.panels().iter().flat_map(|panel| {
            let targets = panel["targets"].as_array().unwrap().iter();
            targets.filter(|target| target["rawSql"].is_string()).map(move |target| Query {
                panel: text(&panel["title"]),
                kind: text(&panel["type"]),
                reference: text(&target["refId"]),
                format: text(&target["format"]),
                sql: text(&target["rawSql"]),
            })
        });
        targets.collect()
    }

    pub fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }

    /// The variables that are queries: name and query.
    pub fn variable_queries(&self) -> Vec<(String, String)> {
        let queries = self.variables().iter().filter(|variable| variable["type"] == "query");
        queries.map(|variable| (text(&variable["name"]), text(&variable["query"]))).collect()
    }

    /// What the variables are when the dashboard is opened.
    pub fn chosen(&self) -> BTreeMap<String, Chosen> {
        let chosen = self.variables().iter().map(|variable| {
            let value = if variable["type"] == "query" {
                assert_eq!(variable["current"]["value"], serde_json::json!(["$__all"]), "{variable}");
                Chosen::All(text(&variable["allValue"]))
            } else {
                Chosen::One(text(&variable["current"]["value"]))
            };
            (text(&variable["name"]), value)
        });
        chosen.collect()
    }
}
