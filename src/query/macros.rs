//! Calls of table macros, written out before a query is planned.
//!
//! ```text
//! FROM trace_tree('ab..') AS t    -->    FROM (SELECT * FROM (the macro's SELECT, $trace_id = 'ab..') AS trace_tree) AS t
//! ```
//! The planner then sees a subquery like any other: filters go through it, and `$1` of the query may be an argument. What
//! a macro reads is its own matter: its tables are written with their full names, which no WITH of the query reaches, and
//! an argument is a value, which names no column that the macro could take for its own.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, ObjectName, Query, Statement as SqlStatement,
    TableAlias, TableFactor, TableFunctionArgs, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::planner::{CATALOG, SCHEMA};
use super::sql_objects::{Parameter, SqlObject, SqlObjects};
use super::statement::{parse, parse_expression};
use crate::error::{Error, Result};

/// Macros within macros, at most.
const MAX_DEPTH: usize = 8;

/// Writes out every call of a macro.
///
/// # Errors
/// `Invalid`, saying how the macro is called.
pub(super) fn expand(statement: &mut Statement, objects: &SqlObjects) -> Result<()> {
    expand_within(statement, objects, 0)
}

fn expand_within(statement: &mut Statement, objects: &SqlObjects, depth: usize) -> Result<()> {
    let mut visitor = Expansion { objects, depth };
    match sql_of(statement).map(|statement| statement.visit(&mut visitor)) {
        Some(ControlFlow::Break(error)) => Err(error),
        _ => Ok(()),
    }
}

/// The names of a statement's `$name`s, not those that are numbers.
pub(super) fn placeholders(statement: &Statement) -> Vec<String> {
    struct Names(Vec<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0.extend(placeholder(expr).map(str::to_owned));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(Vec::new());
    let mut statement = statement.clone();
    if let Some(statement) = sql_of(&mut statement) {
        // It never breaks.
        let _ = Visit::visit(&*statement, &mut names);
    }
    names.0
}

/// Whether a statement is a SELECT, or several put together.
pub(super) fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(statement) if matches!(**statement, SqlStatement::Query(_)))
}

/// `name` of `$name`.
fn placeholder(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(text) = &value.value else { return None };
    text.strip_prefix('$').filter(|name| name.parse::<usize>().is_err())
}

fn sql_of(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => sql_of(&mut explain.statement),
        _ => None,
    }
}

struct Expansion<'a> {
    objects: &'a SqlObjects,
    depth: usize,
}

impl VisitorMut for Expansion<'_> {
    type Break = Error;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, args: Some(args), .. } = factor else { return ControlFlow::Continue(()) };
        let Some(object) = macro_named(self.objects, name) else { return ControlFlow::Continue(()) };
        match self.called(object, args, alias.clone()) {
            Ok(expanded) => {
                *factor = expanded;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn macro_named<'a>(objects: &'a SqlObjects, name: &ObjectName) -> Option<&'a SqlObject> {
    let [part] = name.0.as_slice() else { return None };
    objects.named(&part.as_ident()?.value.to_lowercase()).filter(|object| object.parameters.is_some())
}

impl Expansion<'_> {
    fn called(&self, object: &SqlObject, args: &TableFunctionArgs, alias: Option<TableAlias>) -> Result<TableFactor> {
        if self.depth == MAX_DEPTH {
            return Err(Error::invalid(format!("{} calls itself, or macros are nested too deeply", object.name)));
        }
        let values = bind(object, &args.args)?;
        let mut statement = parse(&object.sql)?;
        if let Some(statement) = sql_of(&mut statement) {
            let mut own = OwnNames::default();
            let _ = Visit::visit(&*statement, &mut own);
            let _ = VisitMut::visit(statement, &mut FullNames { own: &own.0, objects: self.objects });
        }
        let mut filled = Filling { values: &values };
        if let Some(statement) = sql_of(&mut statement) {
            let _ = VisitMut::visit(statement, &mut filled);
        }
        expand_within(&mut statement, self.objects, self.depth + 1)?;
        let Some(SqlStatement::Query(query)) = sql_of(&mut statement) else {
            return Err(Error::internal(format!("macro `{}` is no query", object.name)));
        };
        let own = derived(query.clone(), Some(alias_named(&object.name)));
        Ok(match alias {
            None => own,
            Some(alias) => derived(Box::new(select_all_from(own)?), Some(alias)),
        })
    }
}

/// The names that a statement's WITHs give.
#[derive(Default)]
struct OwnNames(HashSet<String>);

impl Visitor for OwnNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(tables.map(|table| table.alias.name.value.clone()));
        ControlFlow::Continue(())
    }
}

/// Gives tables and views their full names.
struct FullNames<'a> {
    own: &'a HashSet<String>,
    objects: &'a SqlObjects,
}

impl VisitorMut for FullNames<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        if let [table] = name.0.as_slice()
            && let Some(table) = table.as_ident()
            && !self.own.contains(&table.value)
            && macro_named(self.objects, name).is_none()
        {
            *name = ObjectName::from(vec![Ident::new(CATALOG), Ident::new(SCHEMA), table.clone()]);
        }
        ControlFlow::Continue(())
    }
}

