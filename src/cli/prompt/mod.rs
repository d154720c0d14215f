//! The interactive prompt of `telestrata sql`.
//!
//! ```text
//! keys --> editor.rs: a line editor with history          (history.rs)
//!            | is it whole?                                scan.rs
//!            | TAB: where is the cursor, what fits there   cursor.rs, complete.rs
//!            |      names and keys, fetched behind it      catalogue.rs, attribute_keys.rs
//!            v
//!      script.rs: statements and backslash commands        command.rs, describe.rs
//!            |
//!            v
//!      session.rs: runs them one after another; Ctrl-C     answer.rs, caret.rs
//!            v
//!      sink.rs: the screen, a pager, or a file
//! ```
//!
//! Guarantees: Ctrl-C ends a query and never the prompt; an error never ends it either. What is fetched for completion
//! is bounded in rows and time, and the prompt waits for it a moment only.

mod answer;
mod attribute_keys;
mod caret;
mod catalogue;
mod command;
mod complete;
mod cursor;
mod describe;
mod editor;
mod history;
mod later;
mod scan;
mod script;
mod session;
mod sink;

pub(super) use session::run;
