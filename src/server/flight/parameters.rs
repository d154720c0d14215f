//! The values that a client binds to a prepared statement: one row of a record batch, a column a parameter.
//!
//! By position: the first column is `$1`, whatever its name.

use std::io::Cursor;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::root_as_message;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use futures::{Stream, StreamExt, TryStreamExt};
use tonic::Status;

use crate::error::{Error, ErrorKind, Result};

/// Bytes that may be sent to bind one row.
const MAX_BYTES: usize = 1024 * 1024;

/// What a message counts for at the least.
const MESSAGE_BYTES: usize = 64;

/// How long a client may take to send them.
const TIME: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The schema of a statement's parameters; a type that the query does not tell is `Null`, as ADBC and Flight SQL have it.
pub(super) fn schema(types: &[Option<DataType>]) -> Schema {
    let fields = types.iter().enumerate().map(|(index, data_type)| {
        Field::new(format!("${}", index + 1), data_type.clone().unwrap_or(DataType::Null), true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Reads what a client sends to bind: an Arrow IPC stream of one row, or `None` for no row.
///
/// # Errors
/// `Invalid` for several rows or what is no record batch, `TooLarge`, or the client's own end.
pub(super) async fn receive(
    messages: impl Stream<Item = std::result::Result<FlightData, Status>> + Send + Unpin,
) -> Result<Option<Bytes>, Status> {
    let gathered = tokio::time::timeout(TIME, gather(messages)).await;
    let messages =
        gathered.map_err(|_| Status::deadline_exceeded("the parameters did not come in 30 s; bind again"))??;
    guarded(move || {
        for message in &messages {
            check(&message.data_header, message.data_body.len())?;
        }
        let stream = futures::stream::iter(messages.into_iter().map(Ok::<_, FlightError>));
        let batches = FlightRecordBatchStream::new_from_flight_data(stream).try_collect::<Vec<_>>();
        // The messages are all there: nothing is waited for.
        one_row(futures::executor::block_on(batches)?)
    })
    .await
    .map_err(|error| super::status::status(&error))
}

async fn gather(
    mut messages: impl Stream<Item = std::result::Result<FlightData, Status>> + Send + Unpin,
) -> Result<Vec<FlightData>, Status> {
    let mut gathered = Vec::new();
    let mut bytes = 0_usize;
    while let Some(message) = messages.next().await {
        let mut message = message?;
        // The first message carries the command as well.
        message.flight_descriptor = None;
        message.app_metadata = Bytes::new();
        bytes += MESSAGE_BYTES + message.data_header.len() + message.data_body.len();
        if bytes > MAX_BYTES {
            let error = format!("more than {MAX_BYTES} bytes were sent to bind; bind one row of smaller values");
            return Err(super::status::status(&Error::new(ErrorKind::TooLarge, error)));
        }
        if !message.data_header.is_empty() {
            gathered.push(message);
        }
    }
    Ok(gathered)
}

fn one_row(batches: Vec<RecordBatch>) -> Result<Option<Bytes>, Failure> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    if rows > 1 {
        return Err(format!("{rows} rows were bound; a query takes one: run it once for each").into());
    }
    let Some(row) = batches.into_iter().find(|batch| batch.num_rows() == 1) else { return Ok(None) };
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema())?;
    writer.write(&row)?;
    Ok(Some(writer.into_inner()?.into()))
}

/// The values of what [`receive`] gave.
///
/// # Errors
/// `Invalid` where it can't be read.
pub(super) async fn values(bound: Bytes) -> Result<Vec<ScalarValue>> {
    guarded(move || {
        check_stream(&bound)?;
        let row = StreamReader::try_new(Cursor::new(bound), None)?.next().ok_or("no row is bound")??;
        row.columns().iter().map(|column| value(column.as_ref())).collect()
    })
    .await
}

/// Refuses a message that says of itself what the reading library would make room for, and die of: a body longer than what
/// is there, or one that unpacks to more.
fn check(header: &[u8], body: usize) -> Result<(), Failure> {
    let message = root_as_message(header).map_err(|error| error.to_string())?;
    if usize::try_from(message.bodyLength()).map_or(true, |told| told > body) {
        return Err("a message is shorter than it says".into());
    }
    let dictionary = message.header_as_dictionary_batch().and_then(|batch| batch.data());
    let batch = message.header_as_record_batch().or(dictionary);
    if batch.is_some_and(|batch| batch.compression().is_some()) {
        return Err("they are compressed; send them as they are".into());
    }
    Ok(())
}

/// The same for a whole stream ("Encapsulated message format" of Arrow's columnar format).
fn check_stream(mut bytes: &[u8]) -> Result<(), Failure> {
    let cut = || Failure::from("they end before their end");
    loop {
        let (mark, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let (length, rest) = match mark {
            [0xff, 0xff, 0xff, 0xff] => rest.split_first_chunk::<4>().ok_or_else(cut)?,
            _ => (mark, rest),
        };
        let length = usize::try_from(i32::from_le_bytes(*length))?;
        if length == 0 {
            return Ok(());
        }
        let (header, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        check(header, rest.len())?;
        let body = root_as_message(header).map_err(|error| error.to_string())?.bodyLength();
        bytes = rest.get(usize::try_from(body)?..).ok_or_else(cut)?;
    }
}

fn value(column: &dyn Array) -> Result<ScalarValue, Failure> {
    if column.is_empty() {
        return Err("no row is bound".into());
    }
    // A value alone has no use for its dictionary, and comparisons none for its type.
    match column.data_type() {
        DataType::Dictionary(_, plain) => Ok(ScalarValue::try_from_array(&cast(column, plain)?, 0)?),
        _ => Ok(ScalarValue::try_from_array(column, 0)?),
    }
}

/// Reads bytes of a client's making where a panic of the reading library is the client's error and nobody else's.
async fn guarded<T: Send + 'static>(read: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T> {
    let unreadable = |cause: Failure| Error::invalid("the bound parameters can't be taken").with_source(cause);
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|_| unreadable("they are not valid Arrow data".into()))?.map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::super::messages::MessageWriter;
    use super::*;

    fn sent(values: &[Option<i64>]) -> Vec<FlightData> {
        let text: DictionaryArray<Int32Type> = values.iter().map(|_| Some("x")).collect();
        let columns = [
            ("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef),
            ("n", Arc::new(StringArray::from(vec![None::<&str>; values.len()])) as ArrayRef),
            ("d", Arc::new(text) as ArrayRef),
        ];
        let mut batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = MessageWriter::default();
        let mut messages = vec![writer.schema(&batch.schema())];
        messages.extend(writer.take_front(&mut batch).unwrap());
        messages
    }

    async fn received(messages: Vec<FlightData>) -> Result<Option<Bytes>, Status> {
        receive(futures::stream::iter(messages.into_iter().map(Ok))).await
    }

    #[tokio::test]
    async fn one_row_is_bound_by_position() {
        let bound = received(sent(&[Some(7)])).await.unwrap().unwrap();
        let expected =
            vec![ScalarValue::Int64(Some(7)), ScalarValue::Utf8(None), ScalarValue::Utf8(Some("x".to_owned()))];
        assert_eq!(values(bound).await.unwrap(), expected);
        assert!(received(Vec::new()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn several_rows_and_nonsense_are_refused() {
        let several = received(sent(&[Some(1), None])).await.unwrap_err();
        assert!(several.message().contains("2 rows were bound"), "{several}");
        let nonsense =
            FlightData { data_header: Bytes::from_static(&[1, 2, 3, 4, 255, 255, 255, 127]), ..FlightData::default() };
        let mut cut = sent(&[Some(1)]);
        cut.last_mut().unwrap().data_body.truncate(8);
        for wrong in [vec![nonsense], cut, sent(&[Some(1)]).split_off(1)] {
            assert_eq!(received(wrong).await.unwrap_err().code(), tonic::Code::InvalidArgument);
        }
        for wrong in ["", "no stream", "\u{ffff}\u{ffff}\u{1}\u{0}"] {
            assert_eq!(values(Bytes::from_static(wrong.as_bytes())).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    /// What says that it is larger than it is would have the library make room for it, and end the program.
    #[tokio::test]
    async fn a_body_that_is_not_there_is_refused_before_room_is_made_for_it() {
        let bound = received(sent(&[Some(7)])).await.unwrap().unwrap();
        for place in 0..bound.len() {
            for byte in [0x40, 0x7f, 0xff] {
                let mut wrong = bound.to_vec();
                wrong[place] = byte;
                let _ = values(wrong.into()).await;
            }
            assert!(values(bound.slice(..place)).await.is_err(), "cut at {place}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_before_it_has_all_come() {
        let message = FlightData { data_header: vec![0; MAX_BYTES / 2].into(), ..FlightData::default() };
        let endless = futures::stream::repeat_with(move || Ok(message.clone()));
        assert_eq!(receive(endless).await.unwrap_err().code(), tonic::Code::ResourceExhausted);
    }
}
