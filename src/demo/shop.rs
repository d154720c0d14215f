//! The shop's clock: visitors arrive, spans end, metrics are collected, in the order of simulated time.

use super::batch::Batches;
use super::chance::Chance;
use super::export::{EncodedRequest, Tick};
use super::fleet::{Fleet, InstanceIndex};
use super::logger::write_background;
use super::metrics::Meter;
use super::pending::{Pending, Record};
use super::shape::journeys::JOURNEYS;
use super::shape::vocabulary::Journey;
use super::shopper::Shopper;
use super::tracer::Tracer;
use std::time::Duration;

/// Each instance is collected this often; one after the other, as processes that started at different times are.
const COLLECTION_INTERVAL_NANOS: u64 = 10_000_000_000;
const THINKING_TIME_MS: (f64, f64) = (3_500.0, 0.6);

/// A small shop of a dozen services that sends all three signals.
///
/// The same seed, start and calls give the same bytes. Nothing here reads a clock: the caller decides how simulated time
/// relates to the real one. Memory holds the visits that are under way, however long the shop runs.
pub struct Shop {
    records_per_second: f64,
    chance: Chance,
    fleet: Fleet,
    meters: Vec<Meter>,
    pending: Pending,
    batches: Batches,
    now: u64,
    next_visit: u64,
    next_collection: u64,
    /// Collections so far; decides whose turn it is.
    collections: u64,
}

impl Shop {
    /// Spans and logs a simulated second, unless set otherwise.
    pub const DEFAULT_RECORDS_PER_SECOND: f64 = 500.0;
    /// The most records in one request, unless set otherwise.
    pub const DEFAULT_BATCH_RECORDS: usize = 1_024;

    /// A shop that opens at `start_unix_nanos`.
    pub fn new(seed: u64, start_unix_nanos: u64) -> Self {
        let mut chance = Chance::new(seed, start_unix_nanos);
        let fleet = Fleet::start(&mut chance);
        let meters = fleet.instances().iter().map(|instance| Meter::new(instance.service, start_unix_nanos)).collect();
        let mut shop = Self {
            records_per_second: Self::DEFAULT_RECORDS_PER_SECOND,
            chance,
            fleet,
            meters,
            pending: Pending::default(),
            batches: Batches::new(Self::DEFAULT_BATCH_RECORDS),
            now: start_unix_nanos,
            next_visit: start_unix_nanos,
            next_collection: start_unix_nanos,
            collections: 0,
        };
        shop.next_collection += shop.collection_gap();
        shop
    }

    /// How busy the shop is: spans and logs a simulated second, on average. Metrics come on top, by time.
    #[must_use]
    pub fn with_records_per_second(mut self, records_per_second: f64) -> Self {
        self.records_per_second = records_per_second.max(f64::MIN_POSITIVE);
        self
    }

    /// The most spans, log records or data points in one request.
    #[must_use]
    pub fn with_batch_records(mut self, records: usize) -> Self {
        self.batches = Batches::new(records.max(1));
        self
    }

    /// Simulated time.
    pub const fn now_unix_nanos(&self) -> u64 {
        self.now
    }

    /// Lets this much simulated time pass.
    pub fn advance(&mut self, by: Duration) -> Tick {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.advance_to(self.now.saturating_add(by))
    }

    /// Lets simulated time pass until then; nothing when that is in the past.
    pub fn advance_to(&mut self, until_unix_nanos: u64) -> Tick {
        let mut tick = Tick::default();
        while self.next_event() <= until_unix_nanos {
            self.step(&mut tick);
        }
        self.release(until_unix_nanos, &mut tick);
        self.finish(tick)
    }

    /// Lets simulated time pass until at least this many records of all signals are sent.
    pub fn advance_records(&mut self, records: u64) -> Tick {
        let mut tick = Tick::default();
        while tick.counts.total() < records {
            self.step(&mut tick);
        }
        self.finish(tick)
    }

