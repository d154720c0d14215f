//! An error as a gRPC status.

use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::error::Error;

/// Characters of a message. It travels in a trailer, and gRPC's C core drops a call whose trailers exceed 8 KiB.
const MAX_MESSAGE: usize = 2_000;

/// The status that tells a client the same. A place in the query is in the message, and in the trailers
/// `x-query-line` and `x-query-column`, both counted from 1.
pub(super) fn status(error: &Error) -> Status {
    let mut message = error.to_string();
    let mut metadata = MetadataMap::new();
    if let Some(position) = error.position() {
        // The parser's own messages say it already.
        if !message.contains("Line: ") {
            message.push_str(&format!(" (line {}, column {})", position.line, position.column));
        }
        metadata.insert("x-query-line", position.line.into());
        metadata.insert("x-query-column", position.column.into());
    }
    Status::with_metadata(error.kind().grpc_code(), shortened(message), metadata)
}

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push_str(" [...]");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Position;

    #[test]
    fn the_place_in_the_query_is_in_the_message_and_in_the_trailers() {
        let error = Error::invalid("no column `x`").with_position(Some(Position { line: 2, column: 7 }));
        let status = status(&error);
        assert_eq!(
            (status.code(), status.message()),
            (tonic::Code::InvalidArgument, "no column `x` (line 2, column 7)")
        );
        assert_eq!(status.metadata().get("x-query-line").unwrap(), "2");
        assert_eq!(status.metadata().get("x-query-column").unwrap(), "7");
    }

    #[test]
    fn a_message_that_trailers_can_not_carry_is_cut_and_says_so() {
        let status = status(&Error::internal("ü".repeat(5_000)));
        assert!(status.message().ends_with("ü [...]") && status.message().chars().count() == MAX_MESSAGE + 6);
    }
}
