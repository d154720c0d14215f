//! `telestrata snapshot`: names for moments of a lake, which vacuum and log clean-up leave openable.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use super::target::tell_of_writers;
use crate::error::{Error, Result};
use crate::lake::{NamedSnapshot, NamedSnapshots};
use crate::maintenance::create_snapshot;

#[derive(Debug, Args)]
pub(super) struct Snapshot {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Name the lake as it is now: what it holds stays openable until the name is dropped
    Create(Named),
    /// List the named snapshots, and the Delta version of each table
    List(All),
    /// Let go of a name; what only it held goes at the next vacuum
    Drop(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// Of lower-case letters, digits, hyphens, underscores and dots
    name: String,

    #[command(flatten)]
    all: All,
}

#[derive(Debug, Args)]
struct All {
    #[command(flatten)]
    lake: LakeArgs,

    /// Print JSON, an object for each snapshot
    #[arg(long)]
    json: bool,
}

impl Snapshot {
    pub(super) async fn run(self) -> Result<Done> {
        match self.verb {
            Verb::Create(Named { name, all }) => {
                let root = all.lake.load()?.lake;
                tell_of_writers(&root, "is not in the snapshot").await;
                let made = Box::pin(create_snapshot(&root, &name, chrono::Utc::now())).await?;
                all.tell(&[made])?;
            }
            Verb::List(all) => {
                let snapshots = NamedSnapshots::new(&all.lake.load()?.lake)?.list().await?;
                all.tell(&snapshots)?;
            }
            Verb::Drop(Named { name, all }) => {
                let snapshots = NamedSnapshots::new(&all.lake.load()?.lake)?;
                let dropped = snapshots.get(&name).await?;
                snapshots.drop_name(&name).await?;
                if all.json {
                    all.tell(&[dropped])?;
                } else {
                    say(&format!("dropped {name}; what only it held goes at the next `telestrata vacuum apply`\n"))?;
                }
            }
        }
        Ok(Done::Wholly)
    }
}

impl All {
    fn tell(&self, snapshots: &[NamedSnapshot]) -> Result<()> {
        let mut text = String::new();
        for snapshot in snapshots {
            if self.json {
                let line = serde_json::to_string(snapshot);
                let line = line.map_err(|error| Error::internal("no JSON of a snapshot").with_source(error))?;
                _ = writeln!(text, "{line}");
                continue;
            }
            let versions = snapshot.tables.iter().map(|(table, version)| format!("{table} {version}"));
            let versions = versions.collect::<Vec<_>>().join(", ");
            let created = snapshot.created.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            _ = writeln!(text, "{}  {created}  {versions}", snapshot.name);
        }
        if snapshots.is_empty() && !self.json {
            text.push_str("no snapshots\n");
        }
        say(&text)
    }
}
