//! What was installed and what was lifted, in order: numbered objects, each made once.
//!
//! ```text
//! _erasures/00000001.json   {"id": 1, "attribute": "user.id", "hash": "…", "by": "ann", "at": "…"}
//! _erasures/00000002.json   {"id": 2, "lifts": 1, "by": "ann", "at": "…"}
//! ```
//! Guarantee: a number is given once (a put that must not overwrite), so a writer that has read up to a number finds
//! what came later by a look at the next one. When an erasure is lifted its hash is taken out of its object; the
//! number, the attribute's name and who did it stay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use super::key::{Hash, Key};
use super::set::ErasureSet;
use super::value::SecretValue;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, instant};

/// The folder, below the lake's root.
const FOLDER: &str = "_erasures";

/// Objects read at once.
const READS_AT_ONCE: usize = 16;

/// Pauses before the tries of an installation or lifting, in ms.
const PAUSES: [u64; 6] = [0, 50, 100, 400, 800, 1600];

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifts: Option<u64>,
    #[serde(with = "instant")]
    at: DateTime<Utc>,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// An erasure that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingErasure {
    /// Its number.
    pub id: u64,
    /// The attribute whose value is erased.
    pub attribute: String,
    /// When it was installed.
    #[serde(with = "instant")]
    pub installed: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// Why, as they said.
    pub reason: Option<String>,
    /// By whom it was lifted; `None` while it stands.
    pub lifted_by: Option<String>,
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// The erasure's number.
    pub id: u64,
    /// Whether it stood before.
    pub stood: bool,
    /// Whether the store keeps earlier versions of objects, as far as its answer tells: it gave this one a version.
    /// `None` where nothing was put.
    pub versioned: Option<bool>,
}

/// The log of a lake's erasures.
#[derive(Debug, Clone)]
pub struct ErasureLog {
    store: Arc<dyn ObjectStore>,
}

impl ErasureLog {
    /// The log of a lake; touches nothing.
    pub fn new(root: &LakeRoot) -> Result<Self> {
        Ok(Self { store: root.table_store(FOLDER)? })
    }

    /// Every erasure of the lake, lifted ones too, by number.
    ///
    /// # Errors
    /// `Damaged` where an object is no entry, `Unavailable` where the store does not answer.
    pub async fn list(&self) -> Result<Vec<StandingErasure>> {
        let entries = self.entries().await?;
        let lifted: BTreeMap<u64, &Entry> =
            entries.iter().filter_map(|entry| entry.lifts.map(|lifts| (lifts, entry))).collect();
        let erasures = entries.iter().filter_map(|entry| {
            Some(StandingErasure {
                id: entry.id,
                attribute: entry.attribute.clone()?,
                installed: entry.at,
                by: entry.by.clone(),
                reason: entry.reason.clone(),
                lifted_by: lifted.get(&entry.id).map(|lift| lift.by.clone()),
            })
        });
        Ok(erasures.collect())
    }

