//! The one query service behind every door: text in, a stream of record batches out.
//!
//! Guarantees: a query sees each table at one moment; it can read the lake's tables and views and nothing else; its
//! memory, time, rows and reads are bounded (budget.rs); dropping its stream stops its work.
//!
//! ```text
//! text --> one statement, attr() written out      statement.rs
//!      --> tables pinned, views planned           provider.rs, views.rs
//!      --> plan, checked to be read-only
//!      --> run on the query runtime --> bounded channel --> the caller's stream
//! ```

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
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
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::asked::{as_view, bound_views};
use super::asof_join::with_asof_joins;
use super::budget::{Limits, QueryBudget, QueryMemory, ScanMeter};
use super::described::{Described, Listed, listing};
use super::error::from_datafusion;
use super::file_reader::FileStores;
use super::functions;
use super::lookup::MapLookupPlanner;
use super::lookup_below::LookupBelow;
use super::lookup_pushdown::LookupPushdown;
use super::macros::expand;
use super::pg_catalog::{CatalogueQuery, PgCatalog, Told, rewrite_ordinary, shown_rows, shown_schema};
use super::placeholders::{parameter_types, write_out_lists};
use super::provider::{FileAccess, SignalTable, store_url};
use super::scan_order::ScanOrder;
use super::scan_report::ScanReports;
use super::sql_objects::{SqlObject, SqlObjects};
use super::statement::{estimated, parse};
use super::suggest::{Names, known_promoted};
use super::system::{JobRows, SYSTEM_SCHEMA, SystemTables};
use super::view_order::{ViewOrders, keep_order, own_order};
use crate::buffer::TableState;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::LakeRoot;
use crate::model::promoted::{Promoted, default_promoted};
use crate::model::schema::table_schema;
use crate::model::signal::Signal;
use crate::trace_index::TraceIndex;

pub(super) const CATALOG: &str = "telestrata";
pub(super) const SCHEMA: &str = "public";

/// Batches that wait for a slow reader, at most.
const BATCHES_IN_FLIGHT: usize = 2;

/// Later than any query ends.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Runs queries over one lake.
#[derive(Debug)]
pub struct QueryEngine {
    planner: Arc<Planner>,
    budget: QueryBudget,
    runtime: tokio::runtime::Handle,
}

impl Supervision {
    fn end(self, outcome: Result<(), &Error>) {
        if let Some(ended) = self.ended {
            ended(outcome);
        }
    }
}

impl std::fmt::Debug for Supervision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervision").field("id", &self.id).finish_non_exhaustive()
    }
}

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
struct Planner {
    root: LakeRoot,
    stores: FileStores,
    index: Arc<TraceIndex>,
    objects: Arc<SqlObjects>,
    system: SystemTables,
    state: SessionState,
    catalogue: PgCatalog,
}

/// A query and how its text is meant.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The text, one statement.
    pub sql: String,
    /// The values of `$1`, `$2`, ...
    pub params: Vec<ScalarValue>,
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// Who asks, for `current_user`; `None` where it is nobody in particular.
    pub user: Option<String>,
    /// What it may use, within the budget.
    pub limits: Limits,
}

/// Whose SQL a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// This program's.
    #[default]
    Own,
    /// That of a PostgreSQL client: this program's, and questions to PostgreSQL's catalogue.
    Postgres,
}

impl Question {
    /// Who asks, by a name that a client can be shown.
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(CATALOG)
    }

    /// A query in this program's SQL, without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), ..Self::default() }
    }
}

/// What is known of a query before it runs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The columns that its rows will have.
    pub schema: SchemaRef,
    /// The types of `$1`, `$2`, ... in order; `None` where the query does not tell.
    pub parameters: Vec<Option<DataType>>,
}

/// Told how a query ended.
pub type OnEnd = Box<dyn FnOnce(Result<(), &Error>) + Send>;

