//! Generated spans and logs, and what the rules say of them: read naively, row by row, with nothing of the program's.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

/// The first date of every world.
pub fn date(day: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 2, 20).unwrap() + Days::new(day)
}

/// A span or a log.
#[derive(Debug, Clone)]
pub struct Row {
    /// What tells it from all others; the attribute `n`.
    pub number: u64,
    pub is_log: bool,
    pub trace: Option<String>,
    /// Its date, counted from the first.
    pub day: u64,
    pub second: u64,
    pub duration_ms: u64,
    /// A span's status, a log's severity.
    pub is_error: bool,
    pub service: &'static str,
    pub state: &'static str,
    /// The number of the span above it.
    pub parent: Option<u64>,
}

/// A trace id, random in every digit and the same in every run.
pub fn trace_id(number: u64) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&number.to_be_bytes()))
}

fn span_id(number: u64) -> String {
    format!("{:016x}", number + 1)
}

impl Row {
    pub fn span(number: u64, trace: u64, day: u64, second: u64) -> Self {
        let (trace, service) = (Some(trace_id(trace)), ["front", "cart", "stock"][(number % 3) as usize]);
        Self {
            number,
            is_log: false,
            trace,
            day,
            second,
            duration_ms: 20,
            is_error: false,
            service,
            state: "",
            parent: None,
        }
    }

    pub fn log(number: u64, trace: Option<u64>, day: u64, second: u64) -> Self {
        Self { is_log: true, trace: trace.map(trace_id), ..Self::span(number, 0, day, second) }
    }

    fn nanos(&self) -> u64 {
        let days = date(self.day).signed_duration_since(NaiveDate::default()).num_days() as u64;
        (days * 86_400 + self.second) * 1_000_000_000
    }

    /// One line of OTLP/JSON.
    fn line(&self) -> Value {
        let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": self.service } }] });
        let attributes = json!([{ "key": "n", "value": { "stringValue": self.number.to_string() } }]);
        let id = self.trace.clone().unwrap_or_default();
        if self.is_log {
            let record = json!({
                "timeUnixNano": self.nanos().to_string(), "severityNumber": if self.is_error { 17 } else { 9 },
                "traceId": id, "attributes": attributes, "body": { "stringValue": "said" },
            });
            return json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] });
        }
        let span = json!({
            "traceId": id, "spanId": span_id(self.number), "parentSpanId": self.parent.map_or_else(String::new, span_id), "name": "work", "kind": 2,
            "startTimeUnixNano": self.nanos().to_string(),
            "endTimeUnixNano": (self.nanos() + self.duration_ms * 1_000_000).to_string(),
            "status": { "code": if self.is_error { 2 } else { 0 } }, "traceState": self.state, "attributes": attributes,
        });
        json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] })
    }
}

/// Rows as a file to import.
pub fn file_of(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{}\n", row.line())).collect()
}

/// The rules, as the configuration has them and as the model reads them. Ages in days.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub traces_after: u64,
    pub traces_then: Option<u64>,
    pub logs_after: u64,
    pub logs_then: Option<u64>,
    pub share: f64,
}

impl Rules {
    pub fn toml(&self) -> String {
        let then = |then: Option<u64>| then.map_or_else(String::new, |days| format!("then_after = \"{days}d\"\n"));
        format!(
            "[[retention]]\ntable = \"traces\"\nafter = \"{}d\"\nkeep_where = \"error_count > 0 or duration_ms > 2000 or \
             sample(trace_id, {})\"\n{}\n[[retention]]\ntable = \"logs\"\nafter = \"{}d\"\nkeep_where = \
             \"severity_number >= 17\"\n{}",
            self.traces_after,
            self.share,
            then(self.traces_then),
            self.logs_after,
            then(self.logs_then)
        )
    }
}

/// Which rows are held.
pub type IsHeld = fn(&Row) -> bool;

/// What is there, by number, and for how many each row counts.
pub type Kept = BTreeMap<u64, f64>;

