//! The calls of Flight.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, Command, DoPutPreparedStatementResult, ProstMessageExt,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, Criteria, Empty, FlightData,
    FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, PollInfo, PutResult,
    SchemaAsIpc, SchemaResult, Ticket,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::answer;
use super::asked::{Asked, NO_TRANSACTIONS, action_body, command, no_transaction, refusal};
use super::parameters;
use super::statement::{Statement, query_of};
use super::status::status;
use crate::auth::{Principal, Role, Users};
use crate::error::{Error, Result};
use crate::output::sent_schema;
use crate::query::{Dialect, Prepared};
use crate::server::service::{Ask, QueryService};

/// The actions that are carried out.
const ACTIONS: [(&str, &str); 4] = [
    ("CreatePreparedStatement", "plans a query; request ActionCreatePreparedStatementRequest"),
    ("ClosePreparedStatement", "forgets a prepared query; request ActionClosePreparedStatementRequest"),
    ("CancelFlightInfo", "stops a running query; request CancelFlightInfoRequest"),
    ("CancelQuery", "stops a running query, as older clients ask it; request ActionCancelQueryRequest"),
];

/// Arrow Flight SQL over the query service.
pub(super) struct FlightSql {
    pub(super) service: Arc<QueryService>,
    pub(super) users: Arc<Users>,
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for FlightSql {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = answer::Messages;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    /// Whoever comes so far was let in by what he showed in `authorization`; he gets a token for the calls that follow.
    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let principal = principal(&request)?;
        // Without credentials any token does; clients want one.
        let token = match principal.name() {
            Some(_) => self.users.session(&principal).map_err(|error| status(&error))?,
            None => "none-needed".to_owned(),
        };
        let mut response = Response::new(stream::empty().boxed());
        let token = format!("Bearer {token}").parse().map_err(|_| Status::internal("a token is no header"))?;
        response.metadata_mut().insert("authorization", token);
        Ok(response)
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        let principal = principal(&request)?;
        Ok(Response::new(self.info(request.into_inner(), &principal).await?))
    }

    /// Complete at the first poll: nothing runs before `DoGet`.
    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        let principal = principal(&request)?;
        let info = self.info(request.into_inner(), &principal).await?;
        Ok(Response::new(PollInfo::new().with_info(info)))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let principal = principal(&request)?;
        let schema = match Asked::described(request.get_ref(), &principal)? {
            Asked::Statement(statement) => self.schema(&statement, &principal).await?,
            Asked::Metadata(metadata) => metadata.schema().as_ref().clone(),
        };
        Ok(Response::new(SchemaResult { schema: schema_bytes(&schema)? }))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        let principal = principal(&request)?;
        let answered = match Asked::ticketed(request.get_ref(), &principal)? {
            Asked::Statement(statement) => self.run(statement, principal).await,
            Asked::Metadata(metadata) => match principal.require(Role::Query) {
                Ok(()) => {
                    metadata.rows(&self.service, &principal).await.map(|rows| Response::new(answer::of_batch(rows)))
                }
                Err(error) => Err(error),
            },
        };
        answered.map_err(|error| status(&error))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        let principal = principal(&request)?;
        let mut messages = request.into_inner();
        let first = messages.message().await?.ok_or_else(|| Status::invalid_argument("nothing was put"))?;
        let descriptor = first.flight_descriptor.as_ref();
        let descriptor = descriptor.ok_or_else(|| Status::invalid_argument("what is put has no command"))?;
        match command(descriptor)? {
            Command::CommandPreparedStatementQuery(query) => {
                let statement = Statement::shown(&query.prepared_statement_handle, &principal);
                let statement = statement.map_err(|error| status(&error))?;
                let bound = parameters::receive(stream::iter([Ok(first)]).chain(messages)).await?;
                let handle = Some(statement.bind(bound).handle());
                let result = DoPutPreparedStatementResult { prepared_statement_handle: handle };
                Ok(one(PutResult { app_metadata: result.encode_to_vec().into() }))
            }
            other => Err(refusal(&other)),
        }
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let principal = principal(&request)?;
        let Action { r#type: action, body } = request.into_inner();
        match action.as_str() {
            "CreatePreparedStatement" => {
                let asked: ActionCreatePreparedStatementRequest = action_body(&body)?;
                no_transaction(asked.transaction_id.as_ref())?;
                Ok(done(self.prepare(asked.query, &principal).await?.as_any().encode_to_vec()))
            }
            // There is nothing to forget.
            "ClosePreparedStatement" => Ok(Response::new(stream::empty().boxed())),
            "CancelFlightInfo" => {
                let asked = CancelFlightInfoRequest::decode(body)
                    .map_err(|_| Status::invalid_argument("the action's body is no CancelFlightInfoRequest"))?;
                let status = self.cancel(asked.info.unwrap_or_default(), &principal)? as i32;
                Ok(done(CancelFlightInfoResult { status }.encode_to_vec()))
            }
            "CancelQuery" => {
                let asked: ActionCancelQueryRequest = action_body(&body)?;
                let info = FlightInfo::decode(asked.info)
                    .map_err(|_| Status::invalid_argument("the query to cancel is no FlightInfo"))?;
                // The same numbers as `CancelStatus`.
                let result = self.cancel(info, &principal)? as i32;
                Ok(done(ActionCancelQueryResult { result }.as_any().encode_to_vec()))
            }
            "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
                Err(Status::unimplemented(format!("there are no transactions: {NO_TRANSACTIONS}")))
            }
            "CreatePreparedSubstraitPlan" => Err(Status::unimplemented("Substrait plans are not taken here; send SQL")),
            other => {
                Err(Status::unimplemented(format!("there is no action `{other}`; ListActions lists those there are")))
            }
        }
    }

    async fn list_actions(&self, _request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        let actions = ACTIONS
            .map(|(name, description)| Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() }));
        Ok(Response::new(stream::iter(actions).boxed()))
    }

    async fn list_flights(&self, _request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(Status::unimplemented("there are no flights but those that are asked for; list tables with GetTables"))
    }

    async fn do_exchange(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(Status::unimplemented("nothing is exchanged here; ask with GetFlightInfo and DoGet"))
    }
}

