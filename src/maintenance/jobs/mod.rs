//! Background work: what a server does to its lake by itself.
//!
//! Guarantees: jobs work on threads of their own, few and of a lower priority, and their bytes pass a throttle. A job that
//! fails is tried again, later each time, and stops no other. A stop ends within seconds, whatever is under way; each job
//! leaves its table as it was before or as it is after. Requests and queries wait for no job.
//!
//! ```text
//! scheduler.rs   a task a job: wait until due --> wait for the lane --> run --> note how it went
//! lane.rs        jobs that take turns
//! job.rs         what a job is
//! states.rs      how each is doing, for system.jobs and /metrics
//! backoff.rs     how long a failure waits
//! threads.rs     the threads and their priority
//! settings.rs    what an operator may turn
//! compaction.rs  the job that merges small files
//! ```

mod backoff;
mod compaction;
mod job;
mod lane;
mod scheduler;
mod settings;
mod states;
mod threads;

pub use compaction::{CompactionJob, Snapshots};
pub use job::{Job, JobContext, Outcome};
pub use scheduler::Background;
pub use settings::MaintenanceSettings;
pub use states::JobStates;
