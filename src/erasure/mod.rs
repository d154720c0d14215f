//! Standing erasures: what may not come in again, known by a keyed hash and never by its value.
//!
//! ```text
//! key.rs       the lake's key, and hashes under it             _erasures/key
//! log.rs       what was installed and lifted, in order         _erasures/00000001.json, ...
//! set.rs       those that stand now, as one immutable value
//! standing.rs  the set that a writer obeys, kept up to date, and the rows it lets through
//! walk.rs      every attribute and text of a batch, nested ones too
//! value.rs     a value that is shown to nobody
//! ```
//! Guarantee: a row is let through only if no attribute of it, of its resource and scope, and of its events, links and
//! exemplars is erased. What is held (`[[hold]]`) is let through all the same.

mod key;
mod log;
mod set;
mod standing;
mod value;
mod walk;

pub use log::{ErasureLog, Installed, StandingErasure};
pub use set::ErasureSet;
pub use standing::{Held, Sifted, StandingErasures};
pub use value::SecretValue;
pub(crate) use walk::{Finder, rows_with};