impl FlightSql {
    async fn info(&self, descriptor: FlightDescriptor, principal: &Principal) -> Result<FlightInfo, Status> {
        let (schema, ticket) = match Asked::described(&descriptor, principal)? {
            Asked::Statement(statement) => (self.schema(&statement, principal).await?, statement.ticket()),
            Asked::Metadata(metadata) => (metadata.schema().as_ref().clone(), Ticket::new(descriptor.cmd.clone())),
        };
        // No location: the rows are where the question was answered.
        let endpoint = FlightEndpoint::new().with_ticket(ticket);
        let info = FlightInfo::new().with_descriptor(descriptor).with_endpoint(endpoint).with_ordered(true);
        Ok(FlightInfo { schema: schema_bytes(&schema)?, ..info })
    }

    /// The columns that `DoGet` will send.
    async fn schema(&self, statement: &Statement, principal: &Principal) -> Result<Schema, Status> {
        let planned = async {
            let params = statement.parameters().await?;
            let bound = params.len();
            let prepared = self.service.prepare_with(&statement.sql, params, principal).await?;
            let wanted = prepared.parameters.len();
            if bound != wanted {
                return Err(Error::invalid(format!(
                    "the query has {wanted} parameters ($1, $2, ...), and {bound} are bound"
                )));
            }
            Ok(sent_schema(&prepared.schema).as_ref().clone())
        };
        planned.await.map_err(|error| status(&error))
    }

    async fn run(&self, statement: Statement, principal: Principal) -> Result<Response<answer::Messages>> {
        let params = statement.parameters().await?;
        let Statement { sql, query_id, .. } = statement;
        let ask = Ask { sql, params, dialect: Dialect::Own, query_id, principal, door: "flight" };
        let running = self.service.run(ask).await?;
        let id = running.id.parse().map_err(|_| Error::internal("a query's id is no header"))?;
        let mut response = Response::new(answer::of_query(running.query));
        response.metadata_mut().insert("x-query-id", id);
        Ok(response)
    }

    async fn prepare(&self, sql: String, principal: &Principal) -> Result<ActionCreatePreparedStatementResult, Status> {
        let planned = async {
            let statement = Statement::new(sql, principal)?;
            let prepared = self.service.prepare(&statement.sql, Dialect::Own, principal).await?;
            Ok((statement, prepared))
        };
        let (statement, Prepared { schema, parameters }) = planned.await.map_err(|error: Error| status(&error))?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: statement.handle(),
            dataset_schema: schema_bytes(&sent_schema(&schema))?,
            parameter_schema: schema_bytes(&parameters::schema(&parameters))?,
        })
    }

    /// Stops the queries of an answer.
    fn cancel(&self, info: FlightInfo, principal: &Principal) -> Result<CancelStatus, Status> {
        let mut stopped = CancelStatus::NotCancellable;
        for ticket in info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket) {
            let cancelled = match query_of(&ticket, principal) {
                Ok(Some(id)) => self.service.cancel(&id, principal),
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
            if cancelled.map_err(|error| status(&error))? {
                stopped = CancelStatus::Cancelled;
            }
        }
        Ok(stopped)
    }
}

/// Who the door let in.
fn principal<T>(request: &Request<T>) -> Result<Principal, Status> {
    let principal = request.extensions().get::<Principal>().cloned();
    principal.ok_or_else(|| Status::internal("the door let somebody in without knowing who"))
}

fn schema_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default())
        .try_into()
        .map_err(|error: arrow::error::ArrowError| Status::internal(format!("the schema can't be sent: {error}")))?;
    Ok(bytes)
}

fn one<T: Send + 'static>(answer: T) -> Response<Answers<T>> {
    Response::new(stream::iter([Ok(answer)]).boxed())
}

fn done(body: Vec<u8>) -> Response<Answers<arrow_flight::Result>> {
    one(arrow_flight::Result { body: body.into() })
}
