//! The key of a lake's erasures, and hashes under it.
//!
//! A value is known again by BLAKE3 in its keyed mode, over the attribute's name and the value. Who has the hash and
//! not the key learns nothing, not even whether a guess is right. Who reads the lake has both, and can try guesses:
//! `docs/decisions/0017-erasure.md`.

use std::fmt;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};

use crate::auth::random;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ids::hex;

/// The key's object, below the folder of the erasures.
const NAME: &str = "key";

const KEY_BYTES: usize = 32;

/// A value's hash, as hexadecimal digits.
pub(super) type Hash = String;

/// 256 random bits, the same for all of a lake's life.
#[derive(Clone)]
pub(super) struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The lake's key, `None` where it has none yet.
    pub(super) async fn load(store: &Arc<dyn ObjectStore>) -> Result<Option<Self>> {
        let unreadable =
            |error: object_store::Error| Error::unavailable("the key of the erasures can't be read").with_source(error);
        let bytes = match store.get(&Path::from(NAME)).await {
            Ok(object) => object.bytes().await.map_err(unreadable)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let key = std::str::from_utf8(&bytes).ok().and_then(|text| unhex(text.trim_end()));
        key.map(|key| Some(Self(key))).ok_or_else(|| {
            Error::new(ErrorKind::Damaged, "_erasures/key is not 64 hexadecimal digits: restore it from a copy")
        })
    }

    /// The lake's key, made where it has none yet. One key wins, whoever makes one at the same moment.
    pub(super) async fn load_or_create(store: &Arc<dyn ObjectStore>) -> Result<Self> {
        if let Some(key) = Self::load(store).await? {
            return Ok(key);
        }
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let text = format!("{}\n", hex(&random::<KEY_BYTES>()?));
        // Also after an error it may be there, this one or another's: what is stored tells.
        let made = store.put_opts(&Path::from(NAME), text.into(), options).await;
        match (Self::load(store).await?, made) {
            (Some(key), _) => Ok(key),
            (None, Err(error)) => Err(Error::unavailable("the key of the erasures can't be stored").with_source(error)),
            (None, Ok(_)) => Err(Error::unavailable("the key of the erasures was stored and is not there")),
        }
    }

    /// A value's hash under this key; of equal values of different attributes the hashes differ.
    pub(super) fn hash(&self, attribute: &str, value: &str) -> blake3::Hash {
        let mut hash = blake3::Hasher::new_keyed(&self.0);
        hash.update(&(attribute.len() as u64).to_le_bytes());
        hash.update(attribute.as_bytes());
        hash.update(value.as_bytes());
        hash.finalize()
    }
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_tells_key_attribute_and_value_apart() {
        let (key, other) = (Key([1; 32]), Key([2; 32]));
        let hash = key.hash("user.id", "u42");
        assert_eq!(hash, key.hash("user.id", "u42"));
        assert_ne!(hash, key.hash("user.id", "u43"));
        assert_ne!(hash, other.hash("user.id", "u42"));
        assert_ne!(key.hash("ab", "c"), key.hash("a", "bc"));
        assert_eq!(unhex(&hex(&key.0)), Some(key.0));
        assert_eq!(format!("{key:?}"), "Key(..)");
    }

    #[tokio::test]
    async fn makers_of_a_key_agree_on_one() {
        let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        let made = futures::future::join_all((0..8).map(|_| Key::load_or_create(&store))).await;
        let keys: Vec<_> = made.into_iter().map(|key| key.unwrap().0).collect();
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
