//! The document of a trace.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::lineage::Filter;
use super::lines::{
    Clock, Document, ErrorLine, ExemplarLine, FilterLine, LogLine, ResourceLine, Root, ScopeLine, ServiceLine,
    SpanLine, Stretch, Summary, link, rfc3339, said,
};
use super::read::{Node, Spans};
use super::story::{Exemplar, Log, Logs};
use crate::error::Result;
use crate::export::OfSchema;
use crate::model::ids::{TraceId, hex};
use crate::server::traces::{plain, plain_attributes};

/// The severity from which on a log is of an error (OpenTelemetry, "Severity fields").
const ERROR_SEVERITY: i32 = 17;

/// Everything that is stored of a trace.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) spans: Spans,
    pub(super) path: Vec<Stretch>,
    pub(super) logs: Logs,
    pub(super) exemplars: Vec<Exemplar>,
    pub(super) errors: Vec<ErrorLine>,
}

impl Read {
    /// Whether nothing of it is stored.
    pub(super) fn is_empty(&self) -> bool {
        self.spans.nodes.is_empty()
            && self.spans.problems.is_empty()
            && self.logs.logs.is_empty()
            && self.logs.problems.is_empty()
            && self.exemplars.is_empty()
    }
}

/// Makes the document of what is asked for.
///
/// # Errors
/// `NotFound` where the filter leaves no span.
pub(super) fn document(id: &TraceId, filter: &Filter, read: Read) -> Result<Document> {
    let Read { spans, path, logs, exemplars, errors } = read;
    let shown = filter.shown(id, &spans.nodes)?;
    let summary = summary(&spans.nodes, &logs.logs, &exemplars);
    let places = Places::of(&spans.nodes);
    let clock = Clock(start(&spans.nodes));
    let mut maker = Maker { clock, resources: Vec::new(), known: HashMap::new() };
    let mut lines: Vec<SpanLine> = spans.nodes.iter().map(|node| maker.span(node)).collect();

    for stretch in &path {
        if let Some(line) =
            places.named(stretch.span_id.as_deref(), &stretch.service_name).and_then(|at| lines.get_mut(at))
        {
            line.critical_ms += stretch.duration_ms;
        }
    }
    let mut logs_without_span = Vec::new();
    for log in &logs.logs {
        let line = maker.log(log);
        match places.of_log(log).and_then(|at| lines.get_mut(at)) {
            Some(span) => span.logs.push(line),
            None => logs_without_span.push(line),
        }
    }
    let mut exemplars_without_span = Vec::new();
    for mut exemplar in exemplars {
        exemplar.line.offset_ms = clock.offset_ms(exemplar.nanos);
        match places.named(exemplar.span_id.as_deref(), &exemplar.service_name).and_then(|at| lines.get_mut(at)) {
            Some(span) => span.exemplars.push(exemplar.line),
            None => exemplars_without_span.push(exemplar.line),
        }
    }

    let kept = |span_id: Option<&str>, service: &str| match places.named(span_id, service) {
        Some(at) => shown.get(at).copied().unwrap_or(true),
        None => filter.keeps_loose(service),
    };
    let lines: Vec<SpanLine> =
        lines.into_iter().zip(&shown).filter(|(_, shown)| **shown).map(|(line, _)| line).collect();
    logs_without_span.retain(|line: &LogLine| filter.keeps_loose(&line.service_name));
    exemplars_without_span.retain(|line: &ExemplarLine| filter.keeps_loose(&line.service_name));
    let problems = |what: &str, problems: Vec<String>| -> Vec<String> {
        problems.into_iter().map(|problem| format!("{what} that is stored can't be shown: {problem}")).collect()
    };
    Ok(Document {
        trace_id: id.to_string(),
        summary,
        filter: (!filter.is_open()).then(|| FilterLine {
            span_id: filter.span_id.as_ref().map(ToString::to_string),
            service_name: filter.service_name.clone(),
            shown_span_count: lines.len(),
        }),
        errors: errors.into_iter().filter(|error| kept(error.span_id.as_deref(), &error.service_name)).collect(),
        critical_path: path.into_iter().filter(|it| kept(it.span_id.as_deref(), &it.service_name)).collect(),
        spans: lines,
        logs_without_span,
        exemplars_without_span,
        resources: maker.resources,
        warnings: [problems("a span", spans.problems), problems("a log", logs.problems)].concat(),
    })
}

fn start(nodes: &[Node]) -> Option<u64> {
    nodes.iter().map(|node| node.record.record.start_time_unix_nano).min()
}

fn summary(nodes: &[Node], logs: &[Log], exemplars: &[Exemplar]) -> Summary {
    let span = |node: &Node| (node.record.record.start_time_unix_nano, node.record.record.end_time_unix_nano);
    let start = start(nodes);
    let end = nodes.iter().map(span).map(|(start, end)| start.max(end)).max();
    let root = nodes.iter().find(|node| node.record.record.parent_span_id.is_empty()).or(nodes.first());
    let mut services: BTreeMap<&str, ServiceLine> = BTreeMap::new();
    for node in nodes {
        let name = node.record.service_name.as_str();
        let new = || ServiceLine { service_name: name.to_owned(), span_count: 0, error_count: 0, self_ms: 0.0 };
        let line = services.entry(name).or_insert_with(new);
        line.span_count += 1;
        line.error_count += usize::from(is_error(node));
        line.self_ms += node.self_ms.unwrap_or_default();
    }
    Summary {
        time: start.map(rfc3339),
        end_time: end.map(rfc3339),
        duration_ms: start.zip(end).map(|(start, end)| (end - start) as f64 / 1e6),
        root: root.map(|node| Root {
            span_id: node.span_id(),
            service_name: node.record.service_name.clone(),
            name: node.record.record.name.clone(),
            status_code: node.status_code.clone(),
        }),
        span_count: nodes.len(),
        error_count: nodes.iter().filter(|node| is_error(node)).count(),
        orphan_count: nodes.iter().filter(|node| node.orphan).count(),
        log_count: logs.len(),
        error_log_count: logs.iter().filter(|log| log.record.record.severity_number >= ERROR_SEVERITY).count(),
        exemplar_count: exemplars.len(),
        services: services.into_values().collect(),
    }
}

