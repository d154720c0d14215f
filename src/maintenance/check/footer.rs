//! One live file's footer, held against its `add` action and the table.

use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaData;

use super::finding::{Code, Finding};
use super::range::{Range, Value};
use crate::lake::{LiveFile, footer_keys};
use crate::model::contract::{CONTRACT_VERSION, PARTITION, columns, sort_order};
use crate::model::signal::Signal;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What of a table its files are held against.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) signal: Signal,
    /// The table's columns, promoted ones last.
    pub(super) schema: SchemaRef,
}

impl Expected {
    /// The columns that have statistics.
    pub(super) fn with_statistics(&self) -> impl Iterator<Item = &'static str> {
        columns(self.signal).filter(|column| column.stats).map(|column| column.name)
    }

    /// A finding about a file of this table.
    pub(super) fn finding(&self, code: Code, file: &LiveFile, meaning: String) -> Finding {
        Finding::new(code, format!("{}/{}", self.signal, file.path), meaning)
    }
}

/// Everything that a file's footer can tell. Touches nothing.
pub(super) fn check(expected: &Expected, file: &LiveFile, footer: &ParquetMetaData) -> Vec<Finding> {
    let parquet = footer.file_metadata().schema_descr();
    let schema = match parquet_to_arrow_schema(parquet, footer.file_metadata().key_value_metadata()) {
        Ok(schema) => schema,
        Err(error) => {
            let meaning = format!("its schema can't be read: {error}");
            return vec![expected.finding(Code::FileUnreadable, file, meaning)];
        }
    };
    let mut findings = check_keys(expected, file, footer);
    findings.extend(check_schema(expected, file, &schema));
    let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0);
    findings.extend(check_rows(expected, file, rows));
    for column in expected.with_statistics() {
        if let Some(range) = footer_range(column, &schema, footer) {
            findings.extend(check_range(expected, file, column, &range));
        }
    }
    findings
}

/// The version and sort order that a footer states.
fn check_keys(expected: &Expected, file: &LiveFile, footer: &ParquetMetaData) -> Vec<Finding> {
    let stated = footer.file_metadata().key_value_metadata();
    let value = |key: &str| stated?.iter().find(|pair| pair.key == key)?.value.as_deref();
    let Some(contract) = value(footer_keys::CONTRACT) else {
        let writer = footer.file_metadata().created_by().unwrap_or("an unnamed program");
        return vec![expected.finding(Code::FileForeign, file, format!("written by {writer}, without a contract"))];
    };
    let mut findings = Vec::new();
    if contract.parse::<u32>().map_or(true, |version| version > CONTRACT_VERSION) {
        let meaning = format!("written by contract {contract}, and this program knows {CONTRACT_VERSION}");
        findings.push(expected.finding(Code::FileNewer, file, meaning));
    }
    let order = sort_order(expected.signal).join(",");
    let found = value(footer_keys::SORT_ORDER).unwrap_or_default();
    if found != order {
        let meaning = format!("sorted by `{found}`, and the contract's order is `{order}`");
        findings.push(expected.finding(Code::FileOrder, file, meaning));
    }
    findings
}

fn check_schema(expected: &Expected, file: &LiveFile, found: &Schema) -> Option<Finding> {
    let mut differences = Vec::new();
    let contract: Vec<&str> = columns(expected.signal).map(|column| column.name).collect();
    for field in expected.schema.fields().iter().filter(|field| field.name() != PARTITION) {
        match found.field_with_name(field.name()) {
            Ok(there) if same_type(there.data_type(), field.data_type()) => {}
            Ok(there) => differences.push(format!("`{}` is {}", field.name(), there.data_type())),
            // A file may be older than a promoted column.
            Err(_) if !contract.contains(&field.name().as_str()) => {}
            Err(_) => differences.push(format!("`{}` is missing", field.name())),
        }
    }
    let foreign = found.fields().iter().filter(|field| expected.schema.field_with_name(field.name()).is_err());
    differences.extend(foreign.map(|field| format!("`{}` is not the table's", field.name())));
    (!differences.is_empty()).then(|| {
        expected.finding(Code::FileSchema, file, format!("its columns are not the table's: {}", differences.join(", ")))
    })
}

