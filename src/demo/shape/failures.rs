//! What can go wrong, and the shop's one recurring incident.

use super::vocabulary::{Exception, Failure, SlowWindow};

/// The slow dependency: from second 20 to 40 of every minute the fraud scoring API answers eight times slower than
/// usual, and payment gives up on one call in eight.
pub(crate) static FRAUD_API_IS_SLOW: SlowWindow =
    SlowWindow { period_s: 60, from_s: 20, to_s: 40, slowdown: 8.0, timeout_rate: 0.125, timeout: &FRAUD_API_TIMEOUT };

pub(crate) static FRAUD_API_TIMEOUT: Failure = Failure {
    error_type: "timeout",
    http_status: 504,
    grpc_status: "DEADLINE_EXCEEDED",
    message: "fraud scoring timed out after 2000 ms",
    gives_up_after_ms: Some(2_000.0),
    exception: Some(Exception {
        kind: "java.net.http.HttpTimeoutException",
        stacktrace: "java.net.http.HttpTimeoutException: request timed out
\tat java.net.http/jdk.internal.net.http.HttpClientImpl.send(HttpClientImpl.java:989)
\tat shop.payment.FraudScoreClient.score(FraudScoreClient.java:71)
\tat shop.payment.ChargeService.charge(ChargeService.java:118)
\tat shop.payment.PaymentGrpc$MethodHandlers.invoke(PaymentGrpc.java:302)",
    }),
};

pub(crate) static FRAUD_API_UNAVAILABLE: Failure = Failure {
    error_type: "503",
    http_status: 503,
    grpc_status: "UNAVAILABLE",
    message: "fraud scoring answered 503 Service Unavailable",
    gives_up_after_ms: None,
    exception: None,
};

pub(crate) static CARD_DECLINED: Failure = Failure {
    error_type: "card_declined",
    http_status: 402,
    grpc_status: "FAILED_PRECONDITION",
    message: "card declined by issuer",
    gives_up_after_ms: None,
    exception: None,
};

pub(crate) static PRODUCT_NOT_FOUND: Failure = Failure {
    error_type: "product_not_found",
    http_status: 404,
    grpc_status: "NOT_FOUND",
    message: "no such product",
    gives_up_after_ms: None,
    exception: None,
};

pub(crate) static OUT_OF_STOCK: Failure = Failure {
    error_type: "out_of_stock",
    http_status: 409,
    grpc_status: "FAILED_PRECONDITION",
    message: "not enough stock to reserve",
    gives_up_after_ms: None,
    exception: None,
};

pub(crate) static DEADLOCK: Failure = Failure {
    error_type: "40P01",
    http_status: 500,
    grpc_status: "INTERNAL",
    message: "deadlock detected",
    gives_up_after_ms: None,
    exception: Some(Exception {
        kind: "sqlx::Error",
        stacktrace: "error returned from database: deadlock detected
   0: inventory::reservation::reserve
             at ./src/reservation.rs:88:14
   1: inventory::grpc::InventoryService::reserve
             at ./src/grpc.rs:41:9",
    }),
};

pub(crate) static REDIS_TIMEOUT: Failure = Failure {
    error_type: "StackExchange.Redis.RedisTimeoutException",
    http_status: 503,
    grpc_status: "UNAVAILABLE",
    message: "Timeout performing HGETALL (500ms), inst: 4, qs: 312, in: 0",
    gives_up_after_ms: Some(500.0),
    exception: Some(Exception {
        kind: "StackExchange.Redis.RedisTimeoutException",
        stacktrace:
            "StackExchange.Redis.RedisTimeoutException: Timeout performing HGETALL (500ms), inst: 4, qs: 312, in: 0
   at Shop.Cart.RedisCartStore.GetCartAsync(String userId) in /src/RedisCartStore.cs:line 64
   at Shop.Cart.CartService.GetCart(GetCartRequest request, ServerCallContext context) in /src/CartService.cs:line 32",
    }),
};

pub(crate) static SEARCH_INDEX_BUSY: Failure = Failure {
    error_type: "es_rejected_execution_exception",
    http_status: 503,
    grpc_status: "UNAVAILABLE",
    message: "rejected execution of search task: queue capacity 1000 reached",
    gives_up_after_ms: None,
    exception: Some(Exception {
        kind: "org.opensearch.client.ResponseException",
        stacktrace:
            "org.opensearch.client.ResponseException: method [POST], status line [HTTP/1.1 429 Too Many Requests]
\tat org.opensearch.client.RestClient.convertResponse(RestClient.java:376)
\tat shop.search.QueryService.search(QueryService.java:93)",
    }),
};

pub(crate) static MODEL_OVERLOADED: Failure = Failure {
    error_type: "429",
    http_status: 503,
    grpc_status: "UNAVAILABLE",
    message: "model is overloaded, try again later",
    gives_up_after_ms: None,
    exception: Some(Exception {
        kind: "openai.RateLimitError",
        stacktrace: "Traceback (most recent call last):
  File \"/app/recommendation/ranker.py\", line 57, in rerank
    reply = client.chat.completions.create(model=MODEL, messages=messages)
openai.RateLimitError: Error code: 429 - model is overloaded, try again later",
    }),
};

pub(crate) static PAGE_BUG: Failure = Failure {
    error_type: "TypeError",
    http_status: 500,
    grpc_status: "INTERNAL",
    message: "Cannot read properties of undefined (reading 'price')",
    gives_up_after_ms: None,
    exception: Some(Exception {
        kind: "TypeError",
        stacktrace: "TypeError: Cannot read properties of undefined (reading 'price')
    at renderPrice (/app/.next/server/pages/product.js:211:34)
    at ProductPage (/app/.next/server/pages/product.js:87:12)
    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)",
    }),
};

pub(crate) static MAIL_TEMPLATE_BUG: Failure = Failure {
    error_type: "jinja2.exceptions.UndefinedError",
    http_status: 500,
    grpc_status: "INTERNAL",
    message: "'order' has no attribute 'gift_note'",
    gives_up_after_ms: None,
    exception: Some(Exception {
        kind: "jinja2.exceptions.UndefinedError",
        stacktrace: "Traceback (most recent call last):
  File \"/app/email/worker.py\", line 41, in handle
    html = template.render(order=order)
  File \"/app/templates/order_confirmation.html\", line 18, in top-level template code
jinja2.exceptions.UndefinedError: 'order' has no attribute 'gift_note'",
    }),
};

pub(crate) static MAIL_API_LIMIT: Failure = Failure {
    error_type: "429",
    http_status: 429,
    grpc_status: "RESOURCE_EXHAUSTED",
    message: "mail API rate limit reached",
    gives_up_after_ms: None,
    exception: None,
};
