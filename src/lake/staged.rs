//! How long something has been waiting: a file for the commit that names it, a snapshot for a look at what is newer.
//!
//! Vacuum removes what no commit names once it is older than the grace (`vacuum.grace`). A writer keeps its side of that:
//! what it staged longer than half of the grace ago it writes anew instead of committing it. The other half is for the
//! commit's own tries and for clocks that differ.

use std::time::{Duration, Instant, SystemTime};

/// The moment at which the wait began.
#[derive(Debug, Clone, Copy)]
pub struct StagedSince {
    /// Does not run while the machine sleeps.
    at: Instant,
    /// Runs, and may be set back.
    clock: SystemTime,
}

impl StagedSince {
    /// From now on.
    pub fn now() -> Self {
        Self { at: Instant::now(), clock: SystemTime::now() }
    }

    /// How long ago that was, by whichever clock says more.
    pub fn age(&self) -> Duration {
        self.at.elapsed().max(self.clock.elapsed().unwrap_or_default())
    }

    /// Whether the files are too old to be committed under this grace.
    pub fn is_stale(&self, grace: Duration) -> bool {
        self.age() > grace / 2
    }
}
