//! The configured users and tokens, and the check of what a client shows.

use pgwire::api::auth::sasl::scram::ScramSecret;

use super::principal::Principal;
use crate::error::{Error, ErrorKind, Result};

/// What a SCRAM handshake begins with.
#[derive(Debug)]
pub struct ScramLogin {
    /// What the client's proof is checked against; a decoy for a name that is not known.
    pub secret: ScramSecret,
    /// Whose it is; `None` for a decoy.
    pub principal: Option<Principal>,
}

/// The users and tokens of the configuration.
#[derive(Debug, Default)]
pub struct Users {}

impl Users {
    /// No credentials: whoever comes is [`Principal::local`].
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// The user of that name and password.
    ///
    /// # Errors
    /// `Unauthenticated`, the same for an unknown name and a wrong password.
    pub async fn by_password(&self, _name: &str, _password: &str) -> Result<Principal> {
        Err(Error::new(ErrorKind::Unauthenticated, "the name or the password is wrong"))
    }

    /// The holder of that token.
    ///
    /// # Errors
    /// `Unauthenticated`, the same for an unknown token and a wrong one.
    pub async fn by_token(&self, _token: &str) -> Result<Principal> {
        Err(Error::new(ErrorKind::Unauthenticated, "the token is wrong"))
    }

    /// What the handshake of a user begins with; `None` without credentials.
    pub fn scram(&self, _name: &str) -> Option<ScramLogin> {
        None
    }
}
