//! `system.views` and `system.functions`: what queries may name.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder};
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;

use super::columns::SystemTable;
use crate::query::sql_objects::{SqlObject, SqlObjects};

/// A row a view or macro, in the order in which they are listed.
pub(super) fn views(objects: &SqlObjects) -> Result<RecordBatch> {
    let mut parameters = ListBuilder::new(StringBuilder::new());
    for object in objects.iter() {
        for parameter in object.parameters.iter().flatten() {
            parameters.values().append_value(match &parameter.default {
                Some(default) => format!("{} = {default}", parameter.name),
                None => parameter.name.clone(),
            });
        }
        parameters.append(object.parameters.is_some());
    }
    let text = |value: &dyn Fn(&SqlObject) -> Option<String>| -> ArrayRef {
        Arc::new(objects.iter().map(value).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        text(&|object| Some(object.name.to_string())),
        text(&|object| Some(if object.parameters.is_some() { "macro" } else { "view" }.to_owned())),
        text(&|object| Some(object.usage().to_owned())),
        Arc::new(parameters.finish()),
        text(&|object| Some(object.summary().to_owned())),
        text(&|object| Some(object.documentation())),
        text(&|object| object.file.as_ref().map(|file| file.display().to_string())),
        text(&|object| Some(object.sql.to_string())),
    ];
    Ok(RecordBatch::try_new(SystemTable::Views.schema(), columns)?)
}

/// A row a function, by name.
pub(super) fn functions(session: &SessionState) -> Result<RecordBatch> {
    let mut rows: Vec<(&str, &str, Option<&Documentation>)> = Vec::new();
    rows.extend(
        session.scalar_functions().iter().map(|(name, function)| (name.as_str(), "scalar", function.documentation())),
    );
    rows.extend(
        session
            .aggregate_functions()
            .iter()
            .map(|(name, function)| (name.as_str(), "aggregate", function.documentation())),
    );
    rows.extend(
        session.window_functions().iter().map(|(name, function)| (name.as_str(), "window", function.documentation())),
    );
    rows.extend(session.table_functions().keys().map(|name| (name.as_str(), "table", None)));
    rows.sort_by_key(|(name, kind, _)| (*name, *kind));
    let said = |text: fn(&Documentation) -> &str| -> ArrayRef {
        let texts = rows.iter().map(|(_, _, documentation)| Some(text((*documentation)?).trim()));
        Arc::new(texts.map(|text| text.filter(|text| !text.is_empty())).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|(name, ..)| Some(*name)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(_, kind, _)| Some(*kind)).collect::<StringArray>()),
        said(|documentation| &documentation.syntax_example),
        said(|documentation| &documentation.description),
    ];
    Ok(RecordBatch::try_new(SystemTable::Functions.schema(), columns)?)
}
