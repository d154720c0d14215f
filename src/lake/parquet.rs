//! How the lake's Parquet is written: one place for every writer setting, derived from the contract.
//!
//! Settings keep to what every outside reader can read: no BYTE_STREAM_SPLIT, no DELTA_BYTE_ARRAY, no Arrow schema
//! in the footer (text is plain `string`, not a view), times in UTC.

use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};
use crate::model::column::{Column, Kind, Layout};
use crate::model::contract::{CONTRACT_VERSION, PARTITION, columns, sort_order};
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;

/// Rows of a row group, at most.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Room for every `trace_id` of a row group: a million of 32 digits and their lengths.
const LARGE_DICTIONARY_BYTES: usize = 64 << 20;

/// zstd level of fresh files. Level 3 is the knee: see `docs/benchmarks.md`.
const ZSTD_LEVEL: i32 = 3;

/// Chance of a bloom filter saying yes in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// Keys of a footer's metadata.
pub(crate) mod footer_keys {
    /// The contract's version.
    pub(crate) const CONTRACT: &str = "telestrata.contract";
    /// The columns by which the rows are sorted.
    pub(crate) const SORT_ORDER: &str = "telestrata.sort_order";
    /// `dropped` where its run was written without exact duplicates.
    pub(crate) const DUPLICATES: &str = "telestrata.duplicates";
}

/// Writer options of a signal's files.
///
/// `rows` is how many rows the file will have; it bounds the bloom filters' size.
pub(crate) fn writer_options(
    signal: Signal,
    promoted: &[Promoted],
    file_schema: &SchemaRef,
    rows: usize,
) -> Result<ArrowWriterOptions> {
    let level =
        ZstdLevel::try_new(ZSTD_LEVEL).map_err(|error| Error::internal("no such zstd level").with_source(error))?;
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(sorting_columns(signal, file_schema)?))
        .set_created_by(concat!("telestrata ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![
            KeyValue::new(footer_keys::CONTRACT.to_owned(), CONTRACT_VERSION.to_string()),
            KeyValue::new(footer_keys::SORT_ORDER.to_owned(), sort_order(signal).join(",")),
        ]));
    let distinct = u64::try_from(rows.min(ROW_GROUP_ROWS)).unwrap_or(u64::MAX);
    for column in columns(signal).filter(|column| column.name != PARTITION) {
        builder = column_properties(builder, column, &mut vec![column.name.to_owned()], distinct);
    }
    for column in promoted {
        let path = ColumnPath::new(vec![column.name.clone()]);
        builder = match column.kind.kind() {
            Kind::Double => builder.set_column_statistics_enabled(path, EnabledStatistics::None),
            _ => builder.set_column_statistics_enabled(path, EnabledStatistics::Page),
        };
    }
    Ok(ArrowWriterOptions::new().with_properties(builder.build()).with_skip_arrow_metadata(true))
}

/// Settings of a column's leaves; `path` leads to it.
fn column_properties(
    builder: WriterPropertiesBuilder,
    column: &Column,
    path: &mut Vec<String>,
    distinct: u64,
) -> WriterPropertiesBuilder {
    let nested = path.len() > 1;
    match column.kind {
        Kind::Struct(fields) => struct_properties(builder, fields, path, distinct),
        Kind::List(element) => {
            path.extend(["list".to_owned(), "element".to_owned()]);
            let builder = match element {
                Kind::Struct(fields) => struct_properties(builder, fields, path, distinct),
                element => {
                    let leaf = Column { kind: *element, ..*column };
                    leaf_properties(builder, &leaf, path, true, distinct)
                }
            };
            path.truncate(path.len() - 2);
            builder
        }
        Kind::TextMap => ["key", "value"].iter().fold(builder, |builder, side| {
            path.extend(["key_value".to_owned(), (*side).to_owned()]);
            let builder = leaf_properties(builder, column, path, true, distinct);
            path.truncate(path.len() - 2);
            builder
        }),
        _ => leaf_properties(builder, column, path, nested, distinct),
    }
}

fn struct_properties(
    mut builder: WriterPropertiesBuilder,
    fields: &[Column],
    path: &mut Vec<String>,
    distinct: u64,
) -> WriterPropertiesBuilder {
    for field in fields {
        path.push(field.name.to_owned());
        builder = column_properties(builder, field, path, distinct);
        path.pop();
    }
    builder
}

fn leaf_properties(
    builder: WriterPropertiesBuilder,
    column: &Column,
    path: &[String],
    nested: bool,
    distinct: u64,
) -> WriterPropertiesBuilder {
    let path = || ColumnPath::new(path.to_vec());
    let builder = match column.layout {
        Layout::Dictionary => builder,
        Layout::LargeDictionary => builder.set_column_dictionary_page_size_limit(path(), LARGE_DICTIONARY_BYTES),
        Layout::Plain => builder.set_column_dictionary_enabled(path(), false),
        Layout::DeltaPacked => builder
            .set_column_dictionary_enabled(path(), false)
            .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED),
    };
    let statistics = match column.kind {
        // Parquet's minima leave NaN out, while DataFusion sorts it greatest: pruning by them would lose rows.
        Kind::Double => EnabledStatistics::None,
        _ if nested => EnabledStatistics::None,
        _ if column.stats => EnabledStatistics::Page,
        _ => EnabledStatistics::Chunk,
    };
    let builder = builder.set_column_statistics_enabled(path(), statistics);
    if column.bloom {
        builder
            .set_column_bloom_filter_enabled(path(), true)
            .set_column_bloom_filter_fpp(path(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path(), distinct.max(1))
    } else {
        builder
    }
}

fn sorting_columns(signal: Signal, file_schema: &SchemaRef) -> Result<Vec<SortingColumn>> {
    let mut leaf = 0;
    let mut leaves = std::collections::HashMap::new();
    for field in file_schema.fields() {
        leaves.insert(field.name().as_str(), leaf);
        leaf += leaf_count(field.data_type());
    }
    sort_order(signal)
        .iter()
        .map(|name| {
            let column_idx =
                leaves.get(name).copied().ok_or_else(|| Error::internal(format!("no column `{name}` to sort by")))?;
            Ok(SortingColumn { column_idx, descending: false, nulls_first: true })
        })
        .collect()
}

fn leaf_count(data_type: &arrow::datatypes::DataType) -> i32 {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        DataType::List(field) | DataType::Map(field, _) => leaf_count(field.data_type()),
        _ => 1,
    }
}
