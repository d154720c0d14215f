//! What TAB offers.

use super::catalogue::{Catalogue, Known};
use super::command::{Argument, SPECS};
use super::cursor::{Cursor, Place, Relation, cursor};
use crate::model::promoted::AttributeMap;
use crate::model::signal::Signal;

/// The words that queries are made of, without those that define or change something.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "CURRENT",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN ANALYZE",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FOLLOWING",
    "FROM",
    "FULL",
    "GROUP BY",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS FIRST",
    "NULLS LAST",
    "OFFSET",
    "ON",
    "OR",
    "ORDER BY",
    "OUTER",
    "OVER",
    "PARTITION BY",
    "PRECEDING",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "RIGHT",
    "ROWS",
    "SELECT",
    "SHOW TABLES",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
    "WITHIN GROUP",
];

/// What may be put from `start` to the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Offer {
    pub(super) start: usize,
    pub(super) candidates: Vec<Candidate>,
    /// A file's name is to be completed, which is left to the editor.
    pub(super) file: bool,
}

/// A text to show and a text to put.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) shown: String,
    pub(super) put: String,
}

impl Candidate {
    fn plain(text: &str) -> Self {
        Self { shown: text.to_owned(), put: text.to_owned() }
    }
}

/// What fits at the cursor, given in bytes.
pub(super) fn complete(text: &str, at: usize, known: &dyn Known) -> Offer {
    if let Some(command) = text.get(..at).filter(|text| text.trim_start().starts_with('\\')) {
        return complete_command(command, known);
    }
    let cursor = cursor(text, at);
    let candidates = match &cursor.place {
        Place::Nothing => Vec::new(),
        Place::Relation { own } => {
            let catalogue = known.catalogue();
            let names = catalogue.relations.iter().map(|(name, _)| name).chain(own);
            matching(&cursor.typed, names.map(|name| Candidate::plain(name)))
        }
        Place::ColumnOf(name) => {
            let relation = cursor.relations.iter().find(|relation| relation.alias.as_ref() == Some(name));
            let relation = relation.map_or(name, |relation| &relation.name);
            let catalogue = known.catalogue();
            let columns = catalogue.columns(relation).unwrap_or_default().iter().map(String::as_str);
            // It may be the schema of a table: `system.`
            let tables = catalogue.relations.iter();
            let tables = tables.filter_map(|(table, _)| table.strip_prefix(name.as_str())?.strip_prefix('.'));
            matching(&cursor.typed, columns.chain(tables).map(Candidate::plain))
        }
        Place::Key { map, closing } => keys(&cursor, *map, closing, known),
        Place::Expression => expression(&cursor, &known.catalogue()),
    };
    Offer { start: cursor.start, candidates, file: false }
}

fn complete_command(line: &str, known: &dyn Known) -> Offer {
    let indent = line.len() - line.trim_start().len();
    let Some((name, argument)) = line.trim_start().split_once(char::is_whitespace) else {
        let names = SPECS.iter().filter(|spec| spec.name.starts_with(line.trim_start()));
        let candidates = names.map(|spec| Candidate::plain(spec.name)).collect();
        return Offer { start: indent, candidates, file: false };
    };
    let start = line.len() - argument.trim_start().len();
    let typed = argument.trim_start();
    let spec = SPECS.iter().find(|spec| spec.name == name);
    let (candidates, file) = match spec.map(|spec| spec.argument) {
        Some(Argument::Relation) => {
            let catalogue = known.catalogue();
            (matching(typed, catalogue.relations.iter().map(|(name, _)| Candidate::plain(name))), false)
        }
        Some(Argument::OneOf(values)) => (matching(typed, values.iter().map(|value| Candidate::plain(value))), false),
        Some(Argument::File) => (Vec::new(), true),
        Some(Argument::Nothing) | None => (Vec::new(), false),
    };
    Offer { start, candidates, file }
}

fn keys(cursor: &Cursor, map: Option<AttributeMap>, closing: &str, known: &dyn Known) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for keys in known.keys(&signals(&cursor.relations)) {
        let found = keys.of(map).filter(|key| key.starts_with(&cursor.typed));
        candidates.extend(
            found.map(|key| Candidate { shown: key.to_owned(), put: format!("{}{closing}", key.replace('\'', "''")) }),
        );
    }
    candidates.sort();
    candidates.dedup();
    candidates
}

/// The tables whose records a statement is about; all, where it does not say so yet.
fn signals(relations: &[Relation]) -> Vec<Signal> {
    let mut signals: Vec<Signal> = relations
        .iter()
        .filter_map(|relation| match relation.name.as_str() {
            "span_logs" => Some(Signal::Logs),
            name => Signal::from_table(name),
        })
        .collect();
    signals.sort();
    signals.dedup();
    if signals.is_empty() { Signal::ALL.to_vec() } else { signals }
}

