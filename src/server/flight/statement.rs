//! What a ticket or a prepared statement's handle holds: all that it stands for.
//!
//! So nothing is kept for it, nothing leaks when a client goes away, and it outlives a restart. It needs no secret: it
//! is a question put aside, not a right. Who shows it is asked for rights as with a question of his own, and the one
//! who got it is named in it, so that another's is refused.

use arrow_flight::Ticket;
use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use prost::Message;

use super::parameters;
use crate::auth::Principal;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a query's text.
pub(super) const MAX_SQL: usize = 1024 * 1024;

/// A query, what is bound to it, and whose it is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Statement {
    /// The text.
    #[prost(string, tag = "1")]
    pub(super) sql: String,
    /// What is bound: an Arrow IPC stream of one row.
    #[prost(bytes = "bytes", optional, tag = "2")]
    bound: Option<Bytes>,
    /// Who asked; `None` without credentials.
    #[prost(string, optional, tag = "3")]
    principal: Option<String>,
    /// The id that the query has once it runs; in tickets only.
    #[prost(string, optional, tag = "4")]
    pub(super) query_id: Option<String>,
}

impl Statement {
    /// A query without parameters.
    ///
    /// # Errors
    /// `TooLarge`.
    pub(super) fn new(sql: String, principal: &Principal) -> Result<Self> {
        if sql.len() > MAX_SQL {
            let size = sql.len();
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the query has {size} bytes; at most {MAX_SQL} are read"),
            ));
        }
        Ok(Self { sql, bound: None, principal: principal.name().map(str::to_owned), query_id: None })
    }

    /// The statement of a ticket or handle that `principal` shows.
    ///
    /// # Errors
    /// `Invalid` where it is not one of this server's; `Forbidden` where it was given to somebody else.
    pub(super) fn shown(handle: &[u8], principal: &Principal) -> Result<Self> {
        let statement = Self::decode(handle).ok().filter(|statement| !statement.sql.is_empty()).ok_or_else(|| {
            Error::invalid(
                "this is no ticket or statement handle of this server; ask for one with GetFlightInfo or prepare",
            )
        })?;
        if statement.principal.as_deref() != principal.name() {
            let message = "this ticket or statement was given to somebody else; ask for one of your own";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        Ok(statement)
    }

    /// The handle that holds it.
    pub(super) fn handle(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// A ticket for it, with an id of its own for the query.
    pub(super) fn ticket(&self) -> Ticket {
        let query_id = Some(uuid::Uuid::new_v4().to_string());
        let statement_handle = Self { query_id, ..self.clone() }.handle();
        Ticket::new(TicketStatementQuery { statement_handle }.as_any().encode_to_vec())
    }

    /// The same query with other parameters.
    pub(super) fn bind(self, bound: Option<Bytes>) -> Self {
        Self { bound, ..self }
    }

    /// The values of `$1`, `$2`, ...
    ///
    /// # Errors
    /// `Invalid` where what is bound can't be read, which a client's own making may be.
    pub(super) async fn parameters(&self) -> Result<Vec<ScalarValue>> {
        match &self.bound {
            Some(bound) => parameters::values(bound.clone()).await,
            None => Ok(Vec::new()),
        }
    }
}

/// The id of the query that a ticket stands for.
pub(super) fn query_of(ticket: &Ticket, principal: &Principal) -> Result<Option<String>> {
    let ticket = Any::decode(ticket.ticket.as_ref()).ok().and_then(|any| any.unpack::<TicketStatementQuery>().ok()?);
    match ticket {
        Some(ticket) => Ok(Statement::shown(&ticket.statement_handle, principal)?.query_id),
        None => Ok(None),
    }
}