/// A lake as it should be.
#[derive(Debug)]
pub struct Model {
    pub rules: Rules,
    pub is_held: IsHeld,
    rows: Vec<(Row, Option<f64>)>,
    /// Whether a trace is kept, and its weight.
    decided: HashMap<String, (bool, f64)>,
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        Self { rules, is_held: |_| false, rows: Vec::new(), decided: HashMap::new() }
    }

    pub fn add(&mut self, rows: &[Row]) {
        self.rows.extend(rows.iter().map(|row| (row.clone(), None)));
    }

    pub fn kept(&self) -> Kept {
        self.rows.iter().map(|(row, count)| (row.number, count.unwrap_or_else(|| sent(row)))).collect()
    }

    /// Rows of the spans, and of the logs.
    pub fn counts(&self) -> [usize; 2] {
        let logs = self.rows.iter().filter(|(row, _)| row.is_log).count();
        [self.rows.len() - logs, logs]
    }

    /// Retention on a day.
    pub fn apply(&mut self, today: u64) {
        let Rules { traces_after, traces_then, logs_after, logs_then, share } = self.rules;
        let past = |day: u64, age: u64| day + age < today;
        let mut traces: HashMap<String, Vec<Row>> = HashMap::new();
        for (row, _) in &self.rows {
            if let Some(trace) = &row.trace {
                traces.entry(trace.clone()).or_default().push(row.clone());
            }
        }
        let is_held = self.is_held;
        let held: HashSet<String> =
            traces.iter().filter(|(_, rows)| rows.iter().any(is_held)).map(|(trace, _)| trace.clone()).collect();
        let last: HashMap<String, u64> =
            traces.iter().map(|(trace, rows)| (trace.clone(), rows.iter().map(|row| row.day).max().unwrap())).collect();
        for (trace, rows) in &traces {
            if past(last[trace], traces_after) && !held.contains(trace) {
                self.decided.entry(trace.clone()).or_insert_with(|| judged(trace, rows, share));
            }
        }
        let decided = &self.decided;
        self.rows.retain_mut(|(row, count)| {
            let Some(trace) = &row.trace else {
                let ended = logs_then.is_some_and(|age| past(row.day, age));
                return is_held(row) || !past(row.day, logs_after) || (row.is_error && !ended);
            };
            if held.contains(trace) {
                return true;
            }
            if traces_then.is_some_and(|age| past(last[trace], age)) {
                return false;
            }
            match decided.get(trace) {
                // A row that came late obeys once its own date is past.
                Some((kept, weight)) if past(row.day, traces_after) => {
                    if *kept && count.is_none() {
                        *count = Some(weighted(row, *weight));
                    }
                    *kept
                }
                _ => true,
            }
        });
    }
}

/// The sender's count of a row: every fourth for `ot=th:c`.
fn sent(row: &Row) -> f64 {
    if row.state.contains("th:c") && !row.is_log { 4.0 } else { 1.0 }
}

fn weighted(row: &Row, weight: f64) -> f64 {
    let consistent = row.state.contains("th:c") && !row.state.contains("rv:");
    if consistent && !row.is_log { sent(row).max(weight) } else { sent(row) * weight }
}

/// `error_count > 0 or duration_ms > 2000 or sample(trace_id, share)`.
fn judged(trace: &str, rows: &[Row], share: f64) -> (bool, f64) {
    let spans = || rows.iter().filter(|row| !row.is_log);
    let start = spans().map(|row| row.day * 86_400_000 + row.second * 1000).min().unwrap_or(0);
    let end = spans().map(|row| row.day * 86_400_000 + row.second * 1000 + row.duration_ms).max().unwrap_or(0);
    if spans().any(|row| row.is_error) || end - start > 2000 {
        return (true, 1.0);
    }
    let random = u64::from_str_radix(&trace[18..], 16).unwrap();
    (random as f64 >= (1.0 - share) * 2_f64.powi(56), 1.0 / share)
}

/// Traces over some days: short ones, some with errors, some slow, some across a midnight or several, some that only a log
/// of theirs crosses, some logs of no span, some logs of no trace, some that the sender sampled.
pub fn traces(days: u64, a_day: u64) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |row: Row| {
        let number = rows.len() as u64;
        rows.push(Row { number, ..row });
    };
    for trace in 0..days * a_day {
        let (day, second) = (trace / a_day, 3600 + trace % a_day * 7);
        match trace % 12 {
            // Across one midnight; across three; with a gap of some days.
            0 => [(day, 86_399), (day + 1, 0)].map(|(day, second)| add(Row::span(trace, trace, day, second))).len(),
            1 if day % 4 == 0 => [0, 1, 2, 3].map(|more| add(Row::span(trace, trace, day + more, second))).len(),
            1 if day % 4 == 1 => [0, 5].map(|more| add(Row::span(trace, trace, day + more, second))).len(),
            2 => {
                add(Row::span(trace, trace, day, 86_398));
                add(Row::log(trace, Some(trace), day + 1, 1));
                0
            }
            3 => {
                add(Row { is_error: true, ..Row::span(trace, trace, day, second) });
                0
            }
            4 => {
                // Slow, or not quite.
                add(Row { duration_ms: 2000 + trace % 24 / 12, ..Row::span(trace, trace, day, second) });
                0
            }
            // No span at all.
            5 => [0, 1].map(|more| add(Row::log(trace, Some(trace), day, second + more))).len(),
            6 => {
                add(Row { is_error: trace % 24 == 6, ..Row::log(trace, None, day, second) });
                0
            }
            7 | 8 => {
                // By a sender that keeps the ids of the rarest quarter, and by one that throws dice.
                let rare = u64::from_str_radix(&trace_id(trace)[18..20], 16).unwrap() >= 0xc0;
                let state = if rare { "ot=th:c" } else { "ot=rv:ffffffffffffff;th:c" };
                add(Row { state, ..Row::span(trace, trace, day, second) });
                0
            }
            _ => 0,
        };
        if trace % 12 >= 7 {
            for more in 0..1 + trace % 3 {
                add(Row::span(trace, trace, day, second + more));
            }
            add(Row::log(trace, Some(trace), day, second));
        }
    }
    rows
}
