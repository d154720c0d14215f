//! `telestrata tables`: what a lake holds, and the views, macros and system tables to ask it by.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::Done;
use super::args::LakeArgs;
use super::render::{Align, Layout, listing};
use super::say::say;
use super::target::LocalLake;
use crate::error::Result;
use crate::lake::{DerivedFile, DerivedTable, LakeRoot};
use crate::model::signal::Signal;
use crate::query::{SYSTEM_SCHEMA, SystemTable};
use crate::trace_index;

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
        let config = self.lake.load()?;
        let lake = LocalLake::new(&config)?;
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
        rows.extend(index_row(&config.lake).await);
        let views = config.views.iter().map(|object| {
            let kind = if object.parameters.is_some() { "macro" } else { "view" };
            json!({ "name": object.name, "kind": kind, "usage": object.usage(), "description": object.summary() })
        });
        let system = SystemTable::ALL.into_iter().map(|table| {
            let name = format!("{SYSTEM_SCHEMA}.{}", table.name());
            json!({ "name": name, "kind": "system", "usage": name, "description": table.summary() })
        });
        if self.json {
            let all: Vec<_> = rows.into_iter().chain(views).chain(system).collect();
            _ = writeln!(text, "{}", serde_json::Value::Array(all));
            say(&text)?;
            return Ok(Done::Wholly);
        }
        let width = Layout::of_stdout().width;
        let mut lines = vec![["table", "rows", "files", "size", "dates"].map(str::to_owned)];
        lines.extend(rows.iter().map(|row| {
            let cell = |key: &str| row.get(key).and_then(serde_json::Value::as_str).unwrap_or("-");
            let number = |key: &str| row.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
            [
                cell("name").to_owned(),
                number("rows").to_string(),
                number("files").to_string(),
                bytesize::ByteSize(number("bytes")).to_string(),
                format!("{} to {}", cell("first_date"), cell("last_date")),
            ]
        }));
        text.push_str(&listing([Align::Left, Align::Right, Align::Right, Align::Right, Align::Left], &lines, width));
        let mut lines = vec![["view", ""].map(str::to_owned)];
        lines.extend(config.views.iter().map(|object| [object.usage().to_owned(), object.summary().to_owned()]));
        text.push('\n');
        text.push_str(&listing([Align::Left, Align::Left], &lines, width));
        let mut lines = vec![["system table", ""].map(str::to_owned)];
        let row = |table: SystemTable| [format!("{SYSTEM_SCHEMA}.{}", table.name()), table.summary().to_owned()];
        lines.extend(SystemTable::ALL.map(row));
        text.push('\n');
        text.push_str(&listing([Align::Left, Align::Left], &lines, width));
        say(&text)?;
        Ok(Done::Wholly)
    }
}

/// The trace index, where there is one. It is no part of what is stored, so that what is wrong with it is said and no more.
async fn index_row(lake: &LakeRoot) -> Option<serde_json::Value> {
    let snapshot = match DerivedTable::new(lake, trace_index::TABLE) {
        Ok(table) => table.load().await,
        Err(error) => Err(error),
    };
    let snapshot = snapshot.unwrap_or_else(|error| {
        tracing::warn!(%error, "the trace index can't be read; delete its folder to have it made again");
        None
    })?;
    let files = snapshot.files();
    Some(json!({
        "name": trace_index::TABLE.name,
        "kind": "index",
        "rows": files.iter().filter_map(DerivedFile::rows).sum::<u64>(),
        "files": files.len(),
        "bytes": files.iter().map(|file| file.size).sum::<u64>(),
        "first_date": files.iter().map(|file| &file.partition).min(),
        "last_date": files.iter().map(|file| &file.partition).max(),
        "version": snapshot.version(),
    }))
}