/// A table or view that queries may name.
#[derive(Debug, Clone)]
pub struct CatalogueTable {
    /// Its catalog.
    pub catalog: &'static str,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// Its columns.
    pub columns: SchemaRef,
}

/// Who watches over a running query.
#[derive(Default)]
pub struct Supervision {
    /// What it is called when it was cancelled.
    pub id: String,
    /// Cancelled to stop it.
    pub cancel: CancellationToken,
    /// Called once it runs no more, before its reader hears of it; dropped uncalled where its reader went away.
    pub ended: Option<OnEnd>,
}

/// The tables that a query sees, each at one moment.
#[derive(Debug, Clone)]
pub struct Pinned(pub Vec<(Signal, Arc<TableState>)>);

/// A running query.
pub struct QueryStream {
    /// The columns of every batch.
    pub schema: SchemaRef,
    /// The rows; dropping it stops the query.
    pub batches: std::pin::Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>,
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl QueryStream {
    /// Every row; for results known to be small.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.batches.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl QueryEngine {
    /// An engine whose queries run on `runtime`.
    ///
    /// # Errors
    /// `Config` where the budget can't be set up.
    pub fn new(
        root: LakeRoot,
        budget: &QueryBudget,
        objects: Arc<SqlObjects>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self> {
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
        let mut state = defaults
            .with_config(config)
            .with_runtime_env(runtime_env)
            .with_optimizer_rule(Arc::new(LookupBelow))
            .with_physical_optimizer_rules(physical_rules())
            .build();
        functions::register(&mut state, budget).map_err(from_datafusion)?;
        // Before DataFusion's own planners: the first that plans an expression has it.
        let mut planners: Vec<_> = vec![
            Arc::new(MapLookupPlanner::default()) as _,
            Arc::new(functions::JsonOperatorPlanner) as _,
            Arc::new(functions::ExtractPlanner) as _,
        ];
        planners.extend(state.expr_planners().iter().cloned());
        let state = SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build();
        let state = with_asof_joins(state);
        let stores = FileStores::new(&root, budget.small_files);
        let system = SystemTables::new(root.clone(), &state, &objects).map_err(from_datafusion)?;
        let index = Arc::new(TraceIndex::new(&root, stores.small().cloned())?);
        let catalogue = PgCatalog::default();
        let planner = Planner { root, stores, index, objects, system, state, catalogue };
        Ok(Self { planner: Arc::new(planner), budget: budget.clone(), runtime })
    }

    /// Fills `system.jobs` from now on. A second call is without effect.
    pub fn show_jobs(&self, rows: JobRows) {
        self.planner.system.jobs().tell(rows);
    }

    /// The signals whose tables a query reads, by itself or through views; every one where its text does not tell.
    ///
    /// # Errors
    /// `Invalid` for a text that is no query.
    pub fn signals_read(&self, sql: &str) -> Result<Vec<Signal>> {
        let names = self.planner.tables_named(sql, &mut HashSet::new())?;
        Ok(match names {
            Some(names) => Signal::ALL.into_iter().filter(|signal| names.contains(signal.table())).collect(),
            None => Signal::ALL.to_vec(),
        })
    }

    /// Plans and starts a query over the pinned tables.
    ///
    /// # Errors
    /// `Invalid` with the position in the query, or for limits above the budget; `Cancelled`, or what running it met.
    pub async fn run(&self, pinned: Pinned, question: Question, supervision: Supervision) -> Result<QueryStream> {
        let limits = question.limits;
        let deadline = self.deadline(&limits);
        let meter = Arc::new(ScanMeter::new(self.budget.max_scan_bytes));
        let (planner, counted) = (Arc::clone(&self.planner), Arc::clone(&meter));
        let planning = self.planned(&limits, deadline, async move { planner.start(pinned, question, &counted).await });
        let allowed = self.budget.check(&limits);
        let planned = tokio::select! {
            planned = async {
                allowed?;
                planning.await
            } => planned,
            () = supervision.cancel.cancelled() => Err(cancelled(&supervision.id)),
        };
        let stream = match planned {
            Ok(stream) => stream,
            Err(error) => {
                supervision.end(Err(&error));
                return Err(error);
            }
        };
        let schema = stream.schema();
        let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
        let allowance = Allowance { budget: self.budget.clone(), limits, deadline, meter };
        self.runtime.spawn(drive(stream, sender, allowance, supervision));
        let batches = futures::stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Step::Rows(batch)) => Some((Ok(batch), Some(receiver))),
                Some(Step::End) => None,
                Some(Step::Failed(error)) => Some((Err(error), None)),
                // Without its last word the query died: what came must not pass for the whole.
                None => Some((Err(Error::internal("a query died while it ran")), None)),
            }
        });
        Ok(QueryStream { schema, batches: batches.boxed() })
    }

    /// Plans a query without running it; its parameters need no values. Where all have one, columns have their types.
    ///
    /// # Errors
    /// `Invalid` with the position in the query.
    pub async fn prepare(&self, pinned: Pinned, question: Question) -> Result<Prepared> {
        let (planner, limits) = (Arc::clone(&self.planner), question.limits);
        let deadline = self.deadline(&limits);
        self.planned(&limits, deadline, async move { planner.prepare(pinned, question).await }).await
    }

    /// Every table, view, macro and system table.
    pub fn listing(&self, pinned: &Pinned) -> Vec<Listed> {
        listing(pinned, &self.planner.objects)
    }

    /// What a table, view, macro or system table is, and its columns.
    ///
    /// # Errors
    /// `NotFound`, with the name that was most likely meant; what planning a view met.
    pub async fn describe(&self, pinned: Pinned, name: &str) -> Result<Described> {
        let promoted = known_promoted(pinned.0.iter().map(|(_, table)| table.snapshot.promoted()));
        let Some(listed) = self.listing(&pinned).into_iter().find(|listed| listed.name == name) else {
            let planner = &self.planner;
            let names = Names { sql: "", state: &planner.state, objects: &planner.objects, promoted: &promoted };
            return Err(Error::new(ErrorKind::NotFound, names.unknown_table(name)));
        };
        let (planner, limits, name) = (Arc::clone(&self.planner), Limits::default(), name.to_owned());
        let object = planner.objects.named(&name);
        let documentation = object.map(SqlObject::documentation);
        if object.is_some_and(|object| object.parameters.is_some()) {
            return Ok(Described::new(listed, documentation, None, &promoted));
        }
        let planning = async move { planner.columns_of(pinned, &name).await };
        let schema = self.planned(&limits, self.deadline(&limits), planning).await?;
        Ok(Described::new(listed, documentation, Some(&schema), &promoted))
    }

    /// Every table and view with its columns. All views are planned for it, once.
    ///
    /// # Errors
    /// What planning met; a user's view that can't be planned is left out.
    pub async fn catalogue(&self, pinned: Pinned) -> Result<Vec<CatalogueTable>> {
        let planner = Arc::clone(&self.planner);
        self.planned(
            &Limits::default(),
            self.deadline(&Limits::default()),
            async move { planner.catalogue(pinned).await },
        )
        .await
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        let now = Instant::now();
        now.checked_add(self.budget.time(limits)).unwrap_or(now + FAR_AWAY)
    }

    /// The outcome of planning, which is done on the query runtime and ends when nobody waits for it.
    async fn planned<T: Send + 'static>(
        &self,
        limits: &Limits,
        deadline: Instant,
        planning: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        tokio::time::timeout_at(deadline, AbortOnDropHandle::new(self.runtime.spawn(planning)))
            .await
            .map_err(|_| self.budget.out_of_time(limits))?
            .map_err(|error| Error::internal("a query died while it was planned").with_source(error))?
    }
}

