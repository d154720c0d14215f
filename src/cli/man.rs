//! `telestrata man`: manual pages, one for the program and one for each verb, made from what `--help` says.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::roff::{Roff, bold, roman};

use super::say::say;
use super::{Cli, Done};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
#[command(after_help = "\
To read one:      telestrata man sql | man -l -
To install them:  telestrata man -o ~/.local/share/man/man1")]
pub(super) struct Man {
    /// The verb to print the page of [default: the program's own page]
    verb: Option<String>,

    /// Write every page into this folder
    #[arg(short, long, value_name = "DIR", conflicts_with = "verb")]
    output: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<Done> {
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        match (self.output, self.verb) {
            (Some(folder), _) => {
                let failed = |path: &std::path::Path, error| {
                    Error::config(format!("can't write {}", path.display())).with_source(error)
                };
                std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
                for command in pages(&program) {
                    let path = folder.join(format!("{}.1", page_name(command)));
                    std::fs::write(&path, page(command)?).map_err(|error| failed(&path, error))?;
                }
            }
            (None, None) => say(&String::from_utf8_lossy(&page(&program)?))?,
            (None, Some(verb)) => {
                let command = program
                    .find_subcommand(&verb)
                    .ok_or_else(|| Error::config(format!("there is no verb `{verb}`; see `telestrata --help`")))?;
                say(&String::from_utf8_lossy(&page(command)?))?;
            }
        }
        Ok(Done::Wholly)
    }
}

/// The program, its verbs, and theirs.
fn pages(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set()).flat_map(pages);
    [command].into_iter().chain(below).collect()
}

/// As in `telestrata-config-show`.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let written = clap_mangen::Man::new(command.clone())
        .manual("telestrata")
        .render(&mut text)
        .and_then(|()| closing(command).to_writer(&mut text));
    written.map_err(|error| Error::internal("a manual page can't be written").with_source(error))?;
    Ok(text)
}

/// What every page ends with.
fn closing(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", "done"),
        ("1", "failed"),
        ("2", "bad usage or configuration"),
        ("3", "partly done; the rest was reported"),
    ] {
        roff.control("TP", []);
        roff.text([bold(code)]);
        roff.text([roman(meaning)]);
    }
    if page_name(command) != "telestrata" {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("telestrata"), roman("(1)")]);
    }
    roff
}
