//! Where in a statement the cursor stands, and so what may be completed there.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Whitespace};

use super::scan::{Piece, Scan, scan};
use crate::model::promoted::AttributeMap;

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Where it begins, in bytes; it ends at the cursor.
    pub(super) start: usize,
    pub(super) typed: String,
    pub(super) place: Place,
    /// The tables and views that the statement names, in lower case, with the names they go by.
    pub(super) relations: Vec<Relation>,
}

/// A table or view that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) alias: Option<String>,
}

/// What may stand where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A table or view; these names are made by the statement itself.
    Relation { own: Vec<String> },
    /// A column of one table, view or alias.
    ColumnOf(String),
    /// A key of an attribute map; of all three for `None`. `closing` is what is still to be typed behind it.
    Key { map: Option<AttributeMap>, closing: &'static str },
    /// A column, function or keyword.
    Expression,
    /// Nothing that is known.
    Nothing,
}

/// Reads the text around a cursor, given in bytes.
pub(super) fn cursor(text: &str, at: usize) -> Cursor {
    let (left_text, right_text) = text.split_at_checked(at).unwrap_or((text, ""));
    let left = scan(left_text);
    let relations = relations_around(text, &left, right_text, left_text.len());
    if let Some(open) = left.open {
        let (place, start) = match left_text[open..].starts_with('\'') {
            true => (key_place(&statement(&left), right_text), open + 1),
            false => (Place::Nothing, open),
        };
        return Cursor { start, typed: left_text[start..].to_owned(), place, relations };
    }
    let mut words = statement(&left);
    let typed = words.pop_if(|piece| piece.end == left_text.len() && matches!(piece.token, Token::Word(_)));
    let start = typed.map_or(left_text.len(), |piece| piece.start);
    let place = if in_comment(&left, left_text) { Place::Nothing } else { place(&words, own_names(&left)) };
    Cursor { start, typed: left_text[start..].to_owned(), place, relations }
}

/// Whether the text ends in a comment that the end of its line would end.
fn in_comment(left: &Scan, left_text: &str) -> bool {
    let last = left.pieces.last().map(|piece| &piece.token);
    matches!(last, Some(Token::Whitespace(Whitespace::SingleLineComment { .. }))) && !left_text.ends_with('\n')
}

/// The words of the statement that the scan ends in.
fn statement(scan: &Scan) -> Vec<&Piece> {
    let words: Vec<&Piece> = scan.words().collect();
    let from = words.iter().rposition(|piece| piece.token == Token::SemiColon).map_or(0, |at| at + 1);
    words.get(from..).unwrap_or_default().to_vec()
}

fn place(words: &[&Piece], own: Vec<String>) -> Place {
    let Some(last) = words.last() else { return Place::Expression };
    match &last.token {
        Token::Period => match words.iter().rev().nth(1).map(|piece| &piece.token) {
            Some(Token::Word(word)) => Place::ColumnOf(word.value.to_lowercase()),
            _ => Place::Nothing,
        },
        Token::Word(word) if names_relation(word.keyword) => Place::Relation { own },
        Token::Comma if in_from(words) => Place::Relation { own },
        Token::Number(..) => Place::Nothing,
        _ => Place::Expression,
    }
}

/// Whether a table or view follows.
fn names_relation(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::FROM | Keyword::JOIN | Keyword::DESCRIBE | Keyword::TABLE)
}

/// Whether the last word belongs to a list behind FROM.
fn in_from(words: &[&Piece]) -> bool {
    let mut depth = 0usize;
    for piece in words.iter().rev() {
        match &piece.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return false,
            Token::LParen => depth -= 1,
            Token::Word(word) if depth == 0 => match word.keyword {
                Keyword::FROM | Keyword::JOIN => return true,
                Keyword::SELECT | Keyword::WHERE | Keyword::GROUP | Keyword::ORDER | Keyword::HAVING | Keyword::ON => {
                    return false;
                }
                _ => {}
            },
            _ => {}
        }
    }
    false
}

/// What a string that is being typed behind these words may be.
fn key_place(words: &[&Piece], right_text: &str) -> Place {
    let tokens: Vec<&Token> = words.iter().rev().map(|piece| &piece.token).collect();
    let closed = right_text.starts_with('\'');
    let map = |name: &str| AttributeMap::LOOKUP_ORDER.into_iter().find(|map| map.column().eq_ignore_ascii_case(name));
    let is_attr = |word: &str| word.eq_ignore_ascii_case("attr");
    match tokens.as_slice() {
        [Token::LBracket, Token::Word(word), ..] => match map(&word.value) {
            Some(map) => Place::Key { map: Some(map), closing: if closed { "" } else { "']" } },
            None => Place::Nothing,
        },
        [Token::LParen, Token::Word(word), ..]
        | [Token::Comma, Token::Word(_), Token::LParen, Token::Word(word), ..]
            if is_attr(&word.value) =>
        {
            Place::Key { map: None, closing: if closed { "" } else { "')" } }
        }
        _ => Place::Nothing,
    }
}

/// Names that the statement gives to its own queries: `WITH name AS (`.
fn own_names(scan: &Scan) -> Vec<String> {
    let words = statement(scan);
    let mut names = Vec::new();
    if !matches!(words.first().map(|piece| &piece.token), Some(Token::Word(word)) if word.keyword == Keyword::WITH) {
        return names;
    }
    for three in words.windows(3) {
        if let [name, is, open] = three
            && let (Token::Word(name), Token::Word(is), Token::LParen) = (&name.token, &is.token, &open.token)
            && is.keyword == Keyword::AS
        {
            names.push(name.value.clone());
        }
    }
    names
}

