//! What PostgreSQL writes in its own way: casts to `regclass` and its like, `OPERATOR()`, `COLLATE`, `ANY`, `ALL`,
//! `pg_catalog.` before functions and types, functions as tables.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_datafusion_err};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::super::arrays::written;
use super::super::ast::{arguments, array, as_string, boolean, call, cast, folded, number, parts, string};
use super::super::index::Index;

/// Rewrites a query in place.
///
/// # Errors
/// For a name that is cast to `regclass` and is none.
pub(super) fn rewrite(query: &mut Query, index: &Index) -> Result<()> {
    match VisitMut::visit(query, &mut Rewriter { index, tables: HashMap::new() }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The types whose values are oids that are written as names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reg {
    Class,
    Type,
    Namespace,
    Role,
}

impl Reg {
    fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Regclass => Some(Self::Class),
            DataType::Custom(name, _) => match parts(name)?.last()?.to_lowercase().as_str() {
                "regclass" => Some(Self::Class),
                "regtype" => Some(Self::Type),
                "regnamespace" => Some(Self::Namespace),
                "regrole" => Some(Self::Role),
                _ => None,
            },
            _ => None,
        }
    }

    /// The function from oid to name.
    fn to_name(self) -> &'static str {
        match self {
            Self::Class => "regclass_name",
            Self::Type => "regtype_name",
            Self::Namespace => "regnamespace_name",
            Self::Role => "regrole_name",
        }
    }

    /// The function from name to oid; an oid it lets be.
    fn to_oid(self) -> &'static str {
        match self {
            Self::Class => "to_regclass",
            Self::Type => "to_regtype",
            Self::Namespace => "to_regnamespace",
            Self::Role => "to_regrole",
        }
    }

    /// The oid of a name that a query has in quotes.
    fn oid(self, name: &str, index: &Index) -> Result<u32> {
        if let Ok(oid) = name.parse() {
            return Ok(oid);
        }
        let (found, what) = match self {
            Self::Class => (index.relation_oid(name), "table or view"),
            Self::Type => (index.type_oid(name), "type"),
            Self::Namespace => (index.schema_oid(name), "schema"),
            Self::Role => (Some(10), "role"),
        };
        found.ok_or_else(|| plan_datafusion_err!("there is no {what} {name}"))
    }
}