fn expression(cursor: &Cursor, catalogue: &Catalogue) -> Vec<Candidate> {
    let named: Vec<&[String]> =
        cursor.relations.iter().filter_map(|relation| catalogue.columns(&relation.name)).collect();
    let all = || catalogue.relations.iter().map(|(_, columns)| columns.as_slice()).collect();
    let columns: Vec<&[String]> = match (named.is_empty(), cursor.typed.is_empty()) {
        (false, _) => named,
        (true, false) => all(),
        (true, true) => return Vec::new(),
    };
    let columns = columns.into_iter().flatten().map(|column| Candidate::plain(column));
    let mut candidates = matching(&cursor.typed, columns);
    if cursor.typed.is_empty() {
        return candidates;
    }
    let aliases = cursor.relations.iter().map(|relation| relation.alias.as_ref().unwrap_or(&relation.name));
    candidates.extend(matching(&cursor.typed, aliases.map(|alias| Candidate::plain(alias))));
    let call = |name: &String| Candidate { shown: format!("{name}("), put: format!("{name}(") };
    candidates.extend(matching(&cursor.typed, catalogue.functions.iter().map(call)));
    let lower = cursor.typed.starts_with(char::is_lowercase);
    let keyword = |word: &&str| Candidate::plain(&if lower { word.to_lowercase() } else { (*word).to_owned() });
    candidates.extend(matching(&cursor.typed, KEYWORDS.iter().map(keyword)));
    candidates
}

/// Those that begin with what is typed, in any case, in order and once.
fn matching(typed: &str, candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    let fits = |candidate: &Candidate| {
        candidate.shown.get(..typed.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(typed))
    };
    let mut matching: Vec<Candidate> = candidates.filter(fits).collect();
    matching.sort();
    matching.dedup();
    matching
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::attribute_keys::AttributeKeys;
    use super::*;

    struct Lake;

    impl Known for Lake {
        fn catalogue(&self) -> Arc<Catalogue> {
            let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Arc::new(Catalogue {
                relations: vec![
                    ("logs".into(), columns(&["time", "service_name", "severity_text", "body"])),
                    ("span_logs".into(), columns(&["time", "span_name"])),
                    ("spans".into(), columns(&["time", "service_name", "span_id"])),
                    ("system.files".into(), columns(&["path"])),
                ],
                functions: vec!["count".into(), "sum".into()],
            })
        }

        fn keys(&self, signals: &[Signal]) -> Vec<Arc<AttributeKeys>> {
            let keys = signals.iter().map(|signal| match signal {
                Signal::Logs => AttributeKeys::new(&["log.iostream", "it's"], &[], &["host.name"]),
                Signal::Spans => AttributeKeys::new(&["http.route", "http.method"], &["lib"], &["host.name"]),
                Signal::Metrics => AttributeKeys::default(),
            });
            keys.map(Arc::new).collect()
        }
    }

    /// `|` is the cursor.
    fn offered(text: &str) -> Vec<String> {
        let (left, right) = text.split_once('|').unwrap();
        let offer = complete(&format!("{left}{right}"), left.len(), &Lake);
        offer.candidates.into_iter().map(|candidate| candidate.put).collect()
    }

    #[rstest::rstest]
    #[case("select * from lo|", &["logs"])]
    #[case("select * from SP|", &["span_logs", "spans"])]
    #[case("select * from sy|", &["system.files"])]
    #[case("select * from system.f|", &["files"])]
    #[case("select ser| from spans", &["service_name"])]
    #[case("select s| from spans", &["service_name", "span_id", "spans", "sum(", "select", "show tables"])]
    #[case("select * from spans s where s.sp|", &["span_id"])]
    #[case("select | from span_logs", &["span_name", "time"])]
    #[case("SEL|", &["SELECT"])]
    #[case("|", &[])]
    #[case("select attributes['| from spans", &["http.method']", "http.route']"])]
    #[case("select attributes['log.|'] from logs", &["log.iostream"])]
    #[case("select attributes['i| from logs", &["it''s']"])]
    #[case("select attr('h|", &["host.name')", "http.method')", "http.route')"])]
    #[case("select attr('h| from span_logs", &["host.name')"])]
    #[case("select resource_attributes['|", &["host.name']"])]
    #[case("select 'from lo|", &[])]
    #[case("\\|", &["\\d", "\\x", "\\format", "\\timing", "\\pager", "\\i", "\\o", "\\?", "\\q"])]
    #[case("\\d sp|", &["span_logs", "spans"])]
    #[case("\\x o|", &["off", "on"])]
    #[case("\\format nd|", &["ndjson"])]
    fn tab_offers_what_fits(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(offered(text), expected);
    }

    #[test]
    fn files_are_left_to_the_editor() {
        let offer = complete("\\i /tmp/x", 9, &Lake);
        assert!(offer.file && offer.candidates.is_empty());
    }
}
