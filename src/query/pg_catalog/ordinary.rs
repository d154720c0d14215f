//! A query of the lake as PostgreSQL's clients write it.
//!
//! It is this program's SQL, but for a few names: `pg_catalog.` before functions and types, `current_schema()` and its
//! like, `age`, `timezone`, the patterns of `to_char`, `COLLATE "C"`.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    Select, SelectItem, VisitMut, VisitorMut,
};

use super::super::planner::{CATALOG, SCHEMA};
use super::ast::{arguments, as_string, call, parts, string};

/// Rewrites a statement in place.
///
/// # Errors
/// The message, for a pattern of `to_char` and a collation that can't be had.
pub(in super::super) fn rewrite_ordinary(statement: &mut Statement, user: &str) -> Result<(), String> {
    match statement {
        Statement::Statement(statement) => match VisitMut::visit(statement.as_mut(), &mut Rewriter { user }) {
            ControlFlow::Break(message) => Err(message),
            ControlFlow::Continue(()) => Ok(()),
        },
        Statement::Explain(explain) => rewrite_ordinary(&mut explain.statement, user),
        _ => Ok(()),
    }
}

struct Rewriter<'a> {
    user: &'a str,
}

impl VisitorMut for Rewriter<'_> {
    type Break = String;

    /// A column that was a call keeps the function's name.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let name = match &*expr {
                Expr::Function(function) if self.replaced(function).is_some() => {
                    parts(&function.name).and_then(|mut parts| parts.pop())
                }
                Expr::Identifier(name) if self.replaced_name(name).is_some() => Some(name.value.to_lowercase()),
                _ => None,
            };
            if let Some(name) = name {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match expr {
            Expr::Function(function) => {
                if let Some(new) = self.replaced(function) {
                    *expr = new;
                    return ControlFlow::Continue(());
                }
                if let Some([schema, name]) = parts(&function.name).as_deref()
                    && schema == "pg_catalog"
                {
                    function.name = ObjectName::from(vec![Ident::new(name.clone())]);
                }
                if let Err(message) = patterns(function) {
                    return ControlFlow::Break(message);
                }
            }
            Expr::Cast { data_type: DataType::Custom(name, _), .. } => {
                if let Some([schema, _]) = parts(name).as_deref()
                    && schema == "pg_catalog"
                    && let Expr::Cast { data_type, .. } = expr
                {
                    *data_type = super::rewrite::plain_type(data_type);
                }
            }
            Expr::Identifier(name) => {
                if let Some(new) = self.replaced_name(name) {
                    *expr = new;
                }
            }
            Expr::Collate { expr: text, collation } => {
                if !is_by_bytes(collation) {
                    return ControlFlow::Break(format!("texts are compared byte by byte: COLLATE {collation} is not"));
                }
                *expr = text.as_ref().clone();
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    /// What stands for a word that calls a function without parentheses; PostgreSQL reserves them.
    fn replaced_name(&self, name: &Ident) -> Option<Expr> {
        match (name.quote_style, name.value.to_lowercase().as_str()) {
            (None, "localtimestamp") => Some(call("now", Vec::new())),
            (None, "current_catalog") => Some(string(CATALOG)),
            (None, "current_user" | "session_user" | "current_role") => Some(string(self.user)),
            _ => None,
        }
    }

    /// What stands for a call of a function that this program does not have.
    fn replaced(&self, function: &Function) -> Option<Expr> {
        let names = parts(&function.name)?;
        let name = match names.as_slice() {
            [name] => name,
            [schema, name] if schema == "pg_catalog" => name,
            _ => return None,
        };
        let args = arguments(function)?;
        match (name.as_str(), args.as_slice()) {
            ("current_schema", []) => Some(string(SCHEMA)),
            ("current_database" | "current_catalog", []) => Some(string(CATALOG)),
            ("current_user" | "session_user" | "user" | "current_role", []) => Some(string(self.user)),
            ("version", []) => Some(string(super::version())),
            ("localtimestamp" | "statement_timestamp" | "transaction_timestamp" | "clock_timestamp", []) => {
                Some(call("now", Vec::new()))
            }
            ("age", [later, earlier]) => Some(Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new((*later).clone()),
                op: BinaryOperator::Minus,
                right: Box::new((*earlier).clone()),
            }))),
            ("timezone", [zone, time]) => {
                Some(Expr::AtTimeZone { timestamp: Box::new((*time).clone()), time_zone: Box::new((*zone).clone()) })
            }
            _ => None,
        }
    }
}

