//! What a process that was killed leaves in a local folder, under names that no listing of an object store shows.
//!
//! Both our store and `object_store`'s write a file under `<name>#<digits>` and give it its name at the end. On a cloud
//! store the same is an upload that nobody ended, which only the bucket's own rules can find and expire.

use std::path::{Path as FsPath, PathBuf};
use std::time::SystemTime;

use super::location::LakeRoot;
use crate::error::{Error, Result};

/// A file that was never given its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// The leftovers below a table's folder; none on a cloud store, which does not list them.
///
/// # Errors
/// `Unavailable` where the folder can't be read.
pub async fn leftovers(root: &LakeRoot, table: &str) -> Result<Vec<Leftover>> {
    let Some(folder) = root.local_folder() else { return Ok(Vec::new()) };
    let folder = folder.join(table);
    let shown = folder.display().to_string();
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        walk(&folder, &mut found).map(|()| found)
    });
    let found = found.await.map_err(|error| Error::internal("a thread that walks a folder died").with_source(error))?;
    found.map_err(|error| Error::unavailable(format!("{shown} can't be listed")).with_source(error))
}

/// Takes one away; one that is gone by now is no error.
///
/// # Errors
/// `Unavailable` where the folder does not let go of it.
pub async fn remove_leftover(leftover: &Leftover) -> Result<()> {
    match tokio::fs::remove_file(&leftover.path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::unavailable(format!("{} can't be removed", leftover.path.display())).with_source(error))
        }
        _ => Ok(()),
    }
}

fn walk(folder: &FsPath, found: &mut Vec<Leftover>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, found)?;
        } else if is_staged(&path) {
            match entry.metadata() {
                Ok(meta) => found.push(Leftover { path, size: meta.len(), modified: meta.modified()? }),
                // Given its name, or taken back, meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// `<name>#<digits>`.
fn is_staged(path: &FsPath) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let digits = name.and_then(|name| name.split_once('#')).map(|(_, digits)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::CloudAccess;

    #[tokio::test]
    async fn only_files_without_their_name_are_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("logs/date=2024-01-01");
        std::fs::create_dir_all(&day).unwrap();
        for name in ["a.parquet", "b.parquet#0", "c.parquet#1234567", "d#notes", "e#"] {
            std::fs::write(day.join(name), "four").unwrap();
        }
        let root = LakeRoot::parse(folder.path().to_str().unwrap(), &CloudAccess::default()).unwrap();
        let mut found = leftovers(&root, "logs").await.unwrap();
        found.sort_by(|one, other| one.path.cmp(&other.path));
        let names: Vec<_> = found.iter().map(|found| found.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["b.parquet#0", "c.parquet#1234567"]);
        assert_eq!(found[0].size, 4);
        for leftover in found.iter().chain(&found) {
            remove_leftover(leftover).await.unwrap();
        }
        assert_eq!(leftovers(&root, "logs").await.unwrap(), []);
        assert_eq!(leftovers(&root, "spans").await.unwrap(), []);
    }
}
