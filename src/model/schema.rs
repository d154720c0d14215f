//! The Arrow schemas that follow from the contract.
//!
//! A hot batch has the contract's columns; a file has the promoted ones after them. In memory a column's text is
//! `Utf8View`, text nested in maps, lists and structs is `Utf8`.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::contract::columns;
use super::promoted::Promoted;
use super::signal::Signal;

/// The schema of a signal's hot batches: every column of the contract, without the promoted ones.
pub fn contract_schema(signal: Signal) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; 3]> = LazyLock::new(|| {
        Signal::ALL.map(|signal| {
            let fields: Vec<Field> = columns(signal).map(super::Column::field).collect();
            Arc::new(Schema::new(fields))
        })
    });
    let [logs, spans, metrics] = &*SCHEMAS;
    match signal {
        Signal::Logs => Arc::clone(logs),
        Signal::Spans => Arc::clone(spans),
        Signal::Metrics => Arc::clone(metrics),
    }
}

/// The schema of a signal's table: the contract's columns, then the promoted ones.
pub fn table_schema(signal: Signal, promoted: &[Promoted]) -> SchemaRef {
    let mut fields: Vec<Field> = columns(signal).map(super::Column::field).collect();
    fields.extend(promoted.iter().map(Promoted::field));
    Arc::new(Schema::new(fields))
}
