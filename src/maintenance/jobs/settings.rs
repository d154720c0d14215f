//! What an operator may turn about background work.

use std::num::NonZeroU64;
use std::time::Duration;

/// How a server maintains its lake.
#[derive(Debug, Clone, Copy)]
pub struct MaintenanceSettings {
    /// Whether it does.
    pub enabled: bool,
    /// Threads that compute for jobs; a rewrite has one more, which encodes.
    pub cpu_threads: usize,
    /// Bytes a second that jobs read and write, together; `None` for no bound.
    pub io_bytes_per_second: Option<NonZeroU64>,
    /// How often it is looked for files to merge.
    pub interval: Duration,
}
