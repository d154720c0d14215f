//! The verifier of a user's password: SCRAM-SHA-256 (RFC 5802, RFC 7677), written as RFC 5803 and PostgreSQL's
//! `pg_authid` do, so that one made there works here.
//!
//! It serves PostgreSQL's handshake, in which the password is never sent, and the check of a password that was sent.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

use super::secret::random;
use crate::error::{Error, Result};

/// Its name, before the numbers.
const MECHANISM: &str = "SCRAM-SHA-256";

/// RFC 7677 demands the first; the last bounds what a wrong password costs, to about a second.
const ITERATIONS: std::ops::RangeInclusive<usize> = 4_096..=4_000_000;

/// Of a verifier made here: sixteen times PostgreSQL's own. The client pays them at each login.
const OWN_ITERATIONS: usize = 65_536;

/// Bytes of a salt.
const SALT_BYTES: usize = 16;

/// Bytes of a key: those of SHA-256.
const KEY_BYTES: usize = 32;

/// What a password is checked against. It tells nobody the password, but who has it can try guesses.
#[derive(Clone)]
pub struct ScramVerifier {
    iterations: usize,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Why a text is no verifier. The text is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum ScramError {
    /// Another form.
    #[error("is not of the form SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>")]
    Form,
    /// Too quick to guess, or too slow to check.
    #[error("has {0} iterations, and {min} to {max} are taken", min = ITERATIONS.start(), max = ITERATIONS.end())]
    Iterations(usize),
}

impl ScramVerifier {
    /// A new verifier of a password.
    ///
    /// # Errors
    /// `Config` where the system has no random numbers.
    pub fn of(password: &str) -> Result<Self> {
        Self::derive(password, random::<SALT_BYTES>()?.to_vec(), OWN_ITERATIONS)
    }

    /// One that no password fits and that looks like `model`: its key is the hash of nothing known.
    pub(super) fn decoy(model: Option<&Self>, salt: &[u8; 32], key: &[u8; KEY_BYTES]) -> Self {
        let iterations = model.map_or(OWN_ITERATIONS, |model| model.iterations);
        let salt_bytes = model.map_or(SALT_BYTES, |model| model.salt.len());
        let salt = salt.iter().copied().cycle().take(salt_bytes).collect();
        Self { iterations, salt, stored_key: key.to_vec(), server_key: key.to_vec() }
    }

    fn derive(password: &str, salt: Vec<u8>, iterations: usize) -> Result<Self> {
        let salted = gen_salted_password(password, &salt, iterations);
        match ScramSecret::verifier_from_salted_password(salt, salted, iterations) {
            ScramSecret::Verifier { salt, iterations, stored_key, server_key } => {
                Ok(Self { iterations, salt, stored_key, server_key })
            }
            ScramSecret::SaltedPassword { .. } => Err(Error::internal("pgwire made no verifier of a password")),
        }
    }

    /// The key that this password has under the same salt. Takes milliseconds of computing.
    pub(super) fn stored_key_of(&self, password: &str) -> Result<Vec<u8>> {
        Self::derive(password, self.salt.clone(), self.iterations).map(|derived| derived.stored_key)
    }

    /// The key that a password's must equal.
    pub(super) fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    /// For PostgreSQL's handshake.
    pub fn secret(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        }
    }

    /// As the configuration has it.
    pub fn to_line(&self) -> String {
        let text = |bytes: &[u8]| STANDARD.encode(bytes);
        let (salt, stored, server) = (text(&self.salt), text(&self.stored_key), text(&self.server_key));
        format!("{MECHANISM}${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl FromStr for ScramVerifier {
    type Err = ScramError;

    fn from_str(text: &str) -> Result<Self, ScramError> {
        let (mechanism, rest) = text.split_once('$').ok_or(ScramError::Form)?;
        let (costs, keys) = rest.split_once('$').ok_or(ScramError::Form)?;
        let (iterations, salt) = costs.split_once(':').ok_or(ScramError::Form)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(ScramError::Form)?;
        let iterations = iterations.parse().map_err(|_| ScramError::Form)?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| ScramError::Form);
        let (salt, stored_key, server_key) = (bytes(salt)?, bytes(stored_key)?, bytes(server_key)?);
        if mechanism != MECHANISM
            || salt.is_empty()
            || [&stored_key, &server_key].iter().any(|key| key.len() != KEY_BYTES)
        {
            return Err(ScramError::Form);
        }
        if !ITERATIONS.contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        Ok(Self { iterations, salt, stored_key, server_key })
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramVerifier(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`; its proof and signature follow from these keys.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                          WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn the_verifier_of_the_rfc_takes_its_password_and_no_other() {
        let verifier: ScramVerifier = PENCIL.parse().unwrap();
        assert_eq!(verifier.stored_key_of("pencil").unwrap(), verifier.stored_key());
        assert_ne!(verifier.stored_key_of("pencils").unwrap(), verifier.stored_key());
        assert_eq!(verifier.to_line(), PENCIL);
        assert!(!format!("{verifier:?}").contains("W22"));
    }

    #[test]
    fn a_new_verifier_reads_back_and_has_a_salt_of_its_own() {
        let [one, other] = [(); 2].map(|()| ScramVerifier::of("grüße\u{ad}").unwrap().to_line());
        assert_ne!(one, other);
        let verifier: ScramVerifier = one.parse().unwrap();
        // SASLprep (RFC 4013) drops the soft hyphen.
        assert_eq!(verifier.stored_key_of("grüße").unwrap(), verifier.stored_key());
    }

    #[rstest::rstest]
    #[case("")]
    #[case("md5c8f7b2a91b0dbbd7a4d6b3f8c8bd1e2f")]
    #[case("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7A==:WG5d8oPm3OtcPnkdi4Uo7A==")]
    #[case(&PENCIL.replace("4096", "1"))]
    #[case(&PENCIL.replace("4096", "-1"))]
    #[case(&PENCIL.replace("SHA-256", "SHA-1"))]
    fn what_is_no_verifier_is_refused_without_being_repeated(#[case] text: &str) {
        let error = text.parse::<ScramVerifier>().unwrap_err().to_string();
        assert!(!error.contains("W22") && !error.contains("c8f7"), "{error}");
    }
}
