//! Every ASOF JOIN of a statement on its own, between parentheses.
//!
//! ```text
//! a JOIN b ON .. ASOF JOIN c .. JOIN d ON ..   -->   ((a JOIN b ON ..) ASOF JOIN c ..) JOIN d ON ..
//! ```
//! Joins are planned from the left to the right anyway; what stands between parentheses is a table to DataFusion, and
//! tables are what it lets others plan.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Join, JoinOperator, Select, Statement, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

/// Puts every ASOF JOIN between parentheses.
pub(in crate::query) fn nest_asof_joins(statement: &mut Statement) {
    // It never breaks.
    let _ = statement.visit(&mut Nesting);
}

struct Nesting;

impl VisitorMut for Nesting {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        select.from.iter_mut().for_each(nest);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor
            && table_with_joins.joins.len() > 1
        {
            nest(table_with_joins);
        }
        ControlFlow::Continue(())
    }
}

fn nest(from: &mut TableWithJoins) {
    for join in std::mem::take(&mut from.joins) {
        let is_asof = matches!(join.join_operator, JoinOperator::AsOf { .. });
        if is_asof && !from.joins.is_empty() {
            parenthesize(from);
        }
        from.joins.push(join);
        if is_asof {
            parenthesize(from);
        }
    }
}

/// `a JOIN b` as `(a JOIN b)`.
fn parenthesize(from: &mut TableWithJoins) {
    let joins: Vec<Join> = std::mem::take(&mut from.joins);
    let empty = TableFactor::UNNEST {
        alias: None,
        array_exprs: Vec::new(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
    let relation = std::mem::replace(&mut from.relation, empty);
    let table_with_joins = Box::new(TableWithJoins { relation, joins });
    from.relation = TableFactor::NestedJoin { table_with_joins, alias: None };
}