fn cancelled(id: &str) -> Error {
    Error::new(ErrorKind::Cancelled, format!("the query `{id}` was cancelled"))
}

/// What a running query tells its reader; the last is `End` or `Failed`.
enum Step {
    Rows(RecordBatch),
    End,
    Failed(Error),
}

/// What is left to a running query.
struct Allowance {
    budget: QueryBudget,
    limits: Limits,
    deadline: Instant,
    meter: Arc<ScanMeter>,
}

/// Runs a query to its end, the end of a budget, its cancellation, or the reader's departure.
async fn drive(
    stream: SendableRecordBatchStream,
    sender: mpsc::Sender<Step>,
    allowance: Allowance,
    supervision: Supervision,
) {
    let outcome = tokio::select! {
        outcome = tokio::time::timeout_at(allowance.deadline, give_rows(stream, &sender, &allowance)) => {
            outcome.unwrap_or_else(|_| Err(allowance.budget.out_of_time(&allowance.limits)))
        }
        () = supervision.cancel.cancelled() => Err(cancelled(&supervision.id)),
        () = sender.closed() => return,
    };
    // A reader that went away before the end has not been answered.
    if sender.is_closed() {
        return;
    }
    supervision.end(outcome.as_ref().map(|&()| ()));
    let _ = sender.send(outcome.map_or_else(Step::Failed, |()| Step::End)).await;
}

