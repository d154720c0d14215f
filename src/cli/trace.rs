//! `telestrata trace`: one trace as a tree on a time line, with its errors and logs.

use std::collections::HashMap;
use std::fmt::Write as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use clap::Args;

use super::Done;
use super::say::say;
use super::target::ReadArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ids::TraceId;

/// Characters of the time line.
const LINE: usize = 40;

/// Characters of a log's or event's text.
const TEXT: usize = 160;

/// Steps that are shown to the right of one another; deeper spans are below the last.
const DEEPEST: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Trace {
    #[command(flatten)]
    target: ReadArgs,

    /// The trace's id, in any spelling: upper or lower case, with or without dashes or 0x
    trace_id: String,
}

/// A span of `trace_tree`, in its order, or what else `trace_timeline` has.
#[derive(Debug, Clone, Default)]
struct Moment {
    nanos: i64,
    signal: String,
    service: String,
    span_id: Option<String>,
    /// How many spans are above a span.
    depth: usize,
    name: String,
    level: String,
    duration_ms: Option<f64>,
    text: String,
}

impl Trace {
    pub(super) async fn run(self) -> Result<Done> {
        let id = TraceId::parse(&self.trace_id).map_err(|error| Error::config(error.to_string()))?;
        let target = self.target.open().await?;
        let sql = include_str!("trace.sql").replace("{trace_id}", id.as_str());
        let batches = target.query(&sql).await?.collect().await?;
        let moments = moments(&batches)?;
        if moments.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no span, log or exemplar of trace {id} is stored here"),
            ));
        }
        say(&render(id.as_str(), &moments))?;
        Ok(Done::Wholly)
    }
}

fn moments(batches: &[RecordBatch]) -> Result<Vec<Moment>> {
    let mut moments = Vec::new();
    for batch in batches {
        let column = |name: &str, to: DataType| {
            let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column `{name}`")))?;
            cast(column, &to).map_err(|error| Error::internal(format!("column `{name}`")).with_source(error))
        };
        let text = |name: &str| column(name, DataType::Utf8);
        let nanos = column("nanos", DataType::Int64)?;
        let duration = column("duration_ms", DataType::Float64)?;
        let depth = column("depth", DataType::UInt64)?;
        let [signal, service, span, name, level, body] =
            ["signal", "service_name", "span_id", "name", "level", "text"].map(text);
        let (signal, service, span) = (signal?, service?, span?);
        let (name, level, body) = (name?, level?, body?);
        let value = |array: &arrow::array::ArrayRef, row: usize| {
            let array = array.as_string::<i32>();
            array.is_valid(row).then(|| array.value(row).to_owned())
        };
        for row in 0..batch.num_rows() {
            let duration = duration.as_primitive::<Float64Type>();
            let depth = depth.as_primitive::<UInt64Type>();
            moments.push(Moment {
                nanos: nanos.as_primitive::<Int64Type>().value(row),
                signal: value(&signal, row).unwrap_or_default(),
                service: value(&service, row).unwrap_or_default(),
                span_id: value(&span, row),
                depth: if depth.is_valid(row) { usize::try_from(depth.value(row)).unwrap_or(usize::MAX) } else { 0 },
                name: value(&name, row).unwrap_or_default(),
                level: value(&level, row).unwrap_or_default(),
                duration_ms: duration.is_valid(row).then(|| duration.value(row)),
                text: value(&body, row).unwrap_or_default(),
            });
        }
    }
    Ok(moments)
}

/// The trace's window, for the bars.
struct Window {
    start: i64,
    nanos: f64,
}

impl Window {
    fn of(moments: &[Moment]) -> Self {
        let start = moments.iter().map(|moment| moment.nanos).min().unwrap_or(0);
        let end = moments.iter().map(|moment| moment.nanos as f64 + moment.duration_ms.unwrap_or(0.0).max(0.0) * 1e6);
        Self { start, nanos: (end.fold(0.0, f64::max) - start as f64).max(1.0) }
    }

    fn offset_ms(&self, moment: &Moment) -> f64 {
        (moment.nanos - self.start) as f64 / 1e6
    }

    fn bar(&self, moment: &Moment) -> String {
        let scale = LINE as f64 / self.nanos;
        // Both are between 0 and LINE.
        let from = (((moment.nanos - self.start) as f64 * scale) as usize).min(LINE - 1);
        let length = (moment.duration_ms.unwrap_or(0.0).max(0.0) * 1e6 * scale).round() as usize;
        let length = length.clamp(1, LINE - from);
        format!("{}{}{}", " ".repeat(from), "█".repeat(length), " ".repeat(LINE - from - length))
    }
}

