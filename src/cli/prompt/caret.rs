//! An error with the line of the query it is about, and a caret under the place.
//!
//! ```text
//! error: column 'nothing' not found
//!   2 |   from logs where nothing = 1
//!     |                   ^
//! ```

use super::super::render::{display_width, take_width, wrap};
use crate::error::{Error, Position};

/// Characters of the line that are shown before the place, where the line is wider than the screen.
const BEFORE: usize = 30;

/// The error's message, and the place in `query` where it has one.
pub(super) fn explain(error: &Error, query: &str, width: usize) -> String {
    let place = error.position().and_then(|position| point(position, query, width)).unwrap_or_default();
    let text = format!("error: {error}");
    // The planner tells every column there is, which TAB and \d do better.
    let text = text.split_once("\nValid fields are").map_or(text.as_str(), |(text, _)| text);
    format!("{}\n{place}", wrap(text, width).join("\n"))
}

fn point(position: Position, query: &str, width: usize) -> Option<String> {
    let line = query.split('\n').nth(usize::try_from(position.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(position.column).ok()?.checked_sub(1)?;
    let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // One past the end is where something is missing.
    if column > shown.chars().count() {
        return None;
    }
    let number = position.line.to_string();
    let room = width.saturating_sub(number.len() + 5).max(2 * BEFORE);
    let skipped = if display_width(&shown) > room { column.saturating_sub(BEFORE) } else { 0 };
    let visible: String = shown.chars().skip(skipped).collect();
    let before: String = shown.chars().skip(skipped).take(column - skipped).collect();
    let (visible, _) = take_width(&visible, room);
    let (margin, indent) = (" ".repeat(number.len()), " ".repeat(display_width(&before)));
    Some(format!("  {number} | {}\n  {margin} | {indent}^\n", visible.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed(query: &str, line: u64, column: u64) -> String {
        explain(&Error::invalid("no such thing").with_position(Some(Position { line, column })), query, 80)
    }

    #[test]
    fn the_caret_is_under_the_place() {
        assert_eq!(
            pointed("select a,\n  nothing from logs", 2, 3),
            "error: no such thing\n  2 |   nothing from logs\n    |   ^\n"
        );
        assert_eq!(
            pointed("select 日本, x", 1, 12),
            "error: no such thing\n  1 | select 日本, x\n    |              ^\n"
        );
        assert_eq!(pointed("select 1 +", 1, 11), "error: no such thing\n  1 | select 1 +\n    |           ^\n");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let query = format!("select {}, nothing, {}", "a, ".repeat(100), "b, ".repeat(100));
        let column = query.find("nothing").unwrap() as u64 + 1;
        let text = pointed(&query, 1, column);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= 80), "{text}");
        assert_eq!(lines[1].find("nothing"), lines[2].find('^'), "{text}");
    }

    #[test]
    fn the_message_is_no_list_of_columns() {
        let error = Error::invalid("No field named nothing.\nValid fields are logs.date, logs.time.");
        assert_eq!(explain(&error, "select nothing", 80), "error: No field named nothing.\n");
    }

    #[test]
    fn a_place_that_is_not_there_is_not_shown() {
        assert_eq!(pointed("select 1", 5, 1), "error: no such thing\n");
        assert_eq!(pointed("select 1", 1, 500), "error: no such thing\n");
        assert_eq!(explain(&Error::invalid("nowhere"), "select 1", 80), "error: nowhere\n");
    }
}
