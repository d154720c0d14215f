//! The three OTLP signals, and the two encodings a request arrives in.

use std::fmt;

/// One of OTLP's signals. Each has one table in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Log records, table `logs`.
    Logs,
    /// Spans, table `spans`.
    Spans,
    /// Metric data points, table `metrics`.
    Metrics,
}

impl Signal {
    /// Every signal, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Spans, Self::Metrics];

    /// The table that holds this signal's records.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Spans => "spans",
            Self::Metrics => "metrics",
        }
    }

    /// The signal of a table, `None` for any other name.
    pub fn from_table(table: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.table() == table)
    }

    /// What one record of this signal is called in messages to people, in the plural.
    pub const fn records(self) -> &'static str {
        match self {
            Self::Logs => "log records",
            Self::Spans => "spans",
            Self::Metrics => "data points",
        }
    }

    /// The code that files carry: it never changes meaning.
    pub const fn code(self) -> u8 {
        match self {
            Self::Logs => 1,
            Self::Spans => 2,
            Self::Metrics => 3,
        }
    }

    /// The signal of a code, `None` for one this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.code() == code)
    }

    /// A dense index, for arrays with one entry a signal.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table())
    }
}

/// How the bytes of an OTLP request are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Binary protobuf.
    Proto,
    /// OTLP/JSON: protobuf's JSON mapping with hex ids and integer enums.
    Json,
}

impl Encoding {
    /// The code that files carry: it never changes meaning.
    pub const fn code(self) -> u8 {
        match self {
            Self::Proto => 1,
            Self::Json => 2,
        }
    }

    /// The encoding of a code, `None` for one this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Proto, Self::Json].into_iter().find(|encoding| encoding.code() == code)
    }
}