/// Equal to a reader: text is text however it is laid out, and a name inside a list or map means nothing.
pub(super) fn same_type(left: &DataType, right: &DataType) -> bool {
    use DataType::{LargeList, LargeUtf8, List, Map, Struct, Timestamp, Utf8, Utf8View};
    match (left, right) {
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (List(left) | LargeList(left), List(right) | LargeList(right)) => {
            same_type(left.data_type(), right.data_type())
        }
        (Map(left, _), Map(right, _)) => match (left.data_type(), right.data_type()) {
            (Struct(left), Struct(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right).all(|(left, right)| same_type(left.data_type(), right.data_type()))
            }
            _ => false,
        },
        (Struct(left), Struct(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| left.name() == right.name() && same_type(left.data_type(), right.data_type()))
        }
        (Timestamp(TimeUnit::Microsecond, Some(left)), Timestamp(TimeUnit::Microsecond, Some(right))) => {
            let utc = |zone: &str| matches!(zone, "UTC" | "+00:00");
            utc(left) && utc(right)
        }
        _ => left == right,
    }
}

/// Holds a file's number of rows against the log's.
pub(super) fn check_rows(expected: &Expected, file: &LiveFile, rows: u64) -> Option<Finding> {
    match file.rows {
        Some(stated) if stated == rows => None,
        Some(stated) => {
            let meaning = format!("the log says {stated} rows, and it has {rows}");
            Some(expected.finding(Code::FileRows, file, meaning))
        }
        None => {
            let meaning = "the log has no statistics of it that can be read".to_owned();
            Some(expected.finding(Code::StatisticsMissing, file, meaning))
        }
    }
}

/// What the footer says of a column, as far as it is exact.
fn footer_range(column: &str, schema: &Schema, footer: &ParquetMetaData) -> Option<Range> {
    let groups = footer.row_groups();
    let converter = StatisticsConverter::try_new(column, schema, footer.file_metadata().schema_descr())
        .ok()?
        .with_missing_null_counts_as_zero(false);
    let nulls = converter.row_group_null_counts(groups.iter()).ok()?;
    let nulls: Option<Vec<u64>> = nulls.iter().collect();
    let text = matches!(schema.field_with_name(column).ok()?.data_type(), DataType::Utf8);
    // A long text's minimum may be cut in the footer, at another place than in the log.
    let bound = |values: arrow::array::ArrayRef, exact: arrow::array::BooleanArray| -> Option<Vec<Value>> {
        let values = Value::all(&values)?;
        let mut present = Vec::with_capacity(values.len());
        for ((value, exact), (group, nulls)) in
            values.into_iter().zip(&exact).zip(groups.iter().zip(nulls.iter().flatten()))
        {
            match value {
                Some(value) if !text || exact == Some(true) => present.push(value),
                // A group of NULLs alone has no smallest value; any other without one leaves the question open.
                None if u64::try_from(group.num_rows()).ok() == Some(*nulls) => {}
                _ => return None,
            }
        }
        Some(present)
    };
    let minima = converter.row_group_mins(groups.iter()).ok()?;
    let maxima = converter.row_group_maxes(groups.iter()).ok()?;
    let minima = bound(minima, converter.row_group_is_min_value_exact(groups.iter()).ok()?);
    let maxima = bound(maxima, converter.row_group_is_max_value_exact(groups.iter()).ok()?);
    let mut range = Range { nulls: nulls.as_ref().map(|nulls| nulls.iter().sum()), ..Range::default() };
    let (mut low, mut high) = (Range::default(), Range::default());
    low.widen(minima.unwrap_or_default());
    high.widen(maxima.unwrap_or_default());
    range.min = low.min;
    range.max = high.max;
    Some(range)
}

