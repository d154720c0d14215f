//! Why a whole request can't be decoded, and why one record of it is not stored.

use arrow::error::ArrowError;

use super::budget::MAX_DECODED_BYTES;
use super::report::RejectReason;

/// Why a whole request was refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a request of this signal and encoding: the sender has to mend them.
    #[error("malformed request at byte {offset}: expected {expected}")]
    Malformed {
        /// Where in the body.
        offset: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The request is well-formed, but its records would take too much memory: the sender has to split it.
    #[error("the request's records would take more than {MAX_DECODED_BYTES} bytes of memory; send it in smaller parts")]
    TooLarge,
    /// A bug: the columns built do not make a batch.
    #[error("the decoded columns do not fit the data contract; please report this")]
    Columns(#[source] Box<ArrowError>),
}

impl From<ArrowError> for DecodeError {
    fn from(error: ArrowError) -> Self {
        Self::Columns(Box::new(error))
    }
}

/// Why one record is not stored. The first problem of a record is the one reported.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) reason: RejectReason,
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
