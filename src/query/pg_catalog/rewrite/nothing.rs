//! Joins with tables that have no rows.
//!
//! The lake has no constraints, indexes, triggers, policies, partitions, publications, ...: their tables are there, with
//! PostgreSQL's columns, and empty. A SELECT that joins one has no rows whatever else it says, and what else it says is
//! often what DataFusion can't plan: composite values, set-returning functions, subscripts of vectors. Here such a SELECT
//! becomes one of the same columns that says so.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Distinct, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    JoinOperator, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, Statement, TableFactor, TableWithJoins, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::super::ast::{boolean, call, cast, folded, null, parts, string};
use super::names::figured;

/// The catalogue's tables, by schema and name, and which have no rows.
#[derive(Debug, Default)]
pub(in super::super) struct Tables {
    pub(in super::super) columns: HashMap<(String, String), SchemaRef>,
    pub(in super::super) empty: HashSet<(String, String)>,
}

impl Tables {
    /// The table that a query names; one without a schema is of `pg_catalog`.
    fn key(name: &ObjectName) -> Option<(String, String)> {
        match parts(name)?.as_slice() {
            [name] => Some(("pg_catalog".to_owned(), name.clone())),
            [schema, name] => Some((schema.clone(), name.clone())),
            _ => None,
        }
    }

    /// Whether a query can name it here.
    pub(in super::super) fn has(&self, name: &ObjectName) -> bool {
        Self::key(name).is_some_and(|key| self.columns.contains_key(&key))
    }
}

/// Rewrites a query in place.
pub(super) fn leave_out(query: &mut Query, tables: &Tables) {
    let _ = VisitMut::visit(query, &mut Reducer { tables });
}

struct Reducer<'a> {
    tables: &'a Tables,
}

// What is inside comes first, so an inner query that has no rows has been written so when the outer one is looked at.
impl VisitorMut for Reducer<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut scope = Scope { tables: self.tables, empty: HashSet::new() };
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            if is_nothing(&cte.query.body) {
                scope.empty.insert(folded(&cte.alias.name));
            }
        }
        scope.reduce(&mut query.body);
        if is_nothing(&query.body) {
            query.order_by = None;
            query.limit_clause = None;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let new = match &mut *expr {
            Expr::Exists { subquery, negated } if is_nothing(&subquery.body) => boolean(*negated),
            Expr::InSubquery { subquery, negated, .. } if is_nothing(&subquery.body) => boolean(*negated),
            Expr::Subquery(query) if is_nothing(&query.body) => match query.body.as_ref() {
                SetExpr::Select(select) => match select.projection.first() {
                    Some(SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr)) => expr.clone(),
                    _ => null(),
                },
                _ => null(),
            },
            Expr::Subquery(query) => {
                one_row(query);
                return ControlFlow::Continue(());
            }
            // ARRAY(SELECT ...)
            Expr::Function(function) => match &mut function.args {
                FunctionArguments::Subquery(query) if is_nothing(&query.body) => string("{}"),
                FunctionArguments::Subquery(query) => {
                    if !collected(query) {
                        return ControlFlow::Continue(());
                    }
                    Expr::Subquery(query.clone())
                }
                _ => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        *expr = new;
        ControlFlow::Continue(())
    }
}

struct Scope<'a> {
    tables: &'a Tables,
    /// Names of WITH that have no rows.
    empty: HashSet<String>,
}

