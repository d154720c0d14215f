//! `telestrata trace`: one trace as a tree on a time line, with its errors and logs.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use clap::Args;

use super::Done;
use super::say::say;
use super::target::TargetArgs;
use crate::error::{Error, ErrorKind, Result};

/// Characters of the time line.
const LINE: usize = 40;

/// Characters of a log's or event's text.
const TEXT: usize = 160;

#[derive(Debug, Args)]
pub(super) struct Trace {
    #[command(flatten)]
    target: TargetArgs,

    /// The trace's id, in any spelling: upper or lower case, with or without dashes or 0x
    trace_id: String,
}

/// One row of `trace_timeline`.
#[derive(Debug, Clone, Default)]
struct Moment {
    nanos: i64,
    signal: String,
    service: String,
    span_id: Option<String>,
    parent: Option<String>,
    name: String,
    level: String,
    duration_ms: Option<f64>,
    text: String,
}

impl Trace {
    pub(super) async fn run(self) -> Result<Done> {
        let id = normal_id(&self.trace_id)?;
        let target = self.target.open().await?;
        let sql = include_str!("trace.sql").replace("{trace_id}", &id);
        let batches = target.query(&sql).await?.collect().await?;
        let moments = moments(&batches)?;
        if moments.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no span, log or exemplar of trace {id} is stored here"),
            ));
        }
        say(&render(&id, &moments))?;
        Ok(Done::Wholly)
    }
}

/// 32 lower-case hex digits. Only these reach the query's text.
fn normal_id(text: &str) -> Result<String> {
    let digits: String = text.trim().trim_start_matches("0x").chars().filter(|c| *c != '-').collect();
    let valid = !digits.is_empty() && digits.len() <= 32 && digits.chars().all(|c| c.is_ascii_hexdigit());
    if !valid {
        return Err(Error::config(format!("`{text}` is no trace id: 32 hex digits, or 16 of an older system's")));
    }
    Ok(format!("{:0>32}", digits.to_ascii_lowercase()))
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
        let [signal, service, span, parent, name, level, body] =
            ["signal", "service_name", "span_id", "parent_span_id", "name", "level", "text"].map(text);
        let (signal, service, span, parent) = (signal?, service?, span?, parent?);
        let (name, level, body) = (name?, level?, body?);
        let value = |array: &arrow::array::ArrayRef, row: usize| {
            let array = array.as_string::<i32>();
            array.is_valid(row).then(|| array.value(row).to_owned())
        };
        for row in 0..batch.num_rows() {
            let duration = duration.as_primitive::<Float64Type>();
            moments.push(Moment {
                nanos: nanos.as_primitive::<Int64Type>().value(row),
                signal: value(&signal, row).unwrap_or_default(),
                service: value(&service, row).unwrap_or_default(),
                span_id: value(&span, row),
                parent: value(&parent, row),
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
    let ids: HashSet<&str> = spans.iter().filter_map(|span| span.span_id.as_deref()).collect();
    let mut children: HashMap<&str, Vec<&Moment>> = HashMap::new();
    let mut roots = Vec::new();
    for span in &spans {
        match span.parent.as_deref().filter(|parent| ids.contains(parent) && span.span_id.as_deref() != Some(parent)) {
            Some(parent) => children.entry(parent).or_default().push(span),
            None => roots.push(*span),
        }
    }
    let mut inside: HashMap<Option<&str>, Vec<&Moment>> = HashMap::new();
    for moment in moments.iter().filter(|moment| moment.signal != "span") {
        let span = moment.span_id.as_deref().filter(|span| ids.contains(span));
        inside.entry(span).or_default().push(moment);
    }
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
    let mut shown = HashSet::new();
    let mut tree = Tree { window: &window, children: &children, inside: &inside, shown: &mut shown, out: &mut out };
    for root in roots {
        tree.span(root, 0);
    }
    // Spans in a circle of parents hang on no root.
    for span in &spans {
        if !tree.shown.contains(&std::ptr::from_ref(*span)) {
            tree.span(span, 0);
        }
    }
    if let Some(loose) = inside.get(&None) {
        let _ = writeln!(out, "\nwithout a span that is stored here:");
        for moment in loose {
            let _ = writeln!(out, "{}", note(&window, moment, 0));
        }
    }
    out
}

struct Tree<'a, 'b> {
    window: &'b Window,
    children: &'b HashMap<&'a str, Vec<&'a Moment>>,
    inside: &'b HashMap<Option<&'a str>, Vec<&'a Moment>>,
    shown: &'b mut HashSet<*const Moment>,
    out: &'b mut String,
}

impl<'a> Tree<'a, '_> {
    fn span(&mut self, span: &'a Moment, depth: usize) {
        if !self.shown.insert(std::ptr::from_ref(span)) {
            return;
        }
        let mark = if span.level == "ERROR" { "✗" } else { " " };
        let duration = span.duration_ms.map_or_else(|| "?".to_owned(), |duration| format!("{duration:.1}"));
        let name = format!("{}{} {}", "  ".repeat(depth), span.service, span.name);
        let _ = writeln!(self.out, "{}│{duration:>9} ms {mark} {name}", self.window.bar(span));
        if !span.text.is_empty() {
            let _ = writeln!(
                self.out,
                "{}│{:14} {}  status: {}",
                " ".repeat(LINE),
                "",
                "  ".repeat(depth),
                shortened(&span.text)
            );
        }
        let id = span.span_id.as_deref();
        if id.is_some() {
            for moment in self.inside.get(&id).into_iter().flatten() {
                let _ = writeln!(self.out, "{}", note(self.window, moment, depth));
            }
        }
        if let Some(children) = id.and_then(|id| self.children.get(id)) {
            for child in children {
                self.span(child, depth + 1);
            }
        }
    }
}

fn note(window: &Window, moment: &Moment, depth: usize) -> String {
    let what = match moment.signal.as_str() {
        "log" => moment.level.clone(),
        other => format!("{other} {}", moment.name),
    };
    let offset = window.offset_ms(moment);
    format!("{}│{offset:>+9.1} ms   {}  {what}: {}", " ".repeat(LINE), "  ".repeat(depth), shortened(&moment.text))
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

    #[rstest::rstest]
    #[case("4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e4736")]
    #[case("0x4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736")]
    #[case("a3ce929d0e0e4736", "0000000000000000a3ce929d0e0e4736")]
    fn any_spelling_of_an_id(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(normal_id(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_id_does_not_reach_the_query() {
        assert!(normal_id("' or 1=1").is_err() && normal_id("").is_err() && normal_id(&"a".repeat(33)).is_err());
    }

    #[test]
    fn a_tree_with_an_orphan_and_a_circle_shows_every_span_once() {
        let span = |id: &str, parent: Option<&str>| Moment {
            signal: "span".into(),
            span_id: Some(id.into()),
            parent: parent.map(str::to_owned),
            name: format!("name-{id}"),
            duration_ms: Some(1.0),
            ..Moment::default()
        };
        let moments = [
            span("a", None),
            span("b", Some("a")),
            span("c", Some("gone")),
            span("d", Some("e")),
            span("e", Some("d")),
        ];
        let text = render("x", &moments);
        for id in ["a", "b", "c", "d", "e"] {
            assert_eq!(text.matches(&format!("name-{id}")).count(), 1, "{text}");
        }
    }
}
