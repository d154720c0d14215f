//! An ASOF JOIN in the physical plan: both sides hashed by keys and sorted by keys and time, then merged.
//!
//! Hashing and sorting are DataFusion's: it adds what an input has not, and its sorts spill to disk. Each partition is
//! one pass over both sides ([`Merge`]), which holds a batch of the left and a few of the right.

use std::fmt::Formatter;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::equivalence::EquivalenceProperties;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::{LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, ReplaceChildrenOptions, apply_expression_roots,
};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::condition::Nearest;
use super::merge::Merge;
use super::node::AsofJoin;

/// Of keys and times, on both sides: what is NULL comes last, where it is in nobody's way.
pub(super) const ORDER: SortOptions = SortOptions { descending: false, nulls_first: false };

/// DataFusion's planner, and temporal joins.
#[derive(Debug)]
pub(super) struct AsofQueryPlanner;

#[async_trait]
impl QueryPlanner for AsofQueryPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(AsofExtensionPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct AsofExtensionPlanner;

#[async_trait]
impl ExtensionPlanner for AsofExtensionPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(join) = node.as_any().downcast_ref::<AsofJoin>() else { return Ok(None) };
        let [left, right] = inputs else { return internal_err!("an AsofJoin has two inputs") };
        let of_left = |expr| planner.create_physical_expr(expr, join.left.schema(), session, context);
        let of_right = |expr| planner.create_physical_expr(expr, join.right.schema(), session, context);
        let mut sides = [Side::of(left, of_left(&join.times.0)?), Side::of(right, of_right(&join.times.1)?)];
        let [l, r] = &mut sides;
        for (left, right) in &join.keys {
            l.keys.push(of_left(left)?);
            r.keys.push(of_right(right)?);
        }
        let limit = match &join.limit {
            Some(limit) => Some(Limit { time: l.cast_to_time(of_left(&limit.time)?)?, inclusive: limit.inclusive }),
            None => None,
        };
        let schema = Arc::clone(node.schema().inner());
        let [left, right] = sides;
        Ok(Some(Arc::new(AsofJoinExec::try_new(left, right, join.nearest, limit, schema)?)))
    }
}

/// One input of the join.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) time: Arc<dyn PhysicalExpr>,
}

/// The right time, as a value of the left row, that is farthest away and still matches.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) time: Arc<dyn PhysicalExpr>,
    pub(super) inclusive: bool,
}

impl Side {
    fn of(plan: &Arc<dyn ExecutionPlan>, time: Arc<dyn PhysicalExpr>) -> Self {
        Self { plan: Arc::clone(plan), keys: Vec::new(), time }
    }

    /// A value of this side in the type of its time: a date less an interval is no date.
    fn cast_to_time(&self, value: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let schema = self.plan.schema();
        let wanted = self.time.data_type(&schema)?;
        let same = value.data_type(&schema)? == wanted;
        Ok(if same { value } else { Arc::new(CastExpr::new(value, wanted, None)) })
    }

    fn order(&self) -> impl Iterator<Item = PhysicalSortExpr> {
        self.keys.iter().chain([&self.time]).map(|expr| PhysicalSortExpr::new(Arc::clone(expr), ORDER))
    }

    /// The columns by which one of several rows of equal keys and times is chosen.
    fn ties(&self, nearest: Nearest) -> impl Iterator<Item = PhysicalSortExpr> {
        // The last of equals is taken when looking back, the first when looking ahead: the greatest, either way.
        let options = SortOptions { descending: !nearest.is_backward(), nulls_first: nearest.is_backward() };
        let schema = self.plan.schema();
        let columns: Vec<Column> = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.data_type().is_nested())
            .map(|(place, field)| Column::new(field.name(), place))
            .collect();
        columns.into_iter().map(move |column| PhysicalSortExpr::new(Arc::new(column), options))
    }
}

