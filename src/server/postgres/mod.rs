//! The PostgreSQL door: the wire protocol, version 3, over `pgwire`'s messages and SCRAM.
//!
//! ```text
//! door.rs       a connection: TLS, cancel requests, how many there may be
//! login.rs      who it is: SCRAM-SHA-256
//! logins.rs     how many log in at a time, and for how long
//! cancel.rs     the keys by which queries are cancelled
//! wire.rs       bytes to whole messages, and bytes out
//! message.rs    a client's messages
//! session.rs    messages in order: Query, Parse, Bind, Describe, Sync, transactions
//! split.rs      a text's statements             command.rs  what a statement asks
//! execute.rs    what each command does          settings.rs SET, SHOW
//! portal.rs     statements, portals, cursors    parameters.rs the values of $1
//! rows.rs       a running query's rows, as the client takes them
//! encode/       record batches as bytes         types.rs    Arrow's types and PostgreSQL's
//! copy.rs       COPY ... TO STDOUT              errors.rs   SQLSTATE, hint, place
//! ```
//! The loop around the messages is ours, not pgwire's: it has to see a client leave while rows are awaited, to stop
//! with the server, to bound messages, and to stream several statements of one text.

mod cancel;
mod command;
mod copy;
mod door;
mod encode;
mod errors;
mod execute;
mod login;
mod logins;
mod message;
mod parameters;
mod portal;
mod rows;
mod session;
mod settings;
mod split;
mod types;
mod wire;

pub(super) use door::PostgresDoor;
