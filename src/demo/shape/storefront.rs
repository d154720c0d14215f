//! The pages a browser asks of the frontend; each starts a trace.

use super::failures::PAGE_BUG;
use super::orders::PLACE_ORDER;
use super::services::FRONTEND;
use super::stores::{
    ADD_TO_CART, CONVERT, GET_CART, GET_PRODUCT, GET_STOCK, LIST_PRODUCTS, RECOMMEND, SEARCH_PRODUCTS,
};
use super::vocabulary::{Attributes, Body, Call, Fact, LogLine, Operation, Place, Protocol, Severity, Value, When};

const VISITOR: Attributes = &[
    ("user.id", Value::Of(Fact::UserId)),
    ("session.id", Value::Of(Fact::SessionId)),
    ("user_agent.original", Value::OneOf(USER_AGENTS)),
    ("client.address", Value::Of(Fact::ClientAddress)),
];

const USER_AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
];

const PAGE_LOGS: &[LogLine] = &[
    LogLine {
        when: When::Starts(1.0),
        severity: Severity::Debug,
        body: Body::Text("request of {user.id} received"),
        event_name: "",
        attributes: &[("user.id", Value::Of(Fact::UserId)), ("session.id", Value::Of(Fact::SessionId))],
    },
    LogLine {
        when: When::Succeeds(1.0),
        severity: Severity::Info,
        body: Body::Text("request completed in {shop.elapsed_ms} ms"),
        event_name: "",
        attributes: &[
            ("shop.elapsed_ms", Value::DurationMs),
            ("session.id", Value::Of(Fact::SessionId)),
            ("client.address", Value::Of(Fact::ClientAddress)),
        ],
    },
    LogLine {
        when: When::Fails,
        severity: Severity::Error,
        body: Body::Text("request failed: {error.message}"),
        event_name: "",
        attributes: &[
            ("error.message", Value::ErrorMessage),
            ("error.type", Value::ErrorType),
            ("session.id", Value::Of(Fact::SessionId)),
            ("user.id", Value::Of(Fact::UserId)),
            ("shop.elapsed_ms", Value::DurationMs),
        ],
    },
];

const fn page(method: &'static str, route: &'static str, path: (&'static str, Option<Fact>)) -> Operation {
    Operation {
        place: Place::Service(&FRONTEND),
        protocol: Protocol::Http { method, route, path },
        spread: 0.5,
        attributes: VISITOR,
        logs: PAGE_LOGS,
        ..Operation::STEP
    }
}

const fn render(name: &'static str, median_ms: f64) -> Operation {
    Operation { name, median_ms, spread: 0.5, ..Operation::STEP }
}

static RENDER_HOME: Operation = render("render /", 4.0);
static RENDER_PRODUCT: Operation = Operation { failures: &[(0.002, &PAGE_BUG)], ..render("render /product/[id]", 6.0) };
static RENDER_RESULTS: Operation = render("render /search", 5.0);

pub(super) static HOME_PAGE: Operation = Operation {
    name: "home page",
    median_ms: 3.0,
    calls: &[Call::must(&LIST_PRODUCTS), Call::may(&RECOMMEND).alongside(), Call::must(&RENDER_HOME)],
    ..page("GET", "/", ("/", None))
};

pub(super) static PRODUCT_PAGE: Operation = Operation {
    name: "product page",
    median_ms: 3.5,
    calls: &[
        Call::must(&GET_PRODUCT),
        Call::may(&GET_STOCK).alongside(),
        Call::may(&RECOMMEND).sometimes(0.4).alongside(),
        Call::must(&CONVERT).sometimes(0.6),
        Call::must(&RENDER_PRODUCT),
    ],
    ..page("GET", "/product/:id", ("/product/", Some(Fact::ProductId)))
};

pub(super) static SEARCH_PAGE: Operation = Operation {
    name: "search page",
    median_ms: 3.0,
    calls: &[Call::must(&SEARCH_PRODUCTS), Call::must(&GET_PRODUCT).times(1, 3), Call::must(&RENDER_RESULTS)],
    ..page("GET", "/search", ("/search", None))
};

pub(super) static ADD_ITEM: Operation = Operation {
    name: "add item",
    median_ms: 2.0,
    calls: &[Call::must(&GET_PRODUCT), Call::must(&ADD_TO_CART), Call::may(&GET_STOCK).alongside()],
    ..page("POST", "/api/cart/items", ("/api/cart/items", None))
};

pub(super) static CART_PAGE: Operation = Operation {
    name: "cart page",
    median_ms: 2.5,
    calls: &[
        Call::must(&GET_CART),
        Call::must(&GET_PRODUCT).times(1, 3),
        Call::must(&CONVERT).alongside(),
        Call::may(&RECOMMEND).sometimes(0.5).alongside(),
    ],
    ..page("GET", "/cart", ("/cart", None))
};

pub(super) static CHECKOUT_PAGE: Operation = Operation {
    name: "checkout",
    median_ms: 3.0,
    calls: &[Call::must(&PLACE_ORDER)],
    ..page("POST", "/api/checkout", ("/api/checkout", None))
};
