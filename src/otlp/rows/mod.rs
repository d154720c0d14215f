//! From records as they were sent to rows of the data contract.
//!
//! A record is checked whole before its first column is touched, so a rejected one leaves no trace and columns stay
//! of equal length. What a resource, scope or metric gives to all of its rows is encoded once and filled in at its end.
//!
//! ```text
//! group.rs    what a resource and a scope give to their rows
//! shared.rs   the columns that every table has
//! nested.rs   attributes of events, links and exemplars
//! rules.rs    times, counts, sampling: what a value may be and what becomes of it
//! logs.rs     spans.rs     metrics.rs and points.rs: the columns of one signal
//! ```

mod group;
mod logs;
mod metrics;
mod nested;
mod points;
mod rules;
mod shared;
mod spans;

pub(crate) use group::Group;
pub(crate) use logs::LogRows;
pub(crate) use metrics::MetricRows;
pub(crate) use rules::{adjusted_count, weighted_count};
pub(crate) use shared::{SharedColumns, SharedRow};
pub(crate) use spans::SpanRows;
