//! Who may come in, and what they may do.
//!
//! ```text
//! role.rs       what someone may do
//! principal.rs  someone who was let in
//! users.rs      the configured users and tokens, and the check of what a client shows
//! ```
//! Guarantee: a door that answers has a [`Principal`], and what is done in its name is within its roles.

mod principal;
mod role;
mod users;

pub use principal::Principal;
pub use role::{Role, Roles};
pub use users::{ScramLogin, Users};
