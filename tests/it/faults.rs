//! The pipeline on a store that misbehaves (docs/faults.md): nothing acknowledged is lost, nothing is there twice, and
//! no query is wrong meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use telestrata::import::{FileFormat, ImportSettings, Importer, Input};
use telestrata::ingest::Store;
use telestrata::model::promoted::{AttributeMap, Promoted, PromotedType, Source};
use telestrata::model::signal::Signal;
use telestrata::query::Pinned;
use tokio::task::JoinSet;

use crate::support::fault_run::{Run, each_seed, engine, numbers};
use crate::support::fault_store::{Fault, FaultStore, Op, Plan};

/// Fewer faults for queries, or none would come to its end.
const DRIZZLE: Plan = Plan {
    failed: 0.002,
    read_failed: 0.002,
    cut: 0.002,
    cut_silently: 0.004,
    stalled: 0.01,
    longest: Duration::from_millis(10),
    ..Plan::QUIET
};

/// What a test sends that is about one table.
const LOGS: &[Signal] = &[Signal::Logs];

/// A column that the first of two writers does not know.
fn number_column() -> Promoted {
    let source = Source { map: AttributeMap::Record, key: "number".into() };
    Promoted { name: "number".into(), kind: PromotedType::Long, sources: vec![source] }
}

/// Sends requests of these signals in turn while flushes and queries go on, until all are sent or the process is dead.
async fn work(run: &Arc<Run>, faults: &FaultStore, store: &Arc<Store>, requests: usize, signals: &[Signal]) {
    let done = Arc::new(AtomicBool::new(false));
    let mine: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let mut beside = JoinSet::new();
    beside.spawn({
        let (store, done) = (Arc::clone(store), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Acquire) {
                // Its failure is the faults' doing; the rows stay hot.
                drop(store.flush().await);
                tokio::task::yield_now().await;
            }
        }
    });
    beside.spawn({
        let engine = run.engine(&run.store(DRIZZLE));
        let (run, store, done, mine) = (Arc::clone(run), Arc::clone(store), Arc::clone(&done), Arc::clone(&mine));
        async move {
            while !done.load(Ordering::Acquire) {
                let promised = mine.lock().unwrap().clone();
                run.look(&engine, &store, &promised).await;
            }
        }
    });
    for signal in signals.iter().cycle().take(requests) {
        if faults.is_dead() {
            break;
        }
        let sent = run.send_of(store, *signal).await;
        let numbers = sent.unwrap_or_else(|error| panic!("seed {}: refused: {error}", run.seed));
        mine.lock().unwrap().extend(numbers);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    done.store(true, Ordering::Release);
    if faults.is_dead() {
        beside.abort_all();
    }
    while let Some(ended) = beside.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// What a seed stands for: the same operations, one after another, meet the same faults.
#[tokio::test]
async fn a_seed_deals_the_same_faults_again() {
    let dealt = async |seed: u64| {
        let store = FaultStore::new(Arc::new(InMemory::new()), Plan { longest: Duration::ZERO, ..Plan::STORMY }, seed);
        for number in 0..300 {
            let path = Path::from(format!("logs/date=2023-11-14/{}.parquet", uuid::Uuid::new_v4()));
            drop(store.put(&path, "a\nb\nc".into()).await);
            drop(store.put_opts(&Path::from(format!("{number}.json")), "{}".into(), PutMode::Create.into()).await);
            drop(store.get(&path).await);
            drop(store.list_with_delimiter(None).await);
        }
        (store.log(), store.injected())
    };
    let (log, injected) = dealt(1).await;
    assert_eq!(log, dealt(1).await.0);
    assert_ne!(log, dealt(2).await.0);
    let kinds: BTreeSet<Fault> = injected.keys().map(|(_, fault)| *fault).collect();
    assert_eq!(kinds.len(), 10, "of all kinds: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flushes_and_commits_in_a_storm_lose_and_double_nothing() {
    each_seed("flushes_and_commits_in_a_storm_lose_and_double_nothing", 5, async |run: Arc<Run>| {
        let faults = run.store(Plan::STORMY);
        let store = run.open(&faults, "wal", &[]).await;
        work(&run, &faults, &store, 60, &Signal::ALL).await;
        run.finish(&[store]).await;
    })
    .await;
}

/// The process dies at any operation, what it had under way may land later, and the next takes up its WAL.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_in_a_storm_loses_and_doubles_nothing() {
    each_seed("a_process_that_dies_in_a_storm_loses_and_doubles_nothing", 3, async |run: Arc<Run>| {
        let mut random = StdRng::seed_from_u64(run.seed);
        for _ in 0..4 {
            let faults = run.store(Plan::READABLE);
            let store = run.open(&faults, "wal", &[]).await;
            faults.die_after(faults.operations() + random.random_range(1..120));
            work(&run, &faults, &store, 40, &Signal::ALL).await;
            run.kill(&faults, store).await;
        }
        let faults = run.store(Plan::READABLE);
        let store = run.open(&faults, "wal", &[]).await;
        work(&run, &faults, &store, 10, &Signal::ALL).await;
        run.finish(&[store]).await;
    })
    .await;
}

/// Two servers start on an empty lake at once: one table, made once, and both go on.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_make_the_tables_at_once_share_them() {
    each_seed("two_that_make_the_tables_at_once_share_them", 5, async |run: Arc<Run>| {
        let (here, there) = (run.store(Plan::STORMY), run.store(Plan::STORMY));
        let (left, right) = tokio::join!(run.open(&here, "wal-left", &[]), run.open(&there, "wal-right", &[]));
        tokio::join!(work(&run, &here, &left, 30, &Signal::ALL), work(&run, &there, &right, 30, &Signal::ALL));
        run.finish(&[left, right]).await;
        for table in ["logs", "spans", "metrics"] {
            let actions = run.actions(table).await;
            let made = |action: &str| actions.iter().filter(|one| one.get(action).is_some()).count();
            assert_eq!((made("metaData"), made("protocol")), (1, 1), "{table} was made more than once");
        }
    })
    .await;
}

