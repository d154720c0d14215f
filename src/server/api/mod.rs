//! The HTTP API: SQL, flush, health and metrics.
//!
//! ```text
//! POST /v1/sql --> question.rs --> QueryService::run --> answer.rs: output::Encoder --> stream
//!                  accept.rs                             problem.rs: errors (RFC 9457)
//! POST /v1/sql/cancel --> cancel.rs --> QueryService::cancel
//! GET /v1/traces/{id} --> trace/
//! POST /v1/import --> import.rs: a file, as the verb does it
//! POST /v1/erase/{plan,apply,lift}, GET /v1/erase --> erase.rs
//! ```
//! Each path says which role it needs (`routes.rs`). Without credentials it serves local programs and local pages alone,
//! with them no page but its own (`local_only.rs`). There is no CORS.

mod accept;
mod answer;
mod cancel;
mod coding;
mod config;
mod cross_site;
mod erase;
mod flush;
mod health;
mod import;
mod index;
mod local_only;
mod options;
mod params;
mod problem;
mod question;
mod routes;
mod sql;
mod tables;
mod trace;

pub(super) use routes::{refuse, routes};
