//! A writer's side of vacuum's grace: what was staged too long ago is written anew, once it is certain that no commit of
//! it is in or will be.

use std::time::{Duration, Instant};

use object_store::ObjectStoreExt as _;

use telestrata::ingest::Store;

use crate::support::fault_run::Run;
use crate::support::fault_store::{Fault, Op, Plan};

/// Half of it is soon over.
const GRACE: Duration = Duration::from_secs(3);

const FIRST_COMMIT: &str = "logs/_delta_log/00000000000000000001.json";

/// The paths of the data files of `logs` that commits have named, in order.
async fn named(run: &Run) -> Vec<String> {
    let actions = run.actions("logs").await;
    actions.iter().filter_map(|action| Some(action.get("add")?["path"].as_str()?.to_owned())).collect()
}

async fn stored(run: &Run) -> usize {
    use futures::TryStreamExt as _;
    let listed: Vec<_> = run.quiet_root().table_store("logs").unwrap().list(None).try_collect().await.unwrap();
    listed.iter().filter(|object| object.location.as_ref().ends_with(".parquet")).count()
}

/// Flushes until that succeeds: on a slow machine what is written anew may be too old again.
async fn flush(store: &Store) {
    let started = Instant::now();
    while let Err(error) = store.flush().await {
        assert!(started.elapsed() < 20 * GRACE, "{error}");
    }
}

#[rstest::rstest]
#[case::never_came_in(Fault::Failed, false)]
#[case::another_was_first(Fault::Conflict, false)]
#[case::came_in_and_said_it_had_not(Fault::DoneButFailed, true)]
#[tokio::test(flavor = "multi_thread")]
async fn files_that_waited_too_long_are_written_anew_unless_they_are_in(#[case] fault: Fault, #[case] is_in: bool) {
    let run = Run::without_flushes(0).with_grace(GRACE);
    let faults = run.store(Plan::QUIET);
    let store = run.open(&faults, "wal", &[]).await;
    run.send(&store).await.unwrap();
    faults.script(Op::ConditionalPut, FIRST_COMMIT, fault);
    // What came of the commit can't be seen either.
    for _ in 0..1000 {
        faults.script(Op::List, "logs/_delta_log", Fault::Failed);
    }
    let started = Instant::now();
    while started.elapsed() <= GRACE * 3 / 4 {
        store.flush().await.unwrap_err();
        assert_eq!(stored(&run).await, 1, "the same files are tried again, and none are written beside them");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    faults.forget_script();
    flush(&store).await;
    run.send(&store).await.unwrap();
    flush(&store).await;
    run.finish(&[store]).await;
    let named = named(&run).await;
    assert_eq!(named.len(), 2, "{named:?}");
    assert_eq!(stored(&run).await, 2, "what was given up is removed");
    let versions = run.cold().await[0].1.snapshot.version();
    // The empty commit that bars the one given up takes a version.
    // A slow machine may have had to give up once more.
    assert!(versions >= if is_in { 2 } else { 3 }, "{versions}");
}

/// The commit of files that were given up is still on its way, and comes too late.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_under_way_of_files_that_were_given_up_never_lands() {
    let run = Run::without_flushes(0).with_grace(GRACE);
    let faults = run.store(Plan::QUIET);
    let store = run.open(&faults, "wal", &[]).await;
    run.send(&store).await.unwrap();
    let held = faults.hold_back().await;
    faults.script(Op::ConditionalPut, FIRST_COMMIT, Fault::DoneLater);
    faults.script(Op::List, "logs/_delta_log", Fault::Failed);
    let started = Instant::now();
    tokio::select! {
        _ = store.flush() => {}
        () = async { while !faults.script_is_done() { tokio::task::yield_now().await } } => {}
    }
    while started.elapsed() <= GRACE / 2 {
        tokio::task::yield_now().await;
    }
    flush(&store).await;
    drop(held);
    faults.settle().await;
    let folder = run.quiet_root().table_store("logs").unwrap();
    for path in named(&run).await {
        folder.head(&path.as_str().into()).await.unwrap();
    }
    run.send(&store).await.unwrap();
    run.finish(&[store]).await;
}
