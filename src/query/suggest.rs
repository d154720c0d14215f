//! What a person most likely meant, where a query names what is not there or calls a function as it can't be called.
//!
//! DataFusion knows what is wrong; here it is said with the one name that is nearest, instead of all there are, and
//! with what this program adds: attribute keys, promoted columns, macros.

use arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, SchemaError, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::dialect::QueryDialect;
use super::error::from_datafusion;
use super::sql_objects::SqlObjects;
use super::system::{SYSTEM_SCHEMA, SystemTable};
use crate::error::{Error, Position};
use crate::model::promoted::{AttributeMap, Promoted, default_promoted};
use crate::model::signal::Signal;

/// Functions that are written for people, not by them.
const INTERNAL: [&str; 2] = ["map_value", "span_of_log"];

/// Forms of a function that are listed.
const MAX_FORMS: usize = 8;

/// Columns that are listed.
const MAX_COLUMNS: usize = 20;

/// What a query may name.
pub(super) struct Names<'a> {
    pub(super) sql: &'a str,
    pub(super) state: &'a SessionState,
    pub(super) objects: &'a SqlObjects,
    pub(super) promoted: &'a [Promoted],
}

/// What is wrong, and the word of the query that it is about.
struct Finding {
    message: String,
    word: String,
}

impl Names<'_> {
    /// The error for the person who wrote the query.
    pub(super) fn explain(&self, error: DataFusionError) -> Error {
        let found = match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => Some(self.unknown_column(field, valid_fields)),
                _ => None,
            },
            root => self.unknown_name(&root.strip_backtrace()),
        };
        let plain = from_datafusion(error);
        match found {
            None => plain,
            Some(Finding { message, word }) => {
                Error::invalid(message).with_position(plain.position().or_else(|| place_of(&word, self.sql)))
            }
        }
    }

    fn unknown_column(&self, field: &Column, valid: &[Column]) -> Finding {
        let asked = field.flat_name();
        let name = field.name.to_lowercase();
        let several =
            valid.iter().any(|column| column.relation != valid.first().and_then(|first| first.relation.clone()));
        let written = |column: &Column| if several { column.quoted_flat_name() } else { quoted(&column.name) };
        let own = |column: &&Column| column.relation.as_ref().map(TableReference::table) == relation(field);
        let same_name = valid.iter().find(|column| column.name.to_lowercase() == name);
        let near = |columns: &mut dyn Iterator<Item = &Column>| {
            let columns: Vec<&Column> = columns.collect();
            let best = nearest(&name, columns.iter().map(|column| column.name.as_str()))?;
            columns.into_iter().find(|column| column.name == best).map(written)
        };
        let known_relation = valid.iter().any(|column| own(&column));
        let message = match relation(field) {
            Some(table) if known_relation => match (near(&mut valid.iter().filter(own)), same_name) {
                (_, Some(other)) => format!("`{table}` has no column {}; {} is one", field.name, written(other)),
                (Some(near), None) => format!("`{table}` has no column {}; did you mean {near}?", field.name),
                (None, None) => format!("`{table}` has no column {}; {}", field.name, listed(valid.iter().filter(own))),
            },
            Some(_) if self.column_of_key(&asked, valid).is_some() => self.attribute(&asked, valid),
            Some(table) if Signal::from_table(table).is_some() || self.objects.view(table).is_some() => {
                format!("{asked} is of a table that this query does not read; name {table} in its FROM")
            }
            Some(table) => match same_name {
                Some(other) => format!(
                    "there is no table {table} here; {} is a column, and an attribute is written attributes['{asked}']",
                    written(other)
                ),
                None => self.attribute(&asked, valid),
            },
            None if name.contains('.') => self.attribute(&asked, valid),
            None => match near(&mut valid.iter()) {
                Some(near) => format!("there is no column {}; did you mean {near}?", field.name),
                None if valid.is_empty() => format!("there is no column {}, since the query has no FROM", field.name),
                None => format!(
                    "there is no column {}; {}, and an attribute is written attributes['{}']",
                    field.name,
                    listed(valid.iter()),
                    field.name
                ),
            },
        };
        Finding { message, word: field.name.clone() }
    }

    /// What to write in the place of an attribute's key.
    fn attribute(&self, key: &str, valid: &[Column]) -> String {
        let column = self.column_of_key(key, valid);
        let column = column.map_or_else(String::new, |column| format!(", or as the column {column}"));
        format!("there is no column {key}; an attribute is written attributes['{key}'] or attr('{key}'){column}")
    }

    /// The promoted column that has the key's value.
    fn column_of_key(&self, key: &str, valid: &[Column]) -> Option<String> {
        let promoted = self.promoted.iter().find(|promoted| promoted.sources.iter().any(|source| source.key == key))?;
        valid.iter().any(|column| column.name == promoted.name).then(|| promoted.name.clone())
    }

    /// What DataFusion tells in words alone.
    fn unknown_name(&self, message: &str) -> Option<Finding> {
        if let Some(name) = between(message, "table function '", "' not found") {
            return Some(self.unknown_table_function(name));
        }
        if let Some(name) = between(message, "table '", "' not found") {
            return Some(self.no_table(name));
        }
        if let Some(name) = between(message, "Invalid function '", "'") {
            return Some(self.unknown_function(name));
        }
        // More names with dots than a column can have.
        if let Some(names) = between(message, "compound identifier: [", "]") {
            let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
            let word = names.first().copied().unwrap_or_default().to_owned();
            return Some(Finding { message: self.attribute(&names.join("."), &[]), word });
        }
        if message.contains("Substring without for/from") {
            return Some(self.wrong_call("substr", None, message));
        }
        let call = between(message, "argument types '", "'. You might");
        let name = call.and_then(|call| call.split('(').next()).or_else(|| between(message, "a call to '", "'"))?;
        Some(self.wrong_call(name, call, message))
    }

    /// What the one is told who names a table that is not there.
    pub(super) fn unknown_table(&self, name: &str) -> String {
        self.no_table(name).message
    }

    fn no_table(&self, name: &str) -> Finding {
        let name =
            ["telestrata.public.", "telestrata."].iter().find_map(|front| name.strip_prefix(front)).unwrap_or(name);
        let message = match self.objects.named(name) {
            Some(object) if object.parameters.is_some() => format!("{name} is called: FROM {}", object.usage()),
            _ => {
                let system = SystemTable::ALL.map(|table| format!("{SYSTEM_SCHEMA}.{}", table.name()));
                let views = self.objects.iter().map(|object| object.name.as_ref());
                let tables = Signal::ALL.iter().map(|signal| signal.table()).chain(views);
                match nearest(name, tables.chain(system.iter().map(String::as_str))) {
                    Some(near) => format!("there is no table or view {name}; did you mean {near}?"),
                    None => format!("there is no table or view {name}; SHOW TABLES lists them"),
                }
            }
        };
        Finding { message, word: name.rsplit('.').next().unwrap_or(name).to_owned() }
    }

    fn unknown_table_function(&self, name: &str) -> Finding {
        let is_view = self.objects.view(name).is_some() || Signal::from_table(name).is_some();
        let macros = self.objects.iter().filter(|object| object.parameters.is_some());
        let functions = macros.map(|object| object.name.as_ref()).chain(["generate_series", "range"]);
        let message = match nearest(name, functions) {
            _ if is_view => format!("{name} is a table or view, and takes no arguments: FROM {name}"),
            Some(near) => {
                let usage =
                    self.objects.named(near).map_or_else(|| near.to_owned(), |object| object.usage().to_owned());
                format!("there is no table function {name}; did you mean {usage}?")
            }
            None => format!("there is no table function {name}"),
        };
        Finding { message, word: name.to_owned() }
    }

    fn unknown_function(&self, name: &str) -> Finding {
        let scalar = self.state.scalar_functions().keys();
        let functions =
            scalar.chain(self.state.aggregate_functions().keys()).chain(self.state.window_functions().keys());
        let functions = functions.map(String::as_str).filter(|function| !INTERNAL.contains(function));
        let message = match nearest(name, functions) {
            _ if AttributeMap::from_column(name).is_some() => format!("{name} is a map and no function: {name}['key']"),
            Some(near) => format!("there is no function {name}; did you mean {near}?"),
            None => format!("there is no function {name}; system.functions lists them"),
        };
        Finding { message, word: name.to_owned() }
    }

    fn wrong_call(&self, name: &str, call: Option<&str>, message: &str) -> Finding {
        let mut forms: Vec<String> = Vec::new();
        if let Some(documentation) = self.documentation(name) {
            forms.push(documentation.syntax_example.clone());
            forms.extend(documentation.alternative_syntax.iter().flatten().cloned());
        }
        let by_types = message.split("Candidate functions:").nth(1).unwrap_or_default().lines();
        for form in by_types.map(|line| plain_types(line.trim())).filter(|form| form.starts_with(name)) {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        let more = if forms.len() > MAX_FORMS { ", ..." } else { "" };
        forms.truncate(MAX_FORMS);
        let asked = call.map_or_else(|| "that".to_owned(), plain_types);
        let message = format!("{asked} is no way to call {name}; its forms are {}{more}", forms.join(", "));
        Finding { message, word: name.to_owned() }
    }

    fn documentation(&self, name: &str) -> Option<&Documentation> {
        let scalar = self.state.scalar_functions().get(name).and_then(|function| function.documentation());
        let aggregate = || self.state.aggregate_functions().get(name).and_then(|function| function.documentation());
        let window = || self.state.window_functions().get(name).and_then(|function| function.documentation());
        scalar.or_else(aggregate).or_else(window)
    }
}

