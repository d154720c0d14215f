//! The way through a request: resources, in them scopes, in them records.
//!
//! The three signals have the same frame. In protobuf and JSON alike a resource may come after its scopes and a scope
//! after its records, so each group is walked twice: for what it gives to its rows, then for the rows.

use std::ops::Range;

use arrow::error::ArrowError;

use super::budget::{Budget, REJECTION_BYTES, ROW_BYTES};
use super::error::{DecodeError, Problem};
use super::record::{AttributeReader, Resource, Scope};
use super::report::{DecodeReport, Decoded, Rejection, RequestMeta};
use super::rows::{Group, SharedColumns, SharedRow};
use super::schema::{Frame, frame};
use super::wire::{Scratch, Text, Wire};
use crate::model::Signal;
use crate::model::build::BatchColumns;

/// The rows of one signal.
pub(crate) trait SignalRows<'a>: Sized {
    const SIGNAL: Signal;
    const FRAME: Frame;

    /// Reads the log record, span or metric at the cursor.
    fn read_item<W: Wire<'a>>(&mut self, wire: &mut W, context: &mut Context<'a, '_>) -> Result<(), DecodeError>;

    /// Finishes the signal's own columns.
    fn put(self, columns: &mut BatchColumns) -> Result<(), ArrowError>;
}

/// What the records of a request have around them.
#[derive(Debug)]
pub(crate) struct Context<'a, 'm> {
    meta: &'m RequestMeta<'m>,
    pub(crate) report: DecodeReport,
    pub(crate) group: Group,
    shared: SharedColumns,
    budget: Budget,
    attribute_reader: AttributeReader<'a>,
    /// What is wrong with the resource, the scope and the metric: it rejects each of their records.
    resource_problem: Option<Problem>,
    scope_problem: Option<Problem>,
    pub(crate) metric_problem: Option<Problem>,
}

/// Decodes the whole request.
pub(crate) fn decode_rows<'a, W: Wire<'a>, R: SignalRows<'a>>(
    mut wire: W,
    mut rows: R,
    meta: &RequestMeta<'_>,
) -> Result<Decoded, DecodeError> {
    let mut context = Context::new(meta);
    let (mut resource, mut scope) = (Resource::default(), Scope::default());
    wire.message(R::FRAME.request, |wire, field| match field {
        frame::RESOURCE_GROUPS => {
            wire.each(|wire| resource_group(wire, &mut rows, &mut context, &mut resource, &mut scope))
        }
        frame::OTHER_SIGNAL => {
            let expected = "records of this signal, not of another";
            Err(DecodeError::Malformed { offset: wire.position(), expected })
        }
        _ => wire.skip(),
    })?;
    wire.finish()?;

    let mut columns = BatchColumns::default();
    rows.put(&mut columns)?;
    context.shared.put(meta, &mut columns)?;
    Ok(Decoded { batch: columns.finish(R::SIGNAL)?, report: context.report })
}

fn resource_group<'a, W: Wire<'a>, R: SignalRows<'a>>(
    wire: &mut W,
    rows: &mut R,
    context: &mut Context<'a, '_>,
    resource: &mut Resource<'a>,
    scope: &mut Scope<'a>,
) -> Result<(), DecodeError> {
    let group = wire.mark();
    let mut schema_url = Text::default();
    resource.clear();
    wire.message(R::FRAME.resource_group, |wire, field| {
        match field {
            frame::RESOURCE => resource.read(wire, &mut context.attribute_reader)?,
            frame::SCHEMA_URL => schema_url = wire.text()?,
            _ => wire.skip()?,
        }
        Ok(())
    })?;
    context.report.entity_refs += resource.entity_refs;
    context.report.duplicate_keys += context.group.set_resource(resource, schema_url, &wire.state().scratch);
    context.resource_problem = wire.state_mut().take_problem();
    wire.state_mut().scratch.clear();

    wire.reset(group);
    wire.message(R::FRAME.resource_group, |wire, field| match field {
        frame::SCOPE_GROUPS => wire.each(|wire| scope_group(wire, rows, context, scope)),
        _ => wire.skip(),
    })
}

fn scope_group<'a, W: Wire<'a>, R: SignalRows<'a>>(
    wire: &mut W,
    rows: &mut R,
    context: &mut Context<'a, '_>,
    scope: &mut Scope<'a>,
) -> Result<(), DecodeError> {
    let group = wire.mark();
    let mut schema_url = Text::default();
    scope.clear();
    wire.message(R::FRAME.scope_group, |wire, field| {
        match field {
            frame::SCOPE => scope.read(wire, &mut context.attribute_reader)?,
            frame::SCHEMA_URL => schema_url = wire.text()?,
            _ => wire.skip()?,
        }
        Ok(())
    })?;
    context.report.duplicate_keys += context.group.set_scope(scope, schema_url, &wire.state().scratch);
    context.scope_problem = wire.state_mut().take_problem();
    wire.state_mut().scratch.clear();

    wire.reset(group);
    wire.message(R::FRAME.scope_group, |wire, field| match field {
        frame::ITEMS => wire.each(|wire| rows.read_item(wire, context)),
        _ => wire.skip(),
    })?;
    context.shared.fill_group(&context.group);
    Ok(())
}

impl<'a, 'm> Context<'a, 'm> {
    fn new(meta: &'m RequestMeta<'m>) -> Self {
        Self {
            meta,
            report: DecodeReport::default(),
            group: Group::new(),
            shared: SharedColumns::new(),
            budget: Budget::new(),
            attribute_reader: AttributeReader::default(),
            resource_problem: None,
            scope_problem: None,
            metric_problem: None,
        }
    }

    pub(crate) fn meta(&self) -> &'m RequestMeta<'m> {
        self.meta
    }

    pub(crate) fn attribute_reader(&mut self) -> &mut AttributeReader<'a> {
        &mut self.attribute_reader
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.shared.rows()
    }

    /// What is wrong with the record just read: its own problem, or one that it has from its surroundings.
    pub(crate) fn problem<W: Wire<'a>>(&self, wire: &mut W) -> Option<Problem> {
        let own = wire.state_mut().take_problem();
        let outer = [&self.resource_problem, &self.scope_problem, &self.metric_problem];
        outer.into_iter().find_map(Option::as_ref).cloned().or(own)
    }

    /// Accounts for the row of the record that began at `start` and has just been read.
    pub(crate) fn charge_row<W: Wire<'a>>(&mut self, start: usize, wire: &W) -> Result<(), DecodeError> {
        let sent = wire.position().saturating_sub(start);
        self.charge(ROW_BYTES + self.group.row_bytes() + sent + wire.state().scratch.len())
    }

    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.budget.charge(bytes)
    }

    /// Appends an accepted record to the shared columns.
    pub(crate) fn push(&mut self, row: &SharedRow<'_, '_>, scratch: &Scratch) {
        self.shared.push(row, &self.group, scratch);
    }

    pub(crate) fn reject(&mut self, problem: Problem, bytes: Range<usize>) -> Result<(), DecodeError> {
        self.charge(REJECTION_BYTES)?;
        let Problem { reason, detail } = problem;
        self.report.rejections.push(Rejection { record: self.report.records, reason, detail, bytes });
        Ok(())
    }

    /// Counts the record just accepted or rejected, and forgets the text made for it.
    pub(crate) fn end_record<W: Wire<'a>>(&mut self, wire: &mut W) {
        self.report.records += 1;
        wire.state_mut().scratch.clear();
    }
}
