//! Arrow Flight SQL (Arrow Flight RPC and Flight SQL, version 1.3 of the columnar format's documents): SQL in, record
//! batches out, for ADBC, JDBC and notebooks.
//!
//! ```text
//! routes.rs      the door's middleware and limits
//! service.rs     the calls of Flight, each parsed, handed on and encoded
//! asked.rs       what a descriptor, a ticket or an action's body asks for
//! statement.rs   a ticket or a prepared statement's handle: self-contained
//! parameters.rs  what is bound to a prepared statement
//! answer.rs      rows to messages, with the client's pace      messages.rs  one batch to messages
//! metadata.rs    catalogue and driver questions: catalog.rs, keys.rs, sql_info.rs, xdbc_types.rs
//! status.rs      an error as a gRPC status
//! ```
//! Guarantees: `GetFlightInfo` and `CreatePreparedStatement` plan and run nothing; a query runs while its `DoGet` is read,
//! and stops with it. The server keeps nothing for a ticket or a prepared statement: all that they stand for is in
//! them. What is read of a stream has the schema that `GetFlightInfo` told.
//!
//! `FlightService` is implemented itself: arrow-flight's `FlightSqlService` would answer `GetSchema` and
//! `PollFlightInfo` for us, with "not yet implemented".

mod answer;
mod asked;
mod catalog;
mod keys;
mod messages;
mod metadata;
mod parameters;
mod routes;
mod service;
mod sql_info;
mod statement;
mod status;
mod xdbc_types;

pub(super) use routes::{refuse, routes};
