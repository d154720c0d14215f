//! Attribute lookups in SQL: `attributes['k']` and `attr('k')`.
//!
//! Both are functions that the optimizer may push down to the scan. There, file by file, `adapter.rs` answers them
//! from a promoted column where the file says that it is exact, and from the map otherwise.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, StringArray, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExpressionPlacement, GetFieldAccess, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};

/// `map_value(map, key)`: the text under a key of a map, NULL where the key is absent.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MapValue {
    signature: Signature,
}

impl Default for MapValue {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MapValue {
    fn name(&self) -> &'static str {
        "map_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [map, key] if is_text_map(map.data_type()) && is_key(key.data_type()) => {
                Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, true)))
            }
            [map, key] => {
                plan_err!("map['key'] needs a map of text and a text, not {} and {}", map.data_type(), key.data_type())
            }
            _ => plan_err!("map_value takes a map and a key"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [map, key] = args.args.as_slice() else { return exec_err!("map_value takes a map and a key") };
        let keys = Keys::of(key, args.number_rows)?;
        let maps = [Entries::of(map, args.number_rows)?];
        Ok(ColumnarValue::Array(first_present(&maps, &keys, args.number_rows)?))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        placement(args)
    }
}

/// `attr(attributes, scope_attributes, resource_attributes, key)`: the text under a key of the first map that has it.
///
/// In SQL it is written `attr('key')`, or `attr(l, 'key')` for the table known as `l`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Attr {
    signature: Signature,
}

impl Default for Attr {
    fn default() -> Self {
        Self { signature: Signature::any(4, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Attr {
    fn name(&self) -> &'static str {
        "attr"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [maps @ .., key] if maps.iter().all(|map| is_text_map(map.data_type())) && is_key(key.data_type()) => {
                Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, true)))
            }
            _ => plan_err!("attr takes a key: attr('http.route'), or attr(l, 'http.route') for the table known as l"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((key, maps)) = args.args.split_last() else { return exec_err!("attr takes a key") };
        let keys = Keys::of(key, args.number_rows)?;
        let maps = maps.iter().map(|map| Entries::of(map, args.number_rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(first_present(&maps, &keys, args.number_rows)?))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        placement(args)
    }
}

/// Lookups of columns by literal keys belong at the scan.
fn placement(args: &[ExpressionPlacement]) -> ExpressionPlacement {
    match args.split_last() {
        Some((ExpressionPlacement::Literal, maps))
            if maps
                .iter()
                .all(|map| matches!(map, ExpressionPlacement::Column | ExpressionPlacement::MoveTowardsLeafNodes)) =>
        {
            ExpressionPlacement::MoveTowardsLeafNodes
        }
        _ => ExpressionPlacement::KeepInPlace,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// Whether a key may be of this type: text, or NULL, which a parameter is until it has its value.
fn is_key(data_type: &DataType) -> bool {
    is_text(data_type) || *data_type == DataType::Null
}

/// Whether it is the type of a map from text to text.
pub(super) fn is_text_map(data_type: &DataType) -> bool {
    let DataType::Map(entries, _) = data_type else { return false };
    let DataType::Struct(fields) = entries.data_type() else { return false };
    fields.iter().all(|field| is_text(field.data_type()))
}

/// The keys that rows look for: one for all, or one each.
enum Keys {
    One(Option<String>),
    Each(StringViewArray),
}

impl Keys {
    fn of(value: &ColumnarValue, rows: usize) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(scalar) => match scalar.try_as_str() {
                Some(text) => Ok(Self::One(text.map(str::to_owned))),
                None if scalar.is_null() => Ok(Self::One(None)),
                None => exec_err!("a key must be text, not {}", scalar.data_type()),
            },
            ColumnarValue::Array(_) => {
                let array = cast(&value.to_array(rows)?, &DataType::Utf8View)?;
                Ok(Self::Each(array.as_string_view().clone()))
            }
        }
    }

    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::One(key) => key.as_deref(),
            Self::Each(keys) => keys.is_valid(row).then(|| keys.value(row)),
        }
    }
}

/// A map column, its keys and values as plain text arrays.
struct Entries {
    map: MapArray,
    keys: StringArray,
    values: StringArray,
}

impl Entries {
    fn of(value: &ColumnarValue, rows: usize) -> Result<Self> {
        let array = value.to_array(rows)?;
        let Some(map) = array.as_map_opt() else { return exec_err!("not a map: {}", array.data_type()) };
        let keys = cast(map.keys(), &DataType::Utf8)?.as_string::<i32>().clone();
        let values = cast(map.values(), &DataType::Utf8)?.as_string::<i32>().clone();
        Ok(Self { map: map.clone(), keys, values })
    }

    /// Where the value of a key stands, `None` where the row has no such key.
    fn find(&self, row: usize, key: &str) -> Option<usize> {
        if self.map.is_null(row) {
            return None;
        }
        let offsets = self.map.value_offsets();
        // The last of equal keys, should another engine have written such.
        (offsets[row] as usize..offsets[row + 1] as usize)
            .rev()
            .find(|entry| self.keys.value(*entry) == key)
            .filter(|entry| self.values.is_valid(*entry))
    }
}

/// For each row the value under its key in the first of the maps that has it. Copies no text.
fn first_present(maps: &[Entries], keys: &Keys, rows: usize) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    let blocks: Vec<u32> = maps.iter().map(|map| builder.append_block(map.values.values().clone())).collect();
    for row in 0..rows {
        let found = keys
            .get(row)
            .and_then(|key| maps.iter().zip(&blocks).find_map(|(map, block)| Some((map, *block, map.find(row, key)?))));
        match found {
            Some((map, block, entry)) => {
                let offsets = map.values.value_offsets();
                // Arrow keeps these offsets within the block just appended, and below 2^31.
                let (start, end) = (offsets[entry] as u32, offsets[entry + 1] as u32);
                builder.try_append_view(block, start, end - start)?;
            }
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Plans `map['key']` as [`MapValue`].
#[derive(Debug)]
pub(super) struct MapLookupPlanner {
    map_value: Arc<ScalarUDF>,
}

impl Default for MapLookupPlanner {
    fn default() -> Self {
        Self { map_value: Arc::new(ScalarUDF::from(MapValue::default())) }
    }
}

impl ExprPlanner for MapLookupPlanner {
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        use datafusion::logical_expr::ExprSchemable as _;
        let (map_type, key) = match &access.field_access {
            GetFieldAccess::NamedStructField { name: ScalarValue::Utf8(Some(name)) } => {
                (access.expr.get_type(schema)?, lit(name.clone()))
            }
            GetFieldAccess::ListIndex { key } => (access.expr.get_type(schema)?, key.as_ref().clone()),
            _ => return Ok(PlannerResult::Original(access)),
        };
        if !is_text_map(&map_type) {
            return Ok(PlannerResult::Original(access));
        }
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(
            Arc::clone(&self.map_value),
            vec![access.expr, key],
        ))))
    }
}
