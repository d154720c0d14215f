//! `telestrata completions`: what a shell needs to complete verbs, options and their values.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::say::say;
use super::{Cli, Done};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "\
bash, for you:     telestrata completions bash > ~/.local/share/bash-completion/completions/telestrata
zsh, in a $fpath:  telestrata completions zsh > ~/.zfunc/_telestrata
fish, for you:     telestrata completions fish > ~/.config/fish/completions/telestrata.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Done> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "telestrata", &mut script);
        say(&String::from_utf8_lossy(&script))?;
        Ok(Done::Wholly)
    }
}
