//! The HTTP API: SQL, flush, health and metrics.
//!
//! ```text
//! POST /v1/sql --> question.rs --> QueryService::run --> answer.rs: output::Encoder --> stream
//!                  accept.rs                             problem.rs: errors (RFC 9457)
//! POST /v1/sql/cancel --> cancel.rs --> QueryService::cancel
//! POST /v1/import --> import.rs: a file, as the verb does it
//! ```
//! Bound to a loopback address it serves local programs and local pages alone (`local_only.rs`). There is no CORS.

mod accept;
mod answer;
mod cancel;
mod coding;
mod config;
mod cross_site;
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

pub(super) use routes::routes;
