//! One session: a client's messages, in order, and what each is answered with.
//!
//! Guarantees: every message but those skipped after an error has an answer; rows stream as the client takes them; a
//! failed transaction answers 25P02 until it ends; statements and portals are bounded in number; a stop of the server
//! ends the session between two messages.
//!
//! ```text
//! Query  --> split.rs --> command.rs --> execute.rs --> ReadyForQuery
//! Parse  --> a statement    Bind --> a portal    Execute --> execute.rs    Sync --> ReadyForQuery
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use pgwire::messages::data::{NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete};
use pgwire::messages::response::{EmptyQueryResponse, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, ParameterStatus, SecretKey};
use tokio_util::sync::CancellationToken;

use super::cancel::{Key, Keys, RunningIds};
use super::command::{Command, QueryText, command};
use super::door::stopped;
use super::errors::{Failure, Refusal};
use super::login::Startup;
use super::message::{Bind, Message, Named};
use super::parameters::{type_of, value_of};
use super::portal::{Portal, State, Statement};
use super::rows::{CHUNK_BYTES, Deadline};
use super::settings::Settings;
use super::split::pieces;
use super::types::{Formats, described};
use super::wire::Wire;
use crate::auth::Principal;
use crate::query::{Dialect, Prepared};
use crate::server::service::QueryService;

/// Bytes of the SQL of a message, as at the other doors.
const MAX_SQL: usize = 1024 * 1024;

/// Prepared statements of a session.
const MAX_STATEMENTS: usize = 1024;

/// Portals and cursors of a session.
const MAX_PORTALS: usize = 64;

/// Bytes of the texts and values of both.
const MAX_HELD_BYTES: usize = 16 * 1024 * 1024;

/// One session.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) service: Arc<QueryService>,
    pub(super) principal: Principal,
    pub(super) settings: Settings,
    pub(super) statements: HashMap<String, Arc<Statement>>,
    pub(super) portals: HashMap<String, Portal>,
    pub(super) transaction: Transaction,
    pub(super) running: Arc<RunningIds>,
    /// What the client was last told of its settings.
    told: Vec<(&'static str, String)>,
    key: Key,
    /// After an error, up to the next Sync.
    skipping: bool,
}

/// What of a transaction there is where nothing is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transaction {
    None,
    Open { savepoints: Vec<String> },
    Failed { savepoints: Vec<String> },
}

impl Transaction {
    const fn status(&self) -> TransactionStatus {
        match self {
            Self::None => TransactionStatus::Idle,
            Self::Open { .. } => TransactionStatus::Transaction,
            Self::Failed { .. } => TransactionStatus::Error,
        }
    }

    /// A statement in it failed.
    fn fail(&mut self) {
        if let Self::Open { savepoints } = self {
            *self = Self::Failed { savepoints: std::mem::take(savepoints) };
        }
    }

