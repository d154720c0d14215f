//! What each command does.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use pgwire::messages::extendedquery::PortalSuspended;
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};

use super::command::{Command, Fetched, QueryText};
use super::copy::{CopyForm, CopyWriter};
use super::encode::{encode_rows, plain_columns};
use super::errors::{Failure, Refusal};
use super::portal::{Cursor, Portal, State, Statement, cursor_formats};
use super::rows::{Deadline, Rows, Written};
use super::session::{Session, Transaction};
use super::types::{Format, Formats};
use crate::query::Dialect;
use crate::server::service::Ask;

/// The door's name in the list of running queries.
const DOOR: &str = "postgres";

/// Whether the columns of rows are told before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The rows of a Query message.
    Now,
    /// Those of a portal, which were described if the client asked.
    Before,
}

impl Session {
    /// A statement of a Query message.
    pub(super) async fn perform(&mut self, command: &Command, deadline: Deadline) -> Result<(), Failure> {
        match command {
            Command::Query(query) => {
                let mut rows = self.start(query, Vec::new(), None, deadline).await?;
                let schema = Arc::clone(rows.described());
                self.describe(Some(&schema), &Formats::TEXT)?;
                let sent = rows.send(&mut self.wire, Written::Messages(&Formats::TEXT), None, deadline).await?;
                self.complete(&tag_of(query.tag, sent.rows))
            }
            other => self.utility(other, Vec::new(), None, Told::Now, deadline).await,
        }
    }