fn render(id: &str, moments: &[Moment]) -> String {
    let window = Window::of(moments);
    let spans: Vec<&Moment> = moments.iter().filter(|moment| moment.signal == "span").collect();
    let notes = Notes::of(moments, &spans);
    let errors = spans.iter().filter(|span| span.level == "ERROR").count();
    let logs = moments.iter().filter(|moment| moment.signal == "log").count();
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "trace {id}: {:.1} ms, {} spans, {errors} with errors, {logs} logs\n",
        window.nanos / 1e6,
        spans.len()
    );
    for (place, span) in spans.iter().enumerate() {
        let indent = indent(span.depth);
        let mark = if span.level == "ERROR" { "✗" } else { " " };
        let duration = span.duration_ms.map_or_else(|| "?".to_owned(), |duration| format!("{duration:.1}"));
        let _ = writeln!(out, "{}│{duration:>9} ms {mark} {indent}{} {}", window.bar(span), span.service, span.name);
        if !span.text.is_empty() {
            let _ = writeln!(out, "{}│{:14} {indent}  status: {}", " ".repeat(LINE), "", shortened(&span.text));
        }
        for moment in notes.inside.get(&place).into_iter().flatten() {
            let _ = writeln!(out, "{}", note(&window, moment, span.depth));
        }
    }
    if !notes.loose.is_empty() {
        let _ = writeln!(out, "\nwithout a span that is stored here:");
        for moment in &notes.loose {
            let _ = writeln!(out, "{}", note(&window, moment, 0));
        }
    }
    out
}

/// What is no span, by the place of the span that it is shown with.
struct Notes<'a> {
    inside: HashMap<usize, Vec<&'a Moment>>,
    loose: Vec<&'a Moment>,
}

impl<'a> Notes<'a> {
    /// Of several spans with its id, a note is with that of its own service, else with the first.
    fn of(moments: &'a [Moment], spans: &[&'a Moment]) -> Self {
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        let mut by_service: HashMap<(&str, &str), usize> = HashMap::new();
        for (place, span) in spans.iter().enumerate() {
            if let Some(id) = span.span_id.as_deref() {
                by_id.entry(id).or_insert(place);
                by_service.entry((id, &span.service)).or_insert(place);
            }
        }
        let mut notes = Self { inside: HashMap::new(), loose: Vec::new() };
        for moment in moments.iter().filter(|moment| moment.signal != "span") {
            let id = moment.span_id.as_deref();
            let place = id.and_then(|id| by_service.get(&(id, moment.service.as_str())).or_else(|| by_id.get(id)));
            match place {
                Some(place) => notes.inside.entry(*place).or_default().push(moment),
                None => notes.loose.push(moment),
            }
        }
        notes
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth.min(DEEPEST))
}

fn note(window: &Window, moment: &Moment, depth: usize) -> String {
    let what = match moment.signal.as_str() {
        "log" => moment.level.clone(),
        other => format!("{other} {}", moment.name),
    };
    let offset = window.offset_ms(moment);
    format!("{}│{offset:>+9.1} ms   {}  {what}: {}", " ".repeat(LINE), indent(depth), shortened(&moment.text))
}

fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= TEXT {
        return line;
    }
    line.chars().take(TEXT).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_with_its_own_services_half_of_a_shared_span() {
        let span = |service: &str, depth| Moment {
            signal: "span".into(),
            span_id: Some("b".into()),
            service: service.into(),
            name: format!("span-of-{service}"),
            depth,
            duration_ms: Some(1.0),
            ..Moment::default()
        };
        let log = |service: &str, id: Option<&str>| Moment {
            signal: "log".into(),
            span_id: id.map(str::to_owned),
            service: service.into(),
            text: format!("log-of-{service}"),
            ..Moment::default()
        };
        let moments = [
            span("shop", 0),
            span("pay", 1),
            log("pay", Some("b")),
            log("zoo", Some("b")),
            log("cat", None),
            log("dog", Some("x")),
        ];
        let text = render("x", &moments);
        let shown: Vec<&str> = text.split_whitespace().filter(|word| word.contains("-of-")).collect();
        assert_eq!(
            shown,
            ["span-of-shop", "log-of-zoo", "span-of-pay", "log-of-pay", "log-of-cat", "log-of-dog"],
            "{text}"
        );
    }
}