    /// Refuses all but its end to a transaction that failed.
    pub(super) fn check(&self, command: Option<&Command>) -> Result<(), Refusal> {
        let ends = matches!(command, None | Some(Command::Commit | Command::Rollback | Command::RollbackTo(_)));
        match self {
            Self::Failed { .. } if !ends => {
                Err(Refusal::new("25P02", "the transaction has failed, and takes no statement before it ends")
                    .with_hint("send ROLLBACK"))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a text that is too long, before anything is done with it.
fn check_length(sql: &str) -> Result<(), Refusal> {
    if sql.len() <= MAX_SQL {
        return Ok(());
    }
    Err(Refusal::new("54000", format!("the query has {} bytes; at most {MAX_SQL} are read", sql.len())))
}

impl Session {
    pub(super) fn new(
        wire: Wire,
        service: Arc<QueryService>,
        principal: Principal,
        keys: &Arc<Keys>,
        startup: &Startup,
    ) -> Self {
        let running = Arc::<RunningIds>::default();
        Self {
            wire,
            service,
            principal,
            settings: Settings::of_user(startup.user()),
            statements: HashMap::new(),
            portals: HashMap::new(),
            transaction: Transaction::None,
            key: keys.issue(Arc::clone(&running), startup.has_long_keys()),
            running,
            told: Vec::new(),
            skipping: false,
        }
    }

    /// Serves the client to the end of the session, and answers why it ended if the client did not end it.
    pub(super) async fn run(mut self, startup: &Startup, stopping: &CancellationToken) -> (Wire, Option<Refusal>) {
        let ended = match self.greet(startup).await {
            Ok(()) => self.converse(stopping).await,
            Err(failure) => Err(failure),
        };
        let refusal = match ended {
            Ok(refusal) => refusal,
            Err(Failure::Refused(refusal)) => Some(*refusal),
            Err(Failure::Gone(error)) => {
                tracing::debug!(%error, "a session broke off");
                // Half a message may be out.
                self.wire.out.clear();
                None
            }
        };
        (self.wire, refusal)
    }

    async fn greet(&mut self, startup: &Startup) -> Result<(), Failure> {
        for (name, value) in startup.settings() {
            self.settings.begin(&name, &value)?;
        }
        self.wire.put(&Authentication::Ok)?;
        self.tell_settings()?;
        let secret = match <[u8; 4]>::try_from(self.key.secret.as_ref()) {
            Ok(short) => SecretKey::I32(i32::from_be_bytes(short)),
            Err(_) => SecretKey::Bytes(self.key.secret.clone()),
        };
        self.wire.put(&BackendKeyData::new(self.key.process, secret))?;
        self.ready().await
    }

    async fn converse(&mut self, stopping: &CancellationToken) -> Result<Option<Refusal>, Failure> {
        loop {
            let next = tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(Some(stopped())),
                next = self.wire.message() => next?,
            };
            let Some((kind, body)) = next else { return Ok(None) };
            if kind == b'X' {
                return Ok(None);
            }
            self.answer(kind, body).await?;
        }
    }

    async fn answer(&mut self, kind: u8, body: Bytes) -> Result<(), Failure> {
        let extended = !matches!(kind, b'Q');
        let message = match Message::read(kind, body) {
            Ok(message) => message,
            Err(refusal) if refusal.is_violation() => return Err(refusal.into()),
            Err(refusal) => return self.refuse(&refusal, extended).await,
        };
        if matches!(message, Message::Sync) {
            self.skipping = false;
            return self.ready().await;
        }
        if self.skipping {
            return Ok(());
        }
        let extended = message.is_extended();
        match self.act(message).await {
            Err(Failure::Refused(refusal)) => self.refuse(&refusal, extended).await,
            // A client may send much before it asks for answers.
            Ok(()) if self.wire.out.len() >= CHUNK_BYTES => self.wire.flush().await,
            other => other,
        }
    }

    /// Tells an error. What follows it up to the next Sync is skipped; a Query is over with it.
    async fn refuse(&mut self, refusal: &Refusal, extended: bool) -> Result<(), Failure> {
        tracing::info!(sqlstate = refusal.code(), user = self.principal.name(), "a statement was refused");
        // It may hold values of the client.
        tracing::debug!(reason = refusal.message(), "why it was refused");
        self.wire.put(&refusal.error())?;
        self.transaction.fail();
        if extended {
            self.skipping = true;
            self.wire.flush().await
        } else {
            self.ready().await
        }
    }

    async fn act(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Query(text) => self.query(&text).await,
            Message::Parse { name, sql, types } => self.parse(name, &sql, types).await,
            Message::Bind(bind) => self.bind(bind).await,
            Message::Describe(Named::Statement(name)) => self.describe_statement(&name).await,
            Message::Describe(Named::Portal(name)) => self.describe_portal(name).await,
            Message::Execute { portal, max_rows } => self.execute(portal, (max_rows > 0).then_some(max_rows)).await,
            Message::Close(Named::Statement(name)) => {
                self.statements.remove(&name);
                self.wire.put(&CloseComplete::new())
            }
            Message::Close(Named::Portal(name)) => {
                self.portals.remove(&name);
                self.wire.put(&CloseComplete::new())
            }
            Message::Flush => self.wire.flush().await,
            Message::Sync | Message::Terminate | Message::Stale => Ok(()),
        }
    }

    /// Every statement of a text in turn, up to the first that fails.
    async fn query(&mut self, text: &str) -> Result<(), Failure> {
        check_length(text)?;
        let pieces = pieces(text);
        if pieces.is_empty() {
            self.wire.put(&EmptyQueryResponse::new())?;
        }
        for piece in pieces {
            let command = command(&piece)?;
            self.transaction.check(Some(&command))?;
            let deadline = Deadline::after(self.settings.statement_timeout());
            self.perform(&command, deadline).await?;
            self.tell_settings()?;
        }
        self.ready().await
    }

    async fn parse(&mut self, name: String, sql: &str, types: Vec<u32>) -> Result<(), Failure> {
        check_length(sql)?;
        if !name.is_empty() {
            self.check_statement_name(&name)?;
            self.check_held(sql.len())?;
        }
        let mut pieces = pieces(sql);
        if pieces.len() > 1 {
            return Err(Refusal::syntax("a prepared statement is one statement; send the others on their own").into());
        }
        let command = pieces.pop().map(|piece| command(&piece)).transpose()?;
        self.transaction.check(command.as_ref())?;
        let statement = Arc::new(Statement::new(command, types, sql.len()));
        // What is prepared to be used again is worth planning now, and refusing now.
        if !name.is_empty()
            && let Some(Command::Query(query)) = &statement.command
        {
            self.prepared(&statement, query).await?;
        }
        self.statements.insert(name, statement);
        self.wire.put(&ParseComplete::new())
    }

    pub(super) fn check_statement_name(&self, name: &str) -> Result<(), Refusal> {
        if self.statements.contains_key(name) {
            return Err(Refusal::new("42P05", format!("there is a prepared statement \"{name}\" already")));
        }
        if self.statements.len() >= MAX_STATEMENTS {
            let many = format!("the session has {MAX_STATEMENTS} prepared statements, which is as many as it may");
            return Err(Refusal::new("53400", many).with_hint("DEALLOCATE some"));
        }
        Ok(())
    }

    /// Refuses what is too much to hold beside the rest.
    pub(super) fn check_held(&self, more: usize) -> Result<(), Refusal> {
        let statements = self.statements.values().map(|statement| statement.bytes);
        let held = statements.chain(self.portals.values().map(|portal| portal.bytes)).sum::<usize>();
        if held.saturating_add(more) <= MAX_HELD_BYTES {
            return Ok(());
        }
        let many = format!("the session's prepared statements and portals have more than {MAX_HELD_BYTES} bytes");
        Err(Refusal::new("53400", many).with_hint("DEALLOCATE or CLOSE some"))
    }

    pub(super) fn check_portals(&self) -> Result<(), Refusal> {
        if self.portals.len() < MAX_PORTALS {
            return Ok(());
        }
        let many = format!("the session has {MAX_PORTALS} portals and cursors, which is as many as it may");
        Err(Refusal::new("53400", many).with_hint("CLOSE some"))
    }

    pub(super) fn statement(&self, name: &str) -> Result<Arc<Statement>, Refusal> {
        let unknown = || Refusal::new("26000", format!("there is no prepared statement \"{name}\""));
        self.statements.get(name).cloned().ok_or_else(unknown)
    }

    /// What is known of a query before it runs, found out once.
    pub(super) async fn prepared<'a>(
        &mut self,
        statement: &'a Statement,
        query: &QueryText,
    ) -> Result<&'a Prepared, Failure> {
        let deadline = Deadline::after(self.settings.statement_timeout());
        let service = Arc::clone(&self.service);
        let principal = self.principal.clone();
        let planned = statement
            .prepared
            .get_or_try_init(async || service.prepare(&query.sql, Dialect::Postgres, &principal).await);
        let planned = deadline.wait(&mut self.wire, planned).await?;
        planned.map_err(|error| Refusal::about(&error, &query.sql, query.before).into())
    }

