//! What the services measure about their own spans. One row a metric: which spans, what amount, in which form, and which
//! of the span's attributes make the series.

use super::orders::PLACE_ORDER_NAME;

/// Bounds that the HTTP and RPC semantic conventions ask for, in seconds.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const TOKENS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

pub(crate) struct Instrument {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) of: Measured,
    pub(crate) amount: Amount,
    pub(crate) form: Form,
    /// Attributes copied from the span; those it lacks are left out.
    pub(crate) keeps: &'static [&'static str],
    /// Attributes that all series of this row share.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
}

/// Which spans a metric is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    HttpServer,
    HttpClient,
    GrpcServer,
    GrpcClient,
    Database,
    Consumer,
    Chat,
    /// Runs of the named operation that did not fail.
    Succeeded(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    One,
    Seconds,
    /// The span's numeric attribute of that key.
    Attribute(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Explicit(&'static [f64]),
    Exponential,
    /// Quantiles. Sent by services that a Collector scrapes, and by no others.
    Summary(&'static [f64]),
    IntegerSum,
    DoubleSum,
}

const DURATION: Instrument = Instrument {
    name: "",
    unit: "s",
    description: "",
    of: Measured::HttpServer,
    amount: Amount::Seconds,
    form: Form::Explicit(SECONDS),
    keeps: &[],
    fixed: &[],
};

pub(crate) static INSTRUMENTS: &[Instrument] = &[
    Instrument {
        name: "http.server.request.duration",
        description: "Duration of HTTP server requests.",
        of: Measured::HttpServer,
        keeps: &[
            "http.request.method",
            "http.route",
            "http.response.status_code",
            "url.scheme",
            "network.protocol.version",
            "error.type",
        ],
        ..DURATION
    },
    Instrument {
        name: "http.client.request.duration",
        description: "Duration of HTTP client requests.",
        of: Measured::HttpClient,
        keeps: &["http.request.method", "server.address", "server.port", "http.response.status_code", "error.type"],
        ..DURATION
    },
    Instrument {
        name: "rpc.server.call.duration",
        description: "Measures the duration of inbound remote procedure calls.",
        of: Measured::GrpcServer,
        keeps: &["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"],
        ..DURATION
    },
    Instrument {
        name: "rpc.client.call.duration",
        description: "Measures the duration of outbound remote procedure calls.",
        of: Measured::GrpcClient,
        form: Form::Exponential,
        keeps: &["rpc.system.name", "rpc.method", "rpc.response.status_code", "server.address", "error.type"],
        ..DURATION
    },
    Instrument {
        name: "db.client.operation.duration",
        description: "Duration of database client operations.",
        of: Measured::Database,
        form: Form::Exponential,
        keeps: &["db.system.name", "db.namespace", "db.collection.name", "db.operation.name", "error.type"],
        ..DURATION
    },
    Instrument {
        name: "messaging.process.duration",
        description: "Duration of processing operation.",
        of: Measured::Consumer,
        keeps: &["messaging.system", "messaging.destination.name", "messaging.consumer.group.name", "error.type"],
        ..DURATION
    },
    Instrument {
        name: "gen_ai.client.operation.duration",
        description: "GenAI operation duration.",
        of: Measured::Chat,
        form: Form::Exponential,
        keeps: &["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type"],
        ..DURATION
    },
    Instrument {
        name: "gen_ai.client.token.usage",
        unit: "{token}",
        description: "Number of input tokens used.",
        of: Measured::Chat,
        amount: Amount::Attribute("gen_ai.usage.input_tokens"),
        form: Form::Explicit(TOKENS),
        keeps: &["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"],
        fixed: &[("gen_ai.token.type", "input")],
    },
    Instrument {
        name: "shop.orders.placed",
        unit: "{order}",
        description: "Orders that were paid and stored.",
        of: Measured::Succeeded(PLACE_ORDER_NAME),
        amount: Amount::One,
        form: Form::IntegerSum,
        keeps: &["shop.currency", "shop.payment.method"],
        fixed: &[],
    },
    Instrument {
        name: "shop.orders.revenue",
        unit: "{currency}",
        description: "Sum of the totals of placed orders, in the order's currency.",
        of: Measured::Succeeded(PLACE_ORDER_NAME),
        amount: Amount::Attribute("shop.order.total"),
        form: Form::DoubleSum,
        keeps: &["shop.currency"],
        fixed: &[],
    },
    Instrument {
        name: "shop.cart.items_added",
        unit: "{item}",
        description: "Items put into carts.",
        of: Measured::Succeeded("add to cart"),
        amount: Amount::One,
        form: Form::IntegerSum,
        keeps: &[],
        fixed: &[],
    },
    Instrument {
        name: "http_request_duration_seconds",
        description: "The HTTP response duration of the Rack application.",
        of: Measured::HttpServer,
        form: Form::Summary(&[0.5, 0.9, 0.99]),
        keeps: &["http.request.method", "http.route"],
        ..DURATION
    },
];
