//! Commits as rows, and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanArray, Int64Array, Int64Builder, ListBuilder, RecordBatch,
    StringArray, StringBuilder, StructBuilder, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use serde_json::{Value, json};

use crate::lake::TableCommit;

/// A column of the table, but for the partition's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    kind: Kind,
    pub(super) comment: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Long,
    Time,
    Boolean,
    Transactions,
}

const fn column(name: &'static str, kind: Kind, comment: &'static str) -> Column {
    Column { name, kind, comment }
}

/// The columns, in the order of `system.history`.
pub(super) const COLUMNS: &[Column] = &[
    column("version", Kind::Long, "the Delta version that the commit made"),
    column("time", Kind::Time, "when the writer says that it was, else when the commit's file was written"),
    column("operation", Kind::Text, "what was done, as the writer calls it; NULL where it does not say"),
    column("operation_parameters", Kind::Text, "JSON, of this program's own commits"),
    column("operation_metrics", Kind::Text, "JSON, as the writer gives it"),
    column("engine_info", Kind::Text, "the program that wrote it"),
    column("files_added", Kind::Long, "files put in"),
    column("files_removed", Kind::Long, "files taken out"),
    column("rows_added", Kind::Long, "rows of the files put in; NULL where one of them does not say"),
    column("bytes_added", Kind::Long, "bytes of the files put in"),
    column("bytes_removed", Kind::Long, "bytes of the files taken out; NULL where one of them does not say"),
    column("data_change", Kind::Boolean, "whether rows came or went, not only files written anew"),
    column("transactions", Kind::Transactions, "whose work is in since, up to which sequence"),
    column("job", Kind::Text, "the work of maintenance that it is of; NULL for any other commit"),
    column("run", Kind::Text, "one call of that work, over all its commits"),
    column("by", Kind::Text, "who did it"),
    column("rule", Kind::Text, "the rule or request by which rows went"),
    column("reason", Kind::Text, "why, in a person's words"),
];

impl Column {
    pub(super) fn delta_type(&self) -> Value {
        match self.kind {
            Kind::Text => json!("string"),
            Kind::Long => json!("long"),
            Kind::Time => json!("timestamp"),
            Kind::Boolean => json!("boolean"),
            Kind::Transactions => {
                let field =
                    |name: &str, kind: &str| json!({ "name": name, "type": kind, "nullable": true, "metadata": {} });
                let element =
                    json!({ "type": "struct", "fields": [field("app_id", "string"), field("version", "long")] });
                json!({ "type": "array", "elementType": element, "containsNull": true })
            }
        }
    }

    fn arrow_type(&self) -> DataType {
        match self.kind {
            Kind::Text => DataType::Utf8,
            Kind::Long => DataType::Int64,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Boolean => DataType::Boolean,
            Kind::Transactions => DataType::List(transaction_item()),
        }
    }
}

fn transaction_fields() -> Fields {
    Fields::from(vec![Field::new("app_id", DataType::Utf8, true), Field::new("version", DataType::Int64, true)])
}

/// An item of `transactions`, named as Delta's readers expect it.
pub(crate) fn transaction_item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Struct(transaction_fields()), true))
}

/// The columns' fields, in order.
pub(crate) fn fields() -> Fields {
    COLUMNS.iter().map(|column| Field::new(column.name, column.arrow_type(), true)).collect()
}

/// Commits as the columns of [`fields`].
pub(crate) fn columns(commits: &[&TableCommit]) -> Vec<ArrayRef> {
    let long = |value: u64| i64::try_from(value).ok();
    let text = |value: fn(&TableCommit) -> Option<&str>| -> ArrayRef {
        Arc::new(commits.iter().map(|commit| value(commit)).collect::<StringArray>())
    };
    let number = |value: fn(&TableCommit) -> Option<u64>| -> ArrayRef {
        Arc::new(commits.iter().map(|commit| value(commit).and_then(long)).collect::<Int64Array>())
    };
    let times = commits.iter().map(|commit| commit.time_ms.checked_mul(1000)).collect::<TimestampMicrosecondArray>();
    vec![
        number(|commit| Some(commit.version)),
        Arc::new(times.with_timezone("UTC")),
        text(|commit| commit.operation.as_deref()),
        text(|commit| commit.operation_parameters.as_deref()),
        text(|commit| commit.operation_metrics.as_deref()),
        text(|commit| commit.engine_info.as_deref()),
        number(|commit| Some(commit.files_added)),
        number(|commit| Some(commit.files_removed)),
        number(|commit| commit.rows_added),
        number(|commit| Some(commit.bytes_added)),
        number(|commit| commit.bytes_removed),
        Arc::new(commits.iter().map(|commit| Some(commit.data_change)).collect::<BooleanArray>()),
        transactions(commits),
        text(|commit| commit.job.as_deref()),
        text(|commit| commit.run.as_deref()),
        text(|commit| commit.by.as_deref()),
        text(|commit| commit.rule.as_deref()),
        text(|commit| commit.reason.as_deref()),
    ]
}

