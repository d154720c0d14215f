//! The layers that make a configuration, and which of them each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::keys::KEYS;
use crate::error::{Error, Result};

/// The file that is read where none is named.
pub(crate) const DEFAULT_FILE: &str = "telestrata.toml";

/// The lists of tables, which no flag and no variable can hold.
const LISTS: [&str; 5] = ["promoted", "auth.user", "auth.token", "retention", "hold"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A default of the program.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// The values that were set, the strongest layer of each.
#[derive(Clone, Default)]
pub struct Layers {
    values: BTreeMap<String, (Value, Origin)>,
}

impl Layers {
    /// Defaults, then the file, then the environment. Flags are set afterwards.
    ///
    /// # Errors
    /// `Config` for a file that is named and missing, or not TOML, or has a key that is not known.
    pub fn load(file: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut layers = Self::default();
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            let value = parse_value(key.default);
            layers.values.insert(key.path.to_owned(), (value, Origin::Default));
        }
        match file {
            Some(file) => layers.read_file(file)?,
            None if Path::new(DEFAULT_FILE).exists() => layers.read_file(Path::new(DEFAULT_FILE))?,
            None => {}
        }
        for key in KEYS {
            let name = key.env();
            if let Some(text) = env(&name) {
                layers.values.insert(key.path.to_owned(), (Value::String(text), Origin::Env(name)));
            }
        }
        Ok(layers)
    }

    /// Sets a key by a flag.
    pub fn set_flag(&mut self, path: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.values.insert(path.to_owned(), (Value::String(value.to_owned()), Origin::Flag));
        }
    }

    /// A key's value and where it came from.
    pub fn get(&self, path: &str) -> Option<&(Value, Origin)> {
        self.values.get(path)
    }

    fn read_file(&mut self, file: &Path) -> Result<()> {
        let failed = |what: &str| format!("configuration file {} {what}", file.display());
        let text =
            std::fs::read_to_string(file).map_err(|error| Error::config(failed("can't be read")).with_source(error))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            Error::config(failed(&format!("is not valid TOML: {}", error.message())))
        })?;
        if table.get("auth").and_then(Value::as_table).is_some_and(Table::is_empty) {
            return Err(Error::config(failed("has an [auth] without anyone in it; see `telestrata config hash`")));
        }
        let origin = Origin::File(file.to_owned());
        for (path, value) in flatten(&table) {
            let known = LISTS.contains(&path.as_str()) || KEYS.iter().any(|key| key.path == path);
            if !known {
                return Err(Error::config(failed(&format!(
                    "has the key `{path}`, which is not known; see `telestrata config show`"
                ))));
            }
            self.values.insert(path, (value, origin.clone()));
        }
        Ok(())
    }
}

/// Without the values: there are hashes among them.
impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.values.iter().map(|(path, (_, origin))| (path, origin))).finish()
    }
}

/// A default as written in the table of keys: plain text where it is not TOML by itself.
fn parse_value(text: &str) -> Value {
    Value::String(text.trim_matches('"').to_owned())
}

/// `[a] b = 1` as `a.b = 1`.
fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(flatten(inner).into_iter().map(|(path, value)| (format!("{name}.{path}"), value)));
            }
            value => flat.push((name.clone(), value.clone())),
        }
    }
    flat
}