/// What of an argument is no value: a column or a query.
fn not_a_value(argument: &Expr) -> Option<String> {
    struct Parts;
    impl Visitor for Parts {
        type Break = String;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(format!("the column {expr}")),
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                    ControlFlow::Break("a query".to_owned())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match Visit::visit(argument, &mut Parts) {
        ControlFlow::Break(what) => Some(what),
        ControlFlow::Continue(()) => None,
    }
}

/// The value of each parameter.
fn bind(object: &SqlObject, args: &[FunctionArg]) -> Result<Vec<(String, Expr)>> {
    let wrong = |what: String| Error::invalid(format!("{what}; it is called {}", object.usage()));
    let parameters = object.parameters.as_deref().unwrap_or_default();
    let mut values: Vec<(String, Option<Expr>)> =
        parameters.iter().map(|parameter| (parameter.name.clone(), None)).collect();
    for (place, arg) in args.iter().enumerate() {
        let (name, value) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => {
                (parameters.get(place).map(|p| p.name.clone()), value)
            }
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Equals,
            } => (Some(name.value.to_lowercase()), value),
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                (Some(name.value.to_lowercase()), value)
            }
            other => return Err(wrong(format!("`{other}` is no argument of {}", object.name))),
        };
        if let Some(what) = not_a_value(value) {
            return Err(wrong(format!("{} takes values, not {what}: ask for it first", object.name)));
        }
        let slot = name.and_then(|name| values.iter_mut().find(|(known, _)| *known == name));
        match slot {
            Some((_, slot @ None)) => *slot = Some(value.clone()),
            Some((name, Some(_))) => return Err(wrong(format!("{} is given {name} twice", object.name))),
            None => return Err(wrong(format!("{} has no parameter for `{arg}`", object.name))),
        }
    }
    let filled = values.into_iter().zip(parameters).map(|((name, value), parameter)| match (value, parameter) {
        (Some(value), _) => Ok((name, value)),
        (None, Parameter { default: Some(default), .. }) => Ok((name, parse_expression(default)?)),
        (None, _) => Err(wrong(format!("{} needs {name}", object.name))),
    });
    filled.collect()
}

struct Filling<'a> {
    values: &'a [(String, Expr)],
}

impl VisitorMut for Filling<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let value = placeholder(expr).and_then(|name| self.values.iter().find(|(known, _)| known == name));
        if let Some((_, value)) = value {
            *expr = Expr::Nested(Box::new(value.clone()));
        }
        ControlFlow::Continue(())
    }
}

fn derived(subquery: Box<Query>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery, alias, sample: None }
}

fn alias_named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

/// `SELECT * FROM factor`.
fn select_all_from(factor: TableFactor) -> Result<Query> {
    let parsed = parse("SELECT * FROM placeholder")?;
    let Statement::Statement(statement) = parsed else { return Err(Error::internal("no SELECT")) };
    let SqlStatement::Query(mut query) = *statement else { return Err(Error::internal("no SELECT")) };
    if let datafusion::sql::sqlparser::ast::SetExpr::Select(select) = query.body.as_mut()
        && let [from] = select.from.as_mut_slice()
    {
        from.relation = factor;
    }
    Ok(*query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(sql: &str) -> Result<String> {
        let mut statement = parse(sql)?;
        expand(&mut statement, &SqlObjects::built_in()?)?;
        Ok(statement.to_string())
    }

    #[rstest::rstest]
    #[case("select * from trace_tree('ab')", "FROM telestrata.public.spans")]
    #[case("with spans as (select 1) select * from trace_tree('ab')", "FROM telestrata.public.spans")]
    #[case("select * from trace_tree(trace_id => $1) as t", "trace_id = ($1)")]
    #[case("select * from metric_at('cpu', INTERVAL '1 minute')", "<= (INTERVAL '1 minute')")]
    #[case("select * from metric_at('cpu')", "(metric_at_records AS records ASOF")]
    #[case("select * from attribute_values('logs', 'k', until => now())", "(now())")]
    fn a_call_is_a_subquery(#[case] sql: &str, #[case] expected: &str) {
        let text = expanded(sql).unwrap();
        assert!(text.contains(expected), "{text}");
    }

    #[rstest::rstest]
    #[case("trace_tree()", "trace_tree needs trace_id")]
    #[case("trace_tree('a', 'b')", "no parameter for `'b'`")]
    #[case("trace_tree(id => 'a')", "it is called trace_tree(trace_id)")]
    #[case("trace_tree('a', trace_id => 'b')", "given trace_id twice")]
    // Pasted into the macro, these would be columns of its own.
    #[case("trace_tree(trace_id)", "not the column trace_id")]
    #[case("trace_tree(s.trace_id)", "not the column s.trace_id")]
    #[case("trace_tree(upper(name))", "not the column name")]
    #[case("trace_tree((select max(trace_id) from spans))", "not a query")]
    fn a_wrong_call_says_how_it_is_called(#[case] call: &str, #[case] expected: &str) {
        let error = expanded(&format!("select * from {call}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