/// Holds what is in a file's column against what the log says of it, and times against the file's date.
pub(super) fn check_range(expected: &Expected, file: &LiveFile, column: &str, range: &Range) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(field) = expected.schema.field_with_name(column) else { return findings };
    let stated = |values: &std::collections::HashMap<String, serde_json::Value>| {
        values.get(column).and_then(|json| Value::of_json(json, field.data_type()))
    };
    if let (Some(stated), Some(min)) = (stated(&file.stats.min_values), &range.min)
        && !stated.is_lower_bound_of(min)
    {
        let meaning = format!("the log says that `{column}` is at least {stated}, and it goes down to {min}");
        findings.push(expected.finding(Code::FileStatistics, file, meaning));
    }
    if let (Some(stated), Some(max)) = (stated(&file.stats.max_values), &range.max)
        && !stated.is_upper_bound_of(max)
    {
        let meaning = format!("the log says that `{column}` is at most {stated}, and it goes up to {max}");
        findings.push(expected.finding(Code::FileStatistics, file, meaning));
    }
    let stated = file.stats.null_count.get(column).and_then(serde_json::Value::as_u64);
    if let (Some(stated), Some(nulls)) = (stated, range.nulls)
        && stated != nulls
    {
        let meaning = format!("the log says that `{column}` has {stated} NULLs, and it has {nulls}");
        findings.push(expected.finding(Code::FileStatistics, file, meaning));
    }
    if column == "time" {
        findings.extend(check_day(expected, file, range));
    }
    findings
}

fn check_day(expected: &Expected, file: &LiveFile, range: &Range) -> Option<Finding> {
    let date: chrono::NaiveDate = file.date.as_deref()?.parse().ok()?;
    let day = date.signed_duration_since(chrono::NaiveDate::default()).num_days();
    let outside = [&range.min, &range.max].into_iter().flatten().find(|value| match value {
        Value::Time(micros) => micros.div_euclid(MICROS_PER_DAY) != day,
        _ => false,
    })?;
    Some(expected.finding(Code::PartitionTime, file, format!("it is of {date} and has a row of {outside}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use std::sync::Arc;

    /// The footer of an empty file with these metadata.
    fn footer(metadata: &[(&str, &str)]) -> ParquetMetaData {
        use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
        use parquet::file::properties::WriterProperties;
        let pairs = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned())).collect();
        let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
        let schema = Arc::new(Schema::new(vec![Field::new("time", DataType::Int64, true)]));
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
        writer.finish().unwrap();
        let bytes = bytes::Bytes::from(writer.inner().clone());
        ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap()
    }

    #[rstest::rstest]
    #[case::as_written("1", "metric_name,service_name,series_id,time", &[])]
    #[case::newer("2", "metric_name,service_name,series_id,time", &[Code::FileNewer])]
    #[case::of_another_order("1", "time", &[Code::FileOrder])]
    fn a_footer_states_its_contract_and_order(#[case] contract: &str, #[case] order: &str, #[case] codes: &[Code]) {
        let schema = crate::model::schema::contract_schema(Signal::Metrics);
        let expected = Expected { signal: Signal::Metrics, schema };
        let file = LiveFile {
            path: "date=2023-11-14/a.parquet".into(),
            size: 0,
            rows: Some(0),
            date: Some("2023-11-14".into()),
            modified_ms: 0,
            stats: crate::lake::FileStatistics::default(),
        };
        let stated = footer(&[(footer_keys::CONTRACT, contract), (footer_keys::SORT_ORDER, order)]);
        let found: Vec<Code> = check_keys(&expected, &file, &stated).iter().map(|finding| finding.code).collect();
        assert_eq!(found, codes);
        let foreign = check_keys(&expected, &file, &footer(&[]));
        assert_eq!(foreign.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::FileForeign]);
    }

    #[test]
    fn types_are_equal_to_a_reader_or_they_are_not() {
        let text = |name: &str, data_type: DataType| Arc::new(Field::new(name, data_type, true));
        let list = |name: &str, data_type: DataType| DataType::List(text(name, data_type));
        let time = |unit, zone: Option<&str>| DataType::Timestamp(unit, zone.map(Into::into));
        assert!(same_type(&DataType::Utf8, &DataType::Utf8View));
        assert!(same_type(&list("item", DataType::Utf8), &list("element", DataType::Utf8View)));
        assert!(same_type(&time(TimeUnit::Microsecond, Some("+00:00")), &time(TimeUnit::Microsecond, Some("UTC"))));
        assert!(!same_type(&time(TimeUnit::Microsecond, None), &time(TimeUnit::Microsecond, Some("UTC"))));
        assert!(!same_type(&time(TimeUnit::Nanosecond, Some("UTC")), &time(TimeUnit::Microsecond, Some("UTC"))));
        assert!(!same_type(&list("item", DataType::Int64), &list("item", DataType::Int32)));
        assert!(!same_type(&DataType::Binary, &DataType::Utf8));
    }
}
