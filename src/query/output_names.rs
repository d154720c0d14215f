//! Columns of one name in a result: the second is `name_2`, or the next that is free.
//!
//! DataFusion refuses them while it plans, and PostgreSQL's users write `time, time::date`. A cast has the name of what it
//! casts.

use std::collections::HashSet;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Expr, Ident, SelectItem, SetExpr};

/// Names apart what the outermost SELECT would give one name.
pub(super) fn name_apart(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            if let ast::Statement::Query(query) = statement.as_mut() {
                of_body(&mut query.body);
            }
        }
        Statement::Explain(explain) => name_apart(&mut explain.statement),
        _ => {}
    }
}

fn of_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => of_items(&mut select.projection),
        SetExpr::Query(query) => of_body(&mut query.body),
        // The first SELECT names the columns.
        SetExpr::SetOperation { left, .. } => of_body(left),
        _ => {}
    }
}

fn of_items(items: &mut [SelectItem]) {
    // What a wildcard brings is not known yet; planning tells those apart.
    if items.iter().any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })) {
        return;
    }
    let names: Vec<Vec<String>> = items.iter().map(path_of).collect();
    let mut taken: HashSet<String> = names.iter().filter_map(|name| name.last().cloned()).collect();
    let mut seen: HashSet<&[String]> = HashSet::new();
    for (item, name) in items.iter_mut().zip(&names) {
        if seen.insert(name) {
            continue;
        }
        let short = name.last().map_or("", String::as_str);
        let Some(free) = (2..).map(|number| format!("{short}_{number}")).find(|name| taken.insert(name.clone())) else {
            return;
        };
        let apart = Ident::with_quote('"', free);
        match item {
            SelectItem::UnnamedExpr(expr) => {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: apart };
            }
            SelectItem::ExprWithAlias { alias, .. } => *alias = apart,
            _ => {}
        }
    }
}

/// The name of an item's column, with that of its table.
fn path_of(item: &SelectItem) -> Vec<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => path_of_expr(expr),
        SelectItem::ExprWithAlias { alias, .. } => vec![alias.value.clone()],
        _ => Vec::new(),
    }
}

fn path_of_expr(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Identifier(name) => vec![name.value.clone()],
        Expr::CompoundIdentifier(names) => names.iter().map(|name| name.value.clone()).collect(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => path_of_expr(expr),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::parse;

    #[rstest::rstest]
    #[case("SELECT time, time::date FROM logs", "SELECT time, time::date AS \"time_2\" FROM logs")]
    #[case("SELECT 1 AS a, 2 AS a, 3 AS a", "SELECT 1 AS a, 2 AS \"a_2\", 3 AS \"a_3\"")]
    #[case("SELECT s.name, l.name FROM s, l", "SELECT s.name, l.name FROM s, l")]
    #[case("SELECT s.name, s.name::text FROM s", "SELECT s.name, s.name::text AS \"name_2\" FROM s")]
    #[case("SELECT 1 AS a, 2 AS a_2, 3 AS a", "SELECT 1 AS a, 2 AS a_2, 3 AS \"a_3\"")]
    #[case("SELECT count(*), count(*)::text", "SELECT count(*), count(*)::text AS \"count(*)_2\"")]
    #[case("SELECT a, b FROM t", "SELECT a, b FROM t")]
    #[case("SELECT *, a FROM t", "SELECT *, a FROM t")]
    fn columns_of_one_name_are_named_apart(#[case] sql: &str, #[case] expected: &str) {
        assert_eq!(parse(sql).unwrap().to_string().replace("::DATE", "::date").replace("::TEXT", "::text"), expected);
    }
}
