//! Plays an operation and everything it calls: turns the tables into spans, and lets their lines be logged.
//!
//! ```text
//!  frontend     |== SERVER POST /api/checkout ===========================|
//!                 |-- CLIENT CheckoutService/PlaceOrder ---------------|        call(): the caller's end
//!  checkout         |== SERVER CheckoutService/PlaceOrder ===========|          work(): where it is done
//!                     |-- CLIENT --|  |-- CLIENT --| ... |- PRODUCER -|
//!  email                                                          link `--> |== CONSUMER process orders ==|
//! ```
//! A failure travels up through calls that are needed, and stops at one that is not.

use super::chance::{Chance, SpanId, TraceId};
use super::conventions::{error_type, span_attributes, span_name};
use super::fleet::{Fleet, InstanceIndex};
use super::logger::{Writer, push_exception, write_lines};
use super::pending::{EndedSpan, Pending, Record};
use super::shape::vocabulary::{Call, Failure, Operation, Place, Protocol, Sampling};
use super::shopper::Shopper;
use super::values::{Moment, fill, text};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

/// The W3C trace flag, as it stands in the flags of spans, links and logs.
pub(crate) const SAMPLED: u32 = 0x01;
const PARENT_LOCATION_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

const NETWORK_MS: (f64, f64) = (0.3, 0.4);
const KAFKA_DELAY_MS: (f64, f64) = (90.0, 0.7);

pub(crate) struct Tracer<'a> {
    pub(crate) chance: &'a mut Chance,
    pub(crate) fleet: &'a Fleet,
    pub(crate) pending: &'a mut Pending,
    pub(crate) shopper: &'a Shopper,
    pub(crate) sampling: Sampling,
}

#[derive(Clone, Copy)]
struct Parent {
    span_id: SpanId,
    is_remote: bool,
}

/// Where a span runs and what it hangs on.
struct Spot {
    trace_id: TraceId,
    instance: InstanceIndex,
    kind: SpanKind,
    parent: Option<Parent>,
    link: Option<(TraceId, SpanId)>,
}

#[derive(Clone, Copy)]
struct Failed {
    failure: &'static Failure,
    instance: InstanceIndex,
}

struct Done {
    end: u64,
    failed: Option<Failed>,
}

/// All that is known about a span when it ends.
struct Ending<'s> {
    spot: &'s Spot,
    span_id: SpanId,
    start: u64,
    done: &'s Done,
    events: Vec<Event>,
    does_the_work: bool,
}

impl<'a> Tracer<'a> {
    /// One page view: a trace that starts at the frontend. Returns when it ended; consumers may still be busy.
    pub(crate) fn view(&mut self, page: &'static Operation, start: u64) -> u64 {
        let Place::Service(service) = page.place else { return start };
        let spot = Spot {
            trace_id: self.new_trace_id(),
            instance: self.fleet.choose(service, self.chance),
            kind: SpanKind::Server,
            parent: None,
            link: None,
        };
        self.work(page, &spot, start).end
    }

    fn new_trace_id(&mut self) -> TraceId {
        let mut id = self.chance.trace_id();
        if self.sampling == Sampling::OneInFour {
            // The last 7 bytes are the trace's random value; it must reach the threshold `c` for the trace to be kept.
            id[9] |= 0xc0;
        }
        id
    }

    /// Calls `operation` from the span at `caller`.
    fn call(&mut self, operation: &'static Operation, caller: &Spot, caller_span: SpanId, start: u64) -> Done {
        let here = |kind| Spot {
            trace_id: caller.trace_id,
            instance: caller.instance,
            kind,
            parent: Some(Parent { span_id: caller_span, is_remote: false }),
            link: None,
        };
        match operation.place {
            Place::Caller => self.work(operation, &here(SpanKind::Internal), start),
            Place::Peer(_) if matches!(operation.protocol, Protocol::Publish { .. }) => {
                self.work(operation, &here(SpanKind::Producer), start)
            }
            Place::Peer(_) => self.work(operation, &here(SpanKind::Client), start),
            Place::Service(service) => {
                let client = here(SpanKind::Client);
                let client_span = self.chance.span_id();
                let network = self.millis(NETWORK_MS);
                let server = Spot {
                    instance: self.fleet.choose(service, self.chance),
                    parent: Some(Parent { span_id: client_span, is_remote: true }),
                    ..here(SpanKind::Server)
                };
                let served = self.work(operation, &server, start + network);
                let done = Done { end: served.end + network, failed: served.failed };
                self.end_span(
                    operation,
                    Ending {
                        spot: &client,
                        span_id: client_span,
                        start,
                        done: &done,
                        events: Vec::new(),
                        does_the_work: false,
                    },
                );
                done
            }
        }
    }

    /// Does the operation's own work and its calls, in a span of its own.
    fn work(&mut self, operation: &'static Operation, spot: &Spot, start: u64) -> Done {
        let span_id = self.chance.span_id();
        let (own_time, misfortune) = self.own_time(operation, start);
        let slice = own_time / (operation.calls.len() as u64 + 1);
        let mut events = Vec::new();
        let mut failed = None;
        let mut begin = start + slice;
        let mut latest = start;
        for call in operation.calls {
            if !self.chance.happens(call.chance) {
                continue;
            }
            if !call.concurrent {
                begin = latest + slice;
            }
            let done = self.repeat(call, spot, span_id, begin);
            latest = latest.max(done.end);
            if done.failed.is_some() {
                if call.needed {
                    failed = done.failed;
                    break;
                }
                events.push(event("shop.degraded", done.end, vec![text("shop.missing", call.to.name)]));
            }
        }
        let end = latest + slice;
        if failed.is_none()
            && let Some(failure) = misfortune
        {
            failed = Some(Failed { failure, instance: spot.instance });
            if failure.exception.is_some() {
                let mut attributes = Vec::with_capacity(3);
                push_exception(&mut attributes, failure);
                events.push(event("exception", end, attributes));
            }
        }
        let done = Done { end, failed };
        self.log(operation, spot, span_id, start, &done);
        self.end_span(operation, Ending { spot, span_id, start, done: &done, events, does_the_work: true });
        if let Protocol::Publish { consumers, .. } = operation.protocol {
            self.deliver(consumers, (spot.trace_id, span_id), end);
        }
        done
    }

