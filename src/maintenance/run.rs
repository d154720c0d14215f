//! The runs of a table: files that one flush or one rewrite wrote, read off their names.
//!
//! ```text
//! date=D/<uuid>.parquet                   a flush
//! date=D/<uuid>-00003.parquet             a rewrite: the files of one <uuid> follow one another in the sort order
//! date=D/<uuid>-00003.r1a2b3c4d.parquet   the same, with a mark: judged by the retention rules of that fingerprint
//! ```
//! A name is in the Delta log, so what it says is committed with the file, and every reader and writer leaves it as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::lake::LiveFile;

/// Digits of a file's number within its run.
const NUMBER: usize = 5;

/// Hex digits of a mark.
const MARK: usize = 8;

/// What has been done to the rows of a file for good.
///
/// A marked file's rows have been judged by the retention rules with this fingerprint: its traces are decided, and the
/// weights of sampling are in `adjusted_count`. Files are merged with files of their own mark only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(Option<u32>);

impl Mark {
    /// Rows that nobody has judged.
    pub const NONE: Self = Self(None);

    /// Rows judged by the rules of a fingerprint.
    pub const fn judged(fingerprint: u32) -> Self {
        Self(Some(fingerprint))
    }

    /// Whether there is one.
    pub const fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// What it says.
    pub const fn fingerprint(self) -> Option<u32> {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('r').filter(|digits| digits.len() == MARK)?;
        let is_own = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        is_own.then(|| u32::from_str_radix(digits, 16).ok().map(Self::judged))?
    }
}

/// As it is in a file's name, with its dot; empty for none.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |fingerprint| write!(f, ".r{fingerprint:08x}"))
    }
}

/// What a file's path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName<'a> {
    /// What files of one run share; of a file that this program did not name, its path.
    pub run: &'a str,
    /// Its mark.
    pub mark: Mark,
    /// Whether it is named as this program names files.
    pub is_own: bool,
}

impl<'a> FileName<'a> {
    /// Reads a path below a table's folder.
    pub fn parse(path: &'a str) -> Self {
        Self::own(path).unwrap_or(Self { run: path, mark: Mark::NONE, is_own: false })
    }

    fn own(path: &'a str) -> Option<Self> {
        let stem = path.strip_suffix(".parquet")?;
        let (stem, mark) = match stem.rsplit_once('.') {
            Some((stem, mark)) => (stem, Mark::parse(mark)?),
            None => (stem, Mark::NONE),
        };
        let run = match stem.split_at_checked(stem.len().saturating_sub(NUMBER + 1)) {
            Some((run, number)) if is_number(number) && is_uuid(run) => run,
            _ => stem,
        };
        is_uuid(run).then_some(Self { run, mark, is_own: true })
    }

    /// The path of a file of a run.
    pub fn path(partition: &str, run: uuid::Uuid, number: usize, mark: Mark) -> String {
        format!("{partition}/{run}-{number:0NUMBER$}{mark}.parquet")
    }
}

fn is_number(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_uuid(run: &str) -> bool {
    uuid::Uuid::try_parse(run.rsplit('/').next().unwrap_or_default()).is_ok()
}

/// Files of one date that follow one another in the sort order.
#[derive(Debug, Clone)]
pub struct Run {
    /// In their order.
    pub files: Vec<Arc<LiveFile>>,
    /// Their mark.
    pub mark: Mark,
    /// Bytes of all.
    pub bytes: u64,
}

impl Run {
    /// Rows of all; `None` where the log does not say.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// The runs of a date's files, smallest first.
pub fn runs<'a>(files: impl Iterator<Item = &'a Arc<LiveFile>>) -> Vec<Run> {
    let mut by_name: BTreeMap<FileName<'_>, Vec<Arc<LiveFile>>> = BTreeMap::new();
    for file in files {
        by_name.entry(FileName::parse(&file.path)).or_default().push(Arc::clone(file));
    }
    let mut runs: Vec<Run> = by_name
        .into_iter()
        .map(|(name, files)| {
            let mark = name.mark;
            let mut files = files;
            files.sort_by(|one, other| one.path.cmp(&other.path));
            let bytes = files.iter().map(|file| file.size).sum();
            Run { files, mark, bytes }
        })
        .collect();
    runs.sort_by(|one, other| one.bytes.cmp(&other.bytes).then_with(|| first(one).cmp(first(other))));
    runs
}

fn first(run: &Run) -> &str {
    run.files.first().map_or("", |file| &file.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::FileStatistics;

    fn file(path: &str, size: u64) -> Arc<LiveFile> {
        Arc::new(LiveFile {
            path: path.to_owned(),
            size,
            rows: Some(size / 50),
            date: Some("2024-01-01".to_owned()),
            modified_ms: 0,
            stats: FileStatistics::default(),
        })
    }

    #[test]
    fn the_files_of_a_rewrite_are_one_run() {
        let run = uuid::Uuid::new_v4();
        let names = [
            format!("d/{run}-00001.parquet"),
            format!("d/{run}-00000.parquet"),
            format!("d/{}.parquet", uuid::Uuid::new_v4()),
            "d/part-00000.parquet".to_owned(),
            "d/part-00001.parquet".to_owned(),
        ];
        let files: Vec<_> = names.iter().enumerate().map(|(at, name)| file(name, 10 + at as u64)).collect();
        let runs = runs(files.iter());
        let counts: Vec<usize> = runs.iter().map(|run| run.files.len()).collect();
        assert_eq!(counts, [1, 1, 1, 2]);
        assert!(runs[3].files[0].path.ends_with("-00000.parquet"));
    }

    #[test]
    fn a_name_says_its_run_and_its_mark() {
        let run = uuid::Uuid::new_v4();
        let judged = Mark::judged(0x0a2b_3c4d);
        let path = FileName::path("date=2024-01-01", run, 3, judged);
        assert_eq!(path, format!("date=2024-01-01/{run}-00003.r0a2b3c4d.parquet"));
        let name = FileName::parse(&path);
        assert_eq!((name.run, name.mark, name.is_own), (format!("date=2024-01-01/{run}").as_str(), judged, true));
        let plain = format!("date=2024-01-01/{run}.parquet");
        assert_eq!(FileName::parse(&plain).mark, Mark::NONE);
        for foreign in
            ["d/part-00001.c000.snappy.parquet", "d/x.parquet", "d/x", &format!("d/{run}-00001.rXYZ.parquet")]
        {
            let name = FileName::parse(foreign);
            assert_eq!((name.run, name.mark, name.is_own), (foreign, Mark::NONE, false));
        }
    }
}
