//! `has_exemplar(exemplars, trace_id, ...)`: whether a metric point was sampled in one of these traces.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StringArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Its name in SQL.
pub(in crate::query) const NAME: &str = "has_exemplar";

const USAGE: &str = "has_exemplar takes a point's exemplars, then trace ids: has_exemplar(exemplars, 'ab..', 'cd..')";

/// `has_exemplar(exemplars, trace_id, ...)`: true where a point has an exemplar with one of the ids, each a text or a
/// list of texts; false otherwise, never NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) struct HasExemplar {
    signature: Signature,
}

impl Default for HasExemplar {
    fn default() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for HasExemplar {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.split_first() {
            Some((DataType::List(element), ids))
                if has_trace_id(element.data_type()) && !ids.is_empty() && ids.iter().all(is_text_or_texts) =>
            {
                Ok(DataType::Boolean)
            }
            _ => plan_err!("{USAGE}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((exemplars, ids)) = args.args.split_first() else { return exec_err!("{USAGE}") };
        let exemplars = exemplars.to_array(args.number_rows)?;
        let Some(points) = exemplars.as_list_opt::<i32>() else { return exec_err!("{USAGE}") };
        let traces = traces_of(points)?;
        let mut constant = HashSet::new();
        let mut each_row = Vec::new();
        for id in ids {
            match id {
                ColumnarValue::Scalar(ScalarValue::List(ids)) => constant.extend(texts(&ids.value(0))?),
                ColumnarValue::Scalar(id) => constant.extend(id.try_as_str().flatten().map(str::to_owned)),
                ColumnarValue::Array(ids) => each_row.push(ids_by_row(ids)?),
            }
        }
        let offsets = points.value_offsets();
        let has = |row: usize| {
            points.is_valid(row)
                && (offsets[row] as usize..offsets[row + 1] as usize).filter(|at| traces.is_valid(*at)).any(|at| {
                    let trace = traces.value(at);
                    constant.contains(trace) || each_row.iter().any(|ids| ids.has(row, trace))
                })
        };
        Ok(ColumnarValue::Array(Arc::new((0..points.len()).map(|row| Some(has(row))).collect::<BooleanArray>())))
    }
}

fn is_text_or_texts(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => true,
        DataType::List(element) => is_text_or_texts(element.data_type()),
        _ => false,
    }
}

fn has_trace_id(element: &DataType) -> bool {
    let DataType::Struct(fields) = element else { return false };
    fields.iter().any(|field| field.name() == "trace_id" && is_text_or_texts(field.data_type()))
}

/// The trace ids of all elements of the lists.
fn traces_of(points: &ListArray) -> Result<StringArray> {
    let traces = points.values().as_struct_opt().and_then(|exemplar| exemplar.column_by_name("trace_id"));
    let Some(traces) = traces else { return exec_err!("{USAGE}") };
    Ok(cast(traces, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn texts(ids: &ArrayRef) -> Result<Vec<String>> {
    let ids = cast(ids, &DataType::Utf8View)?;
    Ok(ids.as_string_view().iter().flatten().map(str::to_owned).collect())
}

/// Ids that differ by row, one or a list of them.
enum IdsByRow {
    One(StringViewArray),
    Many(ListArray, StringViewArray),
}

impl IdsByRow {
    fn has(&self, row: usize, trace: &str) -> bool {
        match self {
            Self::One(ids) => ids.is_valid(row) && ids.value(row) == trace,
            Self::Many(lists, ids) => {
                let offsets = lists.value_offsets();
                lists.is_valid(row)
                    && (offsets[row] as usize..offsets[row + 1] as usize)
                        .any(|at| ids.is_valid(at) && ids.value(at) == trace)
            }
        }
    }
}

fn ids_by_row(ids: &ArrayRef) -> Result<IdsByRow> {
    let text = |array: &ArrayRef| Ok::<_, datafusion::error::DataFusionError>(cast(array, &DataType::Utf8View)?);
    match ids.as_list_opt::<i32>() {
        Some(lists) => Ok(IdsByRow::Many(lists.clone(), text(lists.values())?.as_string_view().clone())),
        None => Ok(IdsByRow::One(text(ids)?.as_string_view().clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ListBuilder, StringBuilder, StructBuilder};
    use arrow::datatypes::{Field, Fields};
    use datafusion::config::ConfigOptions;

    /// Three points: exemplars of traces a and none; no exemplars; NULL.
    fn points() -> ArrayRef {
        let fields = Fields::from(vec![Field::new("trace_id", DataType::Utf8, true)]);
        let mut lists = ListBuilder::new(StructBuilder::from_fields(fields, 4));
        for (valid, traces) in [(true, &[Some("a"), None][..]), (true, &[]), (true, &[Some("b")]), (false, &[])] {
            for trace in traces {
                lists.values().field_builder::<StringBuilder>(0).unwrap().append_option(*trace);
                lists.values().append(true);
            }
            lists.append(valid);
        }
        Arc::new(lists.finish())
    }

    fn text(id: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(id))
    }

    fn list(ids: &[&str]) -> ColumnarValue {
        let ids: Vec<ScalarValue> = ids.iter().map(|id| ScalarValue::from(*id)).collect();
        ColumnarValue::Scalar(ScalarValue::List(ScalarValue::new_list_nullable(&ids, &DataType::Utf8)))
    }

    #[rstest::rstest]
    #[case::one(vec![text("a")], [true, false, false, false])]
    #[case::several(vec![text("a"), text("b")], [true, false, true, false])]
    #[case::a_list(vec![list(&["x", "b"])], [false, false, true, false])]
    #[case::null(vec![ColumnarValue::Scalar(ScalarValue::Utf8(None))], [false; 4])]
    #[case::by_row(vec![ColumnarValue::Array(Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("a"), None])))], [true, false, false, false])]
    fn exemplars_of_traces(#[case] ids: Vec<ColumnarValue>, #[case] expected: [bool; 4]) {
        let args = std::iter::once(ColumnarValue::Array(points())).chain(ids).collect();
        let args = ScalarFunctionArgs {
            args,
            arg_fields: Vec::new(),
            number_rows: 4,
            return_field: Arc::new(Field::new("has", DataType::Boolean, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        let has = HasExemplar::default().invoke_with_args(args).unwrap().to_array(4).unwrap();
        assert_eq!(has.as_boolean(), &BooleanArray::from(expected.to_vec()));
    }
}
