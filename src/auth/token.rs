//! Tokens: `tst_<name>_<64 hexadecimal digits>`, kept as an argon2 hash in PHC form.
//!
//! A token carries its name, so that one check finds out whose it is. The prefix makes one that was published by
//! mistake easy to search for.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, Params};

use super::secret::random;
use crate::error::{Error, Result};
use crate::model::ids::hex;

/// What a token begins with.
const PREFIX: &str = "tst_";

/// The most that checking a token may cost.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// What a token is checked against.
#[derive(Clone)]
pub struct TokenHash(PasswordHash);

/// Why a text is no hash of a token. The text is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum TokenHashError {
    /// Another form.
    #[error("is not of the form $argon2id$v=19$m=...,t=...,p=...$<salt>$<hash>")]
    Form,
    /// Each check would cost too much.
    #[error("costs too much to check: at most m={MAX_MEMORY_KIB}, t={MAX_PASSES}, p={MAX_LANES} are taken")]
    Cost,
}

/// A token that was just made; it can't be had again.
pub struct NewToken {
    /// What its holder shows.
    pub token: String,
    /// What the configuration keeps.
    pub hash: String,
}

impl NewToken {
    /// Makes one of this name.
    ///
    /// # Errors
    /// `Config` where the system has no random numbers.
    pub fn named(name: &str) -> Result<Self> {
        let token = format!("{PREFIX}{name}_{}", hex(&random::<32>()?));
        let hash: PasswordHash = Argon2::default()
            .hash_password_with_salt(token.as_bytes(), &random::<16>()?)
            .map_err(|error| Error::internal(format!("argon2 hashes no token: {error}")))?;
        Ok(Self { hash: hash.to_string(), token })
    }
}

/// The name that a token carries.
pub(super) fn name_of(token: &str) -> Option<&str> {
    Some(token.strip_prefix(PREFIX)?.rsplit_once('_')?.0)
}

impl TokenHash {
    /// One that no token fits and that takes as long to check as `model`.
    pub(super) fn decoy(model: Option<&Self>, random: &[u8; 32]) -> Result<Self> {
        let failed = |error| Error::internal(format!("no decoy of a token's hash can be made: {error}"));
        let mut decoy = match model {
            Some(model) => model.0.clone(),
            None => PasswordHash {
                algorithm: argon2::Algorithm::default().ident(),
                version: Some(argon2::Version::default().into()),
                params: (&Params::DEFAULT)
                    .try_into()
                    .map_err(|error| Error::internal(format!("argon2's own parameters: {error}")))?,
                salt: None,
                hash: None,
            },
        };
        decoy.salt = Some(Salt::new(random).map_err(failed)?);
        decoy.hash = Some(Output::new(random).map_err(failed)?);
        Ok(Self(decoy))
    }

    /// Whether it is this token's. Takes tens of milliseconds of computing, and tens of MiB.
    pub(super) fn fits(&self, token: &str) -> bool {
        Argon2::default().verify_password(token.as_bytes(), &self.0).is_ok()
    }
}

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        let hash = PasswordHash::new(text).map_err(|_| TokenHashError::Form)?;
        if !hash.algorithm.as_str().starts_with("argon2") || hash.salt.is_none() || hash.hash.is_none() {
            return Err(TokenHashError::Form);
        }
        let params = Params::try_from(&hash).map_err(|_| TokenHashError::Form)?;
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
            return Err(TokenHashError::Cost);
        }
        Ok(Self(hash))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_carries_its_name_and_fits_its_hash_alone() {
        let [one, other] = ["edge_collector-1", "b"].map(|name| NewToken::named(name).unwrap());
        assert_eq!(name_of(&one.token), Some("edge_collector-1"));
        let hash: TokenHash = one.hash.parse().unwrap();
        assert!(hash.fits(&one.token));
        assert!(!hash.fits(&other.token) && !hash.fits(""));
        let decoy = TokenHash::decoy(Some(&hash), &[7; 32]).unwrap();
        assert!(!decoy.fits(&one.token) && !TokenHash::decoy(None, &[7; 32]).unwrap().fits(&one.token));
        assert!(!format!("{one:?} {hash:?}").contains(&one.token));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("tst_name_0123")]
    #[case("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA")]
    #[case("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E")]
    #[case("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E")]
    fn what_is_no_hash_is_refused_without_being_repeated(#[case] text: &str) {
        let error = text.parse::<TokenHash>().unwrap_err().to_string();
        assert!(!error.contains("c29t") && !error.contains("0123"), "{error}");
    }
}