struct Rewriter<'a> {
    index: &'a Index,
    /// The oids of the tables that are named so far, by alias: what `tableoid` is.
    tables: HashMap<String, u32>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = DataFusionError;

    /// A column that is a cast to `regclass` shows the name.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<DataFusionError> {
        // Columns are before the tables that they are of.
        for from in &select.from {
            self.note(&from.relation);
            from.joins.iter().for_each(|join| self.note(&join.relation));
        }
        for item in &mut select.projection {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
            if let Some((reg, _)) = reg_cast(expr) {
                *expr = call(reg.to_name(), vec![expr.clone()]);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<DataFusionError> {
        rewrite_factor(factor);
        self.note(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        if let Expr::Cast { expr: inner, data_type, .. } = expr
            && is_text(data_type)
            && let Some((reg, oid)) = reg_cast(inner)
        {
            *expr = call(reg.to_name(), vec![call(reg.to_oid(), vec![oid.clone()])]);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        match self.rewritten(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn note(&mut self, factor: &TableFactor) {
        let TableFactor::Table { name, alias: Some(alias), args: None, .. } = factor else { return };
        if let Some(oid) = self.index.relation_oid(&name.to_string()) {
            self.tables.insert(folded(&alias.name), oid);
        }
    }

    fn rewritten(&self, expr: &mut Expr) -> Result<Option<Expr>> {
        Ok(match expr {
            Expr::Collate { expr, .. } => Some(expr.as_ref().clone()),
            Expr::Cast { expr: inner, data_type, .. } => match Reg::of(data_type) {
                Some(reg) => Some(match as_string(inner) {
                    Some(name) => cast(number(reg.oid(name, self.index)?), DataType::IntegerUnsigned(None)),
                    None => call(reg.to_oid(), vec![inner.as_ref().clone()]),
                }),
                None => cast_of(inner, data_type),
            },
            Expr::BinaryOp { op, .. } => {
                if let BinaryOperator::PGCustomBinaryOperator(name) = op
                    && let Some(plain) = name.last().and_then(|name| operator(name))
                {
                    *op = plain;
                }
                None
            }
            Expr::AnyOp { left, compare_op, right, .. } => any(left, compare_op, right),
            Expr::AllOp { left, compare_op, right } => all(left, compare_op, right),
            Expr::Function(function) => rewritten_call(function),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, column] if folded(column) == "tableoid" => {
                    self.tables.get(&folded(table)).map(|oid| cast(number(oid), DataType::IntegerUnsigned(None)))
                }
                _ => None,
            },
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char.take() {
                    **pattern = call("like_pattern", vec![pattern.as_ref().clone(), Expr::Value(escape)]);
                }
                None
            }
            _ => None,
        })
    }
}

/// The cast to `regclass` or its like that an expression is, and what is cast.
fn reg_cast(expr: &Expr) -> Option<(Reg, &Expr)> {
    match expr {
        Expr::Nested(inner) => reg_cast(inner),
        Expr::Cast { expr, data_type, .. } => Some((Reg::of(data_type)?, expr)),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) => true,
        DataType::Custom(name, _) => parts(name)
            .is_some_and(|parts| matches!(parts.last().map(String::as_str), Some("text" | "varchar" | "name"))),
        _ => false,
    }
}

/// A cast to one of PostgreSQL's types that DataFusion does not know, or knows without `pg_catalog.`.
fn cast_of(inner: &Expr, data_type: &DataType) -> Option<Expr> {
    if let DataType::Array(element) = data_type {
        let literal = as_string(inner).and_then(written);
        return Some(match literal {
            Some(elements) => {
                let (ArrayElemTypeDef::SquareBracket(of, _) | ArrayElemTypeDef::AngleBracket(of)) = element else {
                    return Some(array(elements.into_iter().map(string).collect()));
                };
                let of = plain_type(of);
                array(elements.into_iter().map(|element| cast(string(element), of.clone())).collect())
            }
            // The catalogue has no arrays but those that are written in the query.
            None => inner.clone(),
        });
    }
    let plain = plain_type(data_type);
    (plain != *data_type).then(|| cast(inner.clone(), plain))
}

/// The type by which DataFusion knows one of PostgreSQL's.
pub(in super::super) fn plain_type(data_type: &DataType) -> DataType {
    let name = match data_type {
        DataType::Custom(name, _) => parts(name).and_then(|parts| parts.last().cloned()),
        DataType::JSON | DataType::JSONB | DataType::Char(None) | DataType::Character(None) => return DataType::Text,
        _ => None,
    };
    let Some(name) = name else { return data_type.clone() };
    match name.to_lowercase().as_str() {
        "oid" | "xid" | "cid" => DataType::IntegerUnsigned(None),
        "cardinal_number" => DataType::Integer(None),
        "name" | "char" | "bpchar" | "citext" | "sql_identifier" | "character_data" | "yes_or_no" | "regproc"
        | "regprocedure" | "regoper" | "regoperator" | "regconfig" | "regdictionary" | "regcollation" | "json"
        | "jsonb" | "aclitem" | "inet" | "cidr" | "oidvector" | "int2vector" | "pg_node_tree" | "xml" | "tid" => {
            DataType::Text
        }
        other => Parser::new(&PostgreSqlDialect {})
            .try_with_sql(other)
            .and_then(|mut parser| parser.parse_data_type())
            .unwrap_or_else(|_| data_type.clone()),
    }
}

fn operator(name: &str) -> Option<BinaryOperator> {
    Some(match name {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        ">" => BinaryOperator::Gt,
        "<=" => BinaryOperator::LtEq,
        ">=" => BinaryOperator::GtEq,
        "||" => BinaryOperator::StringConcat,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        _ => return None,
    })
}

/// `x = ANY (...)`
fn any(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    if *op != BinaryOperator::Eq {
        return compared(left, op, right, &BinaryOperator::Or);
    }
    among(left, right, false)
}

/// `x <> ALL (...)`
fn all(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    if *op != BinaryOperator::NotEq {
        return compared(left, op, right, &BinaryOperator::And);
    }
    among(left, right, true)
}

fn among(left: &Expr, right: &Expr, negated: bool) -> Option<Expr> {
    if let Some(query) = subquery(right) {
        return Some(Expr::InSubquery { expr: Box::new(left.clone()), subquery: query, negated });
    }
    if let Some(list) = listed(right) {
        if list.is_empty() {
            return Some(boolean(negated));
        }
        return Some(Expr::InList { expr: Box::new(left.clone()), list, negated });
    }
    let has = call("pg_array_has", vec![right.clone(), left.clone()]);
    Some(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(has) } } else { has })
}

