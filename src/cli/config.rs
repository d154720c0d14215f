//! `telestrata config show`: every key, its value, and where that came from. `config hash` is in `hash.rs`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Done;
use super::args::LakeArgs;
use super::hash::Hash;
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
    Show(Show),
    /// Print what the configuration keeps of a password, or of a new token
    Hash(Hash),
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    lake: LakeArgs,

    /// Print JSON, with the values that came of the configuration
    #[arg(long)]
    json: bool,
}

impl Config {
    pub(super) fn run(self) -> Result<Done> {
        match self.what {
            What::Show(show) => show.run(),
            What::Hash(hash) => hash.run(),
        }
    }
}

impl Show {
    fn run(self) -> Result<Done> {
        let mut text = String::new();
        let layers = self.lake.layers()?;
        let checked = Checked::from_layers(&layers)?;
        if self.json {
            say(&format!("{}\n", checked.described))?;
            return Ok(Done::Wholly);
        }
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
        for kind in ["users", "tokens"] {
            let Some(Value::Object(names)) = checked.described["auth"].get(kind) else { continue };
            for (name, roles) in names {
                _ = writeln!(text, "# {}: {name} {roles}", kind.trim_end_matches('s'));
            }
        }
        for list in ["retention", "hold"] {
            for entry in checked.described[list].as_array().into_iter().flatten() {
                _ = writeln!(text, "# {list}: {entry}");
            }
        }
        say(&text)?;
        Ok(Done::Wholly)
    }
}