impl Scope<'_> {
    fn reduce(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.reduce_select(select),
            SetExpr::Query(query) if is_nothing(&query.body) => *body = query.body.as_ref().clone(),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                self.reduce(left);
                self.reduce(right);
                let distinct = !matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
                let kept = match (*op, is_nothing(left), is_nothing(right)) {
                    (SetOperator::Union, true, true) | (SetOperator::Intersect, true, _) => left,
                    (SetOperator::Except | SetOperator::Minus, true, _) => left,
                    (SetOperator::Intersect, false, true) => {
                        *body = right.as_ref().clone();
                        return;
                    }
                    (SetOperator::Union, true, false) => {
                        name_as(right, left);
                        right
                    }
                    (SetOperator::Union | SetOperator::Except | SetOperator::Minus, false, true) => left,
                    _ => return,
                };
                let mut kept = kept.as_ref().clone();
                if distinct {
                    // Without the other side its rows are still to differ.
                    let SetExpr::Select(select) = &mut kept else { return };
                    select.distinct = Some(Distinct::Distinct);
                }
                *body = kept;
            }
            _ => {}
        }
    }

    fn reduce_select(&self, select: &mut Select) {
        if !select.from.iter().any(|from| self.has_nothing(from)) {
            return;
        }
        let grouped = matches!(&select.group_by, GroupByExpr::Expressions(by, _) if !by.is_empty());
        let aggregates = select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
            _ => false,
        });
        // It has one row then.
        if aggregates && !grouped {
            return;
        }
        let columns: Vec<Vec<(String, String, DataType)>> = select.from.iter().map(|from| self.columns(from)).collect();
        let columns: Vec<_> = columns.into_iter().flatten().collect();
        let mut projection = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = figured(expr).unwrap_or_else(|| "?column?".to_owned());
                    projection.push(typed_null(type_of(expr, &columns), &name));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    projection.push(typed_null(type_of(expr, &columns), &alias.value));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let wanted = parts(name).and_then(|parts| parts.last().cloned());
                    let its = columns.iter().filter(|(table, ..)| Some(table) == wanted.as_ref());
                    projection.extend(its.map(|(_, column, data_type)| typed_null(data_type.clone(), column)));
                }
                SelectItem::Wildcard(_) => {
                    projection
                        .extend(columns.iter().map(|(_, column, data_type)| typed_null(data_type.clone(), column)));
                }
                _ => return,
            }
        }
        if projection.is_empty() {
            return;
        }
        let Some(mut nothing) = parsed("SELECT NULL WHERE false") else { return };
        if let SetExpr::Select(empty) = nothing.body.as_mut() {
            empty.projection = projection;
            *select = empty.as_ref().clone();
        }
    }

    /// Whether a FROM item has no rows.
    fn has_nothing(&self, from: &TableWithJoins) -> bool {
        let mut nothing = self.is_empty(&from.relation);
        for join in &from.joins {
            let right = self.is_empty(&join.relation);
            nothing = match &join.join_operator {
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => nothing || right,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
                JoinOperator::FullOuter(_) => nothing && right,
                _ => nothing,
            };
        }
        nothing
    }

    fn is_empty(&self, factor: &TableFactor) -> bool {
        match factor {
            TableFactor::Table { name, args: Some(args), .. } => {
                let function = parts(name).and_then(|mut parts| parts.pop()).unwrap_or_default();
                UNNESTING.contains(&function.as_str())
                    && args.args.first().is_some_and(|arg| match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => is_column(arg),
                        _ => false,
                    })
            }
            TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().all(is_column),
            TableFactor::Table { name, args: None, .. } => {
                let bare = parts(name).filter(|parts| parts.len() == 1).and_then(|parts| parts.first().cloned());
                bare.is_some_and(|name| self.empty.contains(&name))
                    || Tables::key(name).is_some_and(|key| self.tables.empty.contains(&key))
            }
            TableFactor::Derived { subquery, .. } => is_nothing(&subquery.body),
            TableFactor::NestedJoin { table_with_joins, .. } => self.has_nothing(table_with_joins),
            _ => false,
        }
    }

    /// The columns of a FROM item: of which table, name, type.
    fn columns(&self, from: &TableWithJoins) -> Vec<(String, String, DataType)> {
        let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
        factors.flat_map(|factor| self.columns_of(factor)).collect()
    }

    fn columns_of(&self, factor: &TableFactor) -> Vec<(String, String, DataType)> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let Some(key) = Tables::key(name) else { return Vec::new() };
                let table = alias.as_ref().map_or_else(|| key.1.clone(), |alias| folded(&alias.name));
                let Some(schema) = self.tables.columns.get(&key) else { return Vec::new() };
                let fields = schema.fields().iter();
                fields.map(|field| (table.clone(), field.name().clone(), sql_type(field.data_type()))).collect()
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let table = alias.as_ref().map(|alias| folded(&alias.name)).unwrap_or_default();
                let SetExpr::Select(select) = subquery.body.as_ref() else { return Vec::new() };
                let named = select.projection.iter().filter_map(|item| match item {
                    SelectItem::UnnamedExpr(expr) => Some((figured(expr)?, type_of(expr, &[]))),
                    SelectItem::ExprWithAlias { expr, alias } => Some((folded(alias), type_of(expr, &[]))),
                    _ => None,
                });
                named.map(|(name, data_type)| (table.clone(), name, data_type)).collect()
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.columns(table_with_joins),
            _ => Vec::new(),
        }
    }
}

/// Functions that make rows of an array; every column that PostgreSQL has arrays in is NULL here.
const UNNESTING: &[&str] = &["_pg_expandarray", "aclexplode", "generate_subscripts", "pg_options_to_table", "unnest"];

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Whether a body was written to have no rows.
fn is_nothing(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            select.from.is_empty()
                && matches!(&select.selection, Some(Expr::Value(value)) if value.value == Value::Boolean(false))
        }
        SetExpr::Query(query) => is_nothing(&query.body),
        _ => false,
    }
}

