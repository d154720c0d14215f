//! PostgreSQL's catalogue: what its clients ask about tables, columns, types and the server itself.
//!
//! A query of it runs in a session of its own, which has the catalogue's tables and nothing else: no data, no files, and
//! none of the engine's planning. It is made once for the tables, columns and views that there are.
//!
//! ```text
//! Question --> route.rs: the catalogue's? --> rewrite/ --> a session over the tables --> rows
//!
//! told.rs           what a session can name
//! lake.rs           schemas, tables, columns, functions, comments: what there is to tell
//! tables.rs         pg_catalog.*, information_schema.*: made of it by sql/pg_catalog/*.sql, or the same everywhere
//! index.rs          names, oids, comments, for
//! functions.rs      format_type, pg_get_viewdef, obj_description, has_table_privilege, ...
//! arrays.rs         array_length, array_to_string, ...
//! parameters.rs     what is known of $1, $2, ... before they have values
//! shown.rs          rows as clients are shown them
//! ordinary.rs       a query of the lake, as PostgreSQL's clients write it
//! ```

mod arrays;
mod ast;
mod functions;
mod index;
mod lake;
mod oids;
mod ordinary;
mod parameters;
mod rewrite;
mod route;
mod row_function;
mod session;
mod shown;
mod tables;
#[cfg(test)]
mod tests;
mod told;
mod types;

pub(super) use self::ordinary::rewrite_ordinary;
pub(super) use self::session::{CatalogueQuery, PgCatalog};
pub(super) use self::shown::{shown_rows, shown_schema};
pub(super) use self::told::Told;

/// The PostgreSQL whose catalogue and protocol this is like, and what it is: `server_version` at every place. Clients
/// choose their catalogue queries by it.
pub const SERVER_VERSION: &str = concat!("16.0 (telestrata ", env!("CARGO_PKG_VERSION"), ")");

/// The same as `server_version_num` has it.
pub const SERVER_VERSION_NUMBER: &str = "160000";

/// Who owns everything.
const OWNER: &str = "telestrata";

/// What `version()` says.
fn version() -> String {
    format!("PostgreSQL {SERVER_VERSION}")
}
