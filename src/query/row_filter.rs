//! A condition in SQL as a test of rows in memory: what retention keeps, what is held, what is erased.
//!
//! Guarantee: it says of a row what `SELECT ... FROM table WHERE condition` would say, whenever it is asked: a condition
//! that looks at other rows, at the clock or at chance is refused.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, prep_null_mask_filter};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider,
};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::prelude::SessionConfig;
use futures::FutureExt;

use super::asked::has_subquery;
use super::budget::QueryBudget;
use super::error::from_datafusion;
use super::filter::{error_in_condition, filtered_table};
use super::functions;
use super::sql_objects::SqlObjects;
use super::statement::parse;
use super::suggest::Names;
use crate::error::{Error, Result};
use crate::model::promote::Promoter;
use crate::model::promoted::Promoted;
use crate::model::schema::{contract_schema, table_schema};
use crate::model::signal::Signal;

/// The view whose rows are whole traces.
const TRACES: &str = "traces";

/// The columns of the view `traces`.
pub fn traces_schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let services = DataType::new_list(DataType::Utf8View, true);
    let columns = [
        ("trace_id", DataType::Utf8View),
        ("time", time),
        ("duration_ms", DataType::Float64),
        ("root_service", DataType::Utf8View),
        ("root_name", DataType::Utf8View),
        ("span_count", DataType::Int64),
        ("stored_span_count", DataType::Int64),
        ("error_count", DataType::Int64),
        ("services", services),
        ("log_count", DataType::Int64),
        ("error_log_count", DataType::Int64),
    ];
    let fields: Vec<Field> = columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
    Arc::new(Schema::new(fields))
}

/// Plans conditions; made once.
pub struct RowFilters {
    state: SessionState,
    objects: Arc<SqlObjects>,
}

impl fmt::Debug for RowFilters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowFilters").finish_non_exhaustive()
    }
}

/// A condition over the rows of one table.
#[derive(Debug, Clone)]
pub struct RowFilter {
    condition: Arc<dyn PhysicalExpr>,
    promoted: Vec<Promoted>,
    /// The contract's columns, then the promoted ones that the condition names.
    schema: SchemaRef,
}

impl RowFilters {
    /// All functions of queries, no tables.
    ///
    /// # Errors
    /// If the functions can't be registered, which a test rules out.
    pub fn new(budget: &QueryBudget, objects: Arc<SqlObjects>) -> Result<Self> {
        let mut config = SessionConfig::new();
        config.options_mut().sql_parser.collect_spans = true;
        let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
        let state = functions::with_our_sql(state, budget).map_err(from_datafusion)?;
        Ok(Self { state, objects })
    }

    /// A condition, as after WHERE, over the contract's columns of a table and these promoted ones.
    ///
    /// # Errors
    /// `Invalid`, with the position in the condition, where it is none, names what is not there, or asks more than the
    /// row itself.
    pub fn filter(&self, signal: Signal, promoted: &[Promoted], condition: &str) -> Result<RowFilter> {
        let schema = table_schema(signal, promoted);
        let logical = self.condition(signal.table(), &schema, promoted, condition)?;
        let named: HashSet<String> = logical.column_refs().into_iter().map(|column| column.name.clone()).collect();
        let promoted: Vec<Promoted> = promoted.iter().filter(|column| named.contains(&column.name)).cloned().collect();
        let schema = table_schema(signal, &promoted);
        let columns = DFSchema::try_from_qualified_schema(signal.table(), &schema).map_err(from_datafusion)?;
        let condition = self.state.create_physical_expr(logical, &columns).map_err(from_datafusion)?;
        let filter = RowFilter { condition, promoted, schema };
        // A constant that does not fit its type shows now, not at the first row.
        filter.matches(&RecordBatch::new_empty(contract_schema(signal)))?;
        Ok(filter)
    }

    /// A condition, as after WHERE, over the columns of the view `traces`, for rows of [`traces_schema`].
    ///
    /// # Errors
    /// As [`Self::filter`].
    pub fn traces_filter(&self, condition: &str) -> Result<RowFilter> {
        let schema = traces_schema();
        let logical = self.condition(TRACES, &schema, &[], condition)?;
        let columns = DFSchema::try_from_qualified_schema(TRACES, &schema).map_err(from_datafusion)?;
        let condition = self.state.create_physical_expr(logical, &columns).map_err(from_datafusion)?;
        let filter = RowFilter { condition, promoted: Vec::new(), schema: Arc::clone(&schema) };
        filter.matches(&RecordBatch::new_empty(schema))?;
        Ok(filter)
    }

