//! Which queries are the catalogue's.
//!
//! One that reads a table of `pg_catalog` or `information_schema`, and one that reads no table and calls a function that
//! only the catalogue has. All others are the lake's. None can be both: the catalogue has no rows of the lake.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{DataType, Expr, ObjectName, Query, TableFactor, Visit, Visitor};

use super::ast::{folded, parts};
use super::rewrite::Tables;
use crate::error::{Error, Result};

/// Schemas of the catalogue.
const SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// Whether a query is the catalogue's; `functions` are those that only the catalogue has.
///
/// # Errors
/// `Invalid` for one that reads the lake too.
pub(super) fn is_catalogue(query: &Query, tables: &Tables, functions: &HashSet<String>) -> Result<bool> {
    let mut found = Found { tables, functions, ctes: HashSet::new(), catalogue: None, lake: None, calls: false };
    let _ = Visit::visit(query, &mut found);
    match (found.catalogue, found.lake) {
        (Some(catalogue), Some(lake)) => Err(Error::invalid(format!(
            "{catalogue} is of the catalogue and {lake} of the lake; a query reads the one or the other, so ask for them apart"
        ))),
        (Some(_), None) => Ok(true),
        (None, Some(_)) => Ok(false),
        (None, None) => Ok(found.calls),
    }
}

struct Found<'a> {
    tables: &'a Tables,
    functions: &'a HashSet<String>,
    ctes: HashSet<String>,
    catalogue: Option<String>,
    lake: Option<String>,
    calls: bool,
}

impl Found<'_> {
    fn is_of_catalogue(&self, name: &ObjectName) -> bool {
        match parts(name).as_deref() {
            Some([_]) => self.tables.has(name),
            Some([schema, _]) => SCHEMAS.contains(&schema.as_str()),
            Some([_, schema, _]) => SCHEMAS.contains(&schema.as_str()),
            _ => false,
        }
    }
}

impl Visitor for Found<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(folded(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args, .. } = factor else { return ControlFlow::Continue(()) };
        let names = parts(name).unwrap_or_default();
        if args.is_some() {
            let qualified = matches!(names.as_slice(), [schema, _] if SCHEMAS.contains(&schema.as_str()));
            self.calls |= qualified || names.last().is_some_and(|name| self.functions.contains(name));
        } else if !matches!(names.as_slice(), [name] if self.ctes.contains(name)) {
            let side = if self.is_of_catalogue(name) { &mut self.catalogue } else { &mut self.lake };
            side.get_or_insert_with(|| name.to_string());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => {
                let names = parts(&function.name).unwrap_or_default();
                self.calls |= names.last().is_some_and(|name| self.functions.contains(name));
            }
            Expr::Cast { data_type: DataType::Regclass, .. } => self.calls = true,
            Expr::Cast { data_type: DataType::Custom(name, _), .. } => {
                self.calls |=
                    parts(name).and_then(|parts| parts.last().cloned()).is_some_and(|name| name.starts_with("reg"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