/// The promoted columns of the tables that are there, or those that ship with the program.
pub(super) fn known_promoted<'a>(tables: impl Iterator<Item = &'a [Promoted]>) -> Vec<Promoted> {
    let mut known: Vec<Promoted> = tables.flatten().cloned().collect();
    known.extend(default_promoted());
    known
}

fn relation(column: &Column) -> Option<&str> {
    column.relation.as_ref().map(TableReference::table)
}

fn quoted(name: &str) -> String {
    Column::new_unqualified(name).quoted_flat_name()
}

/// Where the names of columns are found.
fn listed<'a>(valid: impl Iterator<Item = &'a Column> + Clone) -> String {
    match valid.clone().filter_map(relation).find(|table| Signal::from_table(table).is_some()) {
        Some(table) => format!("DESCRIBE {table} lists the columns"),
        None => {
            let names: Vec<String> = valid.take(MAX_COLUMNS).map(|column| quoted(&column.name)).collect();
            format!("the columns here are {}", names.join(", "))
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

/// The name that is most like another, if one is like it: a third of its characters wrong, left out, too many or
/// swapped at most; else one whose first words are like it.
pub(super) fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let asked = asked.to_lowercase();
    let length = asked.chars().count();
    let bound = (length / 3).max(1);
    let distance = |name: &str| {
        let name = name.to_lowercase();
        let distance = edits(&asked, &name);
        // One letter is like any other.
        if distance <= bound && distance < length {
            return Some(distance);
        }
        let beginnings = name.match_indices('_').map(|(at, _)| edits(&asked, &name[..at]));
        let begins = beginnings.min().filter(|distance| length > 3 && *distance <= bound);
        begins.map(|distance| bound + distance + name.len())
    };
    names.filter_map(|name| Some((distance(name)?, name))).min().map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours from one text to the other (optimal string alignment).
fn edits(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, left) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in other.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(left != right);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *right && *left == other[j - 1] {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// Arrow's types by SQL's names: `Timestamp(µs, "UTC")` is `timestamp`.
fn plain_types(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let opened = ["Timestamp(", "Interval(", "Duration(", "Time32(", "Time64("]
            .into_iter()
            .find(|front| rest.starts_with(front));
        if let Some(front) = opened
            && let Some((_, behind)) = rest.split_once(')')
        {
            plain += &front.trim_end_matches(|char: char| !char.is_ascii_alphabetic()).to_lowercase();
            rest = behind;
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    let named = [
        (DataType::Utf8View, "text"),
        (DataType::LargeUtf8, "text"),
        (DataType::Utf8, "text"),
        (DataType::UInt64, "unsigned bigint"),
        (DataType::Int64, "bigint"),
        (DataType::Int32, "int"),
        (DataType::Float64, "double"),
        (DataType::Boolean, "boolean"),
        (DataType::Date32, "date"),
    ];
    named.iter().fold(plain, |plain, (data_type, name)| plain.replace(&data_type.to_string(), name))
}

/// Where a word first stands in a query.
fn place_of(word: &str, sql: &str) -> Option<Position> {
    let tokens = Tokenizer::new(&QueryDialect, sql).tokenize_with_location().ok()?;
    let found = tokens
        .iter()
        .find(|token| matches!(&token.token, Token::Word(found) if found.value.eq_ignore_ascii_case(word)))?;
    Some(Position { line: found.span.start.line, column: found.span.start.column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("nmae", Some("name"))]
    #[case("tiem", Some("time"))]
    #[case("severty_number", Some("severity_number"))]
    #[case("Service", Some("service_name"))]
    #[case("durations", Some("duration_nano"))]
    #[case("x", None)]
    #[case("quantity", None)]
    fn the_nearest_name_is_found(#[case] asked: &str, #[case] expected: Option<&str>) {
        let names = ["name", "time", "severity_number", "service_name", "duration_nano", "kind"];
        assert_eq!(nearest(asked, names.into_iter()), expected);
    }

    #[test]
    fn types_have_the_names_of_sql() {
        assert_eq!(plain_types("f(Utf8View, Timestamp(µs, \"UTC\"), Int64)"), "f(text, timestamp, bigint)");
    }
}
