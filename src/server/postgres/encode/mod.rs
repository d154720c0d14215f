//! Record batches as the bytes that PostgreSQL's clients read, without an allocation a value.
//!
//! ```text
//! batch --> plain.rs: every column as one of a few types --> cells.rs: a value's text or binary form
//!       --> rows.rs: DataRow messages | ../copy/: CopyData messages
//! text forms: calendar.rs (dates, times, intervals), numbers.rs (doubles, decimals)
//! ```

mod calendar;
mod cells;
mod numbers;
mod plain;
mod rows;

pub(super) use cells::Cells;
pub(super) use numbers::{decimal_from_groups, parse_decimal};
pub(super) use plain::plain_columns;
pub(super) use rows::{encode_rows, put_value, put_whole};
