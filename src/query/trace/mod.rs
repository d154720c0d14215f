//! One trace: its spans as trees, and what took the time.
//!
//! Spans in, numbers out; nothing here knows of tables or SQL (see `functions/`), and nothing recurses, so that a trace
//! may be as deep as it is long. Everything takes O(n log n) time and O(n) memory for n spans.
//!
//! ```text
//! forest.rs         parents and children, whatever is wrong with them; pre-order
//! call_path.rs      how a span was reached, as a text
//! self_time.rs      what of a span's time none of its children covers
//! critical_path.rs  which span the trace waited for at each moment
//! ```

mod call_path;
mod critical_path;
mod forest;
mod self_time;

pub(crate) use call_path::call_paths;
pub(crate) use critical_path::critical_path;
pub(crate) use forest::{Forest, TraceSpan};
pub(crate) use self_time::self_times;
