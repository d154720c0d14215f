//! What the columns of an answer are called.
//!
//! PostgreSQL calls a column without a name by its function, its column, or `?column?`, and lets two have one name.
//! DataFusion calls it by its text and lets none. So each is given PostgreSQL's name, with a mark behind it where it is
//! another's too; [`shown`] takes the mark off.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArguments, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};

use super::super::ast::{folded, parts};

/// Between a name and what makes it unlike another; no client writes it.
const MARK: char = '\u{1}';

/// The name that a client sees.
pub(in super::super) fn shown(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Whether a column was only put in to order by it.
pub(in super::super) fn is_hidden(name: &str) -> bool {
    name.starts_with(MARK)
}

/// Names the columns of a query and of those inside it.
pub(super) fn give(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut Namer);
    order_by_columns(query);
}

/// DataFusion orders by no subquery, so what one orders by becomes a column of its own, which nobody is shown.
fn order_by_columns(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = &mut query.order_by else { return };
    for (place, by) in order.iter_mut().enumerate().filter(|_| select.distinct.is_none()) {
        if !has_subquery(&by.expr) {
            continue;
        }
        let alias = Ident::with_quote('"', format!("{MARK}{place}"));
        let expr = std::mem::replace(&mut by.expr, Expr::Identifier(alias.clone()));
        select.projection.push(SelectItem::ExprWithAlias { expr, alias });
    }
}

fn has_subquery(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    Visit::visit(expr, &mut Finder).is_break()
}

struct Namer;

impl VisitorMut for Namer {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let wildcard = select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let mut taken = HashSet::new();
        for (place, item) in select.projection.iter_mut().enumerate() {
            let (expr, name, unnamed) = match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = figured(expr).unwrap_or_else(|| "?column?".to_owned());
                    (expr.clone(), name, true)
                }
                SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), folded(alias), false),
                _ => continue,
            };
            let fresh = taken.insert(name.clone());
            // A column that stands beside `*` is there twice, most likely.
            let marked = !fresh || (wildcard && unnamed);
            let column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if unnamed && column && !marked {
                continue;
            }
            let name = if marked { format!("{name}{MARK}{place}") } else { name };
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
        }
        ControlFlow::Continue(())
    }
}

/// PostgreSQL's name for a column without one; `None` where it is `?column?`.
pub(super) fn figured(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(names) => names.last().map(folded),
        Expr::CompoundFieldAccess { root, access_chain } => access_chain
            .iter()
            .rev()
            .find_map(|access| match access {
                AccessExpr::Dot(field) => figured(field),
                AccessExpr::Subscript(_) => None,
            })
            .or_else(|| figured(root)),
        Expr::Function(function) => match &function.args {
            FunctionArguments::Subquery(_) => Some("array".to_owned()),
            _ => parts(&function.name)?.pop(),
        },
        Expr::Cast { expr, data_type, .. } => figured(expr).or_else(|| {
            let name = data_type.to_string().to_lowercase();
            let name = name.rsplit('.').next().unwrap_or(&name).replace('"', "");
            Some(super::super::types::typname(name.split('(').next().unwrap_or(&name)).to_owned())
        }),
        Expr::Collate { expr, .. } | Expr::Nested(expr) => figured(expr),
        Expr::Case { else_result, .. } => {
            Some(else_result.as_deref().and_then(figured).unwrap_or_else(|| "case".to_owned()))
        }
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => Some("bool".to_owned()),
            _ => None,
        },
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::UnnamedExpr(expr) => figured(expr),
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
