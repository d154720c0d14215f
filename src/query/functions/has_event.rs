//! `has_event(events, key, value)`: whether a span has an event with this attribute, or with this name for the key
//! `event`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

const USAGE: &str =
    "has_event takes a span's events, a key and a value: has_event(events, 'exception.type', 'Timeout')";

/// The key under which an event's name is looked for, as Jaeger has it.
const NAME_KEY: &str = "event";

/// `has_event(events, key, value)`: true where a span has such an event; false otherwise, never NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HasEvent {
    signature: Signature,
}

impl Default for HasEvent {
    fn default() -> Self {
        Self { signature: Signature::any(3, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for HasEvent {
    fn name(&self) -> &'static str {
        "has_event"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [DataType::List(_) | DataType::Null, key, value] if is_text(key) && is_text(value) => Ok(DataType::Boolean),
            _ => plan_err!("{USAGE}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [events, ColumnarValue::Scalar(key), ColumnarValue::Scalar(value)] = args.args.as_slice() else {
            return plan_err!("{USAGE}; key and value are constants");
        };
        let (Some(Some(key)), Some(Some(value))) = (key.try_as_str(), value.try_as_str()) else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(false))));
        };
        let events = events.to_array(args.number_rows)?;
        let Some(spans) = events.as_list_opt::<i32>() else { return exec_err!("{USAGE}") };
        let found = Events::of(spans.values())?;
        let offsets = spans.value_offsets();
        let has = |row: usize| {
            spans.is_valid(row) && (offsets[row] as usize..offsets[row + 1] as usize).any(|at| found.is(at, key, value))
        };
        Ok(ColumnarValue::Array(Arc::new((0..spans.len()).map(|row| Some(has(row))).collect::<BooleanArray>())))
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// The names and attributes of all events of a batch.
struct Events {
    names: StringViewArray,
    attributes: arrow::array::MapArray,
    keys: StringViewArray,
    values: StringViewArray,
}

impl Events {
    fn of(events: &ArrayRef) -> Result<Self> {
        let fields = events.as_struct_opt();
        let field = |name: &str| fields.and_then(|events| events.column_by_name(name));
        let (Some(names), Some(attributes)) = (field("name"), field("attributes").and_then(|map| map.as_map_opt()))
        else {
            return exec_err!("{USAGE}");
        };
        let text = |array: &ArrayRef| -> Result<StringViewArray> {
            Ok(cast(array, &DataType::Utf8View)?.as_string_view().clone())
        };
        let (keys, values) = (text(attributes.keys())?, text(attributes.values())?);
        Ok(Self { names: text(names)?, attributes: attributes.clone(), keys, values })
    }

    fn is(&self, at: usize, key: &str, value: &str) -> bool {
        let named = key == NAME_KEY && self.names.is_valid(at) && self.names.value(at) == value;
        let offsets = self.attributes.value_offsets();
        let mut entries = offsets[at] as usize..offsets[at + 1] as usize;
        named
            || (self.attributes.is_valid(at)
                && entries.any(|entry| {
                    self.keys.value(entry) == key && self.values.is_valid(entry) && self.values.value(entry) == value
                }))
    }
}
