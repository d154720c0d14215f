//! The statements of a message.
//!
//! Cut at semicolons by the tokenizer that the query engine has, so that a text has the same statements for both. Each
//! keeps its text and its place, for errors.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

/// One statement of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its text, from its first word to its last.
    pub(super) text: String,
    /// Characters of the message before it.
    pub(super) before: usize,
    /// Its words and signs, each with its place in the text.
    pub(super) words: Vec<Word>,
}

/// A word or sign of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) token: Token,
    /// Where it stands in the text, in bytes.
    pub(super) bytes: std::ops::Range<usize>,
}

/// The statements of a message; none of what is only blanks and comments.
///
/// A text that can't be cut, such as one with an open quote, is one statement without words: the engine says what is
/// wrong with it.
pub(super) fn pieces(message: &str) -> Vec<Piece> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect, message).tokenize_with_location() else {
        return vec![Piece { text: message.to_owned(), before: 0, words: Vec::new() }];
    };
    let mut places = Places::new(message);
    let mut pieces = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let mut first = None;
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        let begin = places.advance(token.span.start);
        let end = places.advance(token.span.end);
        if token.token == Token::SemiColon {
            pieces.extend(piece(message, first.take(), std::mem::take(&mut words)));
            continue;
        }
        first.get_or_insert(begin);
        words.push(Word { token: token.token, bytes: begin.bytes..end.bytes });
    }
    pieces.extend(piece(message, first, words));
    pieces
}

fn piece(message: &str, first: Option<Place>, mut words: Vec<Word>) -> Option<Piece> {
    let first = first?;
    let end = words.last()?.bytes.end;
    for word in &mut words {
        word.bytes.start -= first.bytes;
        word.bytes.end -= first.bytes;
    }
    Some(Piece { text: message.get(first.bytes..end)?.to_owned(), before: first.characters, words })
}

/// A place in a text.
#[derive(Debug, Clone, Copy)]
struct Place {
    bytes: usize,
    characters: usize,
}

/// Finds the tokenizer's lines and columns, which only grow, in one walk over the text.
struct Places<'a> {
    rest: std::str::Chars<'a>,
    at: Place,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars(), at: Place { bytes: 0, characters: 0 }, line: 1, column: 1 }
    }

    fn advance(&mut self, to: Location) -> Place {
        while (self.line, self.column) < (to.line, to.column) {
            let Some(char) = self.rest.next() else { break };
            self.at.bytes += char.len_utf8();
            self.at.characters += 1;
            if char == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at
    }
}

impl Piece {
    /// The word at a place in lower case, if it is one without quotes.
    pub(super) fn keyword(&self, index: usize) -> Option<String> {
        match &self.words.get(index)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_lowercase()),
            _ => None,
        }
    }

    /// The text from a word on to another, without the latter.
    pub(super) fn between(&self, first: usize, end: usize) -> Option<&str> {
        let last = end.checked_sub(1)?;
        self.text.get(self.words.get(first)?.bytes.start..self.words.get(last)?.bytes.end)
    }

    /// From a word on to another, without the latter: the characters of the message before it, its text, its words.
    pub(super) fn part(&self, first: usize, end: usize) -> Option<(usize, &str, &[Word])> {
        let words = self.words.get(first..end)?;
        let before = self.text.get(..words.first()?.bytes.start)?.chars().count();
        Some((self.before + before, self.between(first, end)?, words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(message: &str) -> Vec<(usize, String)> {
        pieces(message).into_iter().map(|piece| (piece.before, piece.text)).collect()
    }

    #[test]
    fn statements_are_cut_at_semicolons_that_are_no_part_of_a_word() {
        let message = " BEGIN; -- one; two\nSELECT 'ü;' AS \"a;b\" /* ; */ ; ;COMMIT";
        let expected = [(1, "BEGIN".to_owned()), (20, "SELECT 'ü;' AS \"a;b\"".to_owned()), (52, "COMMIT".to_owned())];
        assert_eq!(texts(message), expected);
        assert!(texts(" ; -- nothing\n;").is_empty());
        assert_eq!(texts("SELECT 'open"), [(0, "SELECT 'open".to_owned())]);
    }

    #[test]
    fn a_statement_within_a_statement_keeps_its_place() {
        let piece = pieces("DECLARE \"ü\" CURSOR FOR SELECT 1").pop().unwrap();
        let (before, text, words) = piece.part(4, piece.words.len()).unwrap();
        assert_eq!((before, text, words.len()), (23, "SELECT 1", 2));
        assert!(piece.part(6, 6).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_cutter(text in "[ ;'\"$a1ü\n/*-]{0,40}") {
            for piece in pieces(&text) {
                proptest::prop_assert!(text.contains(&piece.text));
            }
        }
    }
}
