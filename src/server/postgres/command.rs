//! What a statement asks of the session.
//!
//! Transactions, settings, cursors, prepared statements and COPY are the session's; all else is a query, which the
//! query service judges. Read from the statement's words, since the texts of queries within must stay as they are.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::copy::{CopyForm, copy_form};
use super::errors::Refusal;
use super::settings::is_setting;
use super::split::{Piece, Word};

/// A query: its text, and its place in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryText {
    pub(super) sql: String,
    /// Characters of the message before it.
    pub(super) before: usize,
    /// What its end is announced with: `SELECT`, `EXPLAIN`, `SHOW`.
    pub(super) tag: &'static str,
    /// Whether it has parameters.
    pub(super) has_parameters: bool,
}

/// What a statement asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Query(QueryText),
    Begin {
        tag: &'static str,
    },
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Set {
        name: String,
        value: String,
        local: bool,
    },
    /// A setting that means nothing here.
    SetNothing,
    Reset(String),
    ResetAll,
    Show(String),
    ShowAll,
    DiscardAll,
    Prepare {
        name: String,
        query: Box<Command>,
    },
    /// The statement's name, and a query of the values of its parameters.
    Execute {
        name: String,
        values: Option<QueryText>,
    },
    Deallocate(Option<String>),
    Declare {
        name: String,
        binary: bool,
        hold: bool,
        query: QueryText,
    },
    Fetch {
        name: String,
        rows: Fetched,
    },
    Close(Option<String>),
    Copy {
        query: QueryText,
        form: CopyForm,
    },
    /// LISTEN's end and the like, which have nothing to end.
    Nothing(&'static str),
}

/// How many rows a FETCH takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    All,
    Rows(u64),
}

/// What writes, defines or locks, none of which is done here.
const REFUSED: [&str; 34] = [
    "insert",
    "update",
    "delete",
    "merge",
    "truncate",
    "create",
    "alter",
    "drop",
    "grant",
    "revoke",
    "comment",
    "vacuum",
    "analyze",
    "reindex",
    "cluster",
    "refresh",
    "import",
    "security",
    "lock",
    "call",
    "do",
    "notify",
    "listen",
    "checkpoint",
    "load",
    "reassign",
    "attach",
    "detach",
    "install",
    "unload",
    "msck",
    "use",
    "kill",
    "optimize",
];

/// What begins a statement of the session, which is no part of another.
const OF_THE_SESSION: [&str; 20] = [
    "begin",
    "start",
    "commit",
    "end",
    "abort",
    "rollback",
    "savepoint",
    "release",
    "set",
    "reset",
    "show",
    "discard",
    "prepare",
    "execute",
    "deallocate",
    "declare",
    "fetch",
    "move",
    "close",
    "copy",
];

/// Reads a statement.
///
/// # Errors
/// 42501 for what may not be done, 0A000 for what is not done here, 42601 for what is no statement.
pub(super) fn command(piece: &Piece) -> Result<Command, Refusal> {
    let mut words = Words { piece, at: 0 };
    let Some(first) = piece.keyword(0) else { return Ok(Command::Query(query_of(piece))) };
    words.at = 1;
    match first.as_str() {
        "begin" => words.transaction("BEGIN"),
        "start" if words.take("transaction") => words.transaction("START TRANSACTION"),
        "commit" | "end" => words.end_of_transaction(Command::Commit),
        "abort" => words.end_of_transaction(Command::Rollback),
        "rollback" => words.roll_back(),
        "savepoint" => Ok(Command::Savepoint(words.name()?)),
        "release" => {
            words.take("savepoint");
            Ok(Command::Release(words.name()?))
        }
        "set" => words.set(),
        "reset" if words.take("all") => Ok(Command::ResetAll),
        "reset" if words.take("role") => Ok(Command::SetNothing),
        "reset" => Ok(Command::Reset(words.setting()?)),
        "show" => Ok(words.show(piece)),
        "discard" => words.discard(),
        "prepare" if piece.keyword(1).as_deref() == Some("transaction") => {
            Err(Refusal::unsupported("there are no transactions to prepare; every query sees one moment by itself"))
        }
        "prepare" => words.prepare(),
        "execute" => words.execute(),
        "deallocate" => {
            words.take("prepare");
            Ok(Command::Deallocate(if words.take("all") { None } else { Some(words.name()?) }))
        }
        "declare" => words.declare(),
        "fetch" => words.fetch(),
        "move" => Err(Refusal::unsupported("MOVE is not done here; FETCH the rows, or use OFFSET")),
        "close" => Ok(Command::Close(if words.take("all") { None } else { Some(words.name()?) })),
        "copy" => words.copy(),
        "unlisten" => Ok(Command::Nothing("UNLISTEN")),
        word if REFUSED.contains(&word) => Err(not_done(word)),
        _ => Ok(Command::Query(query_of(piece))),
    }
}

