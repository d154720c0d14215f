//! `docs/data-contract.md`, made from the tables of columns and from the heads of the modules that keep its rules.
//!
//! A test compares the file with [`data_contract`]; `TELESTRATA_UPDATE_DOCS=1 cargo test data_contract` writes it.

use std::fmt::Write as _;

use super::column::{Column, Kind, Layout};
use super::contract::{self, CONTRACT_VERSION, columns, sort_order};
use super::promoted::{PromotedType, default_promoted};
use super::signal::Signal;

const HEAD: &str = include_str!("data-contract.head.md");
const VALUES: &str = include_str!("../otlp/value/mod.rs");
const SERIES: &str = include_str!("series.rs");

/// The document.
pub fn data_contract() -> String {
    let mut text = HEAD.replace("{version}", &CONTRACT_VERSION.to_string());
    for signal in Signal::ALL {
        // Writing to a String does not fail.
        let _ = writeln!(text, "\n## Table `{signal}`\n\nSorted by `{}`.\n", sort_order(signal).join(", "));
        push_columns(&mut text, columns(signal));
    }
    let nested: [(&str, &[Column]); 4] = [
        ("an element of `events`", contract::EVENT),
        ("an element of `links`", contract::LINK),
        ("an element of `quantiles`", contract::QUANTILE),
        ("an element of `exemplars`", contract::EXEMPLAR),
    ];
    for (what, fields) in nested {
        let _ = writeln!(text, "\n### Fields of {what}\n");
        push_columns(&mut text, fields.iter());
    }
    push_promoted(&mut text);
    let _ = write!(text, "\n## Values as text\n\n{}", module_head(VALUES));
    let _ = write!(text, "\n## Series\n\n{}", module_head(SERIES));
    text
}

fn push_columns<'a>(text: &mut String, columns: impl Iterator<Item = &'a Column>) {
    text.push_str("| column | type | unit | meaning | encoding |\n| --- | --- | --- | --- | --- |\n");
    for column in columns {
        let mut encoding = encoding(column).to_owned();
        if column.stats {
            encoding.push_str(", statistics");
        }
        if column.bloom {
            encoding.push_str(", bloom filter");
        }
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {encoding} |",
            column.name,
            type_name(column.kind),
            column.unit,
            column.comment
        );
    }
}

fn push_promoted(text: &mut String) {
    text.push_str(
        "\n## Promoted columns\n\nIn every table, after the columns above. The value of the first source that is present; \
         NULL where it does not fit the type exactly.\n\n| column | type | sources |\n| --- | --- | --- |\n",
    );
    for promoted in default_promoted() {
        let kind = match promoted.kind {
            PromotedType::Text => "string",
            PromotedType::Long => "long",
            PromotedType::Double => "double",
            PromotedType::Bool => "boolean",
        };
        let _ = writeln!(text, "| `{}` | {kind} | `{}` |", promoted.name, promoted.comment());
    }
}

fn encoding(column: &Column) -> &'static str {
    match (column.kind, column.layout) {
        (Kind::List(_) | Kind::Struct(_), _) => "by field",
        (_, Layout::Dictionary) => "dictionary",
        (_, Layout::LargeDictionary) => "dictionary of a whole row group",
        (_, Layout::Plain) => "plain",
        (_, Layout::DeltaPacked) => "delta-packed",
    }
}

fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Date => "date".to_owned(),
        Kind::Timestamp => "timestamp".to_owned(),
        Kind::Short => "short".to_owned(),
        Kind::Int => "integer".to_owned(),
        Kind::Long => "long".to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Text => "string".to_owned(),
        Kind::TextMap => "map<string,string>".to_owned(),
        Kind::List(Kind::Struct(_)) => "list<struct>".to_owned(),
        Kind::List(element) => format!("list<{}>", type_name(*element)),
        Kind::Struct(_) => "struct".to_owned(),
    }
}

/// A module's head, without its first line (which the heading says) and its comment marks.
fn module_head(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    text.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_contract_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/data-contract.md");
        if std::env::var_os("TELESTRATA_UPDATE_DOCS").is_some() {
            std::fs::write(path, data_contract()).unwrap();
        }
        let file = std::fs::read_to_string(path).unwrap();
        assert!(file == data_contract(), "docs/data-contract.md is old; write it with TELESTRATA_UPDATE_DOCS=1");
    }
}
