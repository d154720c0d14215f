//! SQL text to one statement, with `attr('k')`, `increase()` and their like written out.
//!
//! `attr('k')` names no column, so it is given the three maps before planning: unqualified, or those of the table
//! that `attr(l, 'k')` names. What it then looks up is decided in `lookup.rs` and `adapter.rs`. Likewise a function that
//! takes many columns of its table may be called without them; `functions/` says which.

use std::ops::ControlFlow;

use datafusion::common::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select, SelectItem, TableFactor, Value,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::asof_join::nest_asof_joins;
use super::dialect::QueryDialect;
use super::error::from_datafusion;
use super::functions::columns_behind;
use super::output_names::name_apart;
use crate::error::{Error, Position, Result};
use crate::model::promoted::AttributeMap;

/// Deepest nesting of expressions and subqueries.
pub(super) const MAX_DEPTH: usize = 64;

/// Operators and keywords of a query, at most.
const MAX_OPERATORS: usize = 5_000;

/// Parses the one statement of a text.
///
/// # Errors
/// `Invalid`, with the position where the parser tells it.
pub(super) fn parse(sql: &str) -> Result<Statement> {
    check_length(sql)?;
    let mut parser = DFParserBuilder::new(sql)
        .with_dialect(&QueryDialect)
        .with_recursion_limit(MAX_DEPTH)
        .build()
        .map_err(from_datafusion)?;
    let mut statements = parser.parse_statements().map_err(|error| at_the_end(from_datafusion(error), sql))?;
    let first = statements.pop_front().ok_or_else(|| Error::invalid("the query is empty; write a SELECT"))?;
    if !statements.is_empty() {
        return Err(Error::invalid("one statement at a time; send the others on their own"));
    }
    let mut statement = first;
    refuse_unheeded(&mut statement)?;
    write_out_columns(&mut statement)?;
    nest(&mut statement);
    name_apart(&mut statement);
    Ok(statement)
}

/// Refuses what is parsed and then heeded by nobody: a sample that is not taken, a lock that is not held.
fn refuse_unheeded(statement: &mut Statement) -> Result<()> {
    match statement {
        Statement::Statement(statement) => match VisitMut::visit(statement.as_mut(), &mut Unheeded) {
            ControlFlow::Break(what) => Err(Error::invalid(what)),
            ControlFlow::Continue(()) => Ok(()),
        },
        Statement::Explain(explain) => refuse_unheeded(&mut explain.statement),
        _ => Ok(()),
    }
}

struct Unheeded;

impl VisitorMut for Unheeded {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<&'static str> {
        if query.locks.is_empty() {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break("FOR UPDATE and FOR SHARE are not done here: nothing is written, so nothing is locked")
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<&'static str> {
        match table {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                ControlFlow::Break("TABLESAMPLE is not done here; take a sample by WHERE sample(trace_id, 0.01)")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// The query of `EXPLAIN ESTIMATE query`, which asks what it would read, at the place that it has in the text.
pub(super) fn estimated(sql: &str) -> Option<String> {
    let mut rest = without_comments(sql);
    for word in ["explain", "estimate"] {
        let behind = rest.split_at_checked(word.len()).filter(|(head, _)| head.eq_ignore_ascii_case(word))?.1;
        rest = without_comments(behind);
        if rest.len() == behind.len() {
            return None;
        }
    }
    let before = sql.strip_suffix(rest)?;
    let blank = before.chars().map(|char| if char == '\n' { char } else { ' ' });
    Some(blank.chain(rest.chars()).collect())
}

/// What follows the blanks and comments that a text begins with.
fn without_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = match rest.get(..2) {
            Some("--") => rest.split_once('\n').map_or("", |(_, behind)| behind),
            Some("/*") => rest.split_once("*/").map_or("", |(_, behind)| behind),
            _ => return rest,
        };
        rest = behind.trim_start();
    }
}

/// Every ASOF JOIN between parentheses.
fn nest(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => nest_asof_joins(statement),
        Statement::Explain(explain) => nest(&mut explain.statement),
        _ => {}
    }
}

/// Checks that a text is one expression and nothing else, so that it stays inside the parentheses it is put in.
///
/// # Errors
/// `Invalid`, with the position in the text where the parser tells it.
pub(super) fn check_expression(text: &str) -> Result<()> {
    parse_expression(text).map(|_| ())
}

/// Parses a text that is one expression and nothing else.
///
/// # Errors
/// `Invalid`, with the position in the text where the parser tells it.
pub(super) fn parse_expression(text: &str) -> Result<Expr> {
    check_length(text)?;
    let failed = |error: ParserError| at_the_end(from_datafusion(DataFusionError::SQL(Box::new(error), None)), text);
    let mut parser = Parser::new(&QueryDialect).with_recursion_limit(MAX_DEPTH).try_with_sql(text).map_err(failed)?;
    let expression = parser.parse_expr().map_err(failed)?;
    parser.expect_token(&Token::EOF).map_err(failed)?;
    Ok(expression)
}

/// Refuses what would nest too deep: `1+1+1+...` is one level an operator, which the parser builds in a loop, past its
/// own limit, and which is let go of by recursion.
pub(super) fn check_length(sql: &str) -> Result<()> {
    // A text that is no SQL is the parser's to report.
    let Ok(tokens) = Tokenizer::new(&QueryDialect, sql).tokenize() else { return Ok(()) };
    let operators = tokens.iter().filter(|token| match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => false,
        _ => true,
    });
    if operators.count() > MAX_OPERATORS {
        return Err(Error::invalid(format!(
            "the query has more than {MAX_OPERATORS} operators and keywords; put long lists of values into IN (...)"
        )));
    }
    Ok(())
}