fn not_done(word: &str) -> Refusal {
    let word = word.to_uppercase();
    Refusal::new(
        "42501",
        format!("{word} is not done here: telestrata answers queries only, and what it stores comes in by OTLP"),
    )
}

fn query_of(piece: &Piece) -> QueryText {
    query_with(piece.text.clone(), piece.before, piece.keyword(0).as_deref(), &piece.words)
}

fn query_with(sql: String, before: usize, first: Option<&str>, words: &[Word]) -> QueryText {
    let tag = match first {
        Some("explain") => "EXPLAIN",
        Some("show" | "describe" | "desc") => "SHOW",
        _ => "SELECT",
    };
    let has_parameters = words.iter().any(|word| matches!(word.token, Token::Placeholder(_)));
    QueryText { sql, before, tag, has_parameters }
}

/// Walks over a statement's words.
struct Words<'a> {
    piece: &'a Piece,
    at: usize,
}

impl Words<'_> {
    fn token(&self) -> Option<&Token> {
        self.piece.words.get(self.at).map(|word| &word.token)
    }

    fn keyword(&self) -> Option<String> {
        self.piece.keyword(self.at)
    }

    /// Takes a keyword, if it is the next.
    fn take(&mut self, keyword: &str) -> bool {
        let found = self.keyword().as_deref() == Some(keyword);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &Token) -> bool {
        let found = self.token() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.take(keyword) { Ok(()) } else { Err(self.unexpected(&keyword.to_uppercase())) }
    }

    fn unexpected(&self, wanted: &str) -> Refusal {
        let found = self.piece.words.get(self.at).map_or_else(|| "its end".to_owned(), |word| word.token.to_string());
        Refusal::syntax(format!("the statement has {found} where it needs {wanted}"))
    }

    fn end(&self) -> Result<(), Refusal> {
        if self.at == self.piece.words.len() { Ok(()) } else { Err(self.unexpected("its end")) }
    }

    /// A name: lower case unless it is quoted.
    fn name(&mut self) -> Result<String, Refusal> {
        let name = match self.token() {
            Some(Token::Word(word)) if word.quote_style.is_some() => word.value.clone(),
            Some(Token::Word(word)) => word.value.to_lowercase(),
            _ => return Err(self.unexpected("a name")),
        };
        self.at += 1;
        Ok(name)
    }

    /// A setting's name, which may have dots.
    fn setting(&mut self) -> Result<String, Refusal> {
        if self.take("time") {
            self.expect("zone")?;
            return Ok("TimeZone".to_owned());
        }
        if self.take("session") && self.take("authorization") {
            return Ok("session_authorization".to_owned());
        }
        if self.take("transaction") {
            self.expect("isolation")?;
            self.expect("level")?;
            return Ok("transaction_isolation".to_owned());
        }
        let mut name = self.name()?;
        while self.take_sign(&Token::Period) {
            name.push('.');
            name += &self.name()?;
        }
        Ok(name)
    }

    fn transaction(mut self, tag: &'static str) -> Result<Command, Refusal> {
        if !self.take("transaction") {
            self.take("work");
        }
        self.modes()?;
        Ok(Command::Begin { tag })
    }

    /// Isolation and access modes, none of which changes anything where nothing is written.
    fn modes(&mut self) -> Result<(), Refusal> {
        const WORDS: [&str; 12] = [
            "isolation",
            "level",
            "read",
            "write",
            "only",
            "committed",
            "uncommitted",
            "repeatable",
            "serializable",
            "not",
            "deferrable",
            "snapshot",
        ];
        while let Some(token) = self.token() {
            match token {
                Token::Comma | Token::SingleQuotedString(_) => {}
                Token::Word(word) if WORDS.contains(&word.value.to_ascii_lowercase().as_str()) => {}
                _ => return Err(self.unexpected("a transaction mode")),
            }
            self.at += 1;
        }
        Ok(())
    }

    fn end_of_transaction(mut self, command: Command) -> Result<Command, Refusal> {
        if !self.take("transaction") {
            self.take("work");
        }
        if self.take("and") {
            if !self.take("no") {
                return Err(Refusal::unsupported("AND CHAIN is not done here; send BEGIN"));
            }
            self.expect("chain")?;
        }
        self.end()?;
        Ok(command)
    }

    fn roll_back(mut self) -> Result<Command, Refusal> {
        let begin = self.at;
        if !self.take("transaction") {
            self.take("work");
        }
        if self.take("to") {
            self.take("savepoint");
            return Ok(Command::RollbackTo(self.name()?));
        }
        self.at = begin;
        self.end_of_transaction(Command::Rollback)
    }

    fn set(mut self) -> Result<Command, Refusal> {
        let local = self.take("local");
        let session = !local && self.take("session");
        if session && self.take("characteristics") {
            self.expect("as")?;
            self.expect("transaction")?;
            self.modes()?;
            return Ok(Command::SetNothing);
        }
        if self.take("transaction") {
            self.modes()?;
            return Ok(Command::SetNothing);
        }
        if self.take("role") || (session && self.take("authorization")) || self.take("session_authorization") {
            return if self.take("none") || self.take("default") {
                Ok(Command::SetNothing)
            } else {
                Err(Refusal::new("42501", "nobody becomes another here; log in with the other name"))
            };
        }
        let name = if self.take("names") {
            "client_encoding".to_owned()
        } else if self.take("schema") {
            "search_path".to_owned()
        } else {
            let name = self.setting()?;
            // SET TIME ZONE has neither.
            if !self.take("to") && !self.take_sign(&Token::Eq) && name != "TimeZone" {
                return Err(self.unexpected("TO or ="));
            }
            name
        };
        if self.take("default") || (name == "TimeZone" && self.take("local")) {
            self.end()?;
            return Ok(Command::Reset(name));
        }
        let value = self.values()?;
        Ok(Command::Set { name, value, local })
    }

    /// The value of a setting: words, texts and numbers, with commas between.
    fn values(&mut self) -> Result<String, Refusal> {
        let mut values = String::new();
        loop {
            match self.token() {
                Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => values += text,
                Some(Token::Word(word)) => values += &word.value,
                Some(Token::Number(number, _)) => values += number,
                Some(Token::Minus) => values.push('-'),
                Some(Token::Plus) => values.push('+'),
                Some(Token::Comma) => values += ", ",
                None if !values.is_empty() => return Ok(values),
                None if matches!(
                    self.piece.words.last().map(|word| &word.token),
                    Some(Token::SingleQuotedString(_))
                ) =>
                {
                    return Ok(values);
                }
                _ => return Err(self.unexpected("a value")),
            }
            self.at += 1;
        }
    }

    fn show(mut self, piece: &Piece) -> Command {
        if self.take("all") && self.end().is_ok() {
            return Command::ShowAll;
        }
        self.at = 1;
        match self.setting() {
            // SHOW TABLES and the like are the engine's.
            Ok(name) if self.end().is_ok() && (is_setting(&name) || !is_of_engine(&name)) => Command::Show(name),
            _ => Command::Query(query_of(piece)),
        }
    }

    fn discard(mut self) -> Result<Command, Refusal> {
        if self.take("all") {
            return Ok(Command::DiscardAll);
        }
        for (word, tag) in [("plans", "DISCARD PLANS"), ("sequences", "DISCARD SEQUENCES"), ("temp", "DISCARD TEMP")] {
            if self.take(word) {
                return Ok(Command::Nothing(tag));
            }
        }
        Err(self.unexpected("ALL, PLANS, SEQUENCES or TEMP"))
    }

    fn prepare(mut self) -> Result<Command, Refusal> {
        let name = self.name()?;
        if self.take_sign(&Token::LParen) {
            self.skip_parentheses()?;
        }
        self.expect("as")?;
        let query = self.query_within(self.piece.words.len(), "only queries are prepared")?;
        Ok(Command::Prepare { name, query: Box::new(Command::Query(query)) })
    }

    fn execute(mut self) -> Result<Command, Refusal> {
        let name = self.name()?;
        let mut values = None;
        if self.take_sign(&Token::LParen) {
            let begin = self.at;
            self.skip_parentheses()?;
            let text = self.piece.between(begin, self.at - 1).ok_or_else(|| self.unexpected("values"))?;
            // The values of one row, which the engine reads as it reads any.
            let sql = format!("SELECT {text}");
            values = Some(QueryText { sql, before: self.piece.before, tag: "SELECT", has_parameters: false });
        }
        self.end()?;
        Ok(Command::Execute { name, values })
    }

    /// The query from here to a word. Told from other statements by its first word alone, so that one within another
    /// within another costs nothing.
    fn query_within(&self, end: usize, otherwise: &'static str) -> Result<QueryText, Refusal> {
        let first = self.keyword();
        match first.as_deref() {
            Some(word) if REFUSED.contains(&word) => return Err(not_done(word)),
            Some(word) if OF_THE_SESSION.contains(&word) => return Err(Refusal::unsupported(otherwise)),
            _ => {}
        }
        let (before, text, words) = self.piece.part(self.at, end).ok_or_else(|| self.unexpected("a query"))?;
        Ok(query_with(text.to_owned(), before, first.as_deref(), words))
    }

    /// To behind the closing parenthesis of the one that was opened.
    fn skip_parentheses(&mut self) -> Result<(), Refusal> {
        let mut open = 1;
        while open > 0 {
            match self.token() {
                Some(Token::LParen) => open += 1,
                Some(Token::RParen) => open -= 1,
                Some(_) => {}
                None => return Err(self.unexpected(")")),
            }
            self.at += 1;
        }
        Ok(())
    }

    fn declare(mut self) -> Result<Command, Refusal> {
        let name = self.name()?;
        let (mut binary, mut no) = (false, false);
        loop {
            match self.keyword().as_deref() {
                Some("binary") => binary = true,
                Some("scroll") if !no => {
                    return Err(Refusal::unsupported("cursors go forward only here; leave SCROLL out"));
                }
                Some("insensitive" | "asensitive" | "scroll") => {}
                Some("no") => no = true,
                _ => break,
            }
            self.at += 1;
        }
        self.expect("cursor")?;
        let hold = if self.take("with") {
            self.expect("hold")?;
            true
        } else {
            if self.take("without") {
                self.expect("hold")?;
            }
            false
        };
        self.expect("for")?;
        let query = self.query_within(self.piece.words.len(), "cursors are of queries only")?;
        Ok(Command::Declare { name, binary, hold, query })
    }

    fn fetch(mut self) -> Result<Command, Refusal> {
        let rows = match self.keyword().as_deref() {
            Some("next") => self.counted(Fetched::Rows(1)),
            Some("all") => self.counted(Fetched::All),
            Some("forward") => {
                self.at += 1;
                if self.take("all") {
                    Fetched::All
                } else if matches!(self.token(), Some(Token::Number(..))) {
                    self.number()?
                } else {
                    Fetched::Rows(1)
                }
            }
            Some("prior" | "first" | "last" | "absolute" | "relative" | "backward") => return Err(forward_only()),
            _ => match self.token() {
                Some(Token::Number(..)) => self.number()?,
                Some(Token::Minus) => return Err(forward_only()),
                _ => Fetched::Rows(1),
            },
        };
        if !self.take("from") {
            self.take("in");
        }
        let name = self.name()?;
        self.end()?;
        Ok(Command::Fetch { name, rows })
    }

    fn counted(&mut self, rows: Fetched) -> Fetched {
        self.at += 1;
        rows
    }

    fn number(&mut self) -> Result<Fetched, Refusal> {
        let rows = match self.token() {
            Some(Token::Number(number, _)) => number.parse().ok(),
            _ => None,
        };
        let rows = rows.ok_or_else(|| self.unexpected("a number of rows"))?;
        self.at += 1;
        Ok(Fetched::Rows(rows))
    }

    fn copy(mut self) -> Result<Command, Refusal> {
        let query = if self.take_sign(&Token::LParen) {
            let begin = self.at;
            self.skip_parentheses()?;
            let behind = std::mem::replace(&mut self.at, begin);
            let query = self.query_within(behind - 1, "only the rows of a query are copied")?;
            self.at = behind;
            query
        } else {
            self.copied_table()?
        };
        if self.take("from") {
            return Err(Refusal::new("42501", "COPY FROM is not done here: what telestrata stores comes in by OTLP"));
        }
        self.expect("to")?;
        if !self.take("stdout") {
            return Err(Refusal::new("42501", "COPY writes no files and starts no programs here; copy TO STDOUT"));
        }
        let form = copy_form(self.piece, self.at)?;
        Ok(Command::Copy { query, form })
    }

    /// `table` or `table (columns)`, as a query.
    fn copied_table(&mut self) -> Result<QueryText, Refusal> {
        let begin = self.at;
        let mut names = vec![self.name()?];
        while self.take_sign(&Token::Period) {
            names.push(self.name()?);
        }
        let table = self.piece.between(begin, self.at).unwrap_or_default();
        let mut columns = "*";
        if self.take_sign(&Token::LParen) {
            let begin = self.at;
            // Names and commas alone: nothing else can get into the query.
            self.name()?;
            while self.take_sign(&Token::Comma) {
                self.name()?;
            }
            columns = self.piece.between(begin, self.at).unwrap_or_default();
            if !self.take_sign(&Token::RParen) {
                return Err(self.unexpected(")"));
            }
        }
        let sql = format!("SELECT {columns} FROM {table}");
        Ok(QueryText { sql, before: self.piece.before, tag: "SELECT", has_parameters: false })
    }
}

