//! Columns of one name in a result: the second is `name_2`, as a join of `s.*, l.*` has it.
//!
//! DataFusion refuses them while it plans, and PostgreSQL's users write `time, time::date`. A cast has the name of what it
//! casts.

use std::collections::HashMap;

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
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in items {
        let name = match &*item {
            SelectItem::UnnamedExpr(expr) => name_of(expr),
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            _ => continue,
        };
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            continue;
        }
        let apart = Ident::with_quote('"', format!("{name}_{count}"));
        match item {
            SelectItem::UnnamedExpr(expr) => {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: apart };
            }
            SelectItem::ExprWithAlias { alias, .. } => *alias = apart,
            _ => {}
        }
    }
}

/// The name that an expression's column has, as far as it can be another's.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(names) => names.last().map_or_else(String::new, |name| name.value.clone()),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => name_of(expr),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::parse;

    #[rstest::rstest]
    #[case("SELECT time, time::date FROM logs", "SELECT time, time::date AS \"time_2\" FROM logs")]
    #[case("SELECT 1 AS a, 2 AS a, 3 AS a", "SELECT 1 AS a, 2 AS \"a_2\", 3 AS \"a_3\"")]
    #[case("SELECT s.name, l.name FROM s, l", "SELECT s.name, l.name AS \"name_2\" FROM s, l")]
    #[case("SELECT count(*), count(*)::text", "SELECT count(*), count(*)::text AS \"count(*)_2\"")]
    #[case("SELECT a, b FROM t", "SELECT a, b FROM t")]
    #[case("SELECT *, a FROM t", "SELECT *, a FROM t")]
    fn columns_of_one_name_are_named_apart(#[case] sql: &str, #[case] expected: &str) {
        assert_eq!(parse(sql).unwrap().to_string().replace("::DATE", "::date").replace("::TEXT", "::text"), expected);
    }
}