    /// An Execute message.
    pub(super) async fn execute(&mut self, name: String, most: Option<u64>) -> Result<(), Failure> {
        let mut portal = self.take_portal(&name)?;
        self.transaction.check(portal.statement.command.as_ref())?;
        let deadline = Deadline::after(self.settings.statement_timeout());
        let statement = Arc::clone(&portal.statement);
        match &statement.command {
            None => self.wire.put(&EmptyQueryResponse::new())?,
            Some(Command::Query(query)) => {
                self.open(&mut portal, deadline).await?;
                let formats = portal.formats.clone();
                if let Some(schema) = portal.schema() {
                    formats.check(schema.fields().len())?;
                }
                let (rows, ended) = self.advance(&mut portal, &formats, most, deadline).await?;
                if ended {
                    self.complete(&tag_of(query.tag, rows))?;
                } else {
                    self.wire.put(&PortalSuspended::new())?;
                }
            }
            Some(command) => {
                // Such a portal is over with its execution.
                let Portal { params, formats, .. } = portal;
                self.utility(command, params, Some(&formats), Told::Before, deadline).await?;
                return self.tell_settings();
            }
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    /// Starts a portal's query if it has not begun, and answers its columns; `None` where it has no query of its own.
    pub(super) async fn open(&mut self, portal: &mut Portal, deadline: Deadline) -> Result<Option<SchemaRef>, Failure> {
        let statement = Arc::clone(&portal.statement);
        if let (State::Fresh, Some(Command::Query(query))) = (&portal.state, &statement.command) {
            let params = std::mem::take(&mut portal.params);
            let rows = self.start(query, params, statement.described.get(), deadline).await?;
            portal.state = State::Open(Box::new(rows));
        }
        Ok(portal.schema().cloned())
    }

    /// Sends rows of an open portal: how many, and whether there are no more.
    async fn advance(
        &mut self,
        portal: &mut Portal,
        formats: &Formats,
        most: Option<u64>,
        deadline: Deadline,
    ) -> Result<(u64, bool), Failure> {
        let State::Open(rows) = &mut portal.state else { return Ok((0, true)) };
        let sent = rows.send(&mut self.wire, Written::Messages(formats), most, deadline).await?;
        if sent.ended {
            let schema = Arc::clone(rows.described());
            portal.state = State::Done(schema);
        }
        Ok((sent.rows, sent.ended))
    }

    /// Starts a query.
    async fn start(
        &mut self,
        query: &QueryText,
        params: Vec<ScalarValue>,
        described: Option<&SchemaRef>,
        deadline: Deadline,
    ) -> Result<Rows, Failure> {
        let id = self.running.begin();
        let ask = Ask {
            sql: query.sql.clone(),
            params,
            dialect: Dialect::Postgres,
            query_id: Some(id.id().to_owned()),
            principal: self.principal.clone(),
            door: DOOR,
        };
        let service = Arc::clone(&self.service);
        // Planning is a large future, and everything that awaits it would be as large.
        let answer = deadline.wait(&mut self.wire, Box::pin(service.run(ask))).await?;
        let answer = answer.map_err(|error| Refusal::about(&error, &query.sql, query.before))?;
        Ok(Rows::new(answer.query, described, (&query.sql, query.before), id)?)
    }

    /// What is no query: `formats` are those that a portal was bound with.
    async fn utility(
        &mut self,
        command: &Command,
        params: Vec<ScalarValue>,
        formats: Option<&Formats>,
        told: Told,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        match command {
            Command::Query(_) => Ok(()),
            Command::Begin { tag } => {
                if self.transaction == Transaction::None {
                    self.transaction = Transaction::Open { savepoints: Vec::new() };
                    self.settings.begin_transaction();
                } else {
                    self.warn("25001", "there is a transaction already")?;
                }
                self.complete(tag)
            }
            Command::Commit => self.end_transaction("COMMIT"),
            Command::Rollback => self.end_transaction("ROLLBACK"),
            Command::Savepoint(name) => {
                self.savepoints()?.push(name.clone());
                self.complete("SAVEPOINT")
            }
            Command::Release(name) => {
                let savepoints = self.savepoints()?;
                let place = place_of(savepoints, name)?;
                savepoints.truncate(place);
                self.complete("RELEASE")
            }
            Command::RollbackTo(name) => {
                let savepoints = self.savepoints()?;
                let place = place_of(savepoints, name)?;
                savepoints.truncate(place + 1);
                let savepoints = std::mem::take(savepoints);
                self.transaction = Transaction::Open { savepoints };
                self.complete("ROLLBACK")
            }
            Command::Set { name, value, local } => {
                if *local && self.transaction == Transaction::None {
                    self.warn("25P01", "SET LOCAL is for transactions, and there is none")?;
                } else {
                    self.settings.set(name, value, *local)?;
                }
                self.complete("SET")
            }
            Command::SetNothing => self.complete("SET"),
            Command::Reset(name) => {
                self.settings.reset(name)?;
                self.complete("RESET")
            }
            Command::ResetAll => {
                self.settings.reset_all();
                self.complete("RESET")
            }
            Command::Show(_) | Command::ShowAll => {
                let (schema, columns) = self.shown(command)?;
                self.constant(&schema, columns, formats, told)?;
                self.complete("SHOW")
            }
            Command::DiscardAll => {
                if self.transaction != Transaction::None {
                    return Err(Refusal::new("25001", "DISCARD ALL is not for within a transaction").into());
                }
                self.statements.clear();
                self.portals.clear();
                self.settings.reset_all();
                self.complete("DISCARD ALL")
            }
            Command::Prepare { name, query } => {
                self.check_statement_name(name)?;
                let bytes = query.query().map_or(0, |query| query.sql.len());
                self.check_held(bytes)?;
                let statement = Arc::new(Statement::new(Some(query.as_ref().clone()), Vec::new(), bytes));
                if let Some(query) = query.query() {
                    self.prepared(&statement, query).await?;
                }
                self.statements.insert(name.clone(), statement);
                self.complete("PREPARE")
            }
            Command::Execute { name, values } => {
                self.execute_prepared(name, values.as_ref(), formats, told, deadline).await
            }
            Command::Deallocate(name) => match name {
                Some(name) => {
                    self.statement(name)?;
                    self.statements.remove(name);
                    self.complete("DEALLOCATE")
                }
                None => {
                    self.statements.clear();
                    self.complete("DEALLOCATE ALL")
                }
            },
            Command::Declare { name, binary, hold, query } => {
                self.declare(name, *binary, *hold, query, params, deadline).await
            }
            Command::Fetch { name, rows } => self.fetch(name, *rows, formats, told, deadline).await,
            Command::Close(name) => {
                match name {
                    Some(name) => drop(self.take_portal(name)?),
                    None => self.portals.clear(),
                }
                self.complete(if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" })
            }
            Command::Copy { query, form } => self.copy(query, form, params, deadline).await,
            Command::Nothing(tag) => self.complete(tag),
        }
    }

    fn savepoints(&mut self) -> Result<&mut Vec<String>, Refusal> {
        match &mut self.transaction {
            Transaction::Open { savepoints } | Transaction::Failed { savepoints } => Ok(savepoints),
            Transaction::None => Err(Refusal::new("25P01", "savepoints are for transactions, and there is none")),
        }
    }

    fn end_transaction(&mut self, tag: &'static str) -> Result<(), Failure> {
        let tag = match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => {
                self.warn("25P01", "there is no transaction to end")?;
                tag
            }
            Transaction::Open { .. } => tag,
            Transaction::Failed { .. } => "ROLLBACK",
        };
        if tag == "COMMIT" {
            self.settings.commit();
        } else {
            self.settings.roll_back();
        }
        self.drop_portals();
        self.complete(tag)
    }

    async fn execute_prepared(
        &mut self,
        name: &str,
        values: Option<&QueryText>,
        formats: Option<&Formats>,
        told: Told,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let statement = self.statement(name)?;
        let Some(Command::Query(query)) = &statement.command else {
            return Err(Refusal::unsupported("only queries are executed by name").into());
        };
        let params = match values {
            Some(values) => self.values_of(values, deadline).await?,
            None => Vec::new(),
        };
        let wanted = self.prepared(&statement, query).await?.parameters.len();
        if params.len() != wanted {
            let count = params.len();
            return Err(Refusal::syntax(format!("there are {count} values for {wanted} parameters")).into());
        }
        let prepared = statement.prepared.get().filter(|_| told == Told::Before);
        let mut rows = self.start(query, params, prepared.map(|prepared| &prepared.schema), deadline).await?;
        let formats = formats.cloned().unwrap_or(Formats::TEXT);
        let schema = Arc::clone(rows.described());
        if told == Told::Now {
            self.describe(Some(&schema), &formats)?;
        }
        let sent = rows.send(&mut self.wire, Written::Messages(&formats), None, deadline).await?;
        self.complete(&tag_of(query.tag, sent.rows))
    }

    /// The values of a query of one row.
    async fn values_of(&mut self, query: &QueryText, deadline: Deadline) -> Result<Vec<ScalarValue>, Failure> {
        let id = self.running.begin();
        let ask = Ask {
            sql: query.sql.clone(),
            params: Vec::new(),
            dialect: Dialect::Postgres,
            query_id: Some(id.id().to_owned()),
            principal: self.principal.clone(),
            door: DOOR,
        };
        let service = Arc::clone(&self.service);
        let collecting = Box::pin(async { service.run(ask).await?.query.collect().await });
        let collected = deadline.wait(&mut self.wire, collecting).await?;
        // It is no text of the client's, so places in it mean nothing.
        let batches = collected.map_err(|error| Refusal::of(&error))?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Vec::new()) };
        let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
        let values = values.collect::<Result<_, _>>();
        values.map_err(|error| Refusal::new("22P02", format!("a value can't be taken: {error}")).into())
    }

