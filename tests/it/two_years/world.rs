//! Telemetry of many dates, from a seed: what is sent on each day, what comes late, and what comes twice.
//!
//! Days are numbers, from 0; `requests.rs` puts them on the calendar.

use std::collections::BTreeMap;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use telestrata::model::signal::Signal;

pub const SECOND: u64 = 1_000_000_000;
const SECONDS_A_DAY: u64 = 86_400;

/// Services whose requests follow one another.
const CHAIN: [&str; 4] = ["web", "cart", "payments", "stock"];

/// The one service whose records name users.
pub const ACCOUNTS: &str = "accounts";
const USERS: u32 = 40;

/// What a hold is laid on.
pub const CASE: &str = "A-7";

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub seed: u64,
    pub traces_a_day: u64,
    pub flushes_a_day: usize,
    /// Something late is so many days late at most.
    pub latest: u64,
}

/// A record, as its sender knows it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Every record has its own; it is stored with it.
    pub number: u64,
    /// Nanoseconds since the first day began.
    pub time: u64,
    pub service: &'static str,
    /// 32 hex digits.
    pub trace: Option<String>,
    pub user: Option<String>,
    pub in_case: bool,
    /// Its sender keeps every second trace, by OpenTelemetry's rule: `ot=th:8`.
    pub is_half: bool,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Span { id: String, parent: Option<String>, duration: u64, is_error: bool },
    Log { severity: u8 },
    Metric { series: u64 },
}

impl Record {
    pub fn day(&self) -> u64 {
        self.time / (SECONDS_A_DAY * SECOND)
    }

    pub fn table(&self) -> Signal {
        match self.what {
            What::Span { .. } => Signal::Spans,
            What::Log { .. } => Signal::Logs,
            What::Metric { .. } => Signal::Metrics,
        }
    }
}

pub struct World {
    shape: Shape,
    random: StdRng,
    numbers: u64,
    /// By the day of their arrival.
    arrivals: BTreeMap<u64, Vec<Rc<Record>>>,
}

impl World {
    pub fn new(shape: Shape) -> Self {
        Self { shape, random: StdRng::seed_from_u64(shape.seed), numbers: 0, arrivals: BTreeMap::new() }
    }

    /// What arrives on a day, in as many parts as it is flushed. Days are asked for in order.
    pub fn day(&mut self, day: u64) -> Vec<Vec<Rc<Record>>> {
        for _ in 0..self.shape.traces_a_day {
            self.trace(day);
        }
        for _ in 0..self.shape.traces_a_day {
            self.lone_log(day);
        }
        for series in 0..4 {
            for point in 0..self.shape.traces_a_day {
                let time = time_of(day, point * SECONDS_A_DAY / self.shape.traces_a_day);
                let record = self.record(time, "web", None, What::Metric { series });
                self.send(record, 2);
            }
        }
        let record = Record { trace: None, ..self.span(time_of(day, 40_000), "web", "", None, 5) };
        self.send(record, 0);
        let arrived = self.arrivals.remove(&day).unwrap_or_default();
        let mut parts = vec![Vec::new(); self.shape.flushes_a_day];
        for record in arrived {
            let part = self.random.random_range(0..parts.len());
            parts[part].push(record);
        }
        parts
    }

    /// A trace: a chain of requests with some logs.
    fn trace(&mut self, day: u64) {
        let id = self.random.random::<u128>() | 1;
        let trace = format!("{id:032x}");
        // The random part of an id is its last 56 bits; the sender that keeps half keeps the upper half.
        let is_half = id >> 55 & 1 == 1 && self.chance(30);
        let crosses = self.chance(6);
        let second = if crosses { SECONDS_A_DAY - 30 } else { self.random.random_range(0..SECONDS_A_DAY - 60) };
        let start = time_of(day, second) + self.random.random_range(0..SECOND);
        let mut records = Vec::new();
        if self.chance(4) {
            for at in 0..2 {
                let severity = if self.chance(20) { 17 } else { 9 };
                records.push(self.record(start + at, "cart", Some(&trace), What::Log { severity }));
            }
        } else if self.chance(6) {
            let user = format!("u{}", self.random.random_range(0..USERS));
            let span = self.span(start, ACCOUNTS, &trace, None, 20);
            records.push(Record { user: Some(user.clone()), ..span });
            let log = self.record(start + 1, ACCOUNTS, Some(&trace), What::Log { severity: 9 });
            records.push(Record { user: Some(user), ..log });
        } else {
            self.chain(start, &trace, crosses, &mut records);
        }
        // A trace may come late as a whole, or its last record alone.
        let whole = if self.chance(4) { self.late() } else { 0 };
        let last = if self.chance(8) { self.late() } else { 0 };
        let count = records.len();
        for (at, record) in records.into_iter().enumerate() {
            let is_half = is_half && record.table() == Signal::Spans;
            let record = Record { is_half, ..record };
            let late = whole + if at + 1 == count { last } else { 0 };
            self.deliver(record, late);
        }
    }

