//! `telestrata config show`: every key, its value, and where that came from.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use crate::config::{Config as Checked, KEYS};
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every key with its value and where it comes from, as a file that could be used
    Show(LakeArgs),
}

impl Config {
    pub(super) fn run(self) -> Result<Done> {
        let mut text = String::new();
        let What::Show(args) = self.what;
        let layers = args.layers()?;
        let checked = Checked::from_layers(&layers)?;
        let mut section = "";
        for key in KEYS {
            let (table, name) = key.path.split_once('.').unwrap_or(("", key.path));
            if table != section {
                _ = writeln!(text, "\n[{table}]");
                section = table;
            }
            _ = writeln!(text, "# {} [{}]", key.doc, key.env());
            match layers.get(key.path) {
                Some((value, origin)) => _ = writeln!(text, "{name} = {value}  # {origin}"),
                None => match key.path {
                    "memory_limit" => {
                        _ = writeln!(text, "{name} = \"{}\"  # default on this machine", checked.memory_limit);
                    }
                    "query.max_memory" => {
                        _ = writeln!(text, "{name} = \"{}\"  # default on this machine", checked.query.max_memory);
                    }
                    _ => _ = writeln!(text, "# {name} is not set"),
                },
            }
        }
        for promoted in &checked.ingest.promoted {
            _ = writeln!(text, "# promoted: {} = {}", promoted.name, promoted.comment());
        }
        say(&text)?;
        Ok(Done::Wholly)
    }
}
