//! Record batches as Flight messages, as an Arrow IPC stream has them.
//!
//! arrow-flight's own encoder measures slices by the buffers they are cut from, makes lists of large lists, and holds
//! all messages of a batch at once.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_flight::FlightData;

/// What many clients take at most: gRPC's default of 4 MiB, less room for what is around the bytes. A single row that
/// is larger is sent all the same.
const MAX_BYTES: usize = 4 * 1024 * 1024 - 64 * 1024;

/// Bytes of a message that are neither many nor few.
const GOOD_BYTES: usize = 1024 * 1024;

/// Rows of the first message, before it is known how large they are.
const FIRST_ROWS: usize = 4096;

/// Makes the messages of one stream.
#[derive(Default)]
pub(super) struct MessageWriter {
    generator: IpcDataGenerator,
    dictionaries: Dictionaries,
    options: IpcWriteOptions,
    context: IpcWriteContext,
    /// Rows that make a message of a good size, by the last one.
    rows: Option<usize>,
}

struct Dictionaries(DictionaryTracker);

impl Default for Dictionaries {
    fn default() -> Self {
        // Batches may have dictionaries of their own, which then replace those before.
        Self(DictionaryTracker::new(false))
    }
}

impl MessageWriter {
    /// The first message of the stream.
    pub(super) fn schema(&mut self, schema: &Schema) -> FlightData {
        self.generator.schema_to_bytes_with_dictionary_tracker(schema, &mut self.dictionaries.0, &self.options).into()
    }

    /// Takes rows off the front of a batch that has some: the messages that carry them, the rows in the last.
    ///
    /// # Errors
    /// For a column that Arrow IPC can't hold.
    pub(super) fn take_front(&mut self, batch: &mut RecordBatch) -> Result<Vec<FlightData>, ArrowError> {
        let mut messages = Vec::new();
        let mut rows = self.rows.unwrap_or(FIRST_ROWS).min(batch.num_rows());
        loop {
            let front = batch.slice(0, rows);
            let (dictionaries, encoded) =
                self.generator.encode(&front, &mut self.dictionaries.0, &self.options, &mut self.context)?;
            messages.extend(dictionaries.into_iter().map(FlightData::from));
            let bytes = encoded.ipc_message.len() + encoded.arrow_data.len();
            self.rows = Some((GOOD_BYTES / (bytes / rows).max(1)).max(1));
            if bytes > MAX_BYTES && rows > 1 {
                rows = self.rows.map_or(1, |good| good.min(rows / 2));
                continue;
            }
            messages.push(encoded.into());
            *batch = batch.slice(rows, batch.num_rows() - rows);
            return Ok(messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, LargeListArray, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{Int32Type, Int64Type};
    use arrow_flight::decode::FlightRecordBatchStream;
    use futures::TryStreamExt;

    use super::*;

    fn size(message: &FlightData) -> usize {
        message.data_header.len() + message.data_body.len()
    }

    /// Rows of very different sizes, one of them larger than a message should be, and every kind of nesting.
    fn rows() -> RecordBatch {
        let text = (0..10_000).map(|row| Some("x".repeat(if row == 7_000 { 5_000_000 } else { row % 3_000 })));
        let lists = (0..10_000).map(|row| (row % 3 > 0).then(|| vec![Some(row), None]));
        let repeated: DictionaryArray<Int32Type> = (0..10_000).map(|row| (row % 5 > 0).then_some("often")).collect();
        let columns = [
            ("number", Arc::new((0..10_000).collect::<Int32Array>()) as ArrayRef),
            ("text", Arc::new(text.collect::<StringArray>()) as ArrayRef),
            ("list", Arc::new(LargeListArray::from_iter_primitive::<Int64Type, _, _>(lists)) as ArrayRef),
            ("dictionary", Arc::new(repeated) as ArrayRef),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[tokio::test]
    async fn every_row_comes_once_in_messages_that_clients_take() {
        let rows = rows();
        let mut writer = MessageWriter::default();
        let mut messages = vec![writer.schema(&rows.schema())];
        // As a limit or a filter leaves them: cut from something larger.
        for (first, count) in [(0, 1), (1, 5_999), (6_000, 4_000)] {
            let mut rest = rows.slice(first, count);
            while rest.num_rows() > 0 {
                messages.extend(writer.take_front(&mut rest).unwrap());
            }
        }
        let large: Vec<_> = messages.iter().map(size).filter(|size| *size > MAX_BYTES).collect();
        assert_eq!(large.len(), 1, "the one row that is larger, alone: {large:?}");
        assert!(messages.len() < 60, "{} messages for some 20 MB", messages.len());
        let stream = futures::stream::iter(messages.into_iter().map(Ok));
        let read: Vec<_> = FlightRecordBatchStream::new_from_flight_data(stream).try_collect().await.unwrap();
        assert_eq!(concat_batches(&rows.schema(), &read).unwrap(), rows);
    }
}