async fn give_rows(
    mut stream: SendableRecordBatchStream,
    sender: &mpsc::Sender<Step>,
    allowance: &Allowance,
) -> Result<()> {
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        // What a file's reader said may have been reworded on its way here.
        let batch = batch.map_err(|error| allowance.meter.overdrawn().unwrap_or_else(|| from_datafusion(error)))?;
        rows += batch.num_rows() as u64;
        if let Some(error) = allowance.budget.too_many_rows(&allowance.limits, rows) {
            return Err(error);
        }
        if sender.send(Step::Rows(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl Planner {
    /// The statement of a query, its macros written out.
    fn statement(&self, sql: &str) -> Result<Statement> {
        let mut statement = parse(estimated(sql).as_deref().unwrap_or(sql))?;
        expand(&mut statement, &self.objects)?;
        Ok(statement)
    }

    /// The tables that a query names, and those that its views name; `None` where that does not tell what it reads.
    fn tables_named(&self, sql: &str, seen: &mut HashSet<String>) -> Result<Option<HashSet<String>>> {
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

    async fn start(
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

    async fn prepare(&self, pinned: Pinned, question: Question) -> Result<Prepared> {
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
    async fn columns_of(&self, pinned: Pinned, name: &str) -> Result<SchemaRef> {
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

    async fn catalogue(&self, pinned: Pinned) -> Result<Vec<CatalogueTable>> {
        let (meter, reports) = (Arc::new(ScanMeter::new(None)), Arc::default());
        let state = self.session_over(pinned, &meter, &reports)?;
        let views = self.objects.iter().filter(|object| object.parameters.is_none());
        let views = views.map(|view| (view.name.to_string(), Broken::LeftOut)).collect();
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
            let views = told.views().map(|view| (view.name.to_string(), Broken::LeftOut)).collect();
            self.plan_views(&state, views, &mut HashSet::new(), &mut ViewOrders::new()).await?;
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
        let views = if all {
            let views = self.objects.iter().filter(|object| object.parameters.is_none());
            // A user's view that can't be planned is his to mend when he asks it; the others are listed.
            views.map(|view| (view.name.to_string(), Broken::LeftOut)).collect()
        } else {
            named(&referenced, Broken::IsAnError)
        };
        let mut orders = ViewOrders::new();
        self.plan_views(&state, views, &mut HashSet::new(), &mut orders).await?;
        let plan = state.statement_to_plan(statement).await.map_err(|error| names.explain(error))?;
        check_read_only(&plan)?;
        Ok(Logical { plan, state, orders, promoted, lists })
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
