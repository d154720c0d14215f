//! A running query and the way of its rows to the client: a batch at a time, as fast as the client takes them.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use futures::{FutureExt, StreamExt};
use pgwire::api::Type;
use tokio::time::Instant;

use super::cancel::RunningId;
use super::copy::CopyWriter;
use super::encode::{encode_rows, plain_columns};
use super::errors::{Failure, Refusal};
use super::types::{Formats, pg_type};
use super::wire::Wire;
use crate::error::Result;
use crate::query::QueryStream;

/// Bytes that are gathered before they are sent.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes that are sent before rows are waited for.
const SENT_EARLY: usize = 8 * 1024;

/// A query under way. Dropping it stops its work.
pub(super) struct Rows {
    query: QueryStream,
    /// The columns that the client was told.
    described: SchemaRef,
    /// Columns that the client was told are text, and turn out to be something else with the values of parameters.
    as_text: Vec<usize>,
    batch: Option<Batch>,
    /// The query's text and place, for its errors.
    sql: String,
    before: usize,
    _id: RunningId,
}

/// A batch that is being sent.
struct Batch {
    columns: Vec<ArrayRef>,
    next: usize,
    rows: usize,
}

/// How rows are written.
pub(super) enum Written<'a> {
    Messages(&'a Formats),
    Copy(&'a mut CopyWriter),
}

/// What came of sending rows.
pub(super) struct Sent {
    pub(super) rows: u64,
    /// Whether there are no more.
    pub(super) ended: bool,
}

/// When a statement must have ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn after(time: Option<Duration>) -> Self {
        Self(time.and_then(|time| Instant::now().checked_add(time)))
    }

    /// # Errors
    /// 57014 past the time.
    fn check(self) -> Result<(), Refusal> {
        match self.0 {
            Some(at) if Instant::now() >= at => Err(too_long()),
            _ => Ok(()),
        }
    }

    /// Waits for something until then, while the client is there.
    ///
    /// # Errors
    /// 57014 past the time; `Gone`.
    pub(super) async fn wait<T>(self, wire: &mut Wire, what: impl Future<Output = T>) -> Result<T, Failure> {
        let at = self.0;
        let passed = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = what => Ok(done),
            () = passed => Err(too_long().into()),
            error = wire.gone() => Err(error.into()),
        }
    }
}

fn too_long() -> Refusal {
    Refusal::new("57014", "the statement took longer than statement_timeout")
}

impl Rows {
    /// The rows of a query as the client was told them, in `described` or else as they are.
    ///
    /// # Errors
    /// 0A000 where the query has other columns by now.
    pub(super) fn new(
        query: QueryStream,
        described: Option<&SchemaRef>,
        (sql, before): (&str, usize),
        id: RunningId,
    ) -> Result<Self, Refusal> {
        let described = Arc::clone(described.unwrap_or(&query.schema));
        if described.fields().len() != query.schema.fields().len() {
            // Drivers know the words, and prepare the statement again.
            return Err(Refusal::unsupported("cached plan must not change result type")
                .with_hint("the tables have other columns by now; prepare the statement again"));
        }
        let pairs = described.fields().iter().zip(query.schema.fields());
        let types = pairs.map(|(told, real)| (pg_type(told.data_type()), pg_type(real.data_type())));
        let as_text = types.enumerate().filter(|(_, (told, real))| *told == Type::TEXT && told != real);
        let as_text = as_text.map(|(index, _)| index).collect();
        Ok(Self { query, described, as_text, batch: None, sql: sql.to_owned(), before, _id: id })
    }

    /// The columns that the client is told.
    pub(super) fn described(&self) -> &SchemaRef {
        &self.described
    }

    /// Sends rows until there are no more, or `most` of them.
    ///
    /// # Errors
    /// What the query met; what the client did.
    pub(super) async fn send(
        &mut self,
        wire: &mut Wire,
        written: Written<'_>,
        most: Option<u64>,
        deadline: Deadline,
    ) -> Result<Sent, Failure> {
        let formats;
        let mut written = match written {
            Written::Messages(bound) => {
                formats = bound.but_text(&self.as_text, self.described.fields().len());
                Written::Messages(&formats)
            }
            copy @ Written::Copy(_) => copy,
        };
        let mut sent = 0;
        loop {
            deadline.check()?;
            if let Some(batch) = &mut self.batch {
                let left = most.map_or(u64::MAX, |most| most - sent);
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let until = batch.rows.min(batch.next.saturating_add(left));
                let next = tokio::task::block_in_place(|| batch.write(until, &mut written, &mut wire.out));
                let next = next.map_err(|error| Refusal::about(&error, &self.sql, self.before))?;
                sent += (next - batch.next) as u64;
                batch.next = next;
                if next == batch.rows {
                    self.batch = None;
                }
                if wire.out.len() >= CHUNK_BYTES {
                    wire.flush().await?;
                }
                if most == Some(sent) {
                    return Ok(Sent { rows: sent, ended: false });
                }
                continue;
            }
            match self.next_batch(wire, deadline).await? {
                Some(batch) => self.batch = self.begun(&batch)?,
                None => return Ok(Sent { rows: sent, ended: true }),
            }
        }
    }

    async fn next_batch(&mut self, wire: &mut Wire, deadline: Deadline) -> Result<Option<RecordBatch>, Failure> {
        let batch = match self.query.batches.next().now_or_never() {
            Some(ready) => ready,
            None => {
                if wire.out.len() >= SENT_EARLY {
                    wire.flush().await?;
                }
                deadline.wait(wire, self.query.batches.next()).await?
            }
        };
        batch.transpose().map_err(|error| Refusal::about(&error, &self.sql, self.before).into())
    }

    fn begun(&self, batch: &RecordBatch) -> Result<Option<Batch>, Failure> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let columns =
            plain_columns(&self.described, batch).map_err(|error| Refusal::about(&error, &self.sql, self.before))?;
        Ok(Some(Batch { columns, next: 0, rows: batch.num_rows() }))
    }
}

impl Batch {
    fn write(&self, until: usize, written: &mut Written<'_>, out: &mut Vec<u8>) -> Result<usize> {
        match written {
            Written::Messages(formats) => encode_rows(&self.columns, formats, self.next..until, CHUNK_BYTES, out),
            Written::Copy(writer) => writer.encode_rows(&self.columns, self.next..until, CHUNK_BYTES, out),
        }
    }
}
