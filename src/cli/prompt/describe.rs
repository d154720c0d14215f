//! `\d`: the tables, views and macros, and the columns of one.

use std::fmt::Write as _;

use arrow::datatypes::SchemaRef;

use super::super::render::{Align, listing};
use super::super::target::Target;
use super::catalogue::texts;
use crate::error::Result;
use crate::model::contract::columns;
use crate::model::signal::Signal;
use crate::query::{SYSTEM_SCHEMA, SystemTable, table_summary, type_name};

/// Every table, view and macro, with what a row of it is.
pub(super) async fn list(target: &Target, width: Option<usize>) -> Result<String> {
    let mut rows = Vec::new();
    for batch in target.query(include_str!("tables.sql")).await?.collect().await? {
        let [names, kinds, summaries] = [texts(&batch, 0)?, texts(&batch, 1)?, texts(&batch, 2)?];
        for ((name, kind), summary) in names.into_iter().zip(kinds).zip(summaries) {
            let what = match (Signal::from_table(&name), SystemTable::named(&name)) {
                (Some(signal), _) => table_summary(signal).to_owned(),
                (None, Some(table)) => table.summary().to_owned(),
                (None, None) => summary,
            };
            rows.push([name, kind, what]);
        }
    }
    Ok(listing([Align::Left; 3], &rows, width))
}

/// The columns of a table or view; of a view its head comment before, of a macro that alone.
pub(super) async fn describe(target: &Target, name: &str, width: Option<usize>) -> Result<String> {
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    };
    let mut text = String::new();
    // Writing to a String does not fail.
    let rows = match view(target, &name).await? {
        Some(View { kind, usage, documentation }) if kind == "macro" => {
            let documentation = documentation.strip_prefix(&usage).unwrap_or(&documentation).trim();
            _ = writeln!(text, "Macro {usage}. {documentation}");
            return Ok(text);
        }
        Some(View { documentation, .. }) => {
            _ = writeln!(text, "View {name}. {}\n", documentation.trim_end());
            let schema = schema(target, &quoted(&name)).await?;
            let fields = schema.fields().iter();
            fields.map(|field| [field.name().clone(), type_name(field.data_type()), String::new()]).collect()
        }
        None => match SystemTable::named(&name) {
            Some(table) => {
                _ = writeln!(text, "Table {name}. {}\n\nCost: {}\n", table.summary(), table.cost());
                let relation = format!("{}.{}", quoted(SYSTEM_SCHEMA), quoted(table.name()));
                system_rows(table, &schema(target, &relation).await?)
            }
            None => {
                let schema = schema(target, &quoted(&name)).await?;
                _ = writeln!(text, "Table {name}, {} columns.\n", schema.fields().len());
                table_rows(target, &name, &schema).await?
            }
        },
    };
    text.push_str(&listing([Align::Left; 3], &rows, width));
    Ok(text)
}

/// A view or macro, as the target knows it.
struct View {
    kind: String,
    usage: String,
    documentation: String,
}

async fn view(target: &Target, wanted: &str) -> Result<Option<View>> {
    for batch in target.query(include_str!("view.sql")).await?.collect().await? {
        let [names, kinds, usages, documentations] =
            [texts(&batch, 0)?, texts(&batch, 1)?, texts(&batch, 2)?, texts(&batch, 3)?];
        let views = names.into_iter().zip(kinds).zip(usages).zip(documentations);
        let mut views = views.map(|(((name, kind), usage), documentation)| (name, View { kind, usage, documentation }));
        if let Some((_, view)) = views.find(|(name, _)| name == wanted) {
            return Ok(Some(view));
        }
    }
    Ok(None)
}

async fn schema(target: &Target, relation: &str) -> Result<SchemaRef> {
    Ok(target.query(&format!("SELECT * FROM {relation} LIMIT 0")).await?.schema)
}

fn system_rows(table: SystemTable, schema: &SchemaRef) -> Vec<[String; 3]> {
    let meaning = |name: &str| table.columns().iter().find(|column| column.name == name).map_or("", |own| own.meaning);
    let fields = schema.fields().iter();
    fields.map(|field| [field.name().clone(), type_name(field.data_type()), meaning(field.name()).to_owned()]).collect()
}

async fn table_rows(target: &Target, name: &str, schema: &SchemaRef) -> Result<Vec<[String; 3]>> {
    let signal = Signal::from_table(name);
    let promoted = match signal {
        Some(signal) => target.promoted(signal).await?,
        None => Vec::new(),
    };
    let comment = |column: &str| {
        let own = signal.and_then(|signal| columns(signal).find(|known| known.name == column));
        own.map(|known| known.documentation())
            .or_else(|| promoted.iter().find(|known| known.name == column).map(|known| known.comment()))
            .unwrap_or_default()
    };
    let fields = schema.fields().iter();
    Ok(fields.map(|field| [field.name().clone(), type_name(field.data_type()), comment(field.name())]).collect())
}

/// An identifier as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_more_than_a_name() {
        assert_eq!(quoted("logs\" limit 5; --"), "\"logs\"\" limit 5; --\"");
    }
}
