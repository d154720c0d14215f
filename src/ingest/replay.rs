//! After a restart: the WAL's records that the tables lack, decoded again and made hot.
//!
//! Guarantee (invariants 3 and 4): nothing is restamped, and what was rejected is rejected again, since a record
//! carries the times that it was judged by. A table with records to replay was left in the middle of something: what the
//! last run had under way is barred first. Memory is bounded: tables flush as the replay goes. What is erased by now
//! stays out.

use std::sync::Arc;

use super::flusher::Flusher;
use crate::erasure::StandingErasures;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Metrics;
use crate::otlp::{RequestMeta, decode};
use crate::wal::{OpenedWal, Replayed, WalSeq};

/// Replays into the tables of `flushers`, one a signal. Answers how many records were replayed.
pub(super) async fn replay(
    opened: &OpenedWal,
    flushers: &[Arc<Flusher>; 3],
    erasures: &StandingErasures,
    metrics: &Metrics,
) -> Result<u64> {
    let standing = erasures.pin();
    let mut committed = flushers.each_ref().map(|flusher| flusher.table().pin().committed);
    let mut taken_over = [false; 3];
    let after = committed.iter().min().copied().unwrap_or(WalSeq(0));
    let mut replayed = 0;
    for record in opened.replay(after) {
        let record = record.map_err(|error| {
            Error::new(ErrorKind::Damaged, "the write-ahead log can't be replayed").with_source(error)
        })?;
        let index = record.header.signal.index();
        if record.seq <= committed[index] {
            continue;
        }
        let flusher = &flushers[index];
        if !std::mem::replace(&mut taken_over[index], true) {
            committed[index] = flusher.take_over().await?;
            if record.seq <= committed[index] {
                continue;
            }
        }
        let signal = record.header.signal;
        let (seq, sifted) = tokio::task::block_in_place(|| {
            let (seq, batch) = decode_again(&record)?;
            Ok::<_, Error>((seq, erasures.sift(&standing, signal, batch)?))
        })?;
        metrics.erased_records.get_or_create(&signal.into()).inc_by(sifted.erased as u64);
        let batch = sifted.batch;
        if batch.num_rows() > 0 {
            flusher.table().publish(vec![(seq, batch)])?;
        }
        replayed += 1;
        if flusher.is_due() {
            flusher.flush().await?;
        }
    }
    Ok(replayed)
}

fn decode_again(record: &Replayed) -> Result<(WalSeq, arrow::array::RecordBatch)> {
    let header = &record.header;
    let meta = RequestMeta {
        ingest_time: header.ingest_time_micros,
        latest_time: header.latest_time_micros,
        source: &header.source,
        principal: header.principal.as_deref(),
    };
    let decoded = decode(header.signal, header.encoding, &record.payload, &meta).map_err(|error| {
        Error::new(ErrorKind::Damaged, format!("record {} of the write-ahead log can't be decoded again", record.seq.0))
            .with_source(error)
    })?;
    Ok((record.seq, decoded.batch))
}