/// One server adds a promoted column while the other appends: each goes on, and the column is right for every row.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_and_appends_get_along() {
    each_seed("a_new_column_and_appends_get_along", 4, async |run: Arc<Run>| {
        let (here, there) = (run.store(Plan::STORMY), run.store(Plan::STORMY));
        let left = run.open(&here, "wal-left", &[]).await;
        let widen = async {
            tokio::time::sleep(Duration::from_millis(run.seed % 100)).await;
            let right = run.open(&there, "wal-right", &[number_column()]).await;
            work(&run, &there, &right, 20, LOGS).await;
            right
        };
        let (right, ()) = tokio::join!(widen, work(&run, &here, &left, 40, LOGS));
        run.finish(&[left, right]).await;
        let tables = run.cold().await;
        let actions = run.actions("logs").await;
        assert_eq!(actions.iter().filter(|one| one.get("metaData").is_some()).count(), 2);
        let by_column = numbers(&engine(run.quiet_root()), Pinned(tables), "select number from logs").await.unwrap();
        let by_column: BTreeSet<u64> = by_column.into_iter().map(i64::unsigned_abs).collect();
        assert_eq!(by_column, run.acknowledged());
    })
    .await;
}

/// Past the version that gets a checkpoint, opened again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_in_a_storm_is_whole_or_not_used() {
    each_seed("a_checkpoint_in_a_storm_is_whole_or_not_used", 1, async |run: Arc<Run>| {
        let calm = run.store(Plan::QUIET);
        let store = run.open(&calm, "wal", &[]).await;
        for _ in 0..48 {
            run.send(&store).await.unwrap();
            store.flush().await.unwrap();
        }
        run.kill(&calm, store).await;
        for _ in 0..3 {
            let faults = run.store(Plan::READABLE);
            let store = run.open(&faults, "wal", &[]).await;
            for _ in 0..3 {
                work(&run, &faults, &store, 5, LOGS).await;
                drop(store.flush().await);
            }
            run.kill(&faults, store).await;
        }
        let store = run.open(&run.store(Plan::READABLE), "wal", &[]).await;
        run.finish(&[store]).await;
    })
    .await;
}

mod scripted {
    //! One fault at one place: the cases by name.

    use super::*;

