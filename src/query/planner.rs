//! Text to a plan over pinned tables, checked to be read-only.
//!
//! ```text
//! text --> one statement, attr() written out      statement.rs
//!      --> tables pinned, views planned           provider.rs, sql_objects.rs
//!      --> plan, checked to be read-only
//! ```
//! A question to PostgreSQL's catalogue is planned in a session of its own (pg_catalog/).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider,
};
use datafusion::common::{DataFusionError, ParamValues, ScalarValue, TableReference};
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, TableType};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use futures::StreamExt;

use super::asked::{as_view, bound_views};
use super::asof_join::with_asof_joins;
use super::budget::{QueryBudget, QueryMemory, ScanMeter};
use super::error::from_datafusion;
use super::file_reader::FileStores;
use super::functions;
use super::lookup_below::LookupBelow;
use super::lookup_pushdown::LookupPushdown;
use super::macros::expand;
use super::pg_catalog::{CatalogueQuery, PgCatalog, Told, rewrite_ordinary, shown_rows, shown_schema};
use super::placeholders::{parameter_types, write_out_lists};
use super::provider::{FileAccess, SignalTable, store_url};
use super::question::{CatalogueTable, Dialect, Pinned, Prepared, Question};
use super::scan_order::ScanOrder;
use super::scan_report::ScanReports;
use super::sql_objects::SqlObjects;
use super::statement::{estimated, parse};
use super::suggest::{Names, known_promoted};
use super::system::{JobRows, SYSTEM_SCHEMA, SystemTables};
use super::view_order::{ViewOrders, keep_order, own_order};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::LakeRoot;
use crate::model::promoted::{Promoted, default_promoted};
use crate::model::schema::table_schema;
use crate::model::signal::Signal;
use crate::trace_index::TraceIndex;

pub(super) const CATALOG: &str = "telestrata";
pub(super) const SCHEMA: &str = "public";

/// A planned query, and what it was planned in.
struct Logical {
    plan: LogicalPlan,
    state: SessionState,
    orders: ViewOrders,
    promoted: Vec<Promoted>,
    /// The parameters that stand for lists.
    lists: BTreeSet<usize>,
}

/// What turns text into a plan.
#[derive(Debug)]
pub(super) struct Planner {
    root: LakeRoot,
    stores: FileStores,
    index: Arc<TraceIndex>,
    pub(super) objects: Arc<SqlObjects>,
    pub(super) system: SystemTables,
    pub(super) state: SessionState,
    catalogue: PgCatalog,
}

