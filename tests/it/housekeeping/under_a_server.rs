//! A log that is cleaned up under a running server.

use std::time::Duration;

use chrono::Utc;
use telestrata::maintenance::{Intent, create_snapshot, keep_log};

use crate::support::fault_run::Run;
use crate::support::fault_store::Plan;

/// What the server knows of a table stands on a checkpoint. When a newer one is written at the server's own version, the
/// older one may go, and no newer version tells the server of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_flushing_when_the_checkpoint_that_it_stands_on_is_gone() {
    let run = Run::new(0);
    let faults = run.store(Plan::QUIET);
    let root = run.quiet_root();
    let clean_up =
        || async { keep_log(&root, "logs", Duration::ZERO, Utc::now(), Intent::Apply).await.unwrap().unwrap() };
    let store = run.open(&faults, "wal", &[]).await;
    run.send(&store).await.unwrap();
    store.flush().await.unwrap();
    store.close().await.unwrap();
    drop(store);
    clean_up().await;

    let store = run.open(&faults, "wal", &[]).await;
    run.send(&store).await.unwrap();
    store.flush().await.unwrap();
    create_snapshot(&root, "now", Utc::now()).await.unwrap();
    assert!(clean_up().await.removed > 0);

    run.send(&store).await.unwrap();
    store.flush().await.unwrap();
    run.finish(&[store]).await;
}