    fn first_commit() -> &'static str {
        "logs/_delta_log/00000000000000000001.json"
    }

    /// One store on a lake with tables, and a first request.
    async fn started(run: &Run, plan: Plan) -> (FaultStore, Arc<Store>) {
        let faults = run.store(plan);
        let store = run.open(&faults, "wal", &[]).await;
        run.send(&store).await.unwrap();
        (faults, store)
    }

    #[rstest::rstest]
    #[case::lost_reply(Fault::DoneButFailed)]
    #[case::own_success_taken_for_anothers(Fault::DoneButConflict)]
    #[case::conflict_with_nobody(Fault::Conflict)]
    #[case::not_done(Fault::Failed)]
    #[case::still_under_way(Fault::DoneLater)]
    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_is_made_once_whatever_is_reported(#[case] fault: Fault) {
        let run = Run::without_flushes(0);
        let (faults, store) = started(&run, Plan::QUIET).await;
        faults.script(Op::ConditionalPut, first_commit(), fault);
        store.flush().await.unwrap();
        assert!(faults.script_is_done());
        run.finish(&[store]).await;
    }

    #[rstest::rstest]
    #[case::lost_reply(Fault::DoneButFailed)]
    #[case::own_success_taken_for_anothers(Fault::DoneButConflict)]
    #[case::conflict_with_nobody(Fault::Conflict)]
    #[case::not_done(Fault::Failed)]
    #[case::still_under_way(Fault::DoneLater)]
    #[tokio::test(flavor = "multi_thread")]
    async fn a_table_is_made_once_whatever_is_reported(#[case] fault: Fault) {
        let run = Run::without_flushes(0);
        let faults = run.store(Plan::QUIET);
        faults.script(Op::ConditionalPut, "logs/_delta_log/00000000000000000000.json", fault);
        let store = run.open(&faults, "wal", &[]).await;
        assert!(faults.script_is_done());
        run.send(&store).await.unwrap();
        run.finish(&[store]).await;
        let actions = run.actions("logs").await;
        assert_eq!(actions.iter().filter(|one| one.get("metaData").is_some()).count(), 1);
    }

    /// A dead process's commit lands while its successor is at work: those rows are hot there, and must not be cold too.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_dead_process_commits_nothing_more() {
        let run = Run::without_flushes(0);
        let (faults, store) = started(&run, Plan::QUIET).await;
        let held = faults.hold_back().await;
        faults.script(Op::ConditionalPut, first_commit(), Fault::DoneLater);
        tokio::select! {
            _ = store.flush() => panic!("the flush can't end"),
            () = async { while !faults.script_is_done() { tokio::task::yield_now().await } } => {}
        }
        run.kill(&faults, store).await;
        let next = run.store(Plan::QUIET);
        let store = run.open(&next, "wal", &[]).await;
        drop(held);
        faults.settle().await;
        run.send(&store).await.unwrap();
        store.flush().await.unwrap();
        assert!(run.look(&run.engine(&next), &store, &run.acknowledged()).await);
        run.finish(&[store]).await;
    }

    /// Errors while the log is read back after a failed commit are more tries, not the end of them.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_flush_outlasts_errors_on_the_way_back() {
        let run = Run::without_flushes(0);
        let (faults, store) = started(&run, Plan::QUIET).await;
        faults.script(Op::ConditionalPut, first_commit(), Fault::DoneButFailed);
        for fault in [Fault::Failed, Fault::Cut, Fault::Failed] {
            faults.script(Op::Get, first_commit(), fault);
        }
        store.flush().await.unwrap();
        assert!(faults.script_is_done());
        run.finish(&[store]).await;
    }

    /// A store that does not list at first is asked again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_outlasts_a_listing_that_fails() {
        let run = Run::without_flushes(0);
        let faults = run.store(Plan::QUIET);
        faults.script(Op::List, "logs/_delta_log", Fault::Failed);
        let store = run.open_once(&faults, "wal", &[]).await.unwrap();
        assert!(faults.script_is_done());
        run.finish(&[store]).await;
    }

    /// What a short body hides at its end is the transaction: the commit would be made again on top of itself, and its
    /// server show the rows twice.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_short_body_is_an_error_and_no_shorter_commit() {
        let run = Run::without_flushes(0);
        let (faults, store) = started(&run, Plan::QUIET).await;
        faults.script(Op::ConditionalPut, first_commit(), Fault::DoneButFailed);
        for _ in 0..4 {
            faults.script(Op::Get, first_commit(), Fault::LastLineCut);
        }
        store.flush().await.unwrap();
        run.finish(&[store]).await;
        assert!(faults.script_is_done());
    }

    /// The log is let go of up to what every table has passed: one that can't commit keeps its records, and those
    /// that the others have committed meanwhile are not replayed into them.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_table_that_can_not_commit_keeps_its_part_of_the_log() {
        // More than a segment of them.
        const REQUESTS: usize = 20;
        /// As often as an append commits before it gives up.
        const TRIES: usize = 9;
        let run = Run::without_flushes(0);
        let faults = run.store(Plan::QUIET);
        let store = run.open(&faults, "wal", &[]).await;
        let segments = || {
            store.observe();
            store.metrics().wal_segments.get()
        };
        for _ in 0..REQUESTS {
            run.send(&store).await.unwrap();
        }
        let before = segments();
        for signal in [Signal::Spans, Signal::Logs, Signal::Metrics].iter().cycle().take(3 * REQUESTS) {
            run.send_of(&store, *signal).await.unwrap();
        }
        let all = segments();
        assert!(before > 1 && all > before + 1, "{before}, then {all} segments");
        for _ in 0..TRIES {
            faults.script(Op::ConditionalPut, "spans/_delta_log/00000000000000000001.json", Fault::Failed);
        }
        store.flush().await.unwrap_err();
        assert!(faults.script_is_done());
        let files = store.pin().into_iter().map(|(signal, state)| (signal, !state.snapshot.files().is_empty()));
        assert_eq!(files.collect::<Vec<_>>(), [(Signal::Logs, true), (Signal::Spans, false), (Signal::Metrics, true)]);
        let kept = segments();
        assert!((all - before..all).contains(&kept), "{kept} of {all} segments, of which {before} are of logs alone");
        run.kill(&faults, store).await;
        let next = run.store(Plan::QUIET);
        let store = run.open(&next, "wal", &[]).await;
        assert!(run.look(&run.engine(&next), &store, &run.acknowledged()).await);
        run.finish(&[store]).await;
    }

    /// A large file goes up in parts; an upload that fails is taken back, and leaves nothing that is billed.
    #[rstest::rstest]
    #[case::part(Op::Part)]
    #[case::end(Op::Complete)]
    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_that_fails_is_aborted(#[case] op: Op) {
        let run = Run::without_flushes(0);
        let faults = run.store(Plan::QUIET);
        let store = run.open(&faults, "wal", &[]).await;
        run.send_large(&store, 16 << 20).await;
        faults.script(op, "", Fault::Failed);
        let refused = store.flush().await;
        assert!(faults.script_is_done() && refused.is_err());
        assert_eq!(faults.open_uploads(), 0);
        run.finish(&[store]).await;
    }
}

