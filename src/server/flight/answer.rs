//! Rows as the stream of a `DoGet`, at the client's pace.
//!
//! Guarantees: a message is made when the client has taken the one before, so that memory is one batch and one message;
//! dropping the stream, as a client that goes away does, stops the query; a stream that fails ends with the error.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use tonic::Status;

use super::messages::MessageWriter;
use super::status::status;
use crate::error::{Error, Result};
use crate::output::{sent_batch, sent_schema};
use crate::query::QueryStream;

/// What a `DoGet` answers.
pub(super) type Messages = BoxStream<'static, Result<FlightData, Status>>;

/// A query's rows.
pub(super) fn of_query(query: QueryStream) -> Messages {
    let schema = sent_schema(&query.schema);
    let sent = Arc::clone(&schema);
    let batches = query.batches.map(move |batch| {
        let batch = batch?;
        tokio::task::block_in_place(|| sent_batch(&sent, &batch)).map_err(|error| cannot_send(error.into()))
    });
    messages(schema, batches.boxed())
}

/// Rows that are all there.
pub(super) fn of_batch(batch: RecordBatch) -> Messages {
    messages(batch.schema(), stream::iter([Ok(batch)]).boxed())
}

struct Flow {
    batches: BoxStream<'static, Result<RecordBatch>>,
    writer: MessageWriter,
    /// What is left of the batch that is being sent.
    rest: Option<RecordBatch>,
}

fn messages(schema: SchemaRef, batches: BoxStream<'static, Result<RecordBatch>>) -> Messages {
    let mut writer = MessageWriter::default();
    let head = writer.schema(&schema);
    let flow = Flow { batches, writer, rest: None };
    stream::iter([Ok(head)]).chain(flow.messages()).boxed()
}

impl Flow {
    fn messages(self) -> impl Stream<Item = Result<FlightData, Status>> {
        let pieces = stream::unfold(Some(self), async |flow| {
            let mut flow = flow?;
            match flow.next().await {
                Some(Ok(messages)) => Some((messages.into_iter().map(Ok).collect::<Vec<_>>(), Some(flow))),
                // After an error nothing may follow.
                Some(Err(error)) => Some((vec![Err(status(&error))], None)),
                None => None,
            }
        });
        pieces.flat_map(stream::iter)
    }

    async fn next(&mut self) -> Option<Result<Vec<FlightData>>> {
        loop {
            if let Some(mut rest) = self.rest.take().filter(|rest| rest.num_rows() > 0) {
                let messages = tokio::task::block_in_place(|| self.writer.take_front(&mut rest));
                self.rest = Some(rest);
                return Some(messages.map_err(|error| cannot_send(error.into())));
            }
            match self.batches.next().await? {
                Ok(batch) => self.rest = Some(batch),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn cannot_send(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::invalid("the result can't be sent as Arrow; cast the column").with_source(error)
}