/// Makes a query of one column one of one row, with all values in an array.
fn collected(query: &mut Query) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] = select.projection.as_mut_slice()
    else {
        return false;
    };
    *expr = call("array_agg", vec![expr.clone()]);
    query.order_by = None;
    true
}

/// A subquery that stands for one value has one row; DataFusion wants to see that. Where there are more, PostgreSQL
/// says that it is an error, and here it is the greatest.
fn one_row(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if select.from.is_empty() || query.limit_clause.is_some() {
        return;
    }
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] = select.projection.as_mut_slice()
    else {
        return;
    };
    if !is_aggregate(expr) {
        *expr = call("max", vec![expr.clone()]);
        query.order_by = None;
    }
}

/// Gives the columns of a SELECT the names of another's.
fn name_as(body: &mut SetExpr, named: &SetExpr) {
    let (SetExpr::Select(select), SetExpr::Select(named)) = (body, named) else { return };
    if select.projection.len() != named.projection.len() {
        return;
    }
    for (item, named) in select.projection.iter_mut().zip(&named.projection) {
        let SelectItem::ExprWithAlias { alias, .. } = named else { continue };
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: alias.clone() };
        }
    }
}

fn typed_null(data_type: DataType, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr: cast(null(), data_type), alias: Ident::with_quote('"', name) }
}

/// The type of an expression, as far as clients care: text where it is not plain to see.
fn type_of(expr: &Expr, columns: &[(String, String, DataType)]) -> DataType {
    let column = |table: Option<&Ident>, name: &Ident| {
        let name = folded(name);
        let known =
            columns.iter().find(|(of, column, _)| *column == name && table.is_none_or(|table| *of == folded(table)));
        known.map_or(DataType::Text, |(.., data_type)| data_type.clone())
    };
    match expr {
        Expr::Nested(inner) => type_of(inner, columns),
        Expr::Cast { data_type, .. } => data_type.clone(),
        Expr::Identifier(name) => column(None, name),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [.., table, name] => column(Some(table), name),
            _ => DataType::Text,
        },
        Expr::Value(value) => match &value.value {
            Value::Number(..) => DataType::Integer(None),
            Value::Boolean(_) => DataType::Boolean,
            _ => DataType::Text,
        },
        Expr::Case { conditions, .. } => {
            let results = conditions.iter().map(|when| type_of(&when.result, columns));
            results.into_iter().next().unwrap_or(DataType::Text)
        }
        Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::InList { .. } | Expr::InSubquery { .. } | Expr::Exists { .. } => {
            DataType::Boolean
        }
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => DataType::Boolean,
        Expr::BinaryOp {
            op:
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::And
                | BinaryOperator::Or
                | BinaryOperator::Lt
                | BinaryOperator::Gt
                | BinaryOperator::LtEq
                | BinaryOperator::GtEq,
            ..
        } => DataType::Boolean,
        // `(_pg_expandarray(i.indkey)).n`, the place of a column in its key.
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
            Some(access) if matches!(access.to_string().as_str(), ".n" | ".x") => DataType::Integer(None),
            _ => DataType::Text,
        },
        _ => DataType::Text,
    }
}

fn sql_type(data_type: &arrow::datatypes::DataType) -> DataType {
    use arrow::datatypes::DataType as Arrow;
    match data_type {
        Arrow::Boolean => DataType::Boolean,
        Arrow::Int16 => DataType::SmallInt(None),
        Arrow::Int32 => DataType::Integer(None),
        Arrow::UInt32 => DataType::IntegerUnsigned(None),
        Arrow::Int64 => DataType::BigInt(None),
        Arrow::Float32 => DataType::Real,
        Arrow::Float64 => DataType::DoublePrecision,
        _ => DataType::Text,
    }
}

/// Whether an expression is over many rows.
pub(super) fn is_aggregate(expr: &Expr) -> bool {
    Visit::visit(expr, &mut AggregateFinder { depth: 0 }).is_break()
}

const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "max",
    "min",
    "string_agg",
    "sum",
];

struct AggregateFinder {
    /// Of subqueries.
    depth: usize,
}

impl Visitor for AggregateFinder {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = parts(&function.name).and_then(|parts| parts.last().map(|name| name.to_lowercase()));
        let aggregate = name.is_some_and(|name| AGGREGATES.contains(&name.as_str()));
        if aggregate && function.over.is_none() && self.depth == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// A query of this program's, as the parser makes it.
pub(in super::super) fn parsed(sql: &str) -> Option<Box<Query>> {
    match Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?.pop()? {
        Statement::Query(query) => Some(query),
        _ => None,
    }
}
