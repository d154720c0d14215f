//! Who may come in, and what they may do.
//!
//! ```text
//! role.rs       what someone may do
//! principal.rs  someone who was let in
//! users.rs      the configured users and tokens, and the check of what a client shows
//!   scram.rs    a user's password, by its SCRAM verifier
//!   token.rs    a program's token, by its argon2 hash
//!   lane.rs     one check at a time for each name, few of all, none twice
//!   secret.rs   random bytes, digests
//! ```
//! Guarantee: a door that answers has a [`Principal`], and what is done in its name is within its roles.

mod lane;
mod principal;
mod role;
mod scram;
mod secret;
mod token;
mod users;

pub use principal::Principal;
pub use role::{Role, Roles};
pub use scram::{ScramError, ScramVerifier};
pub(crate) use secret::random;
pub use token::{NewToken, TokenHash, TokenHashError};
pub use users::{ScramLogin, Token, User, Users, check_name};