/// `x op a OR x op b`, for a list that is written out.
fn compared(left: &Expr, op: &BinaryOperator, right: &Expr, joined: &BinaryOperator) -> Option<Expr> {
    let one = |value: Expr| Expr::BinaryOp { left: Box::new(left.clone()), op: op.clone(), right: Box::new(value) };
    let mut all = listed(right)?.into_iter().map(one);
    let first = all.next()?;
    let joined = all.fold(first, |left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: joined.clone(),
        right: Box::new(right),
    });
    Some(Expr::Nested(Box::new(joined)))
}

fn subquery(expr: &Expr) -> Option<Box<Query>> {
    match expr {
        Expr::Nested(inner) => subquery(inner),
        Expr::Subquery(query) => Some(query.clone()),
        _ => None,
    }
}

/// The values of an array that is written out.
fn listed(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Nested(inner) => listed(inner),
        Expr::Array(array) => Some(array.elem.clone()),
        other => Some(written(as_string(other)?)?.into_iter().map(string).collect()),
    }
}

/// A call without `pg_catalog.`, or what stands for it.
fn rewritten_call(function: &mut Function) -> Option<Expr> {
    let names = parts(&function.name)?;
    if let [schema, name] = names.as_slice()
        && matches!(schema.as_str(), "pg_catalog" | "information_schema")
    {
        function.name = ObjectName::from(vec![Ident::new(name.clone())]);
    }
    match names.last()?.as_str() {
        // Of the catalogue's own schemas, the one that is named without asking is first.
        "current_schemas" => {
            let implicit = arguments(function)?.first().is_some_and(|arg| arg.to_string().eq_ignore_ascii_case("true"));
            let schemas: &[&str] = if implicit { &["pg_catalog", "public"] } else { &["public"] };
            Some(array(schemas.iter().map(|schema| string(*schema)).collect()))
        }
        _ => None,
    }
}

/// A table without the database before it; a function's alias is also that of its one column; a function of one value
/// is a table of one row.
fn rewrite_factor(factor: &mut TableFactor) {
    let TableFactor::Table { name, alias, args, .. } = factor else { return };
    if let Some(parts) = parts(name)
        && let [first, schema, table] = parts.as_slice()
        && first == super::super::super::planner::CATALOG
    {
        *name = ObjectName::from(vec![Ident::new(schema.clone()), Ident::new(table.clone())]);
    }
    let Some(args) = args else { return };
    if let Some(parts) = parts(name)
        && let [schema, function] = parts.as_slice()
        && schema == "pg_catalog"
    {
        *name = ObjectName::from(vec![Ident::new(function.clone())]);
    }
    let Some(function) = name.0.last().and_then(ObjectNamePart::as_ident).map(folded) else { return };
    match function.as_str() {
        "generate_series" => name_column(alias, &function),
        "string_to_array" | "current_database" | "current_schema" | "version" => {
            let call = Expr::Function(Function {
                name: name.clone(),
                uses_odbc_syntax: false,
                parameters: FunctionArguments::None,
                args: FunctionArguments::List(datafusion::sql::sqlparser::ast::FunctionArgumentList {
                    duplicate_treatment: None,
                    args: args.args.clone(),
                    clauses: Vec::new(),
                }),
                filter: None,
                null_treatment: None,
                over: None,
                within_group: Vec::new(),
            });
            let column = alias.as_ref().map_or(function, |alias| alias.name.value.clone());
            if let Some(query) = one_value(call, &column) {
                *factor = TableFactor::Derived { lateral: false, subquery: query, alias: alias.clone(), sample: None };
            }
        }
        _ => {}
    }
}

fn name_column(alias: &mut Option<TableAlias>, function: &str) {
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(function),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

/// `SELECT value AS column`
fn one_value(value: Expr, column: &str) -> Option<Box<Query>> {
    let mut query = super::nothing::parsed("SELECT NULL")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::ExprWithAlias { expr: value, alias: Ident::new(column) }];
    }
    Some(query)
}
