//! The session that catalogue queries are planned in.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider,
};
use datafusion::common::{DataFusionError, Result as PlanResult, ScalarValue};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_pg_catalog::pg_catalog::quote_ident_udf::create_parse_ident_udf;
use tokio::sync::OnceCell;

use super::super::error::from_datafusion;
use super::super::planner::CATALOG;
use super::super::statement::{MAX_DEPTH, check_length};
use super::index::Index;
use super::lake::{FunctionSource, Lake, RelationSource, role_rows, setting_rows};
use super::parameters::parameters;
use super::rewrite::{Params, Tables, rewrite};
use super::tables::{FixedTables, MADE, OF_USER, Providers, own_types, provider};
use super::{functions, route};
use crate::error::{Error, Result};

/// Answers catalogue queries.
#[derive(Debug, Default)]
pub(in super::super) struct PgCatalog {
    fixed: OnceCell<Arc<Fixed>>,
    latest: Mutex<Option<Arc<CatalogueTables>>>,
}

/// What is the same for every lake.
#[derive(Debug)]
struct Fixed {
    tables: FixedTables,
    /// The names that tell a catalogue query.
    names: Tables,
    functions: HashSet<String>,
}

/// The catalogue of a lake as it is at one moment.
#[derive(Debug)]
pub(in super::super) struct CatalogueTables {
    /// What it was made of.
    made_of: Vec<SchemaRef>,
    index: Arc<Index>,
    providers: Providers,
    tables: Tables,
    /// Has the functions; each query's has its tables too.
    state: SessionState,
    /// The tables of those who have asked; there are no more than users.
    of_user: Mutex<HashMap<String, Providers>>,
}

/// A query of the catalogue.
#[derive(Debug)]
pub(in super::super) struct CatalogueQuery {
    query: Box<Query>,
    parameters: Vec<Option<DataType>>,
}

impl PgCatalog {
    /// The query, if a text is one of the catalogue's.
    ///
    /// # Errors
    /// `Invalid` for one that reads the lake too, and one that is too long.
    pub(in super::super) async fn query(&self, sql: &str) -> Result<Option<CatalogueQuery>> {
        let fixed = self.fixed().await?;
        check_length(sql)?;
        let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(MAX_DEPTH);
        // What is no SQL is for the lake's own parser to report, with its place.
        let Ok(mut parser) = parser.try_with_sql(sql) else { return Ok(None) };
        let Ok(mut statements) = parser.parse_statements() else { return Ok(None) };
        let (Some(SqlStatement::Query(query)), true) = (statements.pop(), statements.is_empty()) else {
            return Ok(None);
        };
        if !route::is_catalogue(&query, &fixed.names, &fixed.functions)? {
            return Ok(None);
        }
        let parameters = parameters(&query);
        Ok(Some(CatalogueQuery { query, parameters }))
    }

    /// The catalogue of a lake whose tables have these columns; made by `lake` where it is another than the latest.
    ///
    /// # Errors
    /// What `lake` met.
    pub(in super::super) async fn over(
        &self,
        made_of: Vec<SchemaRef>,
        lake: impl Future<Output = Result<(Vec<RelationSource>, Vec<FunctionSource>)>>,
    ) -> Result<Arc<CatalogueTables>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(latest) = latest.filter(|latest| latest.made_of == made_of) {
            return Ok(latest);
        }
        let (relations, functions) = lake.await?;
        let fixed = self.fixed().await?;
        let made = CatalogueTables::new(&fixed, made_of, Lake::new(relations, functions)).await;
        let made = Arc::new(made.map_err(from_datafusion)?);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&made));
        Ok(made)
    }

    async fn fixed(&self) -> Result<Arc<Fixed>> {
        let made = self.fixed.get_or_try_init(async || Fixed::new().map(Arc::new)).await;
        made.cloned().map_err(from_datafusion)
    }
}

impl Fixed {
    fn new() -> PlanResult<Self> {
        let tables = FixedTables::new()?;
        let mut known = Tables::default();
        for table in &tables.tables {
            known.columns.insert((table.schema.to_owned(), table.name.clone()), table.rows.schema());
        }
        for table in MADE {
            known.columns.insert((table.schema.to_owned(), table.name.to_owned()), Arc::new(Schema::empty()));
        }
        let index = Arc::default();
        let all = functions::of_catalogue(&index).into_iter().chain(functions::of_user(""));
        let arrays: HashSet<String> = super::arrays::functions().iter().map(|one| one.name().to_owned()).collect();
        let names = all.map(|function| function.name().to_owned());
        // Queries of the lake have DataFusion's.
        let mut functions: HashSet<String> = names.filter(|name| !arrays.contains(name)).collect();
        functions.extend(["current_schemas", "pg_get_keywords"].map(str::to_owned));
        Ok(Self { tables, names: known, functions })
    }
}

