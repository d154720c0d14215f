//! The words in which the shop is described: services, operations, calls, failures, log lines.
//!
//! Everything here is `'static` data, so the tables beside this file are checked by the compiler: a call can't name an
//! operation that does not exist. What the words mean at run time is `tracer.rs`.

/// Which OpenTelemetry SDK a service uses; `toolkits.rs` says what that SDK puts on its telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Cpp,
    Dotnet,
    Go,
    Java,
    NodeJs,
    Python,
    Ruby,
    Rust,
}

/// How a service's metrics leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricsBy {
    SdkCumulative,
    SdkDelta,
    /// A legacy service whose Prometheus client knows summaries only; a Collector scrapes it.
    PrometheusScrape,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) language: Language,
    pub(crate) replicas: u16,
    pub(crate) port: u16,
    pub(crate) team: &'static str,
    /// Scope of its log records, as its language names loggers.
    pub(crate) logger: &'static str,
    pub(crate) metrics_by: MetricsBy,
}

/// Something that is called but sends no telemetry itself: a database, a broker, another company's API.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: &'static str,
    pub(crate) port: u16,
}

/// Where an operation runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// In whichever service calls it.
    Caller,
    Service(&'static Service),
    Peer(&'static Peer),
}

/// What carries a call to its operation; decides span kinds, span names and attributes (`conventions.rs`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Internal,
    /// `path` ends with the fact, when there is one.
    Http {
        method: &'static str,
        route: &'static str,
        path: (&'static str, Option<Fact>),
    },
    Grpc {
        service: &'static str,
        method: &'static str,
    },
    Database {
        system: &'static str,
        namespace: &'static str,
        collection: &'static str,
        operation: &'static str,
        query: &'static str,
    },
    /// Publishes to a Kafka topic; each consumer starts a trace of its own, linked to this one.
    Publish {
        topic: &'static str,
        consumers: &'static [&'static Operation],
    },
    Consume {
        topic: &'static str,
        group: &'static str,
    },
    /// A chat request to a language model.
    Chat {
        provider: &'static str,
        model: &'static str,
    },
}

#[derive(Debug)]
pub(crate) struct Operation {
    /// Unique; the span name where the protocol gives none.
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) protocol: Protocol,
    /// Median of the operation's own time, without its calls. Lognormal.
    pub(crate) median_ms: f64,
    /// Sigma of the logarithm: 0.3 is steady, 1.0 has a long tail.
    pub(crate) spread: f64,
    /// What can go wrong, each with its probability.
    pub(crate) failures: &'static [(f64, &'static Failure)],
    pub(crate) slow_window: Option<&'static SlowWindow>,
    /// On the span that does the work, beside those of the protocol.
    pub(crate) attributes: Attributes,
    pub(crate) logs: &'static [LogLine],
    pub(crate) calls: &'static [Call],
}

impl Operation {
    /// What a table entry leaves out: a quick internal step that calls nobody.
    pub(crate) const STEP: Self = Self {
        name: "step",
        place: Place::Caller,
        protocol: Protocol::Internal,
        median_ms: 0.5,
        spread: 0.4,
        failures: &[],
        slow_window: None,
        attributes: &[],
        logs: &[],
        calls: &[],
    };
}

/// Calls run in order; `alongside` ones start together with the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) to: &'static Operation,
    pub(crate) chance: f64,
    pub(crate) at_least: u16,
    pub(crate) at_most: u16,
    pub(crate) concurrent: bool,
    /// Whether the caller fails when this fails.
    pub(crate) needed: bool,
}

impl Call {
    /// The caller fails with it.
    pub(crate) const fn must(to: &'static Operation) -> Self {
        Self { to, chance: 1.0, at_least: 1, at_most: 1, concurrent: false, needed: true }
    }

    /// The caller carries on without it.
    pub(crate) const fn may(to: &'static Operation) -> Self {
        Self { needed: false, ..Self::must(to) }
    }

    pub(crate) const fn sometimes(self, chance: f64) -> Self {
        Self { chance, ..self }
    }

    pub(crate) const fn times(self, at_least: u16, at_most: u16) -> Self {
        Self { at_least, at_most, ..self }
    }

    pub(crate) const fn alongside(self) -> Self {
        Self { concurrent: true, ..self }
    }
}

/// One way to fail, spelled for each protocol that may have to report it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error_type: &'static str,
    pub(crate) http_status: u16,
    pub(crate) grpc_status: &'static str,
    pub(crate) message: &'static str,
    /// Set where no answer comes: how long the client waits before it has no status code to report.
    pub(crate) gives_up_after_ms: Option<f64>,
    pub(crate) exception: Option<Exception>,
}

impl Failure {
    /// The caller is to blame, so a server does not count it as an error of its own.
    pub(crate) const fn is_callers_fault(&self) -> bool {
        self.http_status < 500
    }
}

#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) kind: &'static str,
    pub(crate) stacktrace: &'static str,
}

/// A dependency that is slow again and again: from second `from_s` to `to_s` of every `period_s` of Unix time.
#[derive(Debug)]
pub(crate) struct SlowWindow {
    pub(crate) period_s: u64,
    pub(crate) from_s: u64,
    pub(crate) to_s: u64,
    pub(crate) slowdown: f64,
    /// Inside the window, this share of calls ends in `timeout`.
    pub(crate) timeout_rate: f64,
    pub(crate) timeout: &'static Failure,
}

impl SlowWindow {
    pub(crate) const fn is_open(&self, unix_nanos: u64) -> bool {
        let second = (unix_nanos / 1_000_000_000) % self.period_s;
        self.from_s <= second && second < self.to_s
    }
}

#[derive(Debug)]
pub(crate) struct LogLine {
    pub(crate) when: When,
    pub(crate) severity: Severity,
    pub(crate) body: Body,
    /// Empty for an ordinary log record.
    pub(crate) event_name: &'static str,
    pub(crate) attributes: Attributes,
}

/// When an operation writes a line; shares are of the runs that reach that point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Starts(f64),
    Succeeds(f64),
    Fails,
    SlowerThanMs(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// `{key}` stands for the line's own attribute of that key.
    Text(&'static str),
    Map(Attributes),
}

pub(crate) type Attributes = &'static [(&'static str, Value)];

/// Where an attribute's value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Text(&'static str),
    Int(i64),
    Float(f64),
    Flag(bool),
    List(&'static [&'static str]),
    Of(Fact),
    /// A whole number, both ends included.
    Between(i64, i64),
    OneOf(&'static [&'static str]),
    DurationMs,
    ErrorType,
    ErrorMessage,
}

/// What a journey knows about its shopper (`shopper.rs`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact {
    UserId,
    SessionId,
    OrderId,
    ProductId,
    SearchText,
    Currency,
    Country,
    PaymentMethod,
    ItemCount,
    OrderTotal,
    ClientAddress,
}

/// What a visitor does, and how often among all visitors.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) weight: f64,
    pub(crate) sampling: Sampling,
    /// The pages in order, with the visitor's thinking time between them. Each page is a trace.
    pub(crate) pages: &'static [&'static Operation],
}

/// Which traces of a journey are kept. The others are never generated; the kept ones say so in `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampling {
    Every,
    OneInFour,
}
