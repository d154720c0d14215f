//! DataFusion's errors as ours: what to do, what happened, and where in the query.

use datafusion::common::DataFusionError;

use crate::error::{Error, ErrorKind, Position};

/// The kind, message and position of a DataFusion error.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    if let Some(ours) = ours_within(&error) {
        return Error::new(ours.kind(), ours.to_string());
    }
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => ErrorKind::BudgetExceeded,
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => ErrorKind::Unavailable,
        DataFusionError::ParquetError(_) => ErrorKind::Damaged,
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => ErrorKind::Internal,
        _ => ErrorKind::Invalid,
    };
    let message = message_of(&error);
    let position = error
        .diagnostic()
        .and_then(|diagnostic| diagnostic.span)
        .map(|span| Position { line: span.start.line, column: span.start.column })
        .or_else(|| position_in(&message));
    Error::new(kind, message).with_position(position)
}

/// The error of this program that a library carries.
fn ours_within(error: &DataFusionError) -> Option<&Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours);
        }
        cause = error.source();
    }
    None
}

/// The message without DataFusion's own layers around it.
fn message_of(error: &DataFusionError) -> String {
    let text = match error.find_root() {
        DataFusionError::Plan(text) | DataFusionError::Execution(text) | DataFusionError::ResourcesExhausted(text) => {
            text.clone()
        }
        DataFusionError::SQL(parser, _) => parser.to_string(),
        root => root.strip_backtrace(),
    };
    text.trim().to_owned()
}

/// The parser's `... at Line: 1, Column: 8`.
fn position_in(message: &str) -> Option<Position> {
    let number = |label: &str| {
        let digits = message.rsplit_once(label)?.1.trim_start();
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some(Position { line: number("Line:")?, column: number("Column:")? })
}