fn is_error(node: &Node) -> bool {
    node.status_code == "ERROR"
}

/// Where the spans are.
struct Places {
    by_id: HashMap<String, usize>,
    by_service: HashMap<(String, String), usize>,
    exact: HashMap<(String, String, u64), usize>,
}

impl Places {
    fn of(nodes: &[Node]) -> Self {
        let mut places = Self { by_id: HashMap::new(), by_service: HashMap::new(), exact: HashMap::new() };
        for (at, node) in nodes.iter().enumerate() {
            let (id, service) = (node.span_id(), node.record.service_name.clone());
            places.by_id.entry(id.clone()).or_insert(at);
            places.by_service.entry((id.clone(), service.clone())).or_insert(at);
            places.exact.entry((id, service, node.record.record.start_time_unix_nano)).or_insert(at);
        }
        places
    }

    /// Of several spans with an id, that of the service, else the first.
    fn named(&self, span_id: Option<&str>, service: &str) -> Option<usize> {
        let id = span_id?;
        let own = self.by_service.get(&(id.to_owned(), service.to_owned()));
        own.or_else(|| self.by_id.get(id)).copied()
    }

    fn of_log(&self, log: &Log) -> Option<usize> {
        let (service, start) = log.span.clone()?;
        self.exact.get(&(hex(&log.record.record.span_id), service, start)).copied()
    }
}

/// Makes lines; resources that are equal are one.
struct Maker {
    clock: Clock,
    resources: Vec<ResourceLine>,
    known: HashMap<String, usize>,
}

impl Maker {
    fn resource(&mut self, service_name: &str, resource: &OfSchema<Resource>) -> usize {
        let line = ResourceLine {
            service_name: service_name.to_owned(),
            attributes: plain_attributes(&resource.value.attributes),
            schema_url: said(&resource.schema_url),
            dropped_attributes_count: resource.value.dropped_attributes_count,
        };
        // As text, for a number in it has no hash.
        let key = format!("{line:?}");
        let resources = &mut self.resources;
        *self.known.entry(key).or_insert_with(|| {
            resources.push(line);
            resources.len() - 1
        })
    }

    fn span(&mut self, node: &Node) -> SpanLine {
        let span = &node.record.record;
        SpanLine {
            span_id: node.span_id(),
            parent_span_id: said(&hex(&span.parent_span_id)),
            depth: node.depth,
            orphan: node.orphan,
            service_name: node.record.service_name.clone(),
            name: span.name.clone(),
            kind: node.kind.clone(),
            time: rfc3339(span.start_time_unix_nano),
            offset_ms: node.offset_ms,
            duration_ms: node.duration_ms,
            self_ms: node.self_ms,
            share: node.share,
            critical_ms: 0.0,
            status_code: node.status_code.clone(),
            status_message: span.status.as_ref().and_then(|status| said(&status.message)),
            error: is_error(node),
            subtree_errors: node.subtree_errors,
            child_count: node.child_count,
            attributes: plain_attributes(&span.attributes),
            events: span.events.iter().map(|event| self.clock.event(event)).collect(),
            links: span.links.iter().map(link).collect(),
            logs: Vec::new(),
            exemplars: Vec::new(),
            scope: scope(&node.record.scope),
            resource: self.resource(&node.record.service_name, &node.record.resource),
            trace_state: said(&span.trace_state),
            flags: span.flags,
            adjusted_count: node.adjusted_count,
            dropped_attributes_count: span.dropped_attributes_count,
            dropped_events_count: span.dropped_events_count,
            dropped_links_count: span.dropped_links_count,
        }
    }

    fn log(&mut self, log: &Log) -> LogLine {
        let record = &log.record.record;
        LogLine {
            time: rfc3339(record.time_unix_nano),
            offset_ms: self.clock.offset_ms(record.time_unix_nano),
            service_name: log.record.service_name.clone(),
            span_id: said(&hex(&record.span_id)),
            level: log.level.clone(),
            severity_number: record.severity_number,
            severity_text: said(&record.severity_text),
            event_name: said(&record.event_name),
            body: plain(record.body.as_ref()),
            attributes: plain_attributes(&record.attributes),
            scope: scope(&log.record.scope),
            resource: self.resource(&log.record.service_name, &log.record.resource),
        }
    }
}

/// `None` where it says nothing.
fn scope(scope: &OfSchema<InstrumentationScope>) -> Option<ScopeLine> {
    let line = ScopeLine {
        name: said(&scope.value.name),
        version: said(&scope.value.version),
        attributes: plain_attributes(&scope.value.attributes),
        schema_url: said(&scope.schema_url),
        dropped_attributes_count: scope.value.dropped_attributes_count,
    };
    (line != ScopeLine::default()).then_some(line)
}
