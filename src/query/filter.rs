//! A table filtered by a condition that a person wrote.
//!
//! The condition is checked to be one expression, then put between parentheses on lines of its own: it can't reach out
//! of them, a comment at its end does no harm, and an error's position is his but for one line.

use std::fmt::Display;

use super::statement::check_expression;
use crate::error::{Error, Position, Result};

/// Lines of the query before the condition.
const LINES_BEFORE: u64 = 1;

/// The query for the rows of a table, whose name is one of ours; `condition` is as after WHERE.
///
/// # Errors
/// `Invalid`, with the position in the condition, where it is not one expression.
pub fn filtered_table(table: impl Display, condition: Option<&str>) -> Result<String> {
    let Some(condition) = condition else { return Ok(format!("select * from {table}")) };
    check_expression(condition)?;
    Ok(format!("select * from {table} where (\n{condition}\n)"))
}

/// An error of that query with the position in the condition.
pub fn error_in_condition(error: Error) -> Error {
    let position = error.position().and_then(|Position { line, column }| {
        line.checked_sub(LINES_BEFORE).filter(|line| *line > 0).map(|line| Position { line, column })
    });
    error.with_position(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signal::Signal;

    #[test]
    fn a_condition_stays_inside() {
        for condition in
            ["1=1) or (1=1", "1=1; select 1", "1=1 order by time", "", "  ", "'", "1 = /*", "-- x", "select 1"]
        {
            assert!(filtered_table(Signal::Logs, Some(condition)).is_err(), "{condition}");
        }
        let sql = filtered_table(Signal::Spans, Some("a = 1 -- one")).unwrap();
        assert_eq!(sql, "select * from spans where (\na = 1 -- one\n)");
        assert_eq!(filtered_table(Signal::Spans, None).unwrap(), "select * from spans");
        assert!(filtered_table(Signal::Logs, Some("attr('k') = 'v' and body like '%)%'")).is_ok());
    }

    #[test]
    fn errors_point_into_the_condition() {
        let at = |condition| filtered_table(Signal::Logs, Some(condition)).unwrap_err().position();
        assert_eq!(at("a = 1\n  and ) b"), Some(Position { line: 2, column: 7 }));
        assert_eq!(at("a = 1)"), Some(Position { line: 1, column: 6 }));
        assert_eq!(at("a ="), Some(Position { line: 1, column: 4 }));
        let in_query = |line| Error::invalid("x").with_position(Some(Position { line, column: 5 }));
        assert_eq!(error_in_condition(in_query(2)).position(), Some(Position { line: 1, column: 5 }));
        assert_eq!(error_in_condition(in_query(1)).position(), None);
    }
}
