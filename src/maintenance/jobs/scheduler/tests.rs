use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::*;
use crate::lake::CloudAccess;
use crate::maintenance::JobKind;
use crate::query::JobRow;

/// What a job of a test does in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Succeed,
    FailInPart,
    Fail,
    Panic,
    WaitForTheStop,
    WaitForEver,
    /// Works until another job wants its turn.
    MakeRoom,
}

#[derive(Debug)]
struct TestJob {
    kind: JobKind,
    does: Does,
    runs: mpsc::UnboundedSender<JobKind>,
    /// How many jobs of its lane work now.
    working: Arc<AtomicUsize>,
}

#[async_trait]
impl Job for TestJob {
    fn kind(&self) -> JobKind {
        self.kind
    }

    fn table(&self) -> &'static str {
        "logs"
    }

    fn every(&self) -> Duration {
        Duration::from_millis(1)
    }

    async fn run(&mut self, context: &JobContext) -> Result<Outcome> {
        assert_eq!(self.working.fetch_add(1, Ordering::SeqCst), 0, "another job works at the same time");
        context.progress.phase("testing");
        context.progress.add_files(1, 7);
        let _ = self.runs.send(self.kind);
        let outcome = match self.does {
            Does::Succeed => Ok(Outcome::default()),
            Does::FailInPart => Ok(Outcome { failures: 2, error: Some("two dates".to_owned()), ..Outcome::default() }),
            Does::Fail => Err(Error::unavailable("no disk")),
            Does::Panic => {
                self.working.fetch_sub(1, Ordering::SeqCst);
                panic!("as a job might")
            }
            Does::WaitForTheStop => {
                context.stop.cancelled().await;
                Err(Error::unavailable("stopped"))
            }
            Does::WaitForEver => std::future::pending().await,
            Does::MakeRoom => {
                while !context.should_end() {
                    tokio::task::yield_now().await;
                }
                Ok(Outcome { again: true, rewritten_bytes: 5, ..Outcome::default() })
            }
        };
        self.working.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

struct Tried {
    background: Background,
    runs: mpsc::UnboundedReceiver<JobKind>,
    metrics: Arc<Metrics>,
}

impl Tried {
    /// Jobs of two lanes: compaction, and what lets rows go.
    fn new(jobs: &[(JobKind, Does)]) -> Self {
        let settings = MaintenanceSettings {
            enabled: true,
            cpu_threads: 2,
            io_bytes_per_second: None,
            interval: Duration::from_millis(1),
        };
        let folder = std::env::temp_dir();
        let root = LakeRoot::parse(folder.to_str().unwrap(), &CloudAccess::default()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let background = Background::new(&settings, &root, Arc::clone(&metrics)).unwrap();
        let (sender, runs) = mpsc::unbounded_channel();
        let working = [Arc::default(), Arc::default()];
        for (kind, does) in jobs {
            let working = Arc::clone(&working[usize::from(*kind == JobKind::Compaction)]);
            background.spawn(Box::new(TestJob { kind: *kind, does: *does, runs: sender.clone(), working }));
        }
        Self { background, runs, metrics }
    }

    /// Waits until a job has begun so many runs.
    async fn until(&mut self, kind: JobKind, mut times: usize) {
        while times > 0 {
            if self.runs.recv().await.unwrap() == kind {
                times -= 1;
            }
        }
    }

    fn row(&self, kind: JobKind) -> JobRow {
        self.background.states().rows().into_iter().find(|row| row.job == kind.name()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_or_panics_is_tried_again_and_stops_no_other() {
    let jobs =
        [(JobKind::Compaction, Does::Succeed), (JobKind::Retention, Does::Fail), (JobKind::Erasure, Does::Panic)];
    let mut tried = Tried::new(&jobs);
    tried.until(JobKind::Retention, 2).await;
    tried.until(JobKind::Compaction, 5).await;
    let (good, bad, panicked) =
        (tried.row(JobKind::Compaction), tried.row(JobKind::Retention), tried.row(JobKind::Erasure));
    assert!(good.last_success.is_some() && good.last_error.is_none() && good.runs >= 5, "{good:?}");
    assert!(bad.last_success.is_none() && bad.failures >= 1, "{bad:?}");
    assert!(bad.last_error.unwrap().contains("no disk"));
    assert!(panicked.last_error.as_ref().unwrap().contains("panicked"), "{panicked:?}");
    tried.background.stop().await;
    let text = tried.metrics.encode();
    assert!(text.contains(r#"telestrata_job_failures_total{job="compaction",table="logs"} 0"#), "{text}");
    assert!(
        text.contains(r#"telestrata_job_last_success_timestamp_seconds{job="compaction",table="logs"} 1"#),
        "{text}"
    );
    assert!(!text.contains(r#"telestrata_job_last_success_timestamp_seconds{job="retention""#), "{text}");
    assert_eq!(tried.row(JobKind::Compaction).state, "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_is_seen_and_the_rest_goes_on_as_often_as_ever() {
    let mut tried = Tried::new(&[(JobKind::Compaction, Does::FailInPart)]);
    tried.until(JobKind::Compaction, 20).await;
    let row = tried.row(JobKind::Compaction);
    assert_eq!((row.failures, row.last_success), (2 * row.runs, None));
    assert_eq!(row.last_error.as_deref(), Some("two dates"));
    tried.background.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_lane_take_turns() {
    let jobs = [(JobKind::Retention, Does::MakeRoom), (JobKind::Erasure, Does::Succeed)];
    let mut tried = Tried::new(&jobs);
    tried.until(JobKind::Retention, 3).await;
    tried.until(JobKind::Erasure, 3).await;
    let row = tried.row(JobKind::Retention);
    assert!(row.runs >= 2 && row.last_success.is_none(), "there is always more to do: {row:?}");
    tried.background.stop().await;
    assert!(tried.metrics.encode().contains(r#"telestrata_job_rewritten_bytes_total{job="retention",table="logs"}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_what_listens_and_cuts_off_what_does_not() {
    for does in [Does::WaitForTheStop, Does::WaitForEver] {
        let mut tried = Tried::new(&[(JobKind::Compaction, does), (JobKind::Retention, Does::Succeed)]);
        tried.until(JobKind::Compaction, 1).await;
        let row = tried.row(JobKind::Compaction);
        assert_eq!((row.state, row.phase.as_deref(), row.bytes), ("running", Some("testing"), 7));
        tried.background.stop().await;
        let row = tried.row(JobKind::Compaction);
        assert_eq!((row.state, row.failures), ("stopped", 0), "a stop is no failure");
    }
}
