//! Named snapshots: `_snapshots/<name>.json` at the lake's root says which version of each table a name stands for.
//!
//! Guarantees: the versions of one name were all the newest at one moment; a name is taken once; what it names can be
//! opened as long as it is there: vacuum leaves its files and log clean-up its versions, each with a checkpoint of its
//! own. Whoever makes one pins newest versions only, so that a vacuum or clean-up under way never takes what it pins.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use super::location::LakeRoot;
use crate::error::{Error, ErrorKind, Result};

/// The folder at the lake's root.
const FOLDER: &str = "_snapshots";

/// Characters of a name, at most.
const MAX_NAME: usize = 100;

/// Snapshots that are read at once.
const AHEAD: usize = 8;

/// A name for one moment of the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedSnapshot {
    /// The name: lower-case letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// When it was made.
    #[serde(with = "super::instant")]
    pub created: DateTime<Utc>,
    /// Table to Delta version.
    pub tables: BTreeMap<String, u64>,
}

impl NamedSnapshot {
    /// The error of whoever wants its name for another.
    pub fn is_taken(&self) -> Error {
        let Self { name, created, .. } = self;
        Error::new(
            ErrorKind::Conflict,
            format!("there is a snapshot `{name}` already, made at {created}; choose another name"),
        )
    }
}

/// The named snapshots of a lake.
#[derive(Debug, Clone)]
pub struct NamedSnapshots {
    store: Arc<dyn ObjectStore>,
    lake: String,
}

impl NamedSnapshots {
    /// Those of a lake; touches nothing.
    pub fn new(root: &LakeRoot) -> Result<Self> {
        let folder = root.table_path(FOLDER)?;
        Ok(Self { store: Arc::new(PrefixStore::new(Arc::clone(root.store()), folder)), lake: root.display() })
    }

    /// Every one, by name.
    ///
    /// # Errors
    /// `Damaged` for a file that says nothing of the kind: what it pins is not known, so nothing may be taken away.
    pub async fn list(&self) -> Result<Vec<NamedSnapshot>> {
        let unavailable = |error| Error::unavailable("the named snapshots can't be listed").with_source(error);
        let listed: Vec<_> = self.store.list(None).try_collect().await.map_err(unavailable)?;
        let names = listed.iter().filter_map(|object| object.location.filename()?.strip_suffix(".json"));
        let names: Vec<String> = names.map(str::to_owned).collect();
        let read = futures::stream::iter(names).map(|name| async move { self.read(&name).await }).buffered(AHEAD);
        // One that was dropped since the listing is none.
        let mut snapshots: Vec<NamedSnapshot> =
            read.try_filter_map(|found| futures::future::ready(Ok(found))).try_collect().await?;
        snapshots.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(snapshots)
    }

    /// The one of a name.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn get(&self, name: &str) -> Result<NamedSnapshot> {
        checked_name(name)?;
        self.read(name).await?.ok_or_else(|| self.not_found(name))
    }

    /// Takes a name.
    ///
    /// # Errors
    /// `Conflict` where it is taken, `Config` where it is no name.
    pub async fn create(&self, snapshot: &NamedSnapshot) -> Result<()> {
        let name = &snapshot.name;
        checked_name(name)?;
        let text = serde_json::to_vec_pretty(snapshot)
            .map_err(|error| Error::internal("no JSON of a snapshot").with_source(error))?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let Err(error) = self.store.put_opts(&path(name), text.into(), options).await else { return Ok(()) };
        // A store may have done it and say that it has not.
        match self.read(name).await? {
            Some(there) if there == *snapshot => Ok(()),
            Some(there) => Err(there.is_taken()),
            None => Err(Error::unavailable(format!("snapshot `{name}` can't be written")).with_source(error)),
        }
    }

    /// Lets go of a name: what only it held goes at the next vacuum.
    ///
    /// # Errors
    /// `NotFound` where there is no such name.
    pub async fn drop_name(&self, name: &str) -> Result<()> {
        checked_name(name)?;
        // A local folder tells of what is not there when it is deleted, a cloud store does not.
        match self.store.head(&path(name)).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => return Err(self.not_found(name)),
            Err(error) => return Err(unanswered(name, error)),
        }
        match self.store.delete(&path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unanswered(name, error)),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<NamedSnapshot>> {
        let found = match self.store.get(&path(name)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unanswered(name, error)),
        };
        let text = found.bytes().await.map_err(|error| unanswered(name, error))?;
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let message = format!("{FOLDER}/{name}.json is no named snapshot; restore it, or delete it to let go");
            Error::new(ErrorKind::Damaged, message).with_source(error)
        })
    }

    fn not_found(&self, name: &str) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!("there is no snapshot `{name}` of {}; `telestrata snapshot list` shows those there are", self.lake),
        )
    }
}

fn path(name: &str) -> Path {
    Path::from(format!("{name}.json"))
}

fn unanswered(name: &str, error: object_store::Error) -> Error {
    Error::unavailable(format!("snapshot `{name}` can't be reached")).with_source(error)
}

fn checked_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Error::config(format!(
            "`{name}` can't be a snapshot's name: it has lower-case letters, digits, -, _ and ., {MAX_NAME} at most, \
             and no . at its beginning"
        )));
    }
    Ok(())
}
