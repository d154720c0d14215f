//! From a startup packet to a principal: the protocol's version, and SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! Without configured users whoever comes is let in; the server then listens on loopback alone. With them a name that
//! is not known takes the same way as a known one, to the same refusal.

use std::io;

use bytes::Bytes;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use pgwire::messages::startup::{Authentication, NegotiateProtocolVersion};

use super::errors::{Failure, Refusal};
use super::message::{first_of_sasl, startup_settings, violated};
use super::wire::Wire;
use crate::auth::{Principal, ScramLogin};

const MECHANISM: &str = "SCRAM-SHA-256";

/// The version of the protocol that this server speaks: 3, with long cancel keys from 3.2 on.
const MAJOR: u16 = 3;
const NEWEST_MINOR: u16 = 2;

/// What a client asks a session for.
#[derive(Debug)]
pub(super) struct Startup {
    minor: u16,
    settings: Vec<(String, String)>,
}

impl Startup {
    pub(super) fn read(version: i32, body: Bytes) -> io::Result<Self> {
        let [a, b, c, d] = version.to_be_bytes();
        if u16::from_be_bytes([a, b]) != MAJOR {
            return Err(io::Error::other("the client speaks another version of the protocol than 3"));
        }
        let settings = startup_settings(body).map_err(|refusal| io::Error::other(refusal.message().to_owned()))?;
        Ok(Self { minor: u16::from_be_bytes([c, d]), settings })
    }

    pub(super) fn user(&self) -> &str {
        self.named("user").unwrap_or_default()
    }

    /// Whether the client's protocol has cancel keys of more than four bytes.
    pub(super) const fn has_long_keys(&self) -> bool {
        self.minor >= NEWEST_MINOR
    }

    /// What it asks to have set: its own settings, and those of `options`.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let special = ["user", "database", "options", "replication"];
        let plain =
            self.settings.iter().filter(|(name, _)| !special.contains(&name.as_str()) && !name.starts_with("_pq_."));
        plain.cloned().chain(self.named("options").map(options).unwrap_or_default()).collect()
    }

    fn named(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// `-c name=value` and `--name=value`; a backslash keeps a blank.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            (char, _) if char.is_whitespace() => words.push(String::new()),
            (char, Some(word)) => word.push(char),
            (_, None) => {}
        }
    }
    let words = words.iter().filter_map(|word| {
        let setting = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        let (name, value) = setting.split_once('=')?;
        Some((name.replace('-', "_"), value.to_owned()))
    });
    words.collect()
}

/// Finds out who a client is. `scram` tells what the handshake of a name begins with; `None` lets everybody in.
///
/// # Errors
/// 28P01 for a wrong name or password, the same for both; 28000 without a name; 0A000 for replication.
pub(super) async fn log_in(
    wire: &mut Wire,
    startup: &Startup,
    scram: impl FnOnce(&str) -> Option<ScramLogin>,
) -> Result<Principal, Failure> {
    let unknown: Vec<String> =
        startup.settings.iter().map(|(name, _)| name).filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if startup.minor > NEWEST_MINOR || !unknown.is_empty() {
        let minor = i32::from(startup.minor.min(NEWEST_MINOR));
        let newest = i32::from(MAJOR) << 16 | minor;
        wire.put(&NegotiateProtocolVersion::new(newest, unknown))?;
    }
    if startup.user().is_empty() {
        return Err(Refusal::new("28000", "the client gives no name of a user").into());
    }
    if startup.named("replication").is_some_and(|value| !matches!(value, "false" | "off" | "no" | "0")) {
        return Err(Refusal::unsupported("there is no replication here").into());
    }
    let Some(login) = scram(startup.user()) else { return Ok(Principal::local()) };
    wire.put(&Authentication::SASL(vec![MECHANISM.to_owned()]))?;
    wire.flush().await?;
    let (mechanism, said) = first_of_sasl(password(wire).await?)?;
    if mechanism != MECHANISM {
        return Err(Refusal::new("28000", format!("passwords are shown by {MECHANISM} only")).into());
    }
    let refused = || {
        Refusal::new("28P01", format!("the password of user \"{}\" is wrong, or there is no such user", startup.user()))
    };
    let broken = |_| violated("a login is not as RFC 5802 has it");
    let (challenge, waiting) =
        ScramServerAuth::new().on_client_first_message_with_secret(&said, login.secret).map_err(broken)?;
    wire.put(&Authentication::SASLContinue(challenge.into()))?;
    wire.flush().await?;
    let proof = password(wire).await?;
    let signature = waiting.on_client_final_message(&proof).map_err(|_| refused())?;
    // A decoy's proof can't be right, and would be nobody's.
    let principal = login.principal.ok_or_else(refused)?;
    wire.put(&Authentication::SASLFinal(signature.into()))?;
    Ok(principal)
}

async fn password(wire: &mut Wire) -> Result<Bytes, Failure> {
    match wire.message().await? {
        Some((b'p', body)) => Ok(body),
        Some(_) => Err(violated("a login is interrupted by another message").into()),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_settings() {
        let expected = [("search_path", "a b"), ("statement_timeout", "5s"), ("geqo", "off")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(options(r"-c search_path=a\ b --statement-timeout=5s -cgeqo=off"), expected);
    }
}
