//! Where what was typed is kept: `$XDG_STATE_HOME/telestrata/history`, else `~/.local/state/telestrata/history`.
//!
//! Only its owner may read it: queries name customers and errors.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Entries that are kept.
pub(super) const ENTRIES: usize = 10_000;

/// The file's place, `None` where the user has no home.
pub(super) fn path(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    // A relative path counts for none, by the XDG specification: it would be another file in each folder.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("telestrata/history"))
}

/// Makes the file and its folders, where they are not there.
///
/// # Errors
/// `Config` where they can't be made.
pub(super) fn create(path: &Path) -> Result<()> {
    let failed = |error| Error::config(format!("no history is kept in {}", path.display())).with_source(error);
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[rstest::rstest]
    #[case(Some("/state"), Some("/home/a"), Some("/state/telestrata/history"))]
    #[case(None, Some("/home/a"), Some("/home/a/.local/state/telestrata/history"))]
    #[case(Some("state"), Some("/home/a"), Some("/home/a/.local/state/telestrata/history"))]
    #[case(Some(""), None, None)]
    fn the_history_is_in_the_users_state(
        #[case] state: Option<&str>,
        #[case] home: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let found = path(|name| if name == "HOME" { home } else { state }.map(Into::into));
        assert_eq!(found.as_deref(), expected.map(Path::new));
    }

    #[test]
    fn the_history_is_its_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/telestrata/history");
        create(&path).unwrap();
        create(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
