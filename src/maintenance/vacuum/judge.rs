//! Which objects of a table's folder may go.
//!
//! An object goes where all of this holds, and stays for the first reason that does not:
//! - the newest version does not name it;
//! - no named snapshot does;
//! - no commit of the last grace took it away: a reader may be at a version that still has it;
//! - a commit took it away, or it is older than the writers' grace: a writer may be about to commit it.
//!
//! Names that begin with `_` or `.` are not looked at: Delta keeps its own things under them.

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::lake::FileNames;

/// What is known of a table when its objects are judged.
#[derive(Debug)]
pub(super) struct Known {
    /// The newest version's files.
    pub(super) live: FileNames,
    /// Each named snapshot, with the files of the version that it pins.
    pub(super) pinned: Vec<(String, FileNames)>,
    /// What commits of the last grace took away.
    pub(super) removed: FileNames,
    /// What commits before that took away, back to the writers' grace: no writer commits it again.
    pub(super) removed_before: FileNames,
    /// Whether the log reaches back over the whole grace. If not, nobody knows when what it does not name was removed.
    pub(super) reaches_back: bool,
    /// What was written after this, and no commit took away, is young.
    pub(super) staged_cutoff: DateTime<Utc>,
}

/// Why an object stays, or that it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The newest version has it, or it is no data.
    Live,
    /// This snapshot has it, and the newest version does not.
    Pinned(String),
    /// It was removed less than the grace ago, or it is not known when.
    JustRemoved,
    /// It was written less than the writers' grace ago, and no commit is known to have named it.
    Young,
    /// Nobody needs it.
    Goes,
}

impl Known {
    /// The time before which everything is old, `now` being the store's.
    pub(super) fn cutoff(now: DateTime<Utc>, grace: std::time::Duration) -> DateTime<Utc> {
        let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
        now.checked_sub_signed(grace).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// What becomes of an object.
    pub(super) fn judge(&self, object: &ObjectMeta) -> Verdict {
        let path = &object.location;
        if is_hidden(path) || self.live.contains(path) {
            return Verdict::Live;
        }
        if let Some((name, _)) = self.pinned.iter().find(|(_, files)| files.contains(path)) {
            return Verdict::Pinned(name.clone());
        }
        if self.removed.contains(path) {
            return Verdict::JustRemoved;
        }
        if object.last_modified >= self.staged_cutoff && !self.removed_before.contains(path) {
            return Verdict::Young;
        }
        if self.reaches_back { Verdict::Goes } else { Verdict::JustRemoved }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.parts().any(|part| part.as_ref().starts_with(['_', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> FileNames {
        let mut names = FileNames::default();
        paths.iter().for_each(|path| names.insert(path));
        names
    }

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2024-01-02T{hour:02}:00:00Z").parse().unwrap()
    }

    #[rstest::rstest]
    #[case::live("live", 0, Verdict::Live)]
    #[case::live_and_pinned("both", 0, Verdict::Live)]
    #[case::log("_delta_log/00000000000000000000.json", 0, Verdict::Live)]
    #[case::others_own_things("date=2024-01-01/.part.crc", 0, Verdict::Live)]
    #[case::pinned("pinned", 0, Verdict::Pinned("keep".to_owned()))]
    #[case::just_removed("removed", 0, Verdict::JustRemoved)]
    #[case::pinned_and_just_removed("pinned-removed", 0, Verdict::Pinned("keep".to_owned()))]
    #[case::staged_an_hour_ago("staged", 11, Verdict::Young)]
    #[case::at_the_edge("staged", 10, Verdict::Young)]
    #[case::a_crash_left_it("staged", 9, Verdict::Goes)]
    #[case::young_but_named_and_removed("removed-before", 11, Verdict::Goes)]
    fn an_object_stays_for_a_reason(#[case] path: &str, #[case] hour: u32, #[case] expected: Verdict) {
        let known = Known {
            live: names(&["live", "both"]),
            pinned: vec![("keep".to_owned(), names(&["pinned", "both", "pinned-removed"]))],
            removed: names(&["removed", "pinned-removed"]),
            removed_before: names(&["removed-before"]),
            reaches_back: true,
            staged_cutoff: Known::cutoff(at(12), std::time::Duration::from_secs(7200)),
        };
        let object = |path: &str| ObjectMeta {
            location: Path::parse(path).unwrap(),
            last_modified: at(hour),
            size: 1,
            e_tag: None,
            version: None,
        };
        assert_eq!(known.judge(&object(path)), expected);
        let blind = Known { reaches_back: false, ..known };
        assert_ne!(blind.judge(&object(path)), Verdict::Goes);
    }
}
