//! A server's answer in Arrow IPC, read as it comes: memory is bounded, and dropping it closes the connection, which
//! stops the server's work.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, Result};
use crate::query::QueryStream;

struct ArrowAnswer {
    url: String,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    decoder: StreamDecoder,
    /// What has come and is not yet decoded.
    rest: Buffer,
}

/// The rows of a response whose body is an Arrow IPC stream.
///
/// # Errors
/// `Unavailable` where the answer breaks off; the same from its batches.
pub(super) async fn arrow_answer(url: &str, response: reqwest::Response) -> Result<QueryStream> {
    let mut answer = ArrowAnswer {
        url: url.to_owned(),
        body: response.bytes_stream().boxed(),
        decoder: StreamDecoder::new(),
        rest: Buffer::default(),
    };
    // The schema comes first, alone or with the first batch behind it.
    let mut first = None;
    while answer.decoder.schema().is_none() && answer.more().await? {
        first = answer.decode()?;
    }
    let schema = answer.decoder.schema().ok_or_else(|| answer.broken("it has no schema"))?;
    let rest =
        futures::stream::try_unfold(answer, async |mut answer| Ok(answer.next().await?.map(|batch| (batch, answer))));
    let batches = futures::stream::iter(first.map(Ok)).chain(rest.into_stream()).boxed();
    Ok(QueryStream { schema, batches })
}

impl ArrowAnswer {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decode()? {
                return Ok(Some(batch));
            }
            if !self.more().await? {
                self.decoder.finish().map_err(|error| broken(&self.url, error))?;
                return Ok(None);
            }
        }
    }

    /// The next batch of what has come, if it is whole.
    fn decode(&mut self) -> Result<Option<RecordBatch>> {
        self.decoder.decode(&mut self.rest).map_err(|error| broken(&self.url, error))
    }

    /// Waits for more; `false` at the end.
    async fn more(&mut self) -> Result<bool> {
        match self.body.next().await {
            None => Ok(false),
            Some(bytes) => {
                self.rest = Buffer::from(bytes.map_err(|error| broken(&self.url, error))?);
                Ok(true)
            }
        }
    }

    fn broken(&self, error: &str) -> Error {
        broken(&self.url, error)
    }
}

fn broken(url: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable(format!("the answer of {url} broke off")).with_source(error)
}
