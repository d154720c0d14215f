//! What the storefront reads and writes: catalog, stock, cart, search, prices, recommendations, and their databases.

use super::failures::{DEADLOCK, MODEL_OVERLOADED, OUT_OF_STOCK, PRODUCT_NOT_FOUND, REDIS_TIMEOUT, SEARCH_INDEX_BUSY};
use super::services::{
    CART, CART_REDIS, CATALOG, CATALOG_DATABASE, CURRENCY, INVENTORY, MODEL_API, RECOMMENDATION, SEARCH, SEARCH_INDEX,
    STOCK_DATABASE,
};
use super::vocabulary::{Body, Call, Fact, LogLine, Operation, Peer, Place, Protocol, Severity, Value, When};

/// What a service notes about a call it served; the shop's developers left debug logging on.
const SERVED: LogLine = LogLine {
    when: When::Succeeds(0.8),
    severity: Severity::Debug,
    body: Body::Text("served in {shop.elapsed_ms} ms"),
    event_name: "",
    attributes: &[("shop.elapsed_ms", Value::DurationMs), ("user.id", Value::Of(Fact::UserId))],
};

/// What the database layer of a service notes, at the service's end of the connection.
const QUERIED: &[LogLine] = &[
    LogLine {
        when: When::Succeeds(0.35),
        severity: Severity::Debug,
        body: Body::Text("query took {shop.elapsed_ms} ms on connection {shop.connection}"),
        event_name: "",
        attributes: &[("shop.elapsed_ms", Value::DurationMs), ("shop.connection", Value::Between(1, 32))],
    },
    LogLine {
        when: When::Fails,
        severity: Severity::Error,
        body: Body::Text("query failed after {shop.elapsed_ms} ms: {error.message}"),
        event_name: "",
        attributes: &[
            ("shop.elapsed_ms", Value::DurationMs),
            ("error.type", Value::ErrorType),
            ("error.message", Value::ErrorMessage),
        ],
    },
];

/// A statement sent to a database.
pub(super) const fn statement(
    name: &'static str,
    peer: &'static Peer,
    [system, namespace, collection, operation, query]: [&'static str; 5],
    median_ms: f64,
) -> Operation {
    Operation {
        name,
        place: Place::Peer(peer),
        protocol: Protocol::Database { system, namespace, collection, operation, query },
        median_ms,
        spread: 0.6,
        logs: QUERIED,
        ..Operation::STEP
    }
}

static SELECT_PRODUCTS: Operation = Operation {
    attributes: &[("db.response.returned_rows", Value::Between(12, 24))],
    ..statement(
        "select products",
        &CATALOG_DATABASE,
        [
            "postgresql",
            "catalog",
            "products",
            "SELECT",
            "SELECT id, name, price_cents, currency FROM products WHERE category_id = $1 ORDER BY rank LIMIT $2",
        ],
        3.5,
    )
};

static SELECT_PRODUCT: Operation = Operation {
    attributes: &[("db.response.returned_rows", Value::Int(1))],
    ..statement(
        "select product",
        &CATALOG_DATABASE,
        [
            "postgresql",
            "catalog",
            "products",
            "SELECT",
            "SELECT id, name, description, price_cents, currency FROM products WHERE id = $1",
        ],
        1.2,
    )
};

pub(super) static LIST_PRODUCTS: Operation = Operation {
    name: "list products",
    place: Place::Service(&CATALOG),
    protocol: Protocol::Grpc { service: "shop.catalog.v1.CatalogService", method: "ListProducts" },
    median_ms: 2.0,
    attributes: &[("shop.catalog.page_size", Value::Int(24))],
    logs: &[
        SERVED,
        LogLine {
            when: When::SlowerThanMs(15.0),
            severity: Severity::Warn,
            body: Body::Text("slow product listing: {shop.elapsed_ms} ms"),
            event_name: "",
            attributes: &[("shop.elapsed_ms", Value::DurationMs)],
        },
    ],
    calls: &[Call::must(&SELECT_PRODUCTS)],
    ..Operation::STEP
};

pub(super) static GET_PRODUCT: Operation = Operation {
    name: "get product",
    place: Place::Service(&CATALOG),
    protocol: Protocol::Grpc { service: "shop.catalog.v1.CatalogService", method: "GetProduct" },
    median_ms: 0.9,
    failures: &[(0.004, &PRODUCT_NOT_FOUND)],
    attributes: &[("shop.product.id", Value::Of(Fact::ProductId))],
    logs: &[
        LogLine {
            when: When::Succeeds(0.7),
            severity: Severity::Debug,
            body: Body::Text("product {shop.product.id} read from database, cache hit {shop.cache.hit}"),
            event_name: "",
            attributes: &[("shop.product.id", Value::Of(Fact::ProductId)), ("shop.cache.hit", Value::Flag(false))],
        },
        LogLine {
            when: When::Fails,
            severity: Severity::Warn,
            body: Body::Text("no product {shop.product.id}"),
            event_name: "",
            attributes: &[
                ("shop.product.id", Value::Of(Fact::ProductId)),
                ("http.request.header.referer", Value::OneOf(&["https://shop.example/", "https://search.example/"])),
            ],
        },
    ],
    calls: &[Call::must(&SELECT_PRODUCT)],
    ..Operation::STEP
};

static SELECT_STOCK: Operation = statement(
    "select stock",
    &STOCK_DATABASE,
    ["postgresql", "stock", "stock_levels", "SELECT", "SELECT quantity FROM stock_levels WHERE product_id = $1"],
    1.0,
);

static UPDATE_STOCK: Operation = Operation {
    failures: &[(0.002, &DEADLOCK)],
    ..statement(
        "update stock",
        &STOCK_DATABASE,
        [
            "postgresql",
            "stock",
            "stock_levels",
            "UPDATE",
            "UPDATE stock_levels SET quantity = quantity - $2 WHERE product_id = $1 AND quantity >= $2",
        ],
        2.4,
    )
};

pub(super) static GET_STOCK: Operation = Operation {
    name: "get stock",
    place: Place::Service(&INVENTORY),
    protocol: Protocol::Grpc { service: "shop.inventory.v1.InventoryService", method: "GetStock" },
    attributes: &[("shop.product.id", Value::Of(Fact::ProductId))],
    logs: &[SERVED],
    calls: &[Call::must(&SELECT_STOCK)],
    ..Operation::STEP
};

pub(super) static RESERVE_STOCK: Operation = Operation {
    name: "reserve stock",
    place: Place::Service(&INVENTORY),
    protocol: Protocol::Grpc { service: "shop.inventory.v1.InventoryService", method: "Reserve" },
    median_ms: 1.1,
    failures: &[(0.012, &OUT_OF_STOCK)],
    attributes: &[("shop.order.id", Value::Of(Fact::OrderId))],
    logs: &[
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Text("reserved {shop.order.item_count} items for order {shop.order.id}"),
            event_name: "",
            attributes: &[
                ("shop.order.item_count", Value::Of(Fact::ItemCount)),
                ("shop.order.id", Value::Of(Fact::OrderId)),
            ],
        },
        LogLine {
            when: When::Fails,
            severity: Severity::Error,
            body: Body::Text("reservation for order {shop.order.id} rolled back: {error.message}"),
            event_name: "",
            attributes: &[
                ("shop.order.id", Value::Of(Fact::OrderId)),
                ("error.type", Value::ErrorType),
                ("error.message", Value::ErrorMessage),
            ],
        },
    ],
    calls: &[Call::must(&SELECT_STOCK), Call::must(&UPDATE_STOCK).times(1, 4)],
    ..Operation::STEP
};