    async fn declare(
        &mut self,
        name: &str,
        binary: bool,
        hold: bool,
        query: &QueryText,
        params: Vec<ScalarValue>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        if self.transaction == Transaction::None && !hold {
            return Err(Refusal::new("25P01", "a cursor lives in a transaction, and there is none")
                .with_hint("send BEGIN first, or declare it WITH HOLD")
                .into());
        }
        if self.portals.contains_key(name) {
            return Err(Refusal::new("42P03", format!("there is a cursor \"{name}\" already")).into());
        }
        self.check_portals()?;
        self.check_held(query.sql.len())?;
        let rows = self.start(query, params, None, deadline).await?;
        let command = Some(Command::Query(query.clone()));
        let portal = Portal {
            statement: Arc::new(Statement::new(command, Vec::new(), query.sql.len())),
            params: Vec::new(),
            bytes: query.sql.len(),
            formats: cursor_formats(binary),
            state: State::Open(Box::new(rows)),
            cursor: Some(Cursor { hold }),
        };
        self.portals.insert(name.to_owned(), portal);
        self.complete("DECLARE CURSOR")
    }

    async fn fetch(
        &mut self,
        name: &str,
        rows: Fetched,
        formats: Option<&Formats>,
        told: Told,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut portal = self.take_portal(name)?;
        let formats = formats.cloned().unwrap_or_else(|| portal.formats.clone());
        let most = match rows {
            Fetched::All => None,
            Fetched::Rows(rows) => Some(rows),
        };
        if told == Told::Now {
            let schema = portal.schema().cloned();
            self.describe(schema.as_deref(), &formats)?;
        }
        let (rows, _) =
            if most == Some(0) { (0, false) } else { self.advance(&mut portal, &formats, most, deadline).await? };
        self.portals.insert(name.to_owned(), portal);
        self.complete(&tag_of("FETCH", rows))
    }