fn forward_only() -> Refusal {
    Refusal::new("55000", "cursors go forward only here").with_hint("FETCH n, FETCH NEXT, FETCH FORWARD n, FETCH ALL")
}

/// What the engine's own SHOW shows.
fn is_of_engine(name: &str) -> bool {
    matches!(name, "tables" | "columns" | "functions" | "create" | "schemas" | "databases")
}

#[cfg(test)]
mod tests {
    use super::super::split::pieces;
    use super::*;

    fn read(sql: &str) -> Result<Command, Refusal> {
        command(&pieces(sql).pop().unwrap())
    }

    fn query(sql: &str, before: usize) -> QueryText {
        QueryText { sql: sql.to_owned(), before, tag: "SELECT", has_parameters: sql.contains('$') }
    }

    #[rstest::rstest]
    #[case("begin transaction isolation level repeatable read, read only", Command::Begin { tag: "BEGIN" })]
    #[case("START TRANSACTION READ WRITE", Command::Begin { tag: "START TRANSACTION" })]
    #[case("COMMIT AND NO CHAIN", Command::Commit)]
    #[case("rollback to savepoint \"A\"", Command::RollbackTo("A".into()))]
    #[case("SET extra_float_digits = 3", Command::Set { name: "extra_float_digits".into(), value: "3".into(), local: false })]
    #[case("SET LOCAL statement_timeout TO '2s'", Command::Set { name: "statement_timeout".into(), value: "2s".into(), local: true })]
    #[case("SET TIME ZONE 'UTC'", Command::Set { name: "TimeZone".into(), value: "UTC".into(), local: false })]
    #[case("SET DateStyle=ISO, MDY", Command::Set { name: "datestyle".into(), value: "ISO, MDY".into(), local: false })]
    #[case("SET application_name TO ''", Command::Set { name: "application_name".into(), value: "".into(), local: false })]
    #[case("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Command::SetNothing)]
    #[case("SET search_path TO DEFAULT", Command::Reset("search_path".into()))]
    #[case("show transaction isolation level", Command::Show("transaction_isolation".into()))]
    #[case("SHOW nonsense", Command::Show("nonsense".into()))]
    #[case("FETCH FORWARD 100 FROM \"C\"", Command::Fetch { name: "C".into(), rows: Fetched::Rows(100) })]
    #[case("fetch all in c", Command::Fetch { name: "c".into(), rows: Fetched::All })]
    #[case("FETCH c", Command::Fetch { name: "c".into(), rows: Fetched::Rows(1) })]
    #[case("DEALLOCATE PREPARE ALL", Command::Deallocate(None))]
    #[case("CLOSE c", Command::Close(Some("c".into())))]
    #[case("EXPLAIN SELECT 1", Command::Query(QueryText { tag: "EXPLAIN", ..query("EXPLAIN SELECT 1", 0) }))]
    #[case("SHOW TABLES", Command::Query(QueryText { tag: "SHOW", ..query("SHOW TABLES", 0) }))]
    #[case("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT $1",
        Command::Declare { name: "c".into(), binary: false, hold: true, query: query("SELECT $1", 41) })]
    #[case("PREPARE p (int, numeric(3, 1)) AS SELECT $1",
        Command::Prepare { name: "p".into(), query: Box::new(Command::Query(query("SELECT $1", 34))) })]
    #[case("EXECUTE p (1, 'a)')", Command::Execute { name: "p".into(), values: Some(query("SELECT 1, 'a)'", 0)) })]
    fn statements_are_read(#[case] sql: &str, #[case] expected: Command) {
        assert_eq!(read(sql).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case("INSERT INTO logs VALUES (1)", "INSERT is not done here")]
    #[case("COPY logs FROM STDIN", "COPY FROM")]
    #[case("COPY logs TO '/tmp/x'", "no files")]
    #[case("COPY logs TO PROGRAM 'sh'", "no files")]
    #[case("COPY (DELETE FROM logs) TO STDOUT", "DELETE is not done here")]
    #[case("COPY () TO STDOUT", "a query")]
    #[case("COPY (COPY (SELECT 1) TO STDOUT) TO STDOUT", "only the rows of a query")]
    #[case("PREPARE a AS PREPARE b AS SELECT 1", "only queries are prepared")]
    #[case("PREPARE a AS", "a query")]
    #[case("DECLARE c CURSOR FOR DECLARE d CURSOR FOR SELECT 1", "cursors are of queries only")]
    #[case("DECLARE c SCROLL CURSOR FOR SELECT 1", "forward only")]
    #[case("FETCH BACKWARD 1 FROM c", "forward only")]
    #[case("SET ROLE admin", "nobody becomes another")]
    #[case("PREPARE TRANSACTION 'x'", "no transactions to prepare")]
    #[case("COMMIT AND CHAIN", "AND CHAIN")]
    #[case("BEGIN nonsense", "transaction mode")]
    fn what_is_not_done_is_refused(#[case] sql: &str, #[case] expected: &str) {
        let refused = read(sql).unwrap_err();
        assert!(refused.message().contains(expected), "{}", refused.message());
    }

    #[test]
    fn a_table_is_copied_by_its_names_alone() {
        let Command::Copy { query, .. } = read("COPY \"public\".logs (\"Body\", time) TO STDOUT").unwrap() else {
            panic!()
        };
        assert_eq!(query.sql, "SELECT \"Body\", time FROM \"public\".logs");
        assert!(read("COPY logs (body FROM logs; DROP) TO STDOUT").is_err());
    }
}
