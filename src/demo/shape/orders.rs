//! Buying: checkout, payment with its external fraud scoring, shipping, and what happens after the order is on Kafka.

use super::failures::{CARD_DECLINED, FRAUD_API_IS_SLOW, FRAUD_API_UNAVAILABLE, MAIL_API_LIMIT, MAIL_TEMPLATE_BUG};
use super::services::{CHECKOUT, EMAIL, FRAUD, FRAUD_API, KAFKA, MAIL_API, ORDERS_DATABASE, PAYMENT, SHIPPING};
use super::stores::{CONVERT, EMPTY_CART, GET_CART, GET_PRODUCT, RESERVE_STOCK, statement};
use super::vocabulary::{Attributes, Body, Call, Fact, LogLine, Operation, Place, Protocol, Severity, Value, When};

const ORDER: Attributes = &[
    ("shop.order.id", Value::Of(Fact::OrderId)),
    ("shop.order.total", Value::Of(Fact::OrderTotal)),
    ("shop.order.item_count", Value::Of(Fact::ItemCount)),
    ("shop.currency", Value::Of(Fact::Currency)),
    ("shop.payment.method", Value::Of(Fact::PaymentMethod)),
    ("user.id", Value::Of(Fact::UserId)),
    ("session.id", Value::Of(Fact::SessionId)),
];

const FAILED_ORDER: Attributes = &[
    ("shop.order.id", Value::Of(Fact::OrderId)),
    ("user.id", Value::Of(Fact::UserId)),
    ("error.type", Value::ErrorType),
    ("error.message", Value::ErrorMessage),
    ("shop.elapsed_ms", Value::DurationMs),
];

static SCORE_FRAUD: Operation = Operation {
    name: "score fraud",
    place: Place::Peer(&FRAUD_API),
    protocol: Protocol::Http { method: "POST", route: "/v1/score", path: ("/v1/score", None) },
    median_ms: 60.0,
    spread: 0.35,
    failures: &[(0.001, &FRAUD_API_UNAVAILABLE)],
    slow_window: Some(&FRAUD_API_IS_SLOW),
    ..Operation::STEP
};

static VALIDATE_CARD: Operation = Operation {
    name: "validate card",
    median_ms: 0.8,
    failures: &[(0.015, &CARD_DECLINED)],
    attributes: &[("shop.payment.method", Value::Of(Fact::PaymentMethod))],
    ..Operation::STEP
};

static INSERT_CHARGE: Operation = statement(
    "insert charge",
    &ORDERS_DATABASE,
    [
        "postgresql",
        "payments",
        "charges",
        "INSERT",
        "INSERT INTO charges (order_id, amount_cents, currency) VALUES (?, ?, ?)",
    ],
    2.2,
);

static CHARGE: Operation = Operation {
    name: "charge",
    place: Place::Service(&PAYMENT),
    protocol: Protocol::Grpc { service: "shop.payment.v1.PaymentService", method: "Charge" },
    median_ms: 3.0,
    attributes: ORDER,
    logs: &[
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Text("charged {shop.order.total} {shop.currency} for order {shop.order.id}"),
            event_name: "shop.payment.charged",
            attributes: ORDER,
        },
        LogLine {
            when: When::SlowerThanMs(300.0),
            severity: Severity::Warn,
            body: Body::Text("charge of order {shop.order.id} took {shop.elapsed_ms} ms, waiting for {server.address}"),
            event_name: "",
            attributes: &[
                ("shop.order.id", Value::Of(Fact::OrderId)),
                ("shop.elapsed_ms", Value::DurationMs),
                ("server.address", Value::Text("api.fraudscore.example")),
            ],
        },
        LogLine {
            when: When::Fails,
            severity: Severity::Error,
            body: Body::Text("charge of order {shop.order.id} failed: {error.message}"),
            event_name: "",
            attributes: FAILED_ORDER,
        },
    ],
    calls: &[Call::must(&VALIDATE_CARD), Call::must(&SCORE_FRAUD), Call::must(&INSERT_CHARGE)],
    ..Operation::STEP
};

