//! The views that ship with the program: one file each in `sql/`.
//!
//! A view is planned when a query names it, against the tables that the query has pinned.

/// A view: its name and the text of its file.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The name in SQL.
    pub name: &'static str,
    /// The file: a head comment, then one SELECT.
    pub sql: &'static str,
}

/// Every view.
pub const VIEWS: &[View] = &[
    View { name: "span_logs", sql: include_str!("../../sql/span_logs.sql") },
    View { name: "traces", sql: include_str!("../../sql/traces.sql") },
    View { name: "trace_timeline", sql: include_str!("../../sql/trace_timeline.sql") },
];

impl View {
    /// The view of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        VIEWS.iter().find(|view| view.name == name)
    }

    /// The head comment, without its comment marks.
    pub fn documentation(&self) -> String {
        self.sql
            .lines()
            .map_while(|line| line.strip_prefix("--"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
