//! The front door: one request to one batch.

use super::error::DecodeError;
use super::json::JsonReader;
use super::proto::ProtoReader;
use super::report::{Decoded, RequestMeta};
use super::rows::{LogRows, MetricRows, SpanRows};
use super::walk::decode_rows;
use super::wire::Wire;
use crate::model::{Encoding, Signal};

/// Decodes an OTLP export request of a signal.
///
/// The batch has the accepted records in the request's order and the schema
/// [`contract_schema`](crate::model::schema::contract_schema)`(signal)`; an empty body is an empty request. What was
/// rejected, nulled or left out is in the report.
///
/// CPU-bound, in proportion to the body: call it off the reactor.
///
/// # Errors
/// [`DecodeError::Malformed`] where the bytes are not a request of this signal and encoding, [`DecodeError::TooLarge`]
/// where its rows would take more than [`MAX_DECODED_BYTES`](super::MAX_DECODED_BYTES). Nothing of the request is to be
/// stored then.
pub fn decode(signal: Signal, encoding: Encoding, body: &[u8], meta: &RequestMeta<'_>) -> Result<Decoded, DecodeError> {
    match encoding {
        Encoding::Proto => decode_signal(signal, ProtoReader::new(body), meta),
        Encoding::Json => decode_signal(signal, JsonReader::new(body)?, meta),
    }
}

fn decode_signal<'a, W: Wire<'a>>(signal: Signal, wire: W, meta: &RequestMeta<'_>) -> Result<Decoded, DecodeError> {
    match signal {
        Signal::Logs => decode_rows(wire, LogRows::new(), meta),
        Signal::Spans => decode_rows(wire, SpanRows::new(), meta),
        Signal::Metrics => decode_rows(wire, MetricRows::new(), meta),
    }
}
