//! The time by which what goes for good is judged.
//!
//! Guarantee: a machine whose clock runs ahead takes nothing for older than the store does. The store's clock is the one
//! that its objects' times are of; a local folder's is its file system's.

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::location::LakeRoot;
use crate::error::{Error, Result};

/// Its folder and name below the lake's root. Empty, and written anew each time.
const PROBE: (&str, &str) = ("_clock", "probe");

/// What clocks may differ by before it is said.
const TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// The earlier of this machine's time and the store's: a request that writes, and one that looks.
///
/// # Errors
/// `Unavailable` where the store does not answer.
pub async fn safe_now(root: &LakeRoot) -> Result<DateTime<Utc>> {
    let failed =
        |error: object_store::Error| Error::unavailable("can't learn the time of the lake's store").with_source(error);
    let (store, probe) = (root.table_store(PROBE.0)?, Path::from(PROBE.1));
    store.put(&probe, bytes::Bytes::new().into()).await.map_err(failed)?;
    let its = store.head(&probe).await.map_err(failed)?.last_modified;
    let own = Utc::now();
    if (own - its).abs() > TOLERANCE {
        tracing::warn!(
            machine = %own,
            store = %its,
            "the clocks of this machine and of the lake's store differ; set this machine's. The earlier is taken"
        );
    }
    Ok(own.min(its))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::CloudAccess;

    #[tokio::test]
    async fn a_folder_has_this_machine_s_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = LakeRoot::parse(folder.path().to_str().unwrap(), &CloudAccess::default()).unwrap();
        for _ in 0..2 {
            let before = Utc::now() - TimeDelta::seconds(1);
            let now = safe_now(&root).await.unwrap();
            assert!(before <= now && now <= Utc::now(), "{now}");
        }
    }
}
