//! The note at a lake's root, for the person who finds the folder.

use object_store::{Error as StoreError, ObjectStore, PutMode, PutOptions, path::Path};

use super::location::LakeRoot;
use crate::error::{Error, Result};

const README: &str = include_str!("readme.md");

/// Writes `README.md` at the root unless there is one.
pub(crate) async fn write_readme(root: &LakeRoot) -> Result<()> {
    let path = Path::from_url_path(root.url().path())
        .map_err(|error| Error::config("the lake's root has no usable path").with_source(error))?
        .join("README.md");
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match root.store().put_opts(&path, README.into(), options).await {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
        Err(error) => {
            Err(Error::unavailable(format!("can't write to the lake's root {}", root.display())).with_source(error))
        }
    }
}
