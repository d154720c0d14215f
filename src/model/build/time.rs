//! Times: microseconds since 1970 in one column, the nanoseconds past them in another.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int16Builder, TimestampMicrosecondBuilder};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A moment, as the tables hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Microseconds since 1970-01-01 in UTC.
    pub(crate) micros: i64,
    /// Nanoseconds past them, 0 to 999.
    pub(crate) nanos: i16,
}

impl Timestamp {
    /// The moment so many nanoseconds after 1970-01-01.
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        let micros = (nanos / 1_000).cast_signed();
        let rest = (nanos % 1_000) as i16;
        Self { micros, nanos: rest }
    }

    pub(crate) const fn from_micros(micros: i64) -> Self {
        Self { micros, nanos: 0 }
    }

    /// Days since 1970-01-01: the UTC day of this moment.
    pub(crate) fn date(self) -> i32 {
        #[expect(clippy::cast_possible_truncation, reason = "2^63 microseconds are some 107 million days")]
        let day = self.micros.div_euclid(MICROS_PER_DAY) as i32;
        day
    }
}

/// A time column and its `_nanos` companion.
#[derive(Debug)]
pub(crate) struct TimeColumn {
    micros: TimestampMicrosecondBuilder,
    nanos: Int16Builder,
}

impl TimeColumn {
    pub(crate) fn new() -> Self {
        Self { micros: TimestampMicrosecondBuilder::new(), nanos: Int16Builder::new() }
    }

    pub(crate) fn push(&mut self, time: Option<Timestamp>) {
        self.micros.append_option(time.map(|time| time.micros));
        self.nanos.append_option(time.map(|time| time.nanos));
    }

    /// The times, then the nanoseconds past them.
    pub(crate) fn finish(mut self) -> (ArrayRef, ArrayRef) {
        (Arc::new(self.micros.finish().with_timezone("UTC")), Arc::new(self.nanos.finish()))
    }
}