impl Planner {
    /// A planner of queries over a lake.
    ///
    /// # Errors
    /// `Config` where the budget can't be set up.
    pub(super) fn new(root: LakeRoot, budget: &QueryBudget, objects: Arc<SqlObjects>) -> Result<Self> {
        let runtime_env = runtime_env(&root, budget)?;
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true);
        config.options_mut().sql_parser.collect_spans = true;
        config.options_mut().execution.parquet.bloom_filter_on_read = true;
        // scan_order.rs does it, through filters and unions as well.
        config.options_mut().optimizer.enable_sort_pushdown = false;
        let defaults = SessionStateBuilder::new().with_default_features();
        let state = defaults
            .with_config(config)
            .with_runtime_env(runtime_env)
            .with_optimizer_rule(Arc::new(LookupBelow))
            .with_physical_optimizer_rules(physical_rules())
            .build();
        let state = with_asof_joins(functions::with_our_sql(state, budget).map_err(from_datafusion)?);
        let stores = FileStores::new(&root, budget.small_files);
        let system = SystemTables::new(root.clone(), &state, &objects).map_err(from_datafusion)?;
        let index = Arc::new(TraceIndex::new(&root, stores.small().cloned())?);
        let catalogue = PgCatalog::default();
        Ok(Self { root, stores, index, objects, system, state, catalogue })
    }

    /// Fills `system.jobs` from now on.
    pub(super) fn show_jobs(&self, rows: JobRows) {
        self.system.jobs().tell(rows);
    }

    /// The statement of a query, its macros written out.
    fn statement(&self, sql: &str) -> Result<Statement> {
        let mut statement = parse(estimated(sql).as_deref().unwrap_or(sql))?;
        expand(&mut statement, &self.objects)?;
        Ok(statement)
    }

    /// The tables that a query names, and those that its views name; `None` where that does not tell what it reads.
    pub(super) fn tables_named(&self, sql: &str, seen: &mut HashSet<String>) -> Result<Option<HashSet<String>>> {
        let references = self.state.resolve_table_references(&self.statement(sql)?).map_err(from_datafusion)?;
        let mut names = HashSet::new();
        for reference in references {
            if matches!(reference.schema(), Some("information_schema" | SYSTEM_SCHEMA)) {
                return Ok(None);
            }
            match self.objects.view(reference.table()) {
                Some(view) if seen.insert(view.name.to_string()) => match self.tables_named(&view.sql, seen)? {
                    Some(inner) => names.extend(inner),
                    None => return Ok(None),
                },
                Some(_) => {}
                None => _ = names.insert(reference.table().to_owned()),
            }
        }
        let known = names.iter().all(|name| Signal::from_table(name).is_some());
        Ok((known && !names.is_empty()).then_some(names))
    }

    pub(super) async fn start(
        &self,
        pinned: Pinned,
        question: Question,
        meter: &Arc<ScanMeter>,
    ) -> Result<SendableRecordBatchStream> {
        if let Some(query) = self.catalogue_query(&question).await? {
            return self.start_catalogue(pinned, query, &question, meter).await;
        }
        let reports = Arc::default();
        let Logical { plan, state, orders, promoted, .. } = self.plan(pinned, &question, meter, &reports).await?;
        let names = Names { sql: &question.sql, state: &state, objects: &self.objects, promoted: &promoted };
        let plan = keep_order(plan, &orders).map_err(from_datafusion)?;
        let plan = if question.params.is_empty() {
            plan
        } else {
            plan.with_param_values(ParamValues::from(question.params)).map_err(from_datafusion)?
        };
        let plan = bound_views(plan, &self.objects).map_err(from_datafusion)?;
        let explains = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
        let plan = state.create_physical_plan(&plan).await.map_err(|error| names.explain(error))?;
        if estimated(&question.sql).is_some() {
            return Ok(one_batch(reports.rows().map_err(|error| from_datafusion(error.into()))?));
        }
        let stream = execute_stream(plan, state.task_ctx()).map_err(from_datafusion)?;
        Ok(if explains { with_reports(stream, &reports) } else { stream })
    }

    pub(super) async fn prepare(&self, pinned: Pinned, question: Question) -> Result<Prepared> {
        let reports = Arc::default();
        let meter = Arc::new(ScanMeter::new(None));
        if let Some(query) = self.catalogue_query(&question).await? {
            let parameters = query.parameters().to_vec();
            let (plan, _) = self.plan_catalogue(pinned, query, None, question.user(), &meter).await?;
            return Ok(Prepared { schema: shown_schema(plan.schema().as_arrow()), parameters });
        }
        let Logical { plan, lists, state, promoted, .. } = self.plan(pinned, &question, &meter, &reports).await?;
        let parameters = parameter_types(&plan, &lists).map_err(from_datafusion)?;
        let count = parameters.len();
        if estimated(&question.sql).is_some() {
            let schema = reports.rows().map_err(|error| from_datafusion(error.into()))?.schema();
            return Ok(Prepared { schema, parameters });
        }
        let names = Names { sql: &question.sql, state: &state, objects: &self.objects, promoted: &promoted };
        let all_bound = question.params.len() >= count;
        // `SELECT $1` has the type of its value.
        let plan = if all_bound && count > 0 {
            plan.with_param_values(ParamValues::from(question.params)).map_err(from_datafusion)?
        } else {
            plan
        };
        // It settles the types, as when the query runs: a union of integers and doubles has doubles.
        let settled = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {});
        let schema = match settled {
            Ok(plan) => Arc::clone(plan.schema().inner()),
            // Where a parameter has neither a value nor a type, that has to wait.
            Err(_) if !all_bound => Arc::clone(plan.schema().inner()),
            Err(error) => return Err(names.explain(error)),
        };
        Ok(Prepared { schema, parameters })
    }

    /// The columns of a table, view or system table, of which there is one.
    pub(super) async fn columns_of(&self, pinned: Pinned, name: &str) -> Result<SchemaRef> {
        let (meter, reports) = (Arc::new(ScanMeter::new(None)), Arc::default());
        let (state, mut orders) = (self.session_over(pinned, &meter, &reports)?, ViewOrders::new());
        let views = vec![(name.to_owned(), Broken::IsAnError)];
        self.plan_views(&state, views, &mut HashSet::new(), &mut orders).await?;
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (schema, table),
            None => (SCHEMA, name),
        };
        let reference = TableReference::partial(schema, table);
        let schema = state.schema_for_ref(reference).map_err(from_datafusion)?;
        let provider = schema.table(table).await.map_err(from_datafusion)?;
        let provider = provider.ok_or_else(|| Error::internal(format!("`{name}` is listed and not there")))?;
        Ok(provider.schema())
    }

    pub(super) async fn catalogue(&self, pinned: Pinned) -> Result<Vec<CatalogueTable>> {
        let (meter, reports) = (Arc::new(ScanMeter::new(None)), Arc::default());
        let state = self.session_over(pinned, &meter, &reports)?;
        let views = self.every_view();
        self.plan_views(&state, views, &mut HashSet::new(), &mut ViewOrders::new()).await?;
        let mut tables = Vec::new();
        for schema in [SCHEMA, SYSTEM_SCHEMA, "information_schema"] {
            let any = TableReference::full(CATALOG, schema, "any");
            let provider = state.schema_for_ref(any).map_err(from_datafusion)?;
            for name in provider.table_names() {
                let Some(table) = provider.table(&name).await.map_err(from_datafusion)? else { continue };
                let is_view = schema == SCHEMA && table.table_type() == TableType::View;
                tables.push(CatalogueTable { catalog: CATALOG, schema, name, is_view, columns: table.schema() });
            }
        }
        Ok(tables)
    }

    /// A question to PostgreSQL's catalogue, where it is one.
    async fn catalogue_query(&self, question: &Question) -> Result<Option<CatalogueQuery>> {
        match question.dialect {
            Dialect::Own => Ok(None),
            Dialect::Postgres => self.catalogue.query(&question.sql).await,
        }
    }

    async fn start_catalogue(
        &self,
        pinned: Pinned,
        query: CatalogueQuery,
        question: &Question,
        meter: &Arc<ScanMeter>,
    ) -> Result<SendableRecordBatchStream> {
        let params = Some(question.params.as_slice());
        let (plan, state) = self.plan_catalogue(pinned, query, params, question.user(), meter).await?;
        let plan = state.create_physical_plan(&plan).await.map_err(from_datafusion)?;
        let rows = execute_stream(plan, state.task_ctx()).map_err(from_datafusion)?;
        let schema = shown_schema(&rows.schema());
        let shown = Arc::clone(&schema);
        let rows = rows.map(move |rows| shown_rows(&rows?, &shown));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    async fn plan_catalogue(
        &self,
        pinned: Pinned,
        query: CatalogueQuery,
        params: Option<&[ScalarValue]>,
        user: &str,
        meter: &Arc<ScanMeter>,
    ) -> Result<(LogicalPlan, SessionState)> {
        let promoted = known_promoted(pinned.0.iter().map(|(_, table)| table.snapshot.promoted()));
        let state = self.session_over(pinned, meter, &Arc::default())?;
        let told = Told::new(&state, &self.objects, &promoted).await?;
        let made = async {
            self.plan_views(&state, self.every_view(), &mut HashSet::new(), &mut ViewOrders::new()).await?;
            told.all().await
        };
        let catalogue = self.catalogue.over(told.made_of(), made).await?;
        let runtime = Arc::clone(state.runtime_env());
        let (plan, state) = catalogue.plan(query, params, user, runtime).await?;
        check_read_only(&plan)?;
        Ok((plan, state))
    }

    /// The plan of a query, checked to be read-only.
    async fn plan(
        &self,
        pinned: Pinned,
        question: &Question,
        meter: &Arc<ScanMeter>,
        reports: &Arc<ScanReports>,
    ) -> Result<Logical> {
        let mut statement = self.statement(&question.sql)?;
        let lists = write_out_lists(&mut statement, &question.params);
        if question.dialect == Dialect::Postgres {
            rewrite_ordinary(&mut statement, question.user()).map_err(Error::invalid)?;
        }
        let promoted = known_promoted(pinned.0.iter().map(|(_, table)| table.snapshot.promoted()));
        let state = self.session_over(pinned, meter, reports)?;
        let names = Names { sql: &question.sql, state: &state, objects: &self.objects, promoted: &promoted };
        let referenced = state.resolve_table_references(&statement).map_err(from_datafusion)?;
        let all = referenced.iter().any(|reference| reference.schema() == Some("information_schema"));
        let views = if all { self.every_view() } else { named(&referenced, Broken::IsAnError) };
        let mut orders = ViewOrders::new();
        self.plan_views(&state, views, &mut HashSet::new(), &mut orders).await?;
        let plan = state.statement_to_plan(statement).await.map_err(|error| names.explain(error))?;
        check_read_only(&plan)?;
        Ok(Logical { plan, state, orders, promoted, lists })
    }

    /// The views, for listing them: one of a user's that can't be planned is his to mend when he asks it.
    fn every_view(&self) -> Vec<(String, Broken)> {
        let views = self.objects.iter().filter(|object| object.parameters.is_none());
        views.map(|view| (view.name.to_string(), Broken::LeftOut)).collect()
    }

    fn session_over(&self, pinned: Pinned, meter: &Arc<ScanMeter>, reports: &Arc<ScanReports>) -> Result<SessionState> {
        let system = self.system.over(&pinned).map_err(from_datafusion)?;
        let schema = MemorySchemaProvider::new();
        // A signal that nobody sent yet has no rows; views across signals answer all the same.
        let absent = Signal::ALL.into_iter().filter(|signal| pinned.0.iter().all(|(pinned, _)| pinned != signal));
        for signal in absent {
            let empty = EmptyTable::new(table_schema(signal, &default_promoted()));
            schema.register_table(signal.table().to_owned(), Arc::new(empty)).map_err(from_datafusion)?;
        }
        for (signal, table) in pinned.0 {
            let files = FileAccess {
                root: self.root.clone(),
                stores: self.stores.clone(),
                index: Arc::clone(&self.index),
                meter: Arc::clone(meter),
                reports: Arc::clone(reports),
            };
            let provider = SignalTable::try_new(files, signal, table).map_err(from_datafusion)?;
            schema.register_table(signal.table().to_owned(), Arc::new(provider)).map_err(from_datafusion)?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SYSTEM_SCHEMA, system).map_err(from_datafusion)?;
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(from_datafusion)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let shared = self.state.runtime_env();
        let memory = QueryMemory::new(Arc::clone(&shared.memory_pool));
        let own = RuntimeEnvBuilder::from_runtime_env(shared).with_memory_pool(Arc::new(memory));
        let mut state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_catalog_list(Arc::new(catalogs))
            .with_runtime_env(own.build_arc().map_err(from_datafusion)?)
            .build();
        // Sets the one moment that now() stands for in this query.
        state.mark_start_execution();
        Ok(state)
    }

    /// Registers the views among these names, and those that they name in turn.
    fn plan_views<'a>(
        &'a self,
        state: &'a SessionState,
        names: Vec<(String, Broken)>,
        planned: &'a mut HashSet<String>,
        orders: &'a mut ViewOrders,
    ) -> futures::future::BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for (name, broken) in names {
                let Some(view) = self.objects.view(&name) else { continue };
                if !planned.insert(name) {
                    continue;
                }
                let statement = self.statement(&view.sql)?;
                let references = state.resolve_table_references(&statement).map_err(from_datafusion)?;
                self.plan_views(state, named(&references, broken), planned, orders).await?;
                let plan = match (state.statement_to_plan(statement).await, broken) {
                    (Ok(plan), _) => plan,
                    (Err(_), Broken::LeftOut) => continue,
                    (Err(error), Broken::IsAnError) => {
                        let message = from_datafusion(error).message().to_owned();
                        let file = view.file.as_ref().map(|file| format!(" of {}", file.display())).unwrap_or_default();
                        return Err(Error::invalid(format!("view `{}`{file} can't be planned: {message}", view.name)));
                    }
                };
                orders.extend(own_order(&plan).map(|order| (view.name.to_string(), order)));
                let plan = as_view(plan, &view.name).map_err(from_datafusion)?;
                let table = ViewTable::new(plan, Some(view.sql.to_string()));
                if let Some(schema) = state.catalog_list().catalog(CATALOG).and_then(|catalog| catalog.schema(SCHEMA)) {
                    schema.register_table(view.name.to_string(), Arc::new(table)).map_err(from_datafusion)?;
                }
            }
            Ok(())
        })
    }
}

