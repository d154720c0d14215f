//! A running query as the body of a response.
//!
//! Guarantees: the status line waits for the first bytes, so that a query that fails at its start has an error for
//! an answer; one that fails later breaks the connection off, so that no part of a result passes for the whole.
//! A client that goes away, or takes nothing for a while, or a cancellation stops the query and frees what it pinned. Memory is
//! bounded: one batch being encoded, one piece waiting.
//!
//! ```text
//! query --batch--> encode, compress (producer task) --piece--> channel of one --> body --> client
//!                     ends when the client is gone       ends whole only with a last piece
//! ```

use std::time::Duration;

use arrow::array::RecordBatch;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::coding::{Coding, Compressor};
use crate::error::{Error, ErrorKind, Result};
use crate::output::{Encoder, Format};
use crate::query::QueryStream;
use crate::server::life::Life;
use crate::server::service::Answer;

/// How long a client may take nothing while a piece waits. Past it the query's tables and memory are let go.
const STALL: Duration = Duration::from_secs(300);

/// A part of the body. Only the last one ends it well.
#[derive(Debug)]
enum Piece {
    More(Bytes),
    Last(Bytes),
}

type Sender = mpsc::Sender<Result<Piece>>;

/// The answer to a query.
///
/// # Errors
/// What the query met before its first bytes.
pub(super) async fn answer(answer: Answer, format: Format, coding: Coding, life: &Life) -> Result<Response> {
    let (sender, receiver) = mpsc::channel(1);
    let compressor = coding.compressor()?;
    drop(life.spawn(produce(answer, format, compressor, sender)));
    let mut pieces = Box::pin(pieces(receiver));
    let Some(first) = pieces.next().await else { return Err(ended_early()) };
    let body = Body::from_stream(stream::iter([Ok(first?)]).chain(pieces));
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept, accept-encoding"),
    ];
    let mut response = (headers, body).into_response();
    if let Some(name) = coding.name() {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// Runs the query to its end, to the client's, or until it is cancelled.
async fn produce(answer: Answer, format: Format, compressor: Compressor, sender: Sender) {
    let Answer { id, query, cancelled } = answer;
    let gone = sender.clone();
    let outcome = tokio::select! {
        // Where both are there, the rows' own error.
        biased;
        outcome = encode(query, format, compressor, &sender) => outcome,
        () = cancelled.cancelled() => Err(Error::new(ErrorKind::Cancelled, format!("the query `{id}` was cancelled"))),
        () = gone.closed() => return,
    };
    match outcome {
        Ok(last) => {
            if let Err(error) = give(&sender, Piece::Last(last)).await {
                tracing::debug!(%error, "the end of a result was not taken");
            }
        }
        // The client is gone, which `give` may see before the select does.
        Err(_) if sender.is_closed() => {}
        Err(error) => {
            // Most often the client's mistake, so no warning; it may have to guess if its answer had begun.
            tracing::info!(%error, "a query failed");
            // Where a piece still waits there is no room; the body breaks off then just as well.
            if sender.try_send(Err(error)).is_err() {
                tracing::debug!("the body breaks off without the error");
            }
        }
    }
}

/// Gives every piece but the last one, which it answers.
async fn encode(mut query: QueryStream, format: Format, mut compressor: Compressor, sender: &Sender) -> Result<Bytes> {
    let mut encoder = Encoder::new(format, &query.schema)?;
    while let Some(batch) = query.batches.next().await {
        for rows in slices(&batch?, encoder.rows_at_a_time()) {
            let bytes = tokio::task::block_in_place(|| compressor.write(encoder.write(&rows)?))?;
            if !bytes.is_empty() {
                give(sender, Piece::More(bytes)).await?;
            }
        }
    }
    tokio::task::block_in_place(|| compressor.finish(encoder.finish()?))
}

fn slices(batch: &RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> {
    let all = batch.num_rows();
    (0..all).step_by(rows).map(move |first| batch.slice(first, rows.min(all - first)))
}

async fn give(sender: &Sender, piece: Piece) -> Result<()> {
    sender.send_timeout(Ok(piece), STALL).await.map_err(|_| {
        Error::unavailable(format!("the client took nothing for {}s; ask again and read on", STALL.as_secs()))
    })
}

fn pieces(receiver: mpsc::Receiver<Result<Piece>>) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold(Some(receiver), async |receiver| {
        let Some(mut receiver) = receiver else { return Ok(None) };
        match receiver.recv().await.ok_or_else(ended_early)?? {
            Piece::More(bytes) => Ok(Some((bytes, Some(receiver)))),
            Piece::Last(bytes) => Ok(Some((bytes, None))),
        }
    })
}

fn ended_early() -> Error {
    Error::internal("the query ended without an end of its result")
}
