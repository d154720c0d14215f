//! `telestrata config hash`: what the configuration keeps of a password or a token.
//!
//! A password is read from a terminal that does not show it, or from standard input; a token is made here. Neither is
//! ever an argument: other users of the machine can read those.
//!
//! Standard output gets what belongs into the configuration file, so that it can be added there with `>>`; a new token
//! goes to standard error.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;

use super::Done;
use super::say::say;
use crate::auth::{NewToken, Role, ScramVerifier, check_name};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Hash {
    /// Print the whole entry of a user of this name, not the verifier of the password alone
    #[arg(long, value_name = "NAME", conflicts_with = "token")]
    user: Option<String>,

    /// Make a token of this name, print it once to standard error, and its entry to standard output
    #[arg(long, value_name = "NAME")]
    token: Option<String>,

    /// What the holder may do: some of ingest, query, maintain, admin, with commas between, or none
    /// [default: query for a user, ingest for a token]
    #[arg(long, value_name = "ROLES")]
    roles: Option<String>,
}

impl Hash {
    pub(super) fn run(self) -> Result<Done> {
        match (&self.user, &self.token) {
            (_, Some(name)) => {
                check_name(name)?;
                let roles = self.roles("ingest")?;
                let made = NewToken::named(name)?;
                eprintln!("the token, which is shown this once:\n{}", made.token);
                say(&entry("token", name, &format!("hash = \"{}\"", made.hash), &roles))?;
            }
            (Some(name), None) => {
                check_name(name)?;
                let roles = self.roles("query")?;
                say(&entry("user", name, &format!("scram = \"{}\"", verifier()?), &roles))?;
            }
            (None, None) if self.roles.is_some() => {
                return Err(Error::config("whose roles? give --user or --token beside --roles"));
            }
            (None, None) => say(&format!("scram = \"{}\"\n", verifier()?))?,
        }
        Ok(Done::Wholly)
    }

    fn roles(&self, default: &str) -> Result<String> {
        let text = self.roles.as_deref().unwrap_or(default);
        if text == "none" {
            return Ok("[]".to_owned());
        }
        let roles: Result<Vec<Role>, String> = text.split(',').map(|name| name.trim().parse()).collect();
        let names: Vec<_> = roles.map_err(Error::config)?.iter().map(|role| format!("\"{role}\"")).collect();
        Ok(format!("[{}]", names.join(", ")))
    }
}

/// A blank line in front sets it off from what is in the file.
fn entry(kind: &str, name: &str, secret: &str, roles: &str) -> String {
    let mut text = String::new();
    _ = writeln!(text, "\n[[auth.{kind}]]\nname = \"{name}\"\n{secret}\nroles = {roles}");
    text
}

fn verifier() -> Result<String> {
    let password = if std::io::stdin().is_terminal() { typed()? } else { piped()? };
    if password.is_empty() {
        return Err(Error::config("the password is empty; give one"));
    }
    Ok(ScramVerifier::of(&password)?.to_line())
}

/// The first line of standard input.
fn piped() -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::config("the password can't be read from standard input").with_source(error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What is typed twice, unseen. It is asked for on the terminal itself, since standard output may be a file.
fn typed() -> Result<String> {
    let failed = |error| Error::config("the password can't be read from the terminal").with_source(error);
    let password = rpassword::prompt_password("password: ").map_err(failed)?;
    if rpassword::prompt_password("again: ").map_err(failed)? != password {
        return Err(Error::config("these were two passwords; try again"));
    }
    Ok(password)
}
