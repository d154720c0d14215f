//! What a check can find: a stable code each, with how bad it is and what to do about it.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Data is missing, or queries may answer wrong.
    Damage,
    /// Something differs from the contract or the configuration; answers are right, or refused.
    Drift,
    /// Worth knowing; nothing is wrong.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Damage => "damage",
            Self::Drift => "drift",
            Self::Note => "note",
        })
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $action:literal;)*) => {
        /// What was found. Scripts may rely on the names; `docs/operations.md` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each has its name and its next step beside it")]
        pub enum Code {
            $($variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in `--json`, which stays.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            /// What to do about it.
            pub const fn action(self) -> &'static str {
                match self {
                    $(Self::$variant => $action,)*
                }
            }
        }
    };
}

codes! {
    FileMissing "file-missing" Damage "restore it from a copy; without one, take it out of the table with another Delta program (deltalake: DeltaTable.repair)";
    FileSize "file-size" Damage "restore the file from a copy";
    FileUnreadable "file-unreadable" Damage "restore the file from a copy";
    FileRows "file-rows" Damage "restore the file from a copy, or have the table's statistics computed again by rewriting the file";
    FileStatistics "file-statistics" Damage "queries leave the file out where they should not: restore the file or the log from a copy, or rewrite the file";
    PartitionTime "partition-time" Damage "queries bounded by time leave the rows out: write them again under their own date, by exporting and importing them";
    TableUnreadable "table-unreadable" Damage "restore the table's _delta_log from a copy";
    WalDamaged "wal-damaged" Damage "restore the file from a copy, or, to give up what the tables do not hold yet, move every .wal and .seen file out of the folder";
    WalBehind "wal-behind" Damage "if the folder was restored from an older copy or emptied, put the newer one back before a server starts on it: what only that one held is lost otherwise";
    FileSchema "file-schema" Drift "have the program that wrote the file write the table's columns, or rewrite it";
    FileForeign "file-foreign" Drift "nothing has to be done; what other programs write is read slower, and its attributes are not checked";
    FileNewer "file-newer" Drift "upgrade this program";
    FileOrder "file-order" Drift "nothing has to be done; the file is read slower until it is rewritten";
    StatisticsMissing "statistics-missing" Drift "nothing has to be done; the file is read by every query until it is rewritten";
    PartitionInvalid "partition-invalid" Drift "write the rows again under their own date, by exporting and importing them";
    TableProtocol "table-protocol" Drift "this program refuses the table: restore it from before another engine raised its protocol";
    TableContract "table-contract" Drift "upgrade this program, or look whether the folder is a table of this lake";
    TablePartitioning "table-partitioning" Drift "restore the table from before another engine changed its metadata";
    TableSchema "table-schema" Drift "restore the column; this program refuses a table without the contract's columns, and does not fill others";
    TableProperty "table-property" Drift "set the property back with the program that set it";
    PromotedDiffers "promoted-differs" Drift "give the configuration's column another name; a server with this configuration does not start";
    TxnMisplaced "txn-misplaced" Drift "find out which program wrote it";
    WalForeign "wal-foreign" Drift "name the lake and the write-ahead log that belong together";
    ConfigDiffers "config-differs" Drift "restart the server with this configuration, or mend this one";
    ServerElsewhere "server-elsewhere" Drift "name the server's lake and write-ahead log, or another server";
    FileUnlisted "file-unlisted" Note "nothing has to be done: it was replaced, a named snapshot has it, a crash left it, or its commit is under way; `telestrata vacuum plan` says what goes when";
    PromotedPending "promoted-pending" Note "the next start of a server with this configuration adds it";
    PromotedUnconfigured "promoted-unconfigured" Note "nothing has to be done: the table keeps filling it";
    WalUnflushed "wal-unflushed" Note "start the server on this write-ahead log: it stores them";
    WalUnfinished "wal-unfinished" Note "nothing has to be done: the next start cuts it, no one was told that it was stored";
    WriterSilent "writer-silent" Note "start the server on its write-ahead log again, which may hold acknowledged requests; delete the card if that log is gone for good";
    ConfigByFlag "config-by-flag" Note "nothing has to be done, if the server was meant to be started so";
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// Where: a path below the lake's root, a file of the WAL, a table, or a configuration key.
    pub path: String,
    /// What it is exactly, in a sentence's words.
    pub meaning: String,
}

impl Finding {
    /// A finding.
    pub fn new(code: Code, path: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self { code, path: path.into(), meaning: meaning.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_to_operators() {
        let text = include_str!("../../../docs/operations.md");
        for code in Code::ALL {
            let row = format!("| `{}` | {} |", code.name(), code.severity());
            assert!(text.contains(&row), "docs/operations.md has no row that starts with {row}");
        }
    }
}
