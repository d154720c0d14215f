//! `telestrata tables`: what a lake holds, and the views to ask it by.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use super::target::LocalLake;
use crate::error::Result;
use crate::model::signal::Signal;
use crate::query::VIEWS;

#[derive(Debug, Args)]
pub(super) struct Tables {
    #[command(flatten)]
    lake: LakeArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Tables {
    pub(super) async fn run(self) -> Result<Done> {
        let mut text = String::new();
        let lake = LocalLake::new(&self.lake.load()?)?;
        let mut rows = Vec::new();
        for (signal, state) in lake.tables(&Signal::ALL).await? {
            let files = state.snapshot.files();
            let dates: Vec<&str> = files.iter().filter_map(|file| file.date.as_deref()).collect();
            rows.push(json!({
                "name": signal.table(),
                "kind": "table",
                "rows": files.iter().filter_map(|file| file.rows).sum::<u64>(),
                "files": files.len(),
                "bytes": files.bytes(),
                "first_date": dates.iter().min(),
                "last_date": dates.iter().max(),
                "version": state.snapshot.version(),
                "columns": state.snapshot.schema().fields().len(),
            }));
        }
        let views = VIEWS.iter().map(|view| {
            let documentation = view.documentation();
            json!({ "name": view.name, "kind": "view", "description": documentation.lines().next() })
        });
        if self.json {
            let all: Vec<_> = rows.into_iter().chain(views).collect();
            _ = writeln!(text, "{}", serde_json::Value::Array(all));
            say(&text)?;
            return Ok(Done::Wholly);
        }
        _ = writeln!(text, "{:<16}{:>14}{:>8}{:>12}  dates", "table", "rows", "files", "size");
        for row in &rows {
            let cell = |key: &str| row.get(key).and_then(serde_json::Value::as_str).unwrap_or("-");
            let number = |key: &str| row.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
            _ = writeln!(
                text,
                "{:<16}{:>14}{:>8}{:>12}  {} to {}",
                cell("name"),
                number("rows"),
                number("files"),
                bytesize::ByteSize(number("bytes")).to_string(),
                cell("first_date"),
                cell("last_date"),
            );
        }
        _ = writeln!(text, "\nview");
        for view in VIEWS {
            _ = writeln!(text, "{:<16}{}", view.name, view.documentation().lines().next().unwrap_or_default());
        }
        say(&text)?;
        Ok(Done::Wholly)
    }
}
