//! Fits a query's expressions to one file: promoted columns the file lacks, and lookups it can answer from a column.
//!
//! ```text
//! http_route                  --> http_route                                 the file has it
//!                             --> its expression over the maps               the file is older than it
//! attributes['http.route']    --> http_route                                 the footer marks it exact
//!                             --> the map                                    it does not
//! ```
//! Filters pass through here too, so row groups and pages are pruned by the column that stands in (invariant 9).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, exec_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use super::lookup::{Attr, MapValue};
use crate::model::promote::{Lookup, MARKS_KEY, Marks, Promoter};
use crate::model::promoted::{AttributeMap, Promoted};

/// Makes a [`ContractAdapter`] for each file.
#[derive(Debug)]
pub(super) struct ContractAdapterFactory {
    promoted: HashMap<String, Promoted>,
}

impl ContractAdapterFactory {
    /// For a table with these promoted columns.
    pub(super) fn new(promoted: &[Promoted]) -> Self {
        Self { promoted: promoted.iter().map(|promoted| (promoted.name.clone(), promoted.clone())).collect() }
    }
}

impl PhysicalExprAdapterFactory for ContractAdapterFactory {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let missing = self.promoted.iter().filter(|(name, _)| physical.index_of(name).is_err());
        Ok(Arc::new(ContractAdapter {
            marks: physical.metadata().get(MARKS_KEY).map(|json| Marks::from_json(json)).unwrap_or_default(),
            missing: missing.map(|(name, promoted)| (name.clone(), promoted.clone())).collect(),
            default: DefaultPhysicalExprAdapterFactory.create(Arc::clone(&logical), physical)?,
            logical,
        }))
    }
}

/// The adapter of one file.
#[derive(Debug)]
struct ContractAdapter {
    logical: SchemaRef,
    marks: Marks,
    missing: HashMap<String, Promoted>,
    default: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for ContractAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let fitted = expr
            .transform_down(|expr| {
                let standing_in = lookup_of(&expr).and_then(|lookup| self.marks.column(&lookup));
                // A mark that names no column of the table is another program's; the map answers.
                if let Some(column) = standing_in.filter(|column| self.logical.index_of(column).is_ok()) {
                    return Ok(Transformed::new(
                        self.column_as_text(column)?,
                        true,
                        datafusion::common::tree_node::TreeNodeRecursion::Jump,
                    ));
                }
                if let Some(promoted) = expr.downcast_ref::<Column>().and_then(|column| self.missing.get(column.name()))
                {
                    let value = promoted_value(promoted, &self.logical)?;
                    return Ok(Transformed::new(value, true, datafusion::common::tree_node::TreeNodeRecursion::Jump));
                }
                Ok(Transformed::no(expr))
            })
            .data()?;
        self.default.rewrite(fitted)
    }
}

impl ContractAdapter {
    fn column_as_text(&self, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        let index = self.logical.index_of(name)?;
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, index));
        if self.logical.field(index).data_type() == &DataType::Utf8View {
            return Ok(column);
        }
        Ok(Arc::new(CastExpr::new(column, DataType::Utf8View, None)))
    }
}

/// The lookup that an expression is, if it is one of a column by a literal key.
pub(super) fn lookup_of(expr: &Arc<dyn PhysicalExpr>) -> Option<Lookup> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (key, maps) = call.args().split_last()?;
    let key = key.downcast_ref::<Literal>()?.value().try_as_str()??.to_owned();
    let maps: Vec<AttributeMap> = maps
        .iter()
        .map(|map| AttributeMap::from_column(map.downcast_ref::<Column>()?.name()))
        .collect::<Option<_>>()?;
    let function = call.fun().inner();
    if function.downcast_ref::<MapValue>().is_some() {
        return maps.first().map(|map| Lookup::Map(*map, key));
    }
    (function.downcast_ref::<Attr>().is_some() && maps == AttributeMap::LOOKUP_ORDER).then_some(Lookup::Any(key))
}

/// A promoted column's defining expression, over the maps of `schema`.
pub(super) fn promoted_value(promoted: &Promoted, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let args = AttributeMap::LOOKUP_ORDER
        .iter()
        .map(|map| Ok(Arc::new(Column::new_with_schema(map.column(), schema)?) as Arc<dyn PhysicalExpr>))
        .collect::<Result<Vec<_>>>()?;
    let function = ScalarUDF::from(PromotedValue::new(promoted.clone()));
    let call = ScalarFunctionExpr::try_new(Arc::new(function), args, schema, Arc::new(ConfigOptions::default()))?;
    Ok(Arc::new(call))
}

/// A promoted column computed from a record's three maps.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PromotedValue {
    promoted: Promoted,
    name: String,
    signature: Signature,
}

impl PromotedValue {
    fn new(promoted: Promoted) -> Self {
        let name = format!("promoted_{}", promoted.name);
        Self { promoted, name, signature: Signature::any(AttributeMap::LOOKUP_ORDER.len(), Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for PromotedValue {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.promoted.field().data_type().clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|arg| arg.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let fields: Vec<Field> = AttributeMap::LOOKUP_ORDER
            .iter()
            .zip(&arrays)
            .map(|(map, array)| Field::new(map.column(), array.data_type().clone(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        match Promoter::new(std::slice::from_ref(&self.promoted)).columns_of(&batch)?.pop() {
            Some(column) => Ok(ColumnarValue::Array(column)),
            None => exec_err!("no promoted column"),
        }
    }
}