const fn redis(name: &'static str, operation: &'static str, query: &'static str) -> Operation {
    statement(name, &CART_REDIS, ["redis", "0", "", operation, query], 0.4)
}

static REDIS_READ: Operation =
    Operation { failures: &[(0.0008, &REDIS_TIMEOUT)], ..redis("read cart from redis", "HGETALL", "HGETALL cart:?") };
static REDIS_WRITE: Operation = redis("write cart to redis", "HSET", "HSET cart:? ? ?");
static REDIS_EXPIRE: Operation = redis("extend cart in redis", "EXPIRE", "EXPIRE cart:? 1209600");
static REDIS_DELETE: Operation = redis("delete cart in redis", "DEL", "DEL cart:?");

const CART_FAILS: LogLine = LogLine {
    when: When::Fails,
    severity: Severity::Error,
    body: Body::Text("Cart store unavailable for user {user.id}: {error.type}"),
    event_name: "",
    attributes: &[("user.id", Value::Of(Fact::UserId)), ("error.type", Value::ErrorType)],
};

pub(super) static GET_CART: Operation = Operation {
    name: "get cart",
    place: Place::Service(&CART),
    protocol: Protocol::Grpc { service: "shop.cart.v1.CartService", method: "GetCart" },
    median_ms: 0.7,
    attributes: &[("user.id", Value::Of(Fact::UserId)), ("shop.cart.item_count", Value::Of(Fact::ItemCount))],
    logs: &[SERVED, CART_FAILS],
    calls: &[Call::must(&REDIS_READ)],
    ..Operation::STEP
};

pub(super) static ADD_TO_CART: Operation = Operation {
    name: "add to cart",
    place: Place::Service(&CART),
    protocol: Protocol::Grpc { service: "shop.cart.v1.CartService", method: "AddItem" },
    median_ms: 0.9,
    attributes: &[("user.id", Value::Of(Fact::UserId)), ("shop.product.id", Value::Of(Fact::ProductId))],
    logs: &[
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Text("Added product {shop.product.id} to cart of {user.id}"),
            event_name: "shop.cart.item_added",
            attributes: &[
                ("shop.product.id", Value::Of(Fact::ProductId)),
                ("user.id", Value::Of(Fact::UserId)),
                ("shop.cart.item_count", Value::Of(Fact::ItemCount)),
            ],
        },
        CART_FAILS,
    ],
    calls: &[Call::must(&REDIS_READ), Call::must(&REDIS_WRITE), Call::must(&REDIS_EXPIRE).alongside()],
    ..Operation::STEP
};

