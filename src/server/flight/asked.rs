//! What a descriptor, a ticket or the body of an action asks for, and what is refused.

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{Any, Command, ProstMessageExt};
use arrow_flight::{FlightDescriptor, Ticket};
use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::metadata::Metadata;
use super::statement::Statement;
use super::status::status;
use crate::auth::Principal;

/// Something that is answered with rows.
#[derive(Debug)]
pub(super) enum Asked {
    Statement(Statement),
    Metadata(Metadata),
}

impl Asked {
    /// What a descriptor describes.
    pub(super) fn described(descriptor: &FlightDescriptor, principal: &Principal) -> Result<Self, Status> {
        match command(descriptor)? {
            Command::CommandStatementQuery(query) => {
                no_transaction(query.transaction_id.as_ref())?;
                Ok(Self::Statement(Statement::new(query.query, principal).map_err(|error| status(&error))?))
            }
            other => Self::of(other, principal),
        }
    }

    /// What a ticket stands for.
    pub(super) fn ticketed(ticket: &Ticket, principal: &Principal) -> Result<Self, Status> {
        match unpacked(&ticket.ticket, "ticket")? {
            Command::TicketStatementQuery(ticket) => Self::shown(&ticket.statement_handle, principal),
            other => Self::of(other, principal),
        }
    }

    fn of(command: Command, principal: &Principal) -> Result<Self, Status> {
        match command {
            Command::CommandPreparedStatementQuery(query) => Self::shown(&query.prepared_statement_handle, principal),
            other => Metadata::of(other).map(Self::Metadata).map_err(|command| refusal(&command)),
        }
    }

    fn shown(handle: &[u8], principal: &Principal) -> Result<Self, Status> {
        Ok(Self::Statement(Statement::shown(handle, principal).map_err(|error| status(&error))?))
    }
}

/// The command of a descriptor.
pub(super) fn command(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if descriptor.r#type() != DescriptorType::Cmd {
        return Err(Status::invalid_argument("there are no paths here; send a command of Flight SQL"));
    }
    unpacked(&descriptor.cmd, "command")
}

/// The message in the body of an action.
pub(super) fn action_body<M: ProstMessageExt>(body: &Bytes) -> Result<M, Status> {
    let message = Any::decode(body.as_ref()).ok().and_then(|any| any.unpack().ok()?);
    message.ok_or_else(|| Status::invalid_argument(format!("the action's body is no {}", M::type_url())))
}

/// Statements stand alone.
pub(super) fn no_transaction(transaction: Option<&Bytes>) -> Result<(), Status> {
    match transaction {
        Some(id) if !id.is_empty() => {
            Err(Status::invalid_argument(format!("there is no such transaction: {NO_TRANSACTIONS}")))
        }
        _ => Ok(()),
    }
}

/// Why there are no transactions.
pub(super) const NO_TRANSACTIONS: &str =
    "nothing is written here, and each query sees each table at one moment; connect with autocommit";

/// Why a command is not carried out.
pub(super) fn refusal(command: &Command) -> Status {
    match command {
        Command::CommandStatementUpdate(_) | Command::CommandPreparedStatementUpdate(_) => {
            Status::unimplemented("only queries are answered here: execute it as a query; telemetry comes in by OTLP")
        }
        Command::CommandStatementIngest(_) => {
            Status::unimplemented("nothing is ingested here: telemetry comes in by OTLP or `telestrata import`")
        }
        Command::CommandStatementSubstraitPlan(_) => {
            Status::unimplemented("Substrait plans are not taken here; send SQL")
        }
        other => Status::invalid_argument(format!("`{}` can't be asked for here", other.type_url())),
    }
}

fn unpacked(bytes: &Bytes, what: &str) -> Result<Command, Status> {
    let any = Any::decode(bytes.as_ref()).ok().filter(|any| !any.type_url.is_empty());
    let any = any.ok_or_else(|| Status::invalid_argument(format!("this is no {what} of Flight SQL")))?;
    Command::try_from(any).map_err(|error| Status::invalid_argument(format!("the {what} can't be read: {error}")))
}
