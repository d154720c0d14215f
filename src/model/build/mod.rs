//! Columns under construction: what decoders append rows to.
//!
//! Each builder holds one column of the contract in Arrow's own layout, so that finishing it is free of copies. None
//! of them can fail on text: they take `&str` only, and the arrays are made without a second UTF-8 check.
//! Bounds: a builder counts text in 32 bits, as Arrow does. Whoever fills it keeps a batch below 2 GiB
//! (`otlp/budget.rs`).
//!
//! ```text
//! text.rs   text of a table's column (views), text nested in maps and structs (offsets)
//! map.rs    map<string,string>, and maps encoded once to be repeated for many rows
//! list.rs   lists of numbers and of structs
//! time.rs   microseconds and the nanoseconds past them
//! batch.rs  named columns -> RecordBatch of the contract's schema
//! ```

pub(crate) mod batch;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod text;
pub(crate) mod time;

pub(crate) use batch::BatchColumns;
pub(crate) use list::{ListOffsets, NumberList};
pub(crate) use map::{EncodedMap, TextMapColumn};
pub(crate) use text::{NestedText, TextColumn};
pub(crate) use time::{TimeColumn, Timestamp};
