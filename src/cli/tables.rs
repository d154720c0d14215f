//! `telestrata tables`: what a lake holds, and the views, macros and system tables to ask it by.

use clap::Args;
use serde_json::{Value, json};

use super::Done;
use super::render::{Align, Layout, listing};
use super::say::say;
use super::target::{LocalLake, Server, TargetArgs};
use crate::config::Config;
use crate::error::Result;
use crate::lake::{DerivedFile, DerivedTable, LakeRoot};
use crate::model::signal::Signal;
use crate::query::{self, Pinned};
use crate::trace_index;

#[derive(Debug, Args)]
pub(super) struct Tables {
    #[command(flatten)]
    target: TargetArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Tables {
    pub(super) async fn run(self) -> Result<Done> {
        let entries = match &self.target.connect {
            Some(url) => of_server(url).await?,
            None => of_lake(&self.target.lake.load()?).await?,
        };
        if self.json {
            say(&format!("{}\n", Value::Array(entries)))?;
        } else {
            say(&for_people(&entries))?;
        }
        Ok(Done::Wholly)
    }
}

/// The server's own list, without its trace index, which is a matter of its files.
async fn of_server(url: &str) -> Result<Vec<Value>> {
    Server::new(url)?.get_json("/v1/tables").await?.as_array().cloned().ok_or_else(|| {
        crate::error::Error::unavailable(format!("{url} did not answer with a list; is it a telestrata server?"))
    })
}

async fn of_lake(config: &Config) -> Result<Vec<Value>> {
    let lake = LocalLake::new(config)?;
    let pinned = Pinned(lake.tables(&Signal::ALL).await?);
    let mut entries: Vec<Value> = query::listing(&pinned, &config.views).iter().map(|listed| json!(listed)).collect();
    if let Some(index) = index_row(&config.lake).await {
        entries.insert(pinned.0.len(), index);
    }
    Ok(entries)
}

fn for_people(entries: &[Value]) -> String {
    let of = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_u64).unwrap_or(0);
    let of_kinds =
        |kinds: &'static [&str]| entries.iter().filter(move |entry| kinds.contains(&of(entry, "kind").as_str()));
    let width = Layout::of_stdout().width;
    let mut lines = vec![["table", "rows", "in memory", "files", "size", "dates"].map(str::to_owned)];
    lines.extend(of_kinds(&["table", "index"]).map(|entry| {
        [
            of(entry, "name"),
            number(entry, "rows").to_string(),
            number(entry, "hot_rows").to_string(),
            number(entry, "files").to_string(),
            bytesize::ByteSize(number(entry, "bytes")).to_string(),
            format!("{} to {}", of(entry, "first_date"), of(entry, "last_date")),
        ]
    }));
    let right = Align::Right;
    let mut text = listing([Align::Left, right, right, right, right, Align::Left], &lines, width);
    for (title, kinds) in [("view", &["view", "macro"] as &[_]), ("system table", &["system"])] {
        let mut lines = vec![[title, ""].map(str::to_owned)];
        lines.extend(of_kinds(kinds).map(|entry| [of(entry, "usage"), of(entry, "description")]));
        text.push('\n');
        text.push_str(&listing([Align::Left, Align::Left], &lines, width));
    }
    text
}

/// The trace index, where there is one. It is no part of what is stored, so that what is wrong with it is said and no more.
async fn index_row(lake: &LakeRoot) -> Option<Value> {
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