static QUOTE_SHIPPING: Operation = Operation {
    name: "quote shipping",
    place: Place::Service(&SHIPPING),
    protocol: Protocol::Http { method: "POST", route: "/quotes", path: ("/quotes", None) },
    median_ms: 9.0,
    spread: 0.5,
    attributes: &[("shop.country", Value::Of(Fact::Country))],
    logs: &[LogLine {
        when: When::Starts(1.0),
        severity: Severity::Debug,
        body: Body::Text("Quoting {shop.order.item_count} items to {shop.country}"),
        event_name: "",
        attributes: &[
            ("shop.order.item_count", Value::Of(Fact::ItemCount)),
            ("shop.country", Value::Of(Fact::Country)),
        ],
    }],
    ..Operation::STEP
};

static BOOK_SHIPPING: Operation = Operation {
    name: "book shipping",
    place: Place::Service(&SHIPPING),
    protocol: Protocol::Http { method: "POST", route: "/shipments", path: ("/shipments", None) },
    median_ms: 16.0,
    spread: 0.5,
    attributes: &[("shop.order.id", Value::Of(Fact::OrderId))],
    logs: &[LogLine {
        when: When::Succeeds(1.0),
        severity: Severity::Info,
        body: Body::Text("Booked shipment of order {shop.order.id} with {shop.carrier}"),
        event_name: "",
        attributes: &[
            ("shop.order.id", Value::Of(Fact::OrderId)),
            ("shop.carrier", Value::OneOf(&["dhl", "ups", "dpd", "postnl"])),
        ],
    }],
    ..Operation::STEP
};

static INSERT_ORDER: Operation = statement(
    "insert order",
    &ORDERS_DATABASE,
    [
        "postgresql",
        "orders",
        "orders",
        "INSERT",
        "INSERT INTO orders (id, user_id, total_cents, currency, lines) VALUES ($1, $2, $3, $4, $5)",
    ],
    3.1,
);

static PUBLISH_ORDER: Operation = Operation {
    name: "publish order",
    place: Place::Peer(&KAFKA),
    protocol: Protocol::Publish { topic: "orders", consumers: &[&SEND_ORDER_EMAIL, &REVIEW_ORDER] },
    median_ms: 1.8,
    attributes: &[("messaging.kafka.message.key", Value::Of(Fact::OrderId))],
    ..Operation::STEP
};

static PREPARE_ORDER: Operation = Operation {
    name: "prepare order",
    median_ms: 0.6,
    calls: &[
        Call::must(&GET_CART),
        Call::must(&GET_PRODUCT).times(1, 3),
        Call::must(&CONVERT).alongside(),
        Call::must(&QUOTE_SHIPPING).alongside(),
    ],
    ..Operation::STEP
};

/// The name of the operation that counts as a placed order.
pub(super) const PLACE_ORDER_NAME: &str = "place order";

pub(super) static PLACE_ORDER: Operation = Operation {
    name: PLACE_ORDER_NAME,
    place: Place::Service(&CHECKOUT),
    protocol: Protocol::Grpc { service: "shop.checkout.v1.CheckoutService", method: "PlaceOrder" },
    median_ms: 2.6,
    attributes: ORDER,
    logs: &[
        LogLine {
            when: When::Starts(1.0),
            severity: Severity::Info,
            body: Body::Text("placing order {shop.order.id}"),
            event_name: "",
            attributes: &[
                ("shop.order.id", Value::Of(Fact::OrderId)),
                ("user.id", Value::Of(Fact::UserId)),
                ("session.id", Value::Of(Fact::SessionId)),
            ],
        },
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Map(ORDER),
            event_name: "shop.order.placed",
            attributes: &[("shop.order.id", Value::Of(Fact::OrderId)), ("shop.elapsed_ms", Value::DurationMs)],
        },
        LogLine {
            when: When::Fails,
            severity: Severity::Error,
            body: Body::Text("order {shop.order.id} failed after {shop.elapsed_ms} ms: {error.message}"),
            event_name: "shop.order.failed",
            attributes: FAILED_ORDER,
        },
    ],
    calls: &[
        Call::must(&PREPARE_ORDER),
        Call::must(&RESERVE_STOCK),
        Call::must(&CHARGE),
        Call::must(&INSERT_ORDER),
        Call::must(&BOOK_SHIPPING),
        Call::may(&EMPTY_CART).alongside(),
        Call::must(&PUBLISH_ORDER),
    ],
    ..Operation::STEP
};