    /// Closes the door: no new visits, but those under way end, and a last collection follows.
    pub fn close(&mut self) -> Tick {
        let mut tick = Tick::default();
        if let Some(last) = self.pending.ends_at() {
            self.release(last, &mut tick);
        }
        for instance in 0..self.meters.len() {
            self.collect(instance, self.now, &mut tick);
        }
        self.release(self.now, &mut tick);
        self.finish(tick)
    }

    /// As `advance_records`, encoded: for a benchmark that wants the generator out of its way. Each request is encoded as
    /// soon as it is full, so memory holds little beside the result.
    pub fn encoded_requests(&mut self, records: u64) -> Vec<EncodedRequest> {
        let mut encoded = Vec::new();
        let mut tick = Tick::default();
        while tick.counts.total() < records {
            self.step(&mut tick);
            encoded.extend(tick.exports.drain(..).map(|export| EncodedRequest::from(&export)));
        }
        let rest = self.finish(tick);
        encoded.extend(rest.exports.iter().map(EncodedRequest::from));
        encoded
    }

    fn next_event(&self) -> u64 {
        self.next_visit.min(self.next_collection)
    }

    fn step(&mut self, tick: &mut Tick) {
        let event = self.next_event();
        self.release(event, tick);
        if event == self.next_collection {
            let instance = self.collections % self.meters.len() as u64;
            self.collect(instance as usize, event, tick);
            self.collections += 1;
            self.next_collection += self.collection_gap();
        } else {
            let before = self.pending.pushed();
            self.visit(event);
            let records = self.pending.pushed() - before;
            // The gap follows from what the visit cost, so the chosen rate holds whatever the tables say.
            let mean_gap_seconds = records as f64 / self.records_per_second;
            self.next_visit += (self.chance.exponential(mean_gap_seconds) * 1e9) as u64;
        }
    }

    const fn collection_gap(&self) -> u64 {
        COLLECTION_INTERVAL_NANOS / self.meters.len() as u64
    }

    fn visit(&mut self, start: u64) {
        let journey = choose_journey(&mut self.chance);
        let shopper = Shopper::arrive(&mut self.chance);
        let mut tracer = Tracer {
            chance: &mut self.chance,
            fleet: &self.fleet,
            pending: &mut self.pending,
            shopper: &shopper,
            sampling: journey.sampling,
        };
        let mut time = start;
        for page in journey.pages {
            let loaded = tracer.view(page, time);
            let (median, spread) = THINKING_TIME_MS;
            time = loaded + (tracer.chance.lognormal(median, spread) * 1e6) as u64;
        }
    }

    /// Sends what has happened by then.
    fn release(&mut self, until: u64, tick: &mut Tick) {
        while let Some(record) = self.pending.pop_due(until) {
            if let Record::Span(ended) = &record {
                self.meters[ended.instance].observe(ended);
            }
            self.batches.add(record, &self.fleet, tick);
        }
        self.now = self.now.max(until);
    }

    fn collect(&mut self, instance: InstanceIndex, now: u64, tick: &mut Tick) {
        for collected in self.meters[instance].collect(now, &mut self.chance) {
            self.batches.add_metric(instance, collected.tool, collected.metric, &self.fleet, tick);
        }
        write_background(instance, now, &self.fleet, &mut self.chance, &mut self.pending);
    }

    fn finish(&mut self, mut tick: Tick) -> Tick {
        self.batches.flush(&self.fleet, &mut tick);
        tick.until_unix_nanos = self.now;
        tick
    }
}

fn choose_journey(chance: &mut Chance) -> &'static Journey {
    let total: f64 = JOURNEYS.iter().map(|journey| journey.weight).sum();
    let mut left = total * chance.share();
    for journey in JOURNEYS {
        left -= journey.weight;
        if left < 0.0 {
            return journey;
        }
    }
    &JOURNEYS[JOURNEYS.len() - 1]
}
