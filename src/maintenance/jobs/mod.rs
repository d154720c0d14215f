//! Background work: what a server does to its lake by itself.
//!
//! Guarantees: jobs work on threads of their own, few and of a lower priority, and their bytes pass a throttle. A job that
//! fails is tried again, later each time, and stops no other. A stop ends within seconds, whatever is under way; each job
//! leaves its table as it was before or as it is after. Requests and queries wait for no job.
//!
//! ```text
//! scheduler.rs   a task a job: wait until due --> wait for the lane --> run --> note how it went
//! lane.rs        jobs that take turns
//! desk.rs        work that somebody asks for
//! job.rs         what a job is
//! states.rs      how each is doing, for system.jobs and /metrics
//! backoff.rs     how long a failure waits
//! threads.rs     the threads and their priority
//! settings.rs    what an operator may turn
//! compaction.rs  the job that merges small files
//! retention.rs   the job that lets old rows go
//! upkeep.rs      the jobs that look after files and logs
//! ```

mod backoff;
mod compaction;
mod desk;
mod job;
mod lane;
mod retention;
mod scheduler;
mod settings;
mod states;
mod threads;
mod upkeep;

pub use compaction::{CompactionJob, Snapshots};
pub use desk::Desk;
pub use job::{Job, JobContext, Outcome};
pub use retention::RetentionJob;
pub use scheduler::Background;
pub use settings::MaintenanceSettings;
pub use states::JobStates;
pub use upkeep::{LogJob, VacuumJob};