    /// One call, or several one after the other, up to the first that fails.
    fn repeat(&mut self, call: &Call, caller: &Spot, caller_span: SpanId, begin: u64) -> Done {
        let times = self.chance.between(call.at_least.into(), call.at_most.into());
        let mut done = Done { end: begin, failed: None };
        for _ in 0..times {
            done = self.call(call.to, caller, caller_span, done.end);
            if done.failed.is_some() {
                break;
            }
        }
        done
    }

    /// Each consumer takes the message from the broker a little later, in a trace of its own that links to the sender.
    fn deliver(&mut self, consumers: &[&'static Operation], sender: (TraceId, SpanId), sent: u64) {
        for &consumer in consumers {
            if let Place::Service(service) = consumer.place {
                let start = sent + self.millis(KAFKA_DELAY_MS);
                let spot = Spot {
                    trace_id: self.new_trace_id(),
                    instance: self.fleet.choose(service, self.chance),
                    kind: SpanKind::Consumer,
                    parent: None,
                    link: Some(sender),
                };
                self.work(consumer, &spot, start);
            }
        }
    }

    /// How long the operation itself takes, and what goes wrong with it.
    fn own_time(&mut self, operation: &Operation, start: u64) -> (u64, Option<&'static Failure>) {
        let window = operation.slow_window.filter(|window| window.is_open(start));
        let timeout = window.filter(|window| self.chance.happens(window.timeout_rate)).map(|window| window.timeout);
        let failure = timeout.or_else(|| {
            operation.failures.iter().find(|(rate, _)| self.chance.happens(*rate)).map(|&(_, failure)| failure)
        });
        let slowdown = window.map_or(1.0, |window| window.slowdown);
        let own = match failure.and_then(|failure| failure.gives_up_after_ms) {
            Some(limit) => limit + self.chance.share(),
            None => slowdown * self.chance.lognormal(operation.median_ms, operation.spread),
        };
        (nanos(own), failure)
    }

    fn millis(&mut self, (median, spread): (f64, f64)) -> u64 {
        nanos(self.chance.lognormal(median, spread))
    }

    fn log(&mut self, operation: &Operation, spot: &Spot, span_id: SpanId, start: u64, done: &Done) {
        if operation.logs.is_empty() {
            return;
        }
        let writer = Writer {
            instance: spot.instance,
            trace_id: spot.trace_id,
            span_id,
            start,
            end: done.end,
            thrown_here: done.failed.and_then(|failed| (failed.instance == spot.instance).then_some(failed.failure)),
        };
        let moment = self.moment(start, done);
        write_lines(operation.logs, &writer, &moment, self.fleet, self.chance, self.pending);
    }

    fn moment(&self, start: u64, done: &Done) -> Moment<'a> {
        Moment {
            shopper: self.shopper,
            failure: done.failed.map(|failed| failed.failure),
            duration_ms: (done.end - start) as f64 / 1e6,
        }
    }

    fn end_span(&mut self, operation: &'static Operation, ending: Ending<'_>) {
        let Ending { spot, span_id, start, done, events, does_the_work } = ending;
        let failure = done.failed.map(|failed| failed.failure);
        let mut attributes = span_attributes(operation, spot.kind, failure, self.shopper);
        if does_the_work {
            let moment = self.moment(start, done);
            fill(&mut attributes, operation.attributes, &moment, self.chance);
        }
        let status = failure
            .filter(|failure| error_type(operation, spot.kind, failure).is_some())
            .map(|failure| Status { message: failure.message.to_owned(), code: StatusCode::Error.into() });
        let (trace_state, weight) = match self.sampling {
            Sampling::Every => ("", 1),
            Sampling::OneInFour => ("ot=th:c", 4),
        };
        let span = Span {
            trace_id: spot.trace_id.to_vec(),
            span_id: span_id.to_vec(),
            trace_state: trace_state.to_owned(),
            parent_span_id: spot.parent.map_or_else(Vec::new, |parent| parent.span_id.to_vec()),
            flags: SAMPLED
                | PARENT_LOCATION_KNOWN
                | spot.parent.filter(|parent| parent.is_remote).map_or(0, |_| PARENT_IS_REMOTE),
            name: span_name(operation),
            kind: spot.kind.into(),
            start_time_unix_nano: start,
            end_time_unix_nano: done.end,
            attributes,
            events,
            links: spot.link.into_iter().map(link).collect(),
            status,
            ..Span::default()
        };
        let tool = operation.protocol.tool();
        let ended = EndedSpan { instance: spot.instance, tool, operation, failed: failure.is_some(), weight, span };
        self.pending.push(done.end, Record::Span(Box::new(ended)));
    }
}

fn event(name: &str, time_unix_nano: u64, attributes: Vec<KeyValue>) -> Event {
    Event { time_unix_nano, name: name.to_owned(), attributes, dropped_attributes_count: 0 }
}

fn link((trace_id, span_id): (TraceId, SpanId)) -> Link {
    Link {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        attributes: vec![text("messaging.message.kind", "order")],
        flags: SAMPLED | PARENT_LOCATION_KNOWN | PARENT_IS_REMOTE,
        ..Link::default()
    }
}

fn nanos(millis: f64) -> u64 {
    (millis * 1e6) as u64
}
