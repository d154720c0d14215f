//! SQL text as the parser's own tokens, with their places: where statements end, and whether one is still open.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Scan {
    /// Every token, white space and comments too, up to where the text stops being SQL.
    pub(super) pieces: Vec<Piece>,
    /// Where the string, quoted name or comment begins that the text ends inside of.
    pub(super) open: Option<usize>,
    /// Whether the text stops being SQL in another way.
    pub(super) broken: bool,
}

/// Reads a text, which may end anywhere.
pub(super) fn scan(text: &str) -> Scan {
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    let failed = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location_into_buf(&mut tokens).err();
    let mut places = Places::of(text);
    let pieces: Vec<Piece> = tokens
        .into_iter()
        .map(|token| {
            let (start, end) = (places.offset(token.span.start), places.offset(token.span.end));
            Piece { token: token.token, start, end }
        })
        .collect();
    let unfinished =
        failed.as_ref().map(|error| error.message.starts_with("Unterminated") || error.message.contains("EOF"));
    let open = (unfinished == Some(true)).then(|| pieces.last().map_or(0, |piece| piece.end));
    Scan { pieces, open, broken: unfinished == Some(false) }
}

impl Scan {
    /// Whether nothing but white space and comments is here.
    pub(super) fn is_blank(&self) -> bool {
        self.open.is_none() && !self.broken && self.words().next().is_none()
    }

    /// The tokens that mean something.
    pub(super) fn words(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| !matches!(piece.token, Token::Whitespace(_)))
    }

    /// Whether the last statement has its `;`, of the text that was scanned.
    pub(super) fn is_ended(&self, text: &str) -> bool {
        if self.broken {
            // The parser can't tell what its end is; it is to say what is wrong with it.
            return text.trim_end().ends_with(';');
        }
        self.open.is_none() && self.words().next_back().is_some_and(|piece| piece.token == Token::SemiColon)
    }
}

/// Turns the parser's lines and columns, which only grow, into bytes.
struct Places<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    len: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text.char_indices().peekable(), len: text.len(), line: 1, column: 1 }
    }

    fn offset(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.rest.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => break,
            }
        }
        self.rest.peek().map_or(self.len, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("select 1;", true)]
    #[case("select 1", false)]
    #[case("select 1; ", true)]
    #[case("select 1; -- why", true)]
    #[case("select 1 -- not yet ;", false)]
    #[case("select 1 /* not yet ; */", false)]
    #[case("select 1 /* open ;", false)]
    #[case("select ';'", false)]
    #[case("select 'it''s ;", false)]
    #[case("select 'it''s';", true)]
    #[case("select \"odd;name\"", false)]
    #[case("select \"odd;name", false)]
    #[case("select $$ ; $$", false)]
    #[case("select $$ ; ", false)]
    #[case("select $tag$ ; $tag$;", true)]
    #[case("select 'a\nb;\nc';", true)]
    #[case("select '日本語;' ;", true)]
    #[case("select 1 ;;", true)]
    #[case("select U&'\\xyz' from logs", false)]
    #[case("select U&'\\xyz' from logs;", true)]
    fn a_statement_is_ended_by_its_own_semicolon(#[case] text: &str, #[case] ended: bool) {
        assert_eq!(scan(text).is_ended(text), ended);
    }

    #[rstest::rstest]
    #[case("select attributes['htt", Some(18))]
    #[case("select '日本', 'x", Some(17))]
    #[case("select a /* why", Some(9))]
    #[case("\nselect\n  \"na", Some(10))]
    #[case("'", Some(0))]
    #[case("select 'x'", None)]
    #[case("", None)]
    fn what_is_open_is_known_by_its_start(#[case] text: &str, #[case] open: Option<usize>) {
        assert_eq!(scan(text).open, open);
    }

    #[test]
    fn pieces_cover_the_text_in_order() {
        let text = "select 'ä', \"b\"\n -- c\n from x;";
        let scan = scan(text);
        assert_eq!(scan.pieces.first().map(|piece| piece.start), Some(0));
        assert_eq!(scan.pieces.last().map(|piece| piece.end), Some(text.len()));
        assert!(scan.pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(&text[scan.pieces[2].start..scan.pieces[2].end], "'ä'");
    }

    #[test]
    fn white_space_and_comments_are_blank() {
        assert!(scan("  \n -- nothing\n /* here */").is_blank());
        assert!(!scan("x").is_blank() && !scan("'").is_blank());
    }
}