    /// The condition over a table of this schema, checked, not yet made for rows.
    fn condition(&self, table: &str, schema: &SchemaRef, promoted: &[Promoted], condition: &str) -> Result<Expr> {
        let sql = filtered_table(table, Some(condition))?;
        let tables = MemorySchemaProvider::new();
        let empty = Arc::new(EmptyTable::new(Arc::clone(schema)));
        tables.register_table(table.to_owned(), empty).map_err(from_datafusion)?;
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema("public", Arc::new(tables)).map_err(from_datafusion)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog("datafusion".to_owned(), Arc::new(catalog));
        let state =
            SessionStateBuilder::new_from_existing(self.state.clone()).with_catalog_list(Arc::new(catalogs)).build();
        let names = Names { sql: &sql, state: &state, objects: &self.objects, promoted };
        // Nothing waits: the one table is in memory.
        let planned = state.statement_to_plan(parse(&sql).map_err(error_in_condition)?).now_or_never();
        let planned = planned.ok_or_else(|| Error::internal("planning a condition waited for something"))?;
        let plan = planned.map_err(|error| error_in_condition(names.explain(error)))?;
        let condition = the_condition(plan)?;
        only_of_the_row(&condition)?;
        Ok(condition)
    }
}

/// The one filter of `SELECT * FROM table WHERE (condition)`.
fn the_condition(plan: LogicalPlan) -> Result<Expr> {
    match plan {
        LogicalPlan::Projection(projection) => the_condition(Arc::unwrap_or_clone(projection.input)),
        LogicalPlan::Filter(filter) => Ok(filter.predicate),
        _ => Err(Error::internal("a condition was planned to something else")),
    }
}

fn only_of_the_row(condition: &Expr) -> Result<()> {
    if has_subquery(condition) {
        return Err(Error::invalid("the condition is of one row: it has no subquery"));
    }
    let unfit = |expr: &Expr| {
        Ok(match expr {
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Placeholder(_) => true,
            Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
            _ => false,
        })
    };
    if condition.exists(unfit).map_err(from_datafusion)? {
        return Err(Error::invalid(
            "the condition must say the same of a row whenever it is asked: no now(), random(), aggregates or parameters",
        ));
    }
    Ok(())
}

impl RowFilter {
    /// The columns that the condition reads: of a table, those of the contract.
    pub fn columns(&self) -> BTreeSet<&str> {
        let named = collect_columns(&self.condition);
        let named: HashSet<&str> = named.iter().map(|column| column.name()).collect();
        let maps = self.promoted.iter().flat_map(|promoted| &promoted.sources).map(|source| source.map.column());
        let own = self.schema.fields().iter().map(|field| field.name().as_str());
        let is_promoted = |name: &&str| self.promoted.iter().any(|promoted| promoted.name == **name);
        own.filter(|name| named.contains(name)).filter(|name| !is_promoted(name)).chain(maps).collect()
    }

    /// Of each row whether the condition is true; never NULL. The batch has the contract's columns.
    ///
    /// # Errors
    /// What evaluating meets, such as a division by zero; `Internal` for a batch of other columns.
    pub fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let failed = |error| Error::internal("a condition can't be asked of these rows").with_source(error);
        let batch = if self.promoted.is_empty() {
            batch.clone()
        } else {
            Promoter::new(&self.promoted).promote(batch, &self.schema).map_err(failed)?
        };
        let value = self.condition.evaluate(&batch).and_then(|value| value.into_array(batch.num_rows()));
        let value = cast(&value.map_err(from_datafusion)?, &DataType::Boolean).map_err(failed)?;
        let value = value.as_boolean();
        Ok(if value.null_count() == 0 { value.clone() } else { prep_null_mask_filter(value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Position;
    use crate::model::promoted::default_promoted;

    fn filters() -> RowFilters {
        let budget = crate::config::Config::from_layers(&crate::config::Layers::load(None, |_| None).unwrap());
        RowFilters::new(&budget.unwrap().query, Arc::new(SqlObjects::built_in().unwrap())).unwrap()
    }

    #[rstest::rstest]
    #[case("severity_number >= 17 or service_name = 'payments'")]
    #[case("attributes['user.id'] = 'u42' and attr('tenant') is not null")]
    #[case("logs.http_route like '/api/%'")]
    #[case("sample(trace_id, 0.1)")]
    #[case("null")]
    fn a_condition_of_the_row_is_taken(#[case] condition: &str) {
        let filter = filters().filter(Signal::Logs, &default_promoted(), condition).unwrap();
        let none = RecordBatch::new_empty(contract_schema(Signal::Logs));
        assert_eq!(filter.matches(&none).unwrap().len(), 0);
    }

    #[rstest::rstest]
    #[case("severity_number", "non-boolean")]
    #[case("severity >= 17", "no column severity")]
    #[case("severity_number >= 'high'", "high")]
    #[case("time > now() - interval '1 day'", "now()")]
    #[case("random() < 0.5", "random()")]
    #[case("trace_id in (select trace_id from logs)", "subquery")]
    #[case("count(*) > 1", "")]
    #[case("severity_number >= $1", "parameters")]
    #[case("duration_nano > 5", "duration_nano")]
    fn what_is_more_is_refused(#[case] condition: &str, #[case] named: &str) {
        let error = filters().filter(Signal::Logs, &default_promoted(), condition).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }

    #[test]
    fn an_error_has_its_place_in_the_condition() {
        let error = filters().filter(Signal::Logs, &[], "severity_number > 1\n and severity = 2").unwrap_err();
        assert_eq!(error.position(), Some(Position { line: 2, column: 6 }));
    }
}
