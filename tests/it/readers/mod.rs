//! Outside readers open the lake's tables and give SQL's answers.

mod answers;
mod beside_ingest;
mod beside_maintenance;
pub mod fixture;
mod notebooks;
mod reader;
mod table_format;

pub use answers::{FLUSH_BY_HAND, store_batch};
pub use reader::Reader;
