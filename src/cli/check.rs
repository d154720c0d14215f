//! `telestrata check`: the Delta log held against the stored files.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use crate::error::Result;
use crate::maintenance::check_files;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    lake: LakeArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Partly done means that files are missing.
    pub(super) async fn run(self) -> Result<Done> {
        let mut text = String::new();
        let root = self.lake.load()?.lake;
        let check = check_files(&root).await?;
        if self.json {
            let unlisted: Vec<_> =
                check.unlisted.iter().map(|(path, bytes)| json!({ "path": path, "bytes": bytes })).collect();
            _ = writeln!(text, "{}", json!({ "live": check.live, "unlisted": unlisted, "missing": check.missing }));
        } else {
            _ = writeln!(text, "{} live files at {}", check.live, root.display());
            for (path, bytes) in &check.unlisted {
                _ = writeln!(text, "no commit names {path} ({}): it harms nothing", bytesize::ByteSize(*bytes));
            }
            for path in &check.missing {
                _ = writeln!(text, "missing: {path} is part of its table and not stored; restore it");
            }
        }
        say(&text)?;
        Ok(if check.missing.is_empty() { Done::Wholly } else { Done::Partly })
    }
}