fn transactions(commits: &[&TableCommit]) -> ArrayRef {
    let builders: Vec<Box<dyn ArrayBuilder>> = vec![Box::new(StringBuilder::new()), Box::new(Int64Builder::new())];
    let mut lists = ListBuilder::new(StructBuilder::new(transaction_fields(), builders)).with_field(transaction_item());
    for commit in commits {
        let items = lists.values();
        for (app_id, version) in &commit.transactions {
            if let Some(ids) = items.field_builder::<StringBuilder>(0) {
                ids.append_value(app_id);
            }
            if let Some(versions) = items.field_builder::<Int64Builder>(1) {
                versions.append_value(*version);
            }
            items.append(true);
        }
        lists.append(true);
    }
    Arc::new(lists.finish())
}

/// The commits of a batch that has these columns; one that is absent is NULL.
///
/// # Errors
/// Where a column is of another type.
pub(super) fn commits(batch: &RecordBatch) -> Result<Vec<TableCommit>, ArrowError> {
    let column = |name: &str| -> Result<Option<ArrayRef>, ArrowError> {
        let known = COLUMNS.iter().find(|column| column.name == name);
        let found = batch.column_by_name(name).zip(known);
        found.map(|(array, column)| cast(array, &column.arrow_type())).transpose()
    };
    let mut commits = vec![TableCommit::default(); batch.num_rows()];
    let text = |name: &str, commits: &mut [TableCommit], set: fn(&mut TableCommit, Option<String>)| {
        let array = column(name)?;
        let texts = array.as_ref().and_then(|array| array.as_string_opt::<i32>());
        for (row, commit) in commits.iter_mut().enumerate() {
            set(commit, texts.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row).to_owned()));
        }
        Ok::<_, ArrowError>(())
    };
    text("operation", &mut commits, |commit, text| commit.operation = text)?;
    text("operation_parameters", &mut commits, |commit, text| commit.operation_parameters = text)?;
    text("operation_metrics", &mut commits, |commit, text| commit.operation_metrics = text)?;
    text("engine_info", &mut commits, |commit, text| commit.engine_info = text)?;
    text("job", &mut commits, |commit, text| commit.job = text)?;
    text("run", &mut commits, |commit, text| commit.run = text)?;
    text("by", &mut commits, |commit, text| commit.by = text)?;
    text("rule", &mut commits, |commit, text| commit.rule = text)?;
    text("reason", &mut commits, |commit, text| commit.reason = text)?;
    let number = |name: &str, commits: &mut [TableCommit], set: fn(&mut TableCommit, Option<u64>)| {
        let array = column(name)?;
        let numbers = array.as_ref().and_then(|array| array.as_primitive_opt::<Int64Type>());
        for (row, commit) in commits.iter_mut().enumerate() {
            let value = numbers.filter(|numbers| numbers.is_valid(row)).map(|numbers| numbers.value(row));
            set(commit, value.and_then(|value| u64::try_from(value).ok()));
        }
        Ok::<_, ArrowError>(())
    };
    number("version", &mut commits, |commit, value| commit.version = value.unwrap_or_default())?;
    number("files_added", &mut commits, |commit, value| commit.files_added = value.unwrap_or_default())?;
    number("files_removed", &mut commits, |commit, value| commit.files_removed = value.unwrap_or_default())?;
    number("rows_added", &mut commits, |commit, value| commit.rows_added = value)?;
    number("bytes_added", &mut commits, |commit, value| commit.bytes_added = value.unwrap_or_default())?;
    number("bytes_removed", &mut commits, |commit, value| commit.bytes_removed = value)?;
    if let Some(times) = column("time")? {
        let times = times.as_primitive::<TimestampMicrosecondType>();
        for (row, commit) in commits.iter_mut().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            commit.time_ms = times.value(row).div_euclid(1000);
        }
    }
    if let Some(changes) = column("data_change")? {
        let changes = changes.as_boolean();
        for (row, commit) in commits.iter_mut().enumerate() {
            commit.data_change = changes.is_valid(row) && changes.value(row);
        }
    }
    if let Some(lists) = column("transactions")? {
        let lists = lists.as_list::<i32>();
        for (row, commit) in commits.iter_mut().enumerate().filter(|(row, _)| lists.is_valid(*row)) {
            let items = lists.value(row);
            let items = items.as_struct();
            let (ids, versions) = (items.column(0).as_string::<i32>(), items.column(1).as_primitive::<Int64Type>());
            let items = ids.iter().zip(versions);
            commit.transactions = items.filter_map(|(id, version)| Some((id?.to_owned(), version?))).collect();
        }
    }
    Ok(commits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Schema;

    #[test]
    fn commits_come_back_as_they_went_in() {
        let full = TableCommit {
            version: 7,
            time_ms: 1_700_000_000_123,
            operation: Some("OPTIMIZE".into()),
            operation_parameters: Some("{}".into()),
            operation_metrics: Some(r#"{"numRows":3}"#.into()),
            engine_info: Some("e".into()),
            files_added: 1,
            files_removed: 2,
            rows_added: Some(3),
            bytes_added: 4,
            bytes_removed: Some(5),
            data_change: true,
            transactions: vec![("writer/x".into(), 9), ("writer/y".into(), 1)],
            job: Some("retention".into()),
            run: Some("r".into()),
            by: Some("ann".into()),
            rule: Some("logs after 30d".into()),
            reason: Some("why".into()),
        };
        let empty = TableCommit { version: 1, ..TableCommit::default() };
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields())), columns(&[&full, &empty])).unwrap();
        assert_eq!(commits(&batch).unwrap(), [full, empty]);
    }
}
