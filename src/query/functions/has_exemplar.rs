//! `has_exemplar(exemplars, trace_id)`: whether a metric point has an exemplar of a trace.
//!
//! Of a constant id it is answered with the help of the trace index: a view that unnests `exemplars` and is bounded by a
//! trace id reads few files with it, and reads the same rows without.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Its name in SQL.
pub(in crate::query) const NAME: &str = "has_exemplar";

/// The field of an exemplar that is compared.
const TRACE_ID: &str = "trace_id";

/// The function. A NULL or empty list has no exemplar; of a NULL id the answer is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HasExemplar {
    signature: Signature,
}

impl Default for HasExemplar {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for HasExemplar {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [list, id] if is_exemplars(list.data_type()) && is_text(id.data_type()) => {
                Ok(Arc::new(Field::new(NAME, DataType::Boolean, true)))
            }
            _ => {
                plan_err!("has_exemplar takes a metric's exemplars and a trace id: has_exemplar(exemplars, '4bf9...')")
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [list, id] = args.args.as_slice() else { return exec_err!("has_exemplar takes exemplars and a trace id") };
        let list = list.to_array(args.number_rows)?;
        let Some(lists) = list.as_list_opt::<i32>() else { return exec_err!("no exemplars: {}", list.data_type()) };
        let ids = lists.values().as_struct_opt().and_then(|exemplars| exemplars.column_by_name(TRACE_ID));
        let Some(ids) = ids else { return exec_err!("no exemplars: {}", list.data_type()) };
        let ids = cast(ids, &DataType::Utf8View)?;
        let (ids, asked) = (ids.as_string_view(), cast(&id.to_array(args.number_rows)?, &DataType::Utf8View)?);
        let asked = asked.as_string_view();
        let has = |(row, ends): (usize, &[i32])| {
            let &[start, end] = ends else { return None };
            // Offsets of a list array are never negative.
            let exemplars = if lists.is_valid(row) { start as usize..end as usize } else { 0..0 };
            let asked = text(asked, row)?;
            Some(exemplars.into_iter().any(|exemplar| text(ids, exemplar) == Some(asked)))
        };
        let rows: BooleanArray = lists.value_offsets().windows(2).enumerate().map(has).collect();
        Ok(ColumnarValue::Array(Arc::new(rows)))
    }
}

fn text(texts: &StringViewArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null)
}

fn is_exemplars(data_type: &DataType) -> bool {
    let DataType::List(element) = data_type else { return false };
    let DataType::Struct(fields) = element.data_type() else { return false };
    fields.find(TRACE_ID).is_some_and(|(_, field)| is_text(field.data_type()))
}
