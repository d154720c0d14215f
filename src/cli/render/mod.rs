//! Rows for people: a table, records one below the other, Markdown, and plain listings.
//!
//! ```text
//! batches --> value.rs: each value as a person would write it
//!         --> fit.rs: how wide each column may be
//!         --> table.rs, or records.rs where no table fits
//! ```
//!
//! Guarantees: with a [`Layout::width`] no line of a table is wider, unless tables were asked for whatever their width;
//! without one nothing is ever cut. Only text is cut, always with `…`: numbers and times are shown whole. Control
//! characters never reach a terminal.

mod fit;
mod listing;
mod markdown;
mod records;
mod table;
mod value;
mod width;

use std::io::IsTerminal;

use clap::ValueEnum;

pub(super) use listing::{Align, listing};
pub(super) use markdown::Markdown;
pub(super) use table::{Table, rows_line, table};
pub(super) use width::{display_width, take_width, wrap};

/// Where records take the place of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Expanded {
    /// Where the table's columns do not fit the terminal
    #[default]
    Auto,
    /// Always
    On,
    /// Never: a table that does not fit is wider than the terminal
    Off,
}

/// The room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// Columns of the terminal; `None` where a file or another program reads, and nothing is cut.
    pub(super) width: Option<usize>,
    /// Table or records.
    pub(super) expanded: Expanded,
}

impl Layout {
    /// That of standard output: a terminal's width, or no bound.
    pub(super) fn of_stdout() -> Self {
        Self { width: screen().map(|(columns, _)| columns), expanded: Expanded::Auto }
    }
}

/// Columns and lines of the terminal that standard output is, `None` where it is none.
pub(super) fn screen() -> Option<(usize, usize)> {
    // A terminal that does not tell its size is taken for the classical one.
    const CLASSICAL: (usize, usize) = (80, 24);
    if !std::io::stdout().is_terminal() {
        return None;
    }
    match terminal_size::terminal_size_of(std::io::stdout()) {
        Some((columns, lines)) if columns.0 > 0 && lines.0 > 0 => Some((columns.0.into(), lines.0.into())),
        _ => Some(CLASSICAL),
    }
}