    async fn copy(
        &mut self,
        query: &QueryText,
        form: &CopyForm,
        params: Vec<ScalarValue>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut rows = self.start(query, params, None, deadline).await?;
        let schema = Arc::clone(rows.described());
        let mut writer = CopyWriter::new(form.clone(), &schema)?;
        let code = i8::from(form.format() == Format::Binary);
        let columns = i16::try_from(schema.fields().len()).map_err(|_| Refusal::new("54011", "too many columns"))?;
        self.wire.put(&CopyOutResponse::new(code, columns, vec![i16::from(code); schema.fields().len()]))?;
        writer.header(&mut self.wire.out)?;
        let sent = rows.send(&mut self.wire, Written::Copy(&mut writer), None, deadline).await?;
        writer.finish(&mut self.wire.out)?;
        self.wire.put(&CopyDone::new())?;
        self.complete(&tag_of("COPY", sent.rows))
    }

    /// The columns of what a statement answers; `None` where it answers no rows.
    pub(super) async fn schema_of(&mut self, statement: &Statement) -> Result<Option<SchemaRef>, Failure> {
        match &statement.command {
            Some(Command::Query(query)) => Ok(Some(Arc::clone(&self.prepared(statement, query).await?.schema))),
            Some(command @ (Command::Show(_) | Command::ShowAll)) => Ok(Some(self.shown(command)?.0)),
            Some(Command::Fetch { name, .. }) => {
                let unknown = || Refusal::new("34000", format!("there is no cursor \"{name}\""));
                Ok(self.portals.get(name).ok_or_else(unknown)?.schema().cloned())
            }
            Some(Command::Execute { name, .. }) => {
                let executed = self.statement(name)?;
                match &executed.command {
                    Some(Command::Query(query)) => Ok(Some(Arc::clone(&self.prepared(&executed, query).await?.schema))),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// The rows of a SHOW.
    fn shown(&self, command: &Command) -> Result<(SchemaRef, Vec<ArrayRef>), Refusal> {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let column = |values: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        match command {
            Command::Show(name) => {
                let (name, value) = self.settings.show(name)?;
                Ok((Arc::new(Schema::new(vec![text(name)])), vec![column(vec![value])]))
            }
            _ => {
                let (names, values): (Vec<_>, Vec<_>) =
                    self.settings.all().into_iter().map(|(name, value)| (name.to_owned(), value)).unzip();
                let none = column(vec![String::new(); names.len()]);
                let schema = Schema::new(vec![text("name"), text("setting"), text("description")]);
                Ok((Arc::new(schema), vec![column(names), column(values), none]))
            }
        }
    }

    /// Sends rows that are at hand.
    fn constant(
        &mut self,
        schema: &SchemaRef,
        columns: Vec<ArrayRef>,
        formats: Option<&Formats>,
        told: Told,
    ) -> Result<(), Failure> {
        let formats = formats.cloned().unwrap_or(Formats::TEXT);
        formats.check(schema.fields().len())?;
        if told == Told::Now {
            self.describe(Some(schema), &formats)?;
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| Refusal::new("XX000", format!("settings can't be shown: {error}")))?;
        let columns = plain_columns(schema, &batch)?;
        encode_rows(&columns, &formats, 0..batch.num_rows(), usize::MAX, &mut self.wire.out)?;
        Ok(())
    }

    fn warn(&mut self, code: &'static str, message: &str) -> Result<(), Failure> {
        self.wire.put(&Refusal::new(code, message).warning())
    }

    fn complete(&mut self, tag: &str) -> Result<(), Failure> {
        self.wire.put(&CommandComplete::new(tag.to_owned()))
    }
}

fn place_of(savepoints: &[String], name: &str) -> Result<usize, Refusal> {
    let place = savepoints.iter().rposition(|savepoint| savepoint == name);
    place.ok_or_else(|| Refusal::new("3B001", format!("there is no savepoint \"{name}\"")))
}

/// EXPLAIN's and SHOW's ends tell no number.
fn tag_of(tag: &str, rows: u64) -> String {
    match tag {
        "EXPLAIN" | "SHOW" => tag.to_owned(),
        _ => format!("{tag} {rows}"),
    }
}
