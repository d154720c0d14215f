//! `[[auth.user]]` and `[[auth.token]]`: who may come in.
//!
//! Read by hand, because an error must name the key and must not repeat its value.

use std::fmt;
use std::str::FromStr;

use toml::{Table, Value};

use super::layers::Layers;
use crate::auth::{Role, Roles, Token, User, Users};
use crate::error::{Error, Result};

/// The users and tokens of the configuration file.
///
/// # Errors
/// `Config`, naming the entry and its key.
pub(super) fn users(layers: &Layers) -> Result<Users> {
    let users = entries(layers, "auth.user")?.into_iter().map(|entry| {
        entry.only(&["name", "scram", "roles"])?;
        let scram = entry.parse("scram")?;
        Ok(User { name: entry.name()?, scram, roles: entry.roles()? })
    });
    let tokens = entries(layers, "auth.token")?.into_iter().map(|entry| {
        entry.only(&["name", "hash", "roles"])?;
        let hash = entry.parse("hash")?;
        Ok(Token { name: entry.name()?, hash, roles: entry.roles()? })
    });
    Users::new(users.collect::<Result<_>>()?, tokens.collect::<Result<_>>()?)
}

/// One `[[auth.…]]` of the file.
struct Entry<'l> {
    table: &'l Table,
    key: &'static str,
    number: usize,
    origin: String,
}

fn entries<'l>(layers: &'l Layers, key: &'static str) -> Result<Vec<Entry<'l>>> {
    let Some((value, origin)) = layers.get(key) else { return Ok(Vec::new()) };
    let not_tables = || Error::config(format!("`{key}` (from {origin}) is not a list of tables; write [[{key}]]"));
    let entries = value.as_array().ok_or_else(not_tables)?.iter().zip(1..).map(|(value, number)| {
        let table = value.as_table().ok_or_else(not_tables)?;
        Ok(Entry { table, key, number, origin: origin.to_string() })
    });
    entries.collect()
}

impl Entry<'_> {
    fn wrong(&self, why: &str) -> Error {
        Error::config(format!("[[{}]] number {} (from {}): {why}", self.key, self.number, self.origin))
    }

    fn only(&self, known: &[&str]) -> Result<()> {
        match self.table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(other) => Err(self.wrong(&format!(
                "`{other}` is no key of it; it has {}, which `telestrata config hash` writes",
                known.join(", ")
            ))),
        }
    }

    fn text(&self, key: &str) -> Result<&str> {
        let advice = "`telestrata config hash` writes it";
        self.table
            .get(key)
            .ok_or_else(|| self.wrong(&format!("`{key}` is missing; {advice}")))?
            .as_str()
            .ok_or_else(|| self.wrong(&format!("`{key}` is not a string; {advice}")))
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<T> {
        self.text(key)?.parse().map_err(|why| self.wrong(&format!("`{key}` {why}")))
    }

    fn name(&self) -> Result<String> {
        self.text("name").map(str::to_owned)
    }

    /// An empty list is a principal who may do nothing but read `/metrics`.
    fn roles(&self) -> Result<Roles> {
        let not_names = || self.wrong("`roles` is not a list of ingest, query, maintain and admin");
        let names = self.table.get("roles").and_then(Value::as_array).ok_or_else(not_names)?;
        names
            .iter()
            .map(|name| name.as_str().and_then(|name| name.parse::<Role>().ok()).ok_or_else(not_names))
            .collect()
    }
}