/// The parser does not say where the text ended too soon; it is where it ends.
fn at_the_end(error: Error, sql: &str) -> Error {
    if error.position().is_some() || !error.message().ends_with("found: EOF") {
        return error;
    }
    let line = sql.split('\n').count() as u64;
    let column = sql.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u64 + 1;
    error.with_position(Some(Position { line, column }))
}

fn write_out_columns(statement: &mut Statement) -> Result<()> {
    match statement {
        Statement::Statement(statement) => match statement.visit(&mut ColumnWriter) {
            ControlFlow::Break(message) => Err(Error::invalid(message)),
            ControlFlow::Continue(()) => Ok(()),
        },
        Statement::Explain(explain) => write_out_columns(&mut explain.statement),
        _ => Ok(()),
    }
}

struct ColumnWriter;

impl VisitorMut for ColumnWriter {
    type Break = String;

    /// A column of the answer keeps the name that was written.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let name = expr.to_string();
            expr.visit(self)?;
            if expr.to_string() != name {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string();
        let FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
        if let Some(columns) = columns_behind(&name, list.args.len()) {
            list.args.extend(columns.iter().map(|column| column_arg(None, column)));
            return ControlFlow::Continue(());
        }
        if !name.eq_ignore_ascii_case("attr") {
            return ControlFlow::Continue(());
        }
        let (table, key) = match list.args.as_slice() {
            [key] => (None, key.clone()),
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(table))), key] => {
                (Some(table.clone()), key.clone())
            }
            // Written out already, by hand or by an earlier visit.
            [_, _, _, _] => return ControlFlow::Continue(()),
            _ => {
                return ControlFlow::Break(
                    "attr takes a key: attr('http.route'), or attr(l, 'http.route') for the table known as l".into(),
                );
            }
        };
        if !matches!(&key, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))
            if matches!(value.value, Value::SingleQuotedString(_) | Value::Placeholder(_)))
        {
            return ControlFlow::Break(format!("attr takes a key in single quotes, not {key}"));
        }
        list.args = AttributeMap::LOOKUP_ORDER.iter().map(|map| column_arg(table.as_ref(), map.column())).collect();
        list.args.push(key);
        ControlFlow::Continue(())
    }
}

fn column_arg(table: Option<&Ident>, column: &str) -> FunctionArg {
    let column = Ident::new(column);
    let expr = match table {
        Some(table) => Expr::CompoundIdentifier(vec![table.clone(), column]),
        None => Expr::Identifier(column),
    };
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("select attr('k') from logs", "attr(attributes, scope_attributes, resource_attributes, 'k')")]
    #[case("select attr(l, 'k') from logs l", "attr(l.attributes, l.scope_attributes, l.resource_attributes, 'k')")]
    #[case("explain select 1 from logs where ATTR('k') = 'v'", "resource_attributes, 'k') = 'v'")]
    fn attr_is_given_its_maps(#[case] sql: &str, #[case] expected: &str) {
        let text = parse(sql).unwrap().to_string();
        assert!(text.contains(expected), "{text}");
    }

    #[rstest::rstest]
    #[case("select 1 from logs tablesample system (1)", "TABLESAMPLE")]
    #[case("select 1 from (select 1 from logs for update) as l", "FOR UPDATE")]
    #[case("explain select 1 from logs for share", "FOR SHARE")]
    fn what_nobody_would_heed_is_refused(#[case] sql: &str, #[case] named: &str) {
        assert!(parse(sql).unwrap_err().to_string().contains(named));
    }

    #[rstest::rstest]
    #[case("explain estimate select 1", Some("                 select 1"))]
    #[case("EXPLAIN\n Estimate\nselect 1", Some("       \n         \nselect 1"))]
    #[case(
        "-- what\nexplain /* it */ estimate -- reads\nselect 1",
        Some("       \n                                  \nselect 1")
    )]
    #[case("-- explain estimate select 1", None)]
    #[case("explain estimated", None)]
    #[case("explain select estimate", None)]
    #[case("select 1", None)]
    fn an_estimate_keeps_the_places_of_its_query(#[case] sql: &str, #[case] expected: Option<&str>) {
        assert_eq!(estimated(sql).as_deref(), expected);
    }

    #[test]
    fn a_function_is_given_the_columns_it_needs() {
        let text = parse("select rate(), histogram_quantile(0.5) from metrics").unwrap().to_string();
        let expected = "rate(series_id, time, start_time, temporality, value, is_monotonic) AS \"rate()\", histogram_quantile(0.5, count, sum,";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_parse_error_tells_where() {
        let error = parse("select\n  from from logs where").unwrap_err();
        assert_eq!(error.position(), Some(Position { line: 2, column: 23 }), "{error:?}");
        let error = parse("select 1\n  2 from logs").unwrap_err();
        assert_eq!(error.position(), Some(Position { line: 2, column: 3 }), "{error:?}");
        assert!(parse("select 1; select 2").unwrap_err().to_string().contains("one statement"));
        assert!(parse("  ").unwrap_err().to_string().contains("empty"));
    }
}
