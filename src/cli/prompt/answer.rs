//! One query: asked, shown as it comes, counted and timed.

use std::time::{Duration, Instant};

use futures::StreamExt;

use super::super::render::{Layout, rows_line};
use super::super::rows::{OutputFormat, RowWriter};
use super::super::target::Target;
use super::sink::{OutputFile, Reader, Screen};
use crate::error::{Error, ErrorKind, Result};

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) format: OutputFormat,
    pub(super) layout: Layout,
    pub(super) timing: bool,
}

/// What came of a query.
#[derive(Debug, Default)]
pub(super) struct Count {
    rows: usize,
    /// Without what the reader of the rows took.
    waited: Duration,
    timing: bool,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&rows_line(self.rows))?;
        if self.timing { write!(f, " ({})", duration(self.waited)) } else { Ok(()) }
    }
}

/// Where rows are written.
pub(super) enum Sink<'a> {
    Screen(&'a mut Screen),
    File(&'a mut OutputFile),
}

impl Sink<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<Reader> {
        match self {
            Self::Screen(screen) => screen.write(bytes).await,
            Self::File(file) => file.write(bytes).map(|()| Reader::Listening),
        }
    }
}

/// Asks and shows. Dropped, the query is stopped.
pub(super) async fn answer(target: &Target, sql: &str, manner: Manner, sink: &mut Sink<'_>) -> Result<Count> {
    let mut count = Count { timing: manner.timing, ..Count::default() };
    let asked = Instant::now();
    target.refresh().await?;
    let mut stream = target.query(sql).await?;
    count.waited = asked.elapsed();
    let mut writer = RowWriter::new(manner.format, &stream.schema, manner.layout)?;
    loop {
        let waiting = Instant::now();
        let batch = stream.batches.next().await;
        count.waited += waiting.elapsed();
        let Some(batch) = batch.transpose()? else { break };
        count.rows += batch.num_rows();
        let ready = writer.write(batch)?;
        if !ready.is_empty() && sink.write(&ready).await? == Reader::Gone {
            return Ok(count);
        }
        // Rows that are ready are shown without waiting, and Ctrl-C is to be heard in between.
        tokio::task::yield_now().await;
    }
    let mut last = writer.finish()?.to_vec();
    // Below a table the count is a part of it, and goes through the pager with it.
    if let (Sink::Screen(_), OutputFormat::Table) = (&sink, manner.format) {
        last.extend_from_slice(format!("{count}\n").as_bytes());
    }
    sink.write(&last).await?;
    Ok(count)
}

/// Why a query did not end by itself.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the query was cancelled")
}

fn duration(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.001 => "under 1 ms".to_owned(),
        seconds if seconds < 1.0 => format!("{} ms", time.as_millis()),
        seconds if seconds < 60.0 => format!("{seconds:.2} s"),
        _ => humantime::format_duration(Duration::from_secs(time.as_secs())).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, "under 1 ms")]
    #[case(12, "12 ms")]
    #[case(1_234, "1.23 s")]
    #[case(754_321, "12m 34s")]
    fn times_are_short(#[case] millis: u64, #[case] expected: &str) {
        assert_eq!(duration(Duration::from_millis(millis)), expected);
    }
}