    async fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let statement = self.statement(&bind.statement)?;
        self.transaction.check(statement.command.as_ref())?;
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(Refusal::new("42P03", format!("there is a portal \"{}\" already", bind.portal)).into());
        }
        // The unnamed portal's rows are over.
        self.portals.remove(&bind.portal);
        self.check_portals()?;
        let formats = Formats::from_codes(&bind.value_formats)?;
        formats.check(bind.values.len())?;
        let query = statement.command.as_ref().and_then(Command::query).filter(|query| query.has_parameters);
        let inferred = match query {
            Some(query) => self.prepared(&statement, query).await?.parameters.clone(),
            None => Vec::new(),
        };
        let wanted = inferred.len().max(statement.types.len());
        if bind.values.len() != wanted {
            let count = bind.values.len();
            return Err(Refusal::new("08P01", format!("there are {count} values for {wanted} parameters")).into());
        }
        let mut params = Vec::with_capacity(wanted);
        for (index, value) in bind.values.iter().enumerate() {
            let place = inferred.get(index).and_then(Option::as_ref);
            let told = statement.types.get(index).copied().unwrap_or(0);
            let pg = type_of(index + 1, told, place)?;
            params.push(value_of(index + 1, &pg, formats.of(index), value.as_deref(), place)?);
        }
        let formats = Formats::from_codes(&bind.result_formats)?;
        let bytes = bind.values.iter().flatten().map(Bytes::len).sum();
        self.check_held(bytes)?;
        let portal = Portal { statement, params, bytes, formats, state: State::Fresh, cursor: None };
        self.portals.insert(bind.portal, portal);
        self.wire.put(&BindComplete::new())
    }

    async fn describe_statement(&mut self, name: &str) -> Result<(), Failure> {
        let statement = self.statement(name)?;
        let query = statement.command.as_ref().and_then(Command::query);
        let inferred = match query {
            Some(query) => self.prepared(&statement, query).await?.parameters.clone(),
            None => Vec::new(),
        };
        let mut oids = Vec::new();
        for index in 0..inferred.len().max(statement.types.len()) {
            let told = statement.types.get(index).copied().unwrap_or(0);
            oids.push(type_of(index + 1, told, inferred.get(index).and_then(Option::as_ref))?.oid());
        }
        self.wire.put(&ParameterDescription::new(oids))?;
        let schema = self.schema_of(&statement).await?;
        if let Some(schema) = &schema {
            statement.described.get_or_init(|| Arc::clone(schema));
        }
        self.describe(schema.as_deref(), &Formats::TEXT)
    }

    async fn describe_portal(&mut self, name: String) -> Result<(), Failure> {
        let mut portal = self.take_portal(&name)?;
        let deadline = Deadline::after(self.settings.statement_timeout());
        // Started now, a query tells the columns that it has with these values.
        let opened = self.open(&mut portal, deadline).await;
        let schema = match opened {
            Ok(Some(schema)) => Some(schema),
            Ok(None) => self.schema_of(&portal.statement).await?,
            Err(failure) => return Err(failure),
        };
        let formats = portal.formats.clone();
        self.portals.insert(name, portal);
        self.describe(schema.as_deref(), &formats)
    }

    pub(super) fn take_portal(&mut self, name: &str) -> Result<Portal, Refusal> {
        let unknown = || Refusal::new("34000", format!("there is no portal or cursor \"{name}\""));
        self.portals.remove(name).ok_or_else(unknown)
    }

    /// Tells the columns of what is to come.
    pub(super) fn describe(
        &mut self,
        schema: Option<&arrow::datatypes::Schema>,
        formats: &Formats,
    ) -> Result<(), Failure> {
        match schema {
            Some(schema) => {
                formats.check(schema.fields().len())?;
                self.wire.put(&RowDescription::new(described(schema, formats)))
            }
            None => self.wire.put(&NoData::new()),
        }
    }

    /// Tells the client of settings that changed.
    pub(super) fn tell_settings(&mut self) -> Result<(), Failure> {
        let now = self.settings.told();
        for (name, value) in now.iter().filter(|setting| !self.told.contains(setting)) {
            self.wire.put(&ParameterStatus::new((*name).to_owned(), value.clone()))?;
        }
        self.told = now;
        Ok(())
    }

    /// The end of a message's or of several messages' work.
    async fn ready(&mut self) -> Result<(), Failure> {
        if self.transaction == Transaction::None {
            self.drop_portals();
        }
        self.tell_settings()?;
        self.wire.put(&ReadyForQuery::new(self.transaction.status()))?;
        self.wire.flush().await
    }

    /// A transaction ended: portals end with it, but for cursors WITH HOLD.
    pub(super) fn drop_portals(&mut self) {
        self.portals.retain(|_, portal| portal.cursor.as_ref().is_some_and(|cursor| cursor.hold));
    }
}
