//! A data file's rows as the contract has them, whoever wrote the file.
//!
//! Guarantee: batches have the contract's columns in its types, `date` among them, without the promoted ones; a file that
//! lacks one of the contract's columns is refused, since a rewrite of it would lose what the log says it has.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::files::LiveFile;
use super::parquet::footer_keys;
use super::store_file::{StoreFile, store_failed};
use crate::error::{Error, ErrorKind, Result};
use crate::model::contract::{PARTITION, sort_order};
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;

/// What a file's footer says of how it was written.
#[derive(Debug)]
pub(crate) struct FileFooter(ParquetMetaData);

impl FileFooter {
    /// Reads it.
    ///
    /// # Errors
    /// As [`file_rows`].
    pub(crate) async fn read(store: &Arc<dyn ObjectStore>, file: &LiveFile) -> Result<Self> {
        let mut reader = StoreFile::new(store, Path::from(file.path.as_str()), file.size);
        reader.footer().await.map(Self).map_err(|error| unreadable(&file.path, error))
    }

    /// The value of an entry.
    pub(crate) fn entry(&self, key: &str) -> Option<&str> {
        let entries = self.0.file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// Whether the rows are in the contract's sort order.
    pub(crate) fn is_sorted(&self, signal: Signal) -> bool {
        self.entry(footer_keys::SORT_ORDER).is_some_and(|order| *order == sort_order(signal).join(","))
    }

    /// Whether the file has a column of this name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.0.file_metadata().schema_descr().root_schema().get_fields().iter().any(|field| field.name() == name)
    }
}

/// The rows of a file, in batches of at most `batch_rows`.
///
/// # Errors
/// `NotFound` where it is gone, `Damaged` where it is no Parquet or not the contract's, `Unavailable` where the store
/// does not answer.
pub(crate) async fn file_rows(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    file: &LiveFile,
    batch_rows: usize,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    file_columns(store, signal, file, batch_rows, |_| true).await
}

/// The same, but columns that are not wanted are not read, and NULL.
///
/// # Errors
/// As [`file_rows`].
pub(crate) async fn file_columns(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    file: &LiveFile,
    batch_rows: usize,
    wanted: impl Fn(&str) -> bool + Send + 'static,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let path = file.path.clone();
    let day = file.day().ok_or_else(|| damaged(&path, "it has no date"))?;
    let reader = StoreFile::new(store, Path::from(path.as_str()), file.size);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| unreadable(&path, error))?;
    let schema = contract_schema(signal);
    let stored = builder.schema().fields().iter().enumerate();
    let own = stored.filter(|(_, field)| schema.index_of(field.name()).is_ok() && wanted(field.name()));
    let own: Vec<usize> = own.map(|(root, _)| root).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), own);
    let rows = builder.with_projection(mask).with_batch_size(batch_rows).build();
    let rows = rows.map_err(|error| unreadable(&path, error))?;
    // A damaged page may be decoded to arrays at which Arrow panics.
    let batches = AssertUnwindSafe(rows).catch_unwind().map(move |batch| {
        let batch = batch.map_err(|_| damaged(&path, "a page is damaged"))?;
        let batch = batch.map_err(|error| unreadable(&path, error))?;
        as_contract(&batch, &schema, day, &wanted).map_err(|what| damaged(&path, &what))
    });
    Ok(batches.boxed())
}

fn as_contract(
    batch: &RecordBatch,
    schema: &SchemaRef,
    day: i32,
    wanted: impl Fn(&str) -> bool,
) -> Result<RecordBatch, String> {
    let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef, String> {
        if field.name() == PARTITION {
            return Ok(Arc::new(Date32Array::from_value(day, batch.num_rows())));
        }
        if !wanted(field.name()) {
            return Ok(new_null_array(field.data_type(), batch.num_rows()));
        }
        let stored = batch.column_by_name(field.name()).ok_or_else(|| format!("it lacks `{}`", field.name()))?;
        cast(stored, field.data_type()).map_err(|error| format!("`{}`: {error}", field.name()))
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())
}

fn unreadable(path: &str, error: ParquetError) -> Error {
    if let ParquetError::External(source) = &error
        && let Some(object_store::Error::NotFound { .. }) = source.downcast_ref()
    {
        return Error::new(ErrorKind::NotFound, format!("{path} is gone")).with_source(error);
    }
    if store_failed(&error) {
        return Error::unavailable(format!("{path} can't be read")).with_source(error);
    }
    Error::new(ErrorKind::Damaged, format!("{path} can't be decoded; `telestrata check` says more")).with_source(error)
}

fn damaged(path: &str, what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("{path} is not as the contract has it: {what}"))
}