static RENDER_EMAIL: Operation = Operation {
    name: "render order_confirmation.html",
    median_ms: 6.0,
    failures: &[(0.008, &MAIL_TEMPLATE_BUG)],
    attributes: &[("shop.email.template", Value::Text("order_confirmation.html"))],
    ..Operation::STEP
};

static POST_EMAIL: Operation = Operation {
    name: "post email",
    place: Place::Peer(&MAIL_API),
    protocol: Protocol::Http { method: "POST", route: "/v3/send", path: ("/v3/send", None) },
    median_ms: 95.0,
    spread: 0.5,
    failures: &[(0.02, &MAIL_API_LIMIT)],
    ..Operation::STEP
};

static SEND_ORDER_EMAIL: Operation = Operation {
    name: "send order email",
    place: Place::Service(&EMAIL),
    protocol: Protocol::Consume { topic: "orders", group: "order-emails" },
    median_ms: 1.5,
    attributes: &[("shop.order.id", Value::Of(Fact::OrderId)), ("user.id", Value::Of(Fact::UserId))],
    logs: &[
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Text("confirmation of order {shop.order.id} sent"),
            event_name: "",
            attributes: &[("shop.order.id", Value::Of(Fact::OrderId)), ("shop.elapsed_ms", Value::DurationMs)],
        },
        LogLine {
            when: When::Fails,
            severity: Severity::Error,
            body: Body::Text("confirmation of order {shop.order.id} not sent: {error.message}"),
            event_name: "",
            attributes: FAILED_ORDER,
        },
    ],
    calls: &[Call::must(&RENDER_EMAIL), Call::must(&POST_EMAIL)],
    ..Operation::STEP
};

static SELECT_HISTORY: Operation = statement(
    "select order history",
    &ORDERS_DATABASE,
    [
        "postgresql",
        "orders",
        "orders",
        "SELECT",
        "SELECT id, total_cents, country FROM orders WHERE user_id = ? ORDER BY id DESC LIMIT 50",
    ],
    4.0,
);

static SCORE_FEATURES: Operation = Operation {
    name: "score features",
    median_ms: 5.0,
    attributes: &[("shop.fraud.feature_count", Value::Int(42)), ("shop.fraud.score", Value::Between(0, 100))],
    ..Operation::STEP
};

static REVIEW_ORDER: Operation = Operation {
    name: "review order",
    place: Place::Service(&FRAUD),
    protocol: Protocol::Consume { topic: "orders", group: "fraud-review" },
    median_ms: 1.2,
    attributes: &[("shop.order.id", Value::Of(Fact::OrderId))],
    logs: &[
        LogLine {
            when: When::Succeeds(0.05),
            severity: Severity::Warn,
            body: Body::Map(&[
                ("order", Value::Of(Fact::OrderId)),
                ("country", Value::Of(Fact::Country)),
                ("total", Value::Of(Fact::OrderTotal)),
                ("rules", Value::List(&["velocity", "new-device"])),
            ]),
            event_name: "shop.fraud.flagged",
            attributes: &[("shop.order.id", Value::Of(Fact::OrderId)), ("user.id", Value::Of(Fact::UserId))],
        },
        LogLine {
            when: When::Succeeds(0.5),
            severity: Severity::Debug,
            body: Body::Text("order {shop.order.id} reviewed"),
            event_name: "",
            attributes: &[("shop.order.id", Value::Of(Fact::OrderId)), ("thread.id", Value::Between(20, 28))],
        },
    ],
    calls: &[Call::must(&SELECT_HISTORY), Call::must(&SCORE_FEATURES)],
    ..Operation::STEP
};
