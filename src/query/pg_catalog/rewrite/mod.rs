//! A catalogue query, written so that DataFusion can plan it.
//!
//! ```text
//! params.rs      $1, $2, ...: values, or NULL where they are not known yet
//! names.rs       the columns of the answer are called what PostgreSQL calls them
//! plain.rs       casts to regclass and its like, OPERATOR(), COLLATE, ANY and ALL, pg_catalog. before functions
//! nothing.rs     joins with tables that have no rows, and can have none here: no rows
//! members.rs     IN (SELECT ...) in a column
//! ```

mod members;
mod names;
mod nothing;
mod params;
mod plain;

use datafusion::common::{Result, ScalarValue};
use datafusion::sql::sqlparser::ast::Query;

pub(super) use self::names::{is_hidden, shown};
pub(super) use self::nothing::Tables;
#[cfg(test)]
pub(super) use self::nothing::parsed;
pub(super) use self::plain::plain_type;
use super::index::Index;

/// What `$1`, `$2`, ... stand for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Params<'a> {
    /// Their values.
    Given(&'a [ScalarValue]),
    /// They are not known yet: NULL.
    Unknown,
}

/// Rewrites a query in place.
///
/// # Errors
/// A plan error for a name that is cast to `regclass` and is none, and for a parameter without a value.
pub(super) fn rewrite(query: &mut Query, params: Params<'_>, index: &Index, tables: &Tables) -> Result<()> {
    params::fill_in(query, params)?;
    names::give(query);
    plain::rewrite(query, index)?;
    nothing::leave_out(query, tables);
    members::gather(query);
    Ok(())
}