/// The temporal join of two sorted inputs.
#[derive(Debug, Clone)]
pub(super) struct AsofJoinExec {
    left: Side,
    right: Side,
    nearest: Nearest,
    limit: Option<Limit>,
    schema: SchemaRef,
    orders: [OrderingRequirements; 2],
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl AsofJoinExec {
    fn try_new(left: Side, right: Side, nearest: Nearest, limit: Option<Limit>, schema: SchemaRef) -> Result<Self> {
        let required = |order: Option<LexOrdering>| match order {
            Some(order) => Ok(OrderingRequirements::from(order)),
            None => internal_err!("an AsofJoin has a time"),
        };
        let orders = [
            required(LexOrdering::new(left.order()))?,
            required(LexOrdering::new(right.order().chain(right.ties(nearest))))?,
        ];
        // Left columns keep their places, and left rows their order; of the right ones nothing is known where no row matched.
        let mut equivalences = EquivalenceProperties::new(Arc::clone(&schema));
        equivalences.add_equivalence_group(left.plan.equivalence_properties().eq_group().clone())?;
        equivalences.add_orderings(left.plan.equivalence_properties().oeq_class().clone());
        let properties = PlanProperties::new(
            equivalences,
            left.plan.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { left, right, nearest, limit, schema, orders, metrics, properties: Arc::new(properties) })
    }
}

impl DisplayAs for AsofJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "AsofJoinExec: {} {} {}", self.right.time, self.nearest.operator(), self.left.time)?;
        if let Some(limit) = &self.limit {
            write!(f, ", within {}", limit.time)?;
        }
        let keys = self.left.keys.iter().zip(&self.right.keys);
        let keys: Vec<String> = keys.map(|(left, right)| format!("({left}, {right})")).collect();
        write!(f, ", on=[{}]", keys.join(", "))
    }
}

impl ExecutionPlan for AsofJoinExec {
    fn name(&self) -> &'static str {
        "AsofJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        if self.left.keys.is_empty() {
            return InputDistributionRequirements::new(vec![Distribution::SinglePartition; 2]);
        }
        InputDistributionRequirements::co_partitioned(vec![
            Distribution::KeyPartitioned(self.left.keys.clone()),
            Distribution::KeyPartitioned(self.right.keys.clone()),
        ])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.orders.iter().cloned().map(Some).collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left.plan, &self.right.plan]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let keys = self.left.keys.iter().chain(&self.right.keys);
        let limit = self.limit.iter().map(|limit| &limit.time);
        apply_expression_roots(keys.chain([&self.left.time, &self.right.time]).chain(limit), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
            return internal_err!("an AsofJoin has two inputs");
        };
        let left = Side { plan: left, ..self.left.clone() };
        let right = Side { plan: right, ..self.right.clone() };
        Ok(Arc::new(Self::try_new(left, right, self.nearest, self.limit.clone(), Arc::clone(&self.schema))?))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let partitions = |side: &Side| side.plan.output_partitioning().partition_count();
        if partitions(&self.left) != partitions(&self.right) {
            return internal_err!(
                "the sides of an AsofJoin have {} and {} partitions",
                partitions(&self.left),
                partitions(&self.right)
            );
        }
        let batch_size = context.session_config().batch_size();
        let left = self.left.plan.execute(partition, Arc::clone(&context))?;
        let right = self.right.plan.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let merge = Merge::try_new(self, left, right, batch_size, metrics)?;
        let batches = futures::stream::try_unfold(merge, async |mut merge| {
            let batch = merge.next().await?;
            Ok(batch.map(|batch| (batch, merge)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// What [`Merge`] needs to know.
impl AsofJoinExec {
    pub(super) fn sides(&self) -> [&Side; 2] {
        [&self.left, &self.right]
    }

    pub(super) fn nearest(&self) -> Nearest {
        self.nearest
    }

    pub(super) fn limit(&self) -> Option<&Limit> {
        self.limit.as_ref()
    }

    pub(super) fn output(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn right_schema(&self) -> Arc<Schema> {
        self.right.plan.schema()
    }
}
