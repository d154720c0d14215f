//! Random bytes, and what stands for a secret in memory.
//!
//! Guarantee: a digest says nothing about its secret to who lacks the key, and the key is of this process alone.

use std::fmt;

use rustls::crypto::aws_lc_rs::default_provider;
use sha2::{Digest as _, Sha512_256};

use crate::error::{Error, Result};

/// Random bytes that nobody can guess.
///
/// # Errors
/// `Config` where the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Error::config("the system gives no random numbers; see that /dev/urandom works"))?;
    Ok(bytes)
}

/// What stands for a secret. Two of one key are equal exactly where the secrets are; that comparing them takes longer
/// or shorter tells nothing, because nobody outside can choose one.
pub(super) type SecretDigest = [u8; 32];

/// Makes digests. SHA-512/256, cut off from its state, is a keyed hash with the key in front.
#[derive(Clone)]
pub(super) struct DigestKey([u8; 32]);

impl DigestKey {
    /// A key that nobody knows.
    pub(super) fn random() -> Result<Self> {
        random().map(Self)
    }

    /// A key that follows from other secrets, the same each time.
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(Self([0; 32]).digest(secrets))
    }

    /// The digest of parts, of which none can run into the next.
    pub(super) fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> SecretDigest {
        let mut hash = Sha512_256::new_with_prefix(self.0);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_differ_by_key_and_by_where_a_part_ends() {
        let (one, other) = (DigestKey::random().unwrap(), DigestKey::random().unwrap());
        assert_eq!(one.digest([&b"ab"[..], b"c"]), one.digest([&b"ab"[..], b"c"]));
        assert_ne!(one.digest([&b"ab"[..], b"c"]), one.digest([&b"a"[..], b"bc"]));
        assert_ne!(one.digest([&b"ab"[..]]), other.digest([&b"ab"[..]]));
    }
}