pub(super) static EMPTY_CART: Operation = Operation {
    name: "empty cart",
    place: Place::Service(&CART),
    protocol: Protocol::Grpc { service: "shop.cart.v1.CartService", method: "EmptyCart" },
    attributes: &[("user.id", Value::Of(Fact::UserId))],
    logs: &[SERVED],
    calls: &[Call::must(&REDIS_DELETE)],
    ..Operation::STEP
};

pub(super) static CONVERT: Operation = Operation {
    name: "convert",
    place: Place::Service(&CURRENCY),
    protocol: Protocol::Grpc { service: "shop.currency.v1.CurrencyService", method: "Convert" },
    median_ms: 0.2,
    attributes: &[("shop.currency", Value::Of(Fact::Currency))],
    ..Operation::STEP
};

static QUERY_INDEX: Operation = Operation {
    failures: &[(0.005, &SEARCH_INDEX_BUSY)],
    attributes: &[("db.response.returned_rows", Value::Between(0, 48))],
    ..statement(
        "query index",
        &SEARCH_INDEX,
        [
            "opensearch",
            "",
            "products",
            "search",
            "{\"query\":{\"multi_match\":{\"query\":\"?\",\"fields\":[\"name^3\",\"text\"]}}}",
        ],
        14.0,
    )
};

pub(super) static SEARCH_PRODUCTS: Operation = Operation {
    name: "search products",
    place: Place::Service(&SEARCH),
    protocol: Protocol::Http { method: "GET", route: "/v1/search", path: ("/v1/search", None) },
    median_ms: 4.0,
    spread: 0.7,
    attributes: &[("shop.search.text", Value::Of(Fact::SearchText)), ("shop.search.page", Value::Between(1, 3))],
    logs: &[
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Map(&[
                ("text", Value::Of(Fact::SearchText)),
                ("hits", Value::Between(0, 480)),
                ("took_ms", Value::DurationMs),
                ("facets", Value::List(&["brand", "price", "colour"])),
            ]),
            event_name: "shop.search.performed",
            attributes: &[("shop.search.index", Value::Text("products-v7"))],
        },
        LogLine {
            when: When::Fails,
            severity: Severity::Error,
            body: Body::Text("search for \"{shop.search.text}\" failed: {error.message}"),
            event_name: "",
            attributes: &[
                ("shop.search.text", Value::Of(Fact::SearchText)),
                ("error.message", Value::ErrorMessage),
                ("thread.name", Value::OneOf(&["http-nio-8085-exec-3", "http-nio-8085-exec-7"])),
            ],
        },
    ],
    calls: &[Call::must(&QUERY_INDEX)],
    ..Operation::STEP
};

static ASK_MODEL: Operation = Operation {
    name: "ask model",
    place: Place::Peer(&MODEL_API),
    protocol: Protocol::Chat { provider: "openai", model: "gpt-4.1-mini" },
    median_ms: 420.0,
    spread: 0.45,
    failures: &[(0.01, &MODEL_OVERLOADED)],
    attributes: &[
        ("gen_ai.request.max_tokens", Value::Int(256)),
        ("gen_ai.request.temperature", Value::Float(0.2)),
        ("gen_ai.response.model", Value::Text("gpt-4.1-mini-2025-04-14")),
        ("gen_ai.response.finish_reasons", Value::List(&["stop"])),
        ("gen_ai.usage.input_tokens", Value::Between(380, 1_900)),
        ("gen_ai.usage.output_tokens", Value::Between(24, 256)),
    ],
    ..Operation::STEP
};

static RANK_CANDIDATES: Operation = Operation {
    name: "rank candidates",
    median_ms: 3.0,
    attributes: &[("shop.recommendation.candidates", Value::Between(40, 400))],
    ..Operation::STEP
};

pub(super) static RECOMMEND: Operation = Operation {
    name: "recommend",
    place: Place::Service(&RECOMMENDATION),
    protocol: Protocol::Grpc { service: "shop.recommendation.v1.RecommendationService", method: "ListForUser" },
    median_ms: 2.5,
    attributes: &[("user.id", Value::Of(Fact::UserId)), ("shop.recommendation.variant", Value::OneOf(&["a", "b"]))],
    logs: &[
        LogLine {
            when: When::Succeeds(1.0),
            severity: Severity::Info,
            body: Body::Text("ranked {shop.recommendation.count} products for {user.id}"),
            event_name: "",
            attributes: &[
                ("shop.recommendation.count", Value::Between(4, 12)),
                ("user.id", Value::Of(Fact::UserId)),
                ("shop.recommendation.products", Value::List(&["P0007", "P0011", "P0042"])),
            ],
        },
        LogLine {
            when: When::SlowerThanMs(900.0),
            severity: Severity::Warn,
            body: Body::Text("ranking took {shop.elapsed_ms} ms"),
            event_name: "",
            attributes: &[("shop.elapsed_ms", Value::DurationMs)],
        },
    ],
    calls: &[Call::must(&RANK_CANDIDATES), Call::may(&ASK_MODEL).sometimes(0.3)],
    ..Operation::STEP
};