/// The relations of the statement around the cursor. What is left of it and what is right may each be unfinished.
fn relations_around(text: &str, left: &Scan, right_text: &str, at: usize) -> Vec<Relation> {
    let whole = scan(text);
    let mut words: Vec<Token> = Vec::new();
    if whole.open.is_none() {
        let from = whole
            .words()
            .rfind(|piece| piece.end <= at && piece.token == Token::SemiColon)
            .map_or(0, |piece| piece.end);
        let rest = whole.words().skip_while(|piece| piece.start < from);
        words.extend(
            rest.take_while(|piece| piece.end <= at || piece.token != Token::SemiColon)
                .map(|piece| piece.token.clone()),
        );
    } else {
        words.extend(statement(left).into_iter().map(|piece| piece.token.clone()));
        let right = scan(right_text);
        words
            .extend(right.words().take_while(|piece| piece.token != Token::SemiColon).map(|piece| piece.token.clone()));
    }
    relations(&words)
}

fn relations(words: &[Token]) -> Vec<Relation> {
    let mut found = Vec::new();
    let mut expecting = false;
    let mut listing = false;
    let mut nth = 0;
    while let Some(token) = words.get(nth) {
        nth += 1;
        match token {
            Token::Word(word) if names_relation(word.keyword) && word.quote_style.is_none() => {
                (expecting, listing) = (true, true);
            }
            Token::Word(word) if expecting => {
                expecting = false;
                let is = |token: &Token| matches!(token, Token::Word(word) if word.keyword == Keyword::AS);
                nth += usize::from(words.get(nth).is_some_and(is));
                let alias = match words.get(nth) {
                    Some(Token::Word(alias)) if alias.keyword == Keyword::NoKeyword => Some(alias.value.to_lowercase()),
                    _ => None,
                };
                found.push(Relation { name: word.value.to_lowercase(), alias });
            }
            Token::Comma => expecting = listing,
            Token::Word(word) if word.keyword != Keyword::NoKeyword && word.keyword != Keyword::AS => {
                (expecting, listing) = (false, false);
            }
            Token::Word(_) => {}
            _ => expecting = false,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` is the cursor.
    fn at(text: &str) -> Cursor {
        let (left, right) = text.split_once('|').unwrap();
        cursor(&format!("{left}{right}"), left.len())
    }

    fn names(cursor: &Cursor) -> Vec<&str> {
        cursor.relations.iter().map(|relation| relation.name.as_str()).collect()
    }

    #[rstest::rstest]
    #[case("select * from lo|", "lo", Place::Relation { own: vec![] })]
    #[case("select * from |", "", Place::Relation { own: vec![] })]
    #[case("select * from logs l, sp|", "sp", Place::Relation { own: vec![] })]
    #[case("select a, b| from logs", "b", Place::Expression)]
    #[case("select 1, 2 -- why\n, |", "", Place::Expression)]
    #[case("select * from logs join spa|", "spa", Place::Relation { own: vec![] })]
    #[case("with slow as (select 1) select * from s|", "s", Place::Relation { own: vec!["slow".into()] })]
    #[case("describe tr|", "tr", Place::Relation { own: vec![] })]
    #[case("select l.bo| from logs l", "bo", Place::ColumnOf("l".into()))]
    #[case("select l.| from logs l", "", Place::ColumnOf("l".into()))]
    #[case("sel|", "sel", Place::Expression)]
    #[case("select 1; select * from lo|", "lo", Place::Relation { own: vec![] })]
    #[case("select 'from lo|", "from lo", Place::Nothing)]
    #[case("select 1 -- from lo|", "", Place::Nothing)]
    #[case("select \"na|", "\"na", Place::Nothing)]
    fn the_place_follows_from_the_words_before(#[case] text: &str, #[case] typed: &str, #[case] place: Place) {
        let cursor = at(text);
        assert_eq!((cursor.typed.as_str(), &cursor.place), (typed, &place));
    }

    #[rstest::rstest]
    #[case("select attributes['ht|", Some(AttributeMap::Record), "']")]
    #[case("select attributes['ht|'] from logs", Some(AttributeMap::Record), "")]
    #[case("select l.resource_attributes[ '|", Some(AttributeMap::Resource), "']")]
    #[case("select SCOPE_ATTRIBUTES['|", Some(AttributeMap::Scope), "']")]
    #[case("select attr('ht| from logs", None, "')")]
    #[case("select * from logs l where attr(l, 'ht|", None, "')")]
    fn keys_are_completed_in_their_maps(
        #[case] text: &str,
        #[case] map: Option<AttributeMap>,
        #[case] closing: &'static str,
    ) {
        let cursor = at(text);
        assert_eq!(cursor.place, Place::Key { map, closing });
        assert!("ht".starts_with(&cursor.typed));
        assert_eq!(text.find(&format!("{}|", cursor.typed)), Some(cursor.start));
    }

    #[rstest::rstest]
    #[case("select |from logs", &["logs"])]
    #[case("select | from logs l join Spans as s on l.trace_id = s.trace_id", &["logs", "spans"])]
    #[case("select attributes['h| from logs", &["logs"])]
    #[case("select | from logs, spans s, metrics where a in (1, 2)", &["logs", "spans", "metrics"])]
    #[case("select * from logs where x in (select | from spans)", &["logs", "spans"])]
    #[case("select * from logs; select |", &[])]
    #[case("select | ; select * from logs", &[])]
    #[case("select |", &[])]
    fn relations_are_found_on_both_sides(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(names(&at(text)), expected);
    }

    #[test]
    fn aliases_are_known() {
        let cursor = at("select | from logs l join spans as s on true where x");
        let aliases: Vec<_> = cursor.relations.iter().map(|relation| relation.alias.as_deref()).collect();
        assert_eq!(aliases, [Some("l"), Some("s")]);
    }
}