    fn chain(&mut self, start: u64, trace: &str, crosses: bool, records: &mut Vec<Record>) {
        let is_slow = self.chance(5);
        let takes_days = self.chance(1);
        let mut parent = None;
        let length = self.random.random_range(2..=CHAIN.len());
        for (depth, service) in CHAIN.into_iter().enumerate().take(length) {
            let gap = if takes_days {
                30 * 3600 * SECOND
            } else if crosses {
                25 * SECOND
            } else {
                10_000_000
            };
            let start = start + depth as u64 * gap;
            let milliseconds = if is_slow && depth == 0 { 4_000 } else { self.random.random_range(1..400) };
            let span = self.span(start, service, trace, parent.take(), milliseconds);
            if let What::Span { id, .. } = &span.what {
                parent = Some(id.clone());
            }
            if self.chance(40) {
                let severity = if self.chance(8) { 17 } else { 9 };
                let log = self.record(start + 1_000, service, Some(trace), What::Log { severity });
                records.push(log);
            }
            records.push(span);
        }
    }

    /// A log of no trace.
    fn lone_log(&mut self, day: u64) {
        let second = self.random.random_range(0..SECONDS_A_DAY);
        let service = match self.random.random_range(0..10_u8) {
            0 => "payments",
            1 => ACCOUNTS,
            _ => "web",
        };
        let severity = if self.chance(4) { 17 } else { 9 };
        let log = self.record(time_of(day, second), service, None, What::Log { severity });
        let user = (service == ACCOUNTS).then(|| format!("u{}", self.random.random_range(0..USERS)));
        self.send(Record { user, ..log }, 3);
    }

    fn span(
        &mut self,
        time: u64,
        service: &'static str,
        trace: &str,
        parent: Option<String>,
        milliseconds: u64,
    ) -> Record {
        let id = format!("{:016x}", self.random.random::<u64>() | 1);
        let what = What::Span { id, parent, duration: milliseconds * 1_000_000, is_error: self.chance(3) };
        self.record(time, service, Some(trace), what)
    }

    fn record(&mut self, time: u64, service: &'static str, trace: Option<&str>, what: What) -> Record {
        self.numbers += 1;
        let is_log = matches!(what, What::Log { .. });
        let in_case = is_log && self.chance(1);
        let trace = trace.map(str::to_owned);
        Record { number: self.numbers, time, service, trace, user: None, in_case, is_half: false, what }
    }

    /// Sends a record, late with this many chances in a hundred.
    fn send(&mut self, record: Record, late: u32) {
        let days = if self.chance(late) { self.late() } else { 0 };
        self.deliver(record, days);
    }

    fn deliver(&mut self, record: Record, late: u64) {
        let record = Rc::new(record);
        let day = record.day() + late;
        if self.chance(2) {
            let again = if self.chance(50) { day } else { day + self.late() };
            self.arrivals.entry(again).or_default().push(Rc::clone(&record));
        }
        self.arrivals.entry(day).or_default().push(record);
    }

    fn chance(&mut self, of_a_hundred: u32) -> bool {
        self.random.random_range(0..100) < of_a_hundred
    }

    fn late(&mut self) -> u64 {
        self.random.random_range(1..=self.shape.latest)
    }
}

fn time_of(day: u64, second: u64) -> u64 {
    (day * SECONDS_A_DAY + second) * SECOND
}
