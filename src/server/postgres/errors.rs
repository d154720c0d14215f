//! What a client is told when something is refused: SQLSTATE, message, hint, place in the query.
//!
//! The code is that of the error's kind ([`ErrorKind::sqlstate`]), and finer where tools tell cases apart by it.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::error::{Error, ErrorKind, Position};

/// A refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    code: &'static str,
    message: String,
    hint: Option<String>,
    /// Characters of the text before the place, and one.
    place: Option<usize>,
}

/// Why nothing more is done for a message.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client is told, and may go on.
    Refused(Box<Refusal>),
    /// The client is gone, or takes nothing.
    Gone(std::io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Refusal::of(&error).into()
    }
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, place: None }
    }

    /// Something that this door does not do.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// A text that is no statement.
    pub(super) fn syntax(message: impl Into<String>) -> Self {
        Self::new("42601", message)
    }

    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of this program, about no text.
    pub(super) fn of(error: &Error) -> Self {
        Self::new(sqlstate(error), error.to_string())
    }

    /// An error of this program about a statement, which has `before` characters of its message before it.
    pub(super) fn about(error: &Error, sql: &str, before: usize) -> Self {
        let place = error.position().and_then(|position| characters_before(sql, position));
        Self { place: place.map(|place| before + place + 1), ..Self::of(error) }
    }

    /// Whether the client broke the protocol, after which nothing it says is understood.
    pub(super) fn is_violation(&self) -> bool {
        self.code == "08P01"
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// As an error that ends the statement.
    pub(super) fn error(&self) -> ErrorResponse {
        ErrorResponse::new(self.fields("ERROR"))
    }

    /// As an error that ends the connection.
    pub(super) fn fatal(&self) -> ErrorResponse {
        ErrorResponse::new(self.fields("FATAL"))
    }

    /// As a warning.
    pub(super) fn warning(&self) -> NoticeResponse {
        NoticeResponse::new(self.fields("WARNING"))
    }

    fn fields(&self, severity: &str) -> Vec<(u8, String)> {
        // Each field ends with a zero byte.
        let text = |text: &str| text.replace('\0', " ");
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', text(&self.message)),
        ];
        fields.extend(self.hint.as_deref().map(|hint| (b'H', text(hint))));
        fields.extend(self.place.map(|place| (b'P', place.to_string())));
        fields
    }
}

/// The SQLSTATE of an error, told apart by what the message begins with or says in words of our own.
fn sqlstate(error: &Error) -> &'static str {
    let message = error.message();
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if !matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) {
        return error.kind().sqlstate();
    }
    if says(&["sql parser error", "ParserError", "the query is empty", "one statement at a time"]) {
        // syntax_error
        "42601"
    } else if says(&["there is no table", "table function"]) {
        // undefined_table
        "42P01"
    } else if says(&["there is no column", "has no column", "of a table that this query does not read"]) {
        // undefined_column
        "42703"
    } else if says(&["there is no function", "is no way to call", "and no function"]) {
        // undefined_function
        "42883"
    } else if says(&["only queries are answered here"]) {
        // insufficient_privilege
        "42501"
    } else if says(&["Divide by zero"]) {
        // division_by_zero
        "22012"
    } else if says(&["Cannot cast string", "Error parsing", "Parser error"]) {
        // invalid_text_representation
        "22P02"
    } else if says(&["Ambiguous reference", "ambiguous"]) {
        // ambiguous_column
        "42702"
    } else {
        error.kind().sqlstate()
    }
}

/// The characters of a text before a place in it.
fn characters_before(text: &str, position: Position) -> Option<usize> {
    let line = usize::try_from(position.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(position.column).ok()?.checked_sub(1)?;
    let lines = text.split('\n').take(line).map(|line| line.chars().count() + 1);
    let before = lines.sum::<usize>() + column;
    (before <= text.chars().count()).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters_of_the_whole_message() {
        let sql = "SELECT 'ü',\n  nmae";
        let error = Error::invalid("there is no column nmae").with_position(Some(Position { line: 2, column: 3 }));
        let fields = Refusal::about(&error, sql, 7).fields("ERROR");
        assert!(fields.contains(&(b'C', "42703".to_owned())));
        assert!(fields.contains(&(b'P', "22".to_owned())), "{fields:?}");
        let outside = error.with_position(Some(Position { line: 9, column: 1 }));
        assert!(Refusal::about(&outside, sql, 0).place.is_none());
    }
}