/// What a view that can't be planned means to a query.
#[derive(Debug, Clone, Copy)]
enum Broken {
    IsAnError,
    LeftOut,
}

fn named(references: &[TableReference], broken: Broken) -> Vec<(String, Broken)> {
    let own = references.iter().filter(|reference| reference.schema().is_none_or(|schema| schema == SCHEMA));
    own.map(|reference| (reference.table().to_owned(), broken)).collect()
}

/// DataFusion's rules, and ours before the last ones: a plan that is changed after dynamic filters were handed down
/// has lost them.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let last = rules.iter().rposition(|rule| rule.name().starts_with("FilterPushdown")).unwrap_or(rules.len());
    let ours: [Arc<dyn PhysicalOptimizerRule + Send + Sync>; 2] = [Arc::new(LookupPushdown), Arc::new(ScanOrder)];
    rules.splice(last..last, ours);
    rules
}

fn one_batch(batch: RecordBatch) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
}

/// The rows of an EXPLAIN, and one of what its scans read.
fn with_reports(rows: SendableRecordBatchStream, reports: &ScanReports) -> SendableRecordBatchStream {
    let (schema, text) = (rows.schema(), reports.text());
    if text.is_empty() {
        return rows;
    }
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["scans"])), Arc::new(StringArray::from(vec![text]))];
    let row = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(DataFusionError::from);
    Box::pin(RecordBatchStreamAdapter::new(schema, rows.chain(futures::stream::iter([row]))))
}

fn runtime_env(root: &LakeRoot, budget: &QueryBudget) -> Result<Arc<RuntimeEnv>> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(budget.max_memory)))
        .with_metadata_cache_limit(budget.footer_cache)
        .build_arc()
        .map_err(from_datafusion)?;
    let url = store_url(root).map_err(from_datafusion)?;
    runtime.register_object_store(url.as_ref(), Arc::clone(root.store()));
    Ok(runtime)
}

/// SQL reads; it does not write, define or configure.
fn check_read_only(plan: &LogicalPlan) -> Result<()> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(|error| {
            let message = from_datafusion(error).message().to_owned();
            Error::new(ErrorKind::Invalid, format!("only queries are answered here: {message}"))
        })
}