    /// Those that stand now.
    ///
    /// # Errors
    /// As [`Self::list`]; `Damaged` also where the key is gone without which none can be obeyed.
    pub async fn load(&self) -> Result<ErasureSet> {
        let entries = self.entries().await?;
        let standing = standing(&entries);
        let last = entries.last().map_or(0, |entry| entry.id);
        if standing.is_empty() {
            return Ok(ErasureSet::none(last));
        }
        let key = Key::load(&self.store).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Damaged,
                "_erasures/key is gone, without which no standing erasure can be obeyed: restore it from a copy, or \
                 lift them all (`telestrata erase lift`) and apply their requests anew",
            )
        })?;
        let of_attributes =
            standing.iter().filter_map(|entry| Some((entry.id, entry.attribute.clone()?, entry.hash.clone()?)));
        Ok(ErasureSet::new(last, key, of_attributes.collect()))
    }

    /// Whether there is something after this number, by a look at one name.
    ///
    /// # Errors
    /// `Unavailable` where the store does not answer.
    pub async fn has_newer(&self, last: u64) -> Result<bool> {
        match self.store.head(&path(last + 1)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Installs an erasure, unless it stands already.
    ///
    /// # Errors
    /// `Unavailable` after the last try; it may stand all the same, and the same call may be made again.
    pub async fn install(
        &self,
        attribute: &str,
        value: &SecretValue,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Installed> {
        let key = Key::load_or_create(&self.store).await?;
        let hash = key.hash(attribute, value.expose()).to_hex().to_string();
        let is_it =
            |entry: &Entry| entry.attribute.as_deref() == Some(attribute) && entry.hash.as_deref() == Some(&hash);
        let entry = |id| Entry {
            id,
            attribute: Some(attribute.to_owned()),
            hash: Some(hash.clone()),
            lifts: None,
            at: Utc::now(),
            by: by.to_owned(),
            reason: reason.map(str::to_owned),
        };
        self.append(is_it, entry).await
    }

    /// Lifts an erasure: from now on what it kept out comes in. Lifting one that was lifted is done already.
    ///
    /// # Errors
    /// `NotFound` where there is none of that number; `Unavailable` after the last try.
    pub async fn lift(&self, id: u64, by: &str) -> Result<()> {
        let entries = self.entries().await?;
        let lifted = entries.iter().find(|entry| entry.id == id && entry.attribute.is_some());
        let lifted = lifted.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no erasure {id}; `telestrata erase list` shows them"))
        })?;
        let entry = |number| Entry {
            id: number,
            attribute: None,
            hash: None,
            lifts: Some(id),
            at: Utc::now(),
            by: by.to_owned(),
            reason: None,
        };
        if !entries.iter().any(|entry| entry.lifts == Some(id)) {
            self.append(|entry| entry.lifts == Some(id), entry).await?;
        }
        // Nothing needs the hash any more. Left behind by a failure, it is as harmless as before.
        let scrubbed = Entry { hash: None, ..lifted.clone() };
        let failed =
            |error| Error::unavailable(format!("the hash of erasure {id} is not taken out")).with_source(error);
        self.store.put(&path(id), json(&scrubbed)?.into()).await.map(|_| ()).map_err(failed)
    }

    /// Adds an entry under the next number, unless one that `is_it` stands.
    async fn append(&self, is_it: impl Fn(&Entry) -> bool, entry: impl Fn(u64) -> Entry) -> Result<Installed> {
        let mut failed = None;
        let mut mine = None;
        for pause in PAUSES {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            // Also after an error it may be in, and so may others.
            let entries = self.entries().await?;
            if let Some(there) = standing(&entries).into_iter().find(|entry| is_it(entry)) {
                return Ok(Installed { id: there.id, stood: mine != Some(there.id), versioned: None });
            }
            if let Some(there) = entries.iter().find(|entry| entry.lifts.is_some() && is_it(entry)) {
                return Ok(Installed { id: there.id, stood: true, versioned: None });
            }
            let id = entries.last().map_or(0, |entry| entry.id) + 1;
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.store.put_opts(&path(id), json(&entry(id))?.into(), options).await {
                Ok(put) => {
                    let versioned = put.version.is_some_and(|version| version != "null");
                    return Ok(Installed { id, stood: false, versioned: Some(versioned) });
                }
                Err(error) => {
                    mine = Some(id);
                    failed = Some(error);
                }
            }
        }
        let error = Error::unavailable("the standing erasure can't be stored; make the same call again");
        Err(match failed {
            Some(failed) => error.with_source(failed),
            None => error,
        })
    }

    /// Every entry, by number.
    async fn entries(&self) -> Result<Vec<Entry>> {
        let names: Vec<_> = match self.store.list(None).try_collect().await {
            Ok(names) => names,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let names = names.into_iter().map(|meta| meta.location).filter(|name| name.extension() == Some("json"));
        let mut entries: Vec<Entry> = futures::stream::iter(names.collect::<Vec<_>>())
            .map(|name| self.entry(name))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        entries.sort_by_key(|entry| entry.id);
        Ok(entries)
    }

    async fn entry(&self, name: Path) -> Result<Entry> {
        let object = self.store.get(&name).await.map_err(unreadable)?;
        let bytes = object.bytes().await.map_err(unreadable)?;
        let entry = serde_json::from_slice::<Entry>(&bytes);
        let entry = entry.ok().filter(|entry| path(entry.id) == name);
        entry.ok_or_else(|| {
            Error::new(ErrorKind::Damaged, format!("_erasures/{name} is no standing erasure: restore it from a copy"))
        })
    }
}

/// The erasures of these entries that none of them lifts.
fn standing(entries: &[Entry]) -> Vec<&Entry> {
    let lifted: Vec<u64> = entries.iter().filter_map(|entry| entry.lifts).collect();
    entries.iter().filter(|entry| entry.hash.is_some() && !lifted.contains(&entry.id)).collect()
}

fn path(id: u64) -> Path {
    Path::from(format!("{id:08}.json"))
}

fn json(entry: &Entry) -> Result<String> {
    let text = serde_json::to_string(entry);
    text.map(|text| text + "\n").map_err(|error| Error::internal("no JSON of an erasure").with_source(error))
}

fn unreadable(error: object_store::Error) -> Error {
    Error::unavailable("the lake's standing erasures can't be read").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn log() -> ErasureLog {
        ErasureLog { store: Arc::new(InMemory::new()) }
    }

    fn value(text: &str) -> SecretValue {
        SecretValue::new(text.to_owned())
    }

    async fn stored(log: &ErasureLog) -> String {
        let names: Vec<_> = log.store.list(None).try_collect().await.unwrap();
        let mut all = String::new();
        for meta in names {
            let bytes = log.store.get(&meta.location).await.unwrap().bytes().await.unwrap();
            all += std::str::from_utf8(&bytes).unwrap();
        }
        all
    }

    #[tokio::test]
    async fn what_is_installed_stands_until_it_is_lifted_and_is_installed_once() {
        let log = log();
        assert_eq!(log.load().await.unwrap().last(), 0);
        let first = log.install("user.id", &value("u42"), "ann", Some("ticket 7")).await.unwrap();
        assert_eq!((first.id, first.stood), (1, false));
        let again = log.install("user.id", &value("u42"), "bob", None).await.unwrap();
        assert_eq!((again.id, again.stood), (1, true));
        assert_eq!(log.install("user.id", &value("u43"), "bob", None).await.unwrap().id, 2);
        assert!(log.has_newer(1).await.unwrap() && !log.has_newer(2).await.unwrap());
        let hash_of_first = {
            let entries = log.entries().await.unwrap();
            entries[0].hash.clone().unwrap()
        };
        assert!(stored(&log).await.contains(&hash_of_first));

        log.lift(1, "cyd").await.unwrap();
        log.lift(1, "cyd").await.unwrap();
        assert!(log.has_newer(2).await.unwrap() && !log.has_newer(3).await.unwrap());
        assert!(!stored(&log).await.contains(&hash_of_first));
        let list = log.list().await.unwrap();
        let said: Vec<_> = list.iter().map(|one| (one.id, one.lifted_by.as_deref())).collect();
        assert_eq!(said, [(1, Some("cyd")), (2, None)]);
        assert_eq!(log.load().await.unwrap().last(), 3);
        // What was lifted may be asked for anew.
        let anew = log.install("user.id", &value("u42"), "ann", None).await.unwrap();
        assert_eq!((anew.id, anew.stood), (4, false));
        assert_eq!(log.lift(9, "cyd").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(!stored(&log).await.contains("u42"));
    }

    #[tokio::test]
    async fn many_at_once_get_a_number_each() {
        let log = log();
        let values: Vec<_> = (0..6).map(|number| value(&format!("u{number}"))).collect();
        let installed =
            futures::future::join_all(values.iter().map(|value| log.install("user.id", value, "ann", None))).await;
        let mut ids: Vec<u64> = installed.into_iter().map(|installed| installed.unwrap().id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn without_its_key_nothing_is_taken_for_obeyed() {
        let log = log();
        log.install("user.id", &value("u42"), "ann", None).await.unwrap();
        log.store.delete(&Path::from("key")).await.unwrap();
        assert_eq!(log.load().await.unwrap_err().kind(), ErrorKind::Damaged);
        log.lift(1, "ann").await.unwrap();
        assert!(log.load().await.unwrap().is_empty());
    }
}
