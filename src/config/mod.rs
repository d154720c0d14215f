//! The configuration: flag over `TELESTRATA_*` over `telestrata.toml` over default.
//!
//! Guarantee: every key is known, typed and checked before anything starts; an error names the key and where its
//! value came from. The keys are one table, `keys.rs`, from which the environment's names, `config show` and
//! the documentation follow.

mod auth;
mod describe;
mod keys;
mod layers;
mod retention;
mod settings;

pub use keys::{KEYS, Key};
pub(crate) use layers::DEFAULT_FILE;
pub use layers::{Layers, Origin};
pub use settings::{Bind, Config, PromotedConfig};