/// Two imports of one file, each made again until it is through: the content is there once, whichever of them stored
/// which chunk, and wherever the others were stopped.
#[tokio::test(flavor = "multi_thread")]
async fn imports_in_a_storm_store_a_content_once() {
    each_seed("imports_in_a_storm_store_a_content_once", 5, async |run: Arc<Run>| {
        let input = Input::File(run.file(60));
        let import = async |process: u64| {
            let mut random = StdRng::seed_from_u64(run.seed * 2 + process);
            // Every other seed has so little memory that rows are spilled, and committed chunk by chunk.
            let max_bytes = if run.seed.is_multiple_of(2) { 1 << 14 } else { 1 << 26 };
            for _ in 0..200 {
                let faults = run.store(Plan::STORMY);
                let settings = ImportSettings { max_bytes, ..ImportSettings::default() };
                let once = async {
                    let mut importer = Importer::open(&run.root(&faults), settings).await?;
                    importer.import(&input, FileFormat::JsonLines, Arc::default(), |_| Ok(())).await?;
                    importer.finish().await
                };
                // Stopped in the middle, more often than not.
                let patience = Duration::from_millis(random.random_range(20..4000));
                if let Ok(Ok(_)) = tokio::time::timeout(patience, once).await {
                    return;
                }
            }
            panic!("seed {}: no import came through", run.seed);
        };
        tokio::join!(import(0), import(1));
        run.finish(&[]).await;
    })
    .await;
}
