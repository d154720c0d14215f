//! What a record is: the data contract, as data and as Arrow.
//!
//! Pure: no I/O, no clock, no runtime. Everything else depends on this module, and it on nothing of the crate.
//!
//! ```text
//! signal.rs    the three signals and their tables
//! column.rs    the vocabulary: Column, Kind, Layout
//! contract.rs  every column of every table          (a new column is a line here)
//! promoted.rs  attributes with a column of their own (a new one is a line here)
//! promote.rs   promoted columns out of the maps, and which lookups they answer exactly
//! schema.rs    contract + promoted -> Arrow schema
//! build/       columns under construction, for decoders
//! ids.rs       trace and span ids in any spelling
//! series.rs    series_id: a data point's time series as a hash
//! documentation.rs  docs/data-contract.md
//! ```

pub(crate) mod build;
pub mod column;
pub mod contract;
pub mod documentation;
pub mod ids;
pub mod promote;
pub mod promoted;
pub mod schema;
pub mod series;
pub mod signal;

pub use column::{Column, Kind, Layout};
pub use promoted::{AttributeMap, Promoted, PromotedType, Source};
pub use signal::{Encoding, Signal};