impl CatalogueTables {
    async fn new(fixed: &Fixed, made_of: Vec<SchemaRef>, mut lake: Lake) -> PlanResult<Self> {
        let maker = maker(&lake, super::OWNER)?;
        let mut tables = Tables::default();
        let mut providers = Providers::new();
        for table in &fixed.tables.tables {
            let key = (table.schema.to_owned(), table.name.clone());
            lake.add_system(table.schema, &table.name, table.rows.schema());
            if table.rows.num_rows() == 0 {
                tables.empty.insert(key.clone());
            }
            tables.columns.insert(key.clone(), table.rows.schema());
            providers.insert(key, provider(table.rows.clone())?);
        }
        for table in MADE {
            let schema = made(&maker, table.sql, true).await?.schema();
            lake.add_system(table.schema, table.name, Arc::clone(&schema));
            tables.columns.insert((table.schema.to_owned(), table.name.to_owned()), schema);
        }
        // Again, since the catalogue tells of its own tables too.
        let maker = self::maker(&lake, super::OWNER)?;
        for table in MADE.iter().filter(|table| !OF_USER.contains(&table.name)) {
            let rows = made(&maker, table.sql, false).await?;
            providers.insert((table.schema.to_owned(), table.name.to_owned()), provider(rows)?);
        }
        let index = Arc::new(Index::new(&lake, fixed.tables.rows("pg_type").map_or(&[], std::slice::from_ref))?);
        let mut state = SessionStateBuilder::new().with_default_features().with_config(config("pg_catalog")).build();
        for function in functions::of_catalogue(&index) {
            // With its other names: a session made of this one registers each function by all that it has.
            let replaced = state.scalar_functions().get(function.name()).map(|known| known.name().to_owned());
            if let Some(replaced) = replaced {
                state.deregister_udf(&replaced)?;
            }
            state.register_udf(Arc::new(function))?;
        }
        state.register_udf(Arc::new(create_parse_ident_udf()))?;
        state.register_udtf("pg_get_keywords", Arc::clone(&fixed.tables.keywords) as _);
        Ok(Self { made_of, index, providers, tables, state, of_user: Mutex::default() })
    }

    /// The plan of a query, and the session it is to run in.
    ///
    /// # Errors
    /// `Invalid` for one that can't be planned.
    pub(in super::super) async fn plan(
        &self,
        query: CatalogueQuery,
        params: Option<&[ScalarValue]>,
        user: &str,
        runtime: Arc<RuntimeEnv>,
    ) -> Result<(LogicalPlan, SessionState)> {
        let mut query = query.query;
        let params = params.map_or(Params::Unknown, Params::Given);
        rewrite(&mut query, params, &self.index, &self.tables).map_err(from_datafusion)?;
        let state = self.session(user, runtime).await.map_err(from_datafusion)?;
        let statement = Statement::Statement(Box::new(SqlStatement::Query(query)));
        let plan = state.statement_to_plan(statement).await.map_err(explained)?;
        Ok((plan, state))
    }

    async fn session(&self, user: &str, runtime: Arc<RuntimeEnv>) -> PlanResult<SessionState> {
        let of_user = self.of_user(user).await?;
        let catalog = MemoryCatalogProvider::new();
        for schema in ["pg_catalog", "information_schema"] {
            let tables = MemorySchemaProvider::new();
            for ((_, name), provider) in self.providers.iter().chain(&of_user).filter(|((of, _), _)| of == schema) {
                tables.register_table(name.clone(), Arc::clone(provider))?;
            }
            catalog.register_schema(schema, Arc::new(tables))?;
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let mut state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_catalog_list(Arc::new(catalogs))
            .with_runtime_env(runtime)
            .build();
        for function in functions::of_user(user) {
            state.register_udf(Arc::new(function))?;
        }
        state.mark_start_execution();
        Ok(state)
    }

    /// The tables that differ with the one who asks.
    async fn of_user(&self, user: &str) -> PlanResult<Providers> {
        let known = self.of_user.lock().unwrap_or_else(PoisonError::into_inner).get(user).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let maker = maker(&Lake::default(), user)?;
        let mut tables = Providers::new();
        for table in MADE.iter().filter(|table| OF_USER.contains(&table.name)) {
            let rows = made(&maker, table.sql, false).await?;
            tables.insert((table.schema.to_owned(), table.name.to_owned()), provider(rows)?);
        }
        self.of_user.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), tables.clone());
        Ok(tables)
    }
}

impl CatalogueQuery {
    /// The types of its parameters, where their places tell.
    pub(in super::super) fn parameters(&self) -> &[Option<DataType>] {
        &self.parameters
    }
}

/// What the catalogue can't answer is said as such.
fn explained(error: DataFusionError) -> Error {
    let plain = from_datafusion(error);
    Error::invalid(format!("the catalogue can't answer this: {}", plain.message())).with_position(plain.position())
}

fn config(schema: &str) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, schema)
        .with_create_default_catalog_and_schema(false)
        .with_target_partitions(1);
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    config
}

/// A session over the tables of a lake.
fn maker(lake: &Lake, user: &str) -> PlanResult<SessionContext> {
    let tables = MemorySchemaProvider::new();
    let rows = [
        ("schemas", lake.schema_rows()?),
        ("relations", lake.relation_rows()?),
        ("columns", lake.column_rows()?),
        ("functions", lake.function_rows()?),
        ("settings", setting_rows()?),
        ("roles", role_rows(user)?),
    ];
    for (name, rows) in rows {
        tables.register_table(name.to_owned(), provider(rows)?)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("lake", Arc::new(tables))?;
    let context = SessionContext::new_with_config(config("lake"));
    context.register_catalog(CATALOG, Arc::new(catalog));
    Ok(context)
}

/// The rows of a table that SQL makes, or none where only its columns are asked for.
async fn made(maker: &SessionContext, sql: &str, columns_only: bool) -> PlanResult<arrow::array::RecordBatch> {
    let frame = maker.sql(sql).await?;
    let schema: SchemaRef = Arc::clone(frame.schema().inner());
    let batches = if columns_only { Vec::new() } else { frame.collect().await? };
    let schema = batches.first().map_or(schema, arrow::array::RecordBatch::schema);
    own_types(&arrow::compute::concat_batches(&schema, &batches)?)
}