/// Whether a collation is the order that texts have here: that of their bytes.
fn is_by_bytes(collation: &ObjectName) -> bool {
    let name = match parts(collation).as_deref() {
        Some([name]) => name.clone(),
        Some([schema, name]) if schema == "pg_catalog" => name.clone(),
        _ => return false,
    };
    matches!(name.as_str(), "C" | "C.utf8" | "POSIX" | "default" | "ucs_basic")
}

/// The pattern of `to_char(time, pattern)` in DataFusion's writing.
fn patterns(function: &mut Function) -> Result<(), String> {
    if !function.name.to_string().eq_ignore_ascii_case("to_char") {
        return Ok(());
    }
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(pattern))] = list.args.as_mut_slice() else { return Ok(()) };
    let Some(text) = as_string(pattern) else { return Ok(()) };
    // Somebody who writes DataFusion's pattern means it.
    if !text.contains('%') {
        *pattern = string(chrono_pattern(text)?);
    }
    Ok(())
}

/// Patterns that begin as another does, and can't be had.
const NO_PATTERNS: &[&str] = &["SSSS"];

/// PostgreSQL's patterns, the longer before those that they begin with, and DataFusion's.
const PATTERNS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("Month", "%B"),
    ("Mon", "%b"),
    ("MM", "%m"),
    ("MI", "%M"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("Day", "%A"),
    ("Dy", "%a"),
    ("DDD", "%j"),
    ("DD", "%d"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("HH", "%I"),
    ("SS", "%S"),
    ("IYYY", "%G"),
    ("IW", "%V"),
    ("AM", "%p"),
    ("PM", "%p"),
    // That of every time here.
    ("TZ", "UTC"),
];

fn chrono_pattern(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(char) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (literal, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
            out.push_str(literal);
            rest = behind;
        } else if let Some((pattern, chrono)) = PATTERNS.iter().find(|(pattern, _)| rest.starts_with(pattern))
            && !NO_PATTERNS.iter().any(|other| rest.starts_with(other))
        {
            out.push_str(chrono);
            rest = rest.get(pattern.len()..).unwrap_or_default();
        } else if char.is_alphabetic() && char != 'T' && char != 'Z' {
            return Err(format!("to_char has no pattern that begins {rest:?}; put text between double quotes"));
        } else {
            out.push(char);
            rest = rest.get(char.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("YYYY-MM-DD HH24:MI:SS.MS", "%Y-%m-%d %H:%M:%S.%3f")]
    #[case("Dy, DD Mon YYYY", "%a, %d %b %Y")]
    #[case("YYYY-MM-DD\"T\"HH24:MI", "%Y-%m-%dT%H:%M")]
    #[case("HH24:MI TZ", "%H:%M UTC")]
    fn a_pattern_is_written_anew(#[case] postgres: &str, #[case] chrono: &str) {
        assert_eq!(chrono_pattern(postgres).unwrap(), chrono);
    }

    #[rstest::rstest]
    #[case("YYYY Q", "\"Q\"")]
    #[case("SSSS", "\"SSSS\"")]
    #[case("YYYY D", "\"D\"")]
    fn an_unknown_pattern_is_an_error(#[case] pattern: &str, #[case] unknown: &str) {
        assert!(chrono_pattern(pattern).unwrap_err().contains(unknown));
    }
}
