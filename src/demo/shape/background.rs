//! Log lines that belong to no trace: start-up chatter, pools, rebalances, housekeeping.

use super::vocabulary::{Body, LogLine, Severity, Value, When};

/// A line, and the services that write it. `When::Starts` is its probability at each metric collection of an instance.
pub(crate) struct BackgroundLine {
    pub(crate) services: &'static [&'static str],
    pub(crate) line: LogLine,
}

pub(crate) static BACKGROUND: &[BackgroundLine] = &[
    BackgroundLine {
        services: &["search", "payment", "fraud"],
        line: LogLine {
            when: When::Starts(0.3),
            severity: Severity::Debug,
            body: Body::Text("GC pause (G1 Evacuation Pause) {jvm.gc.pause_ms} ms"),
            event_name: "",
            attributes: &[("jvm.gc.pause_ms", Value::Between(2, 48)), ("thread.name", Value::Text("GC notification"))],
        },
    },
    BackgroundLine {
        services: &["email", "fraud"],
        line: LogLine {
            when: When::Starts(0.05),
            severity: Severity::Warn,
            body: Body::Text("consumer group {messaging.consumer.group.name} is rebalancing"),
            event_name: "kafka.consumer.rebalance",
            attributes: &[
                ("messaging.consumer.group.name", Value::OneOf(&["order-emails", "fraud-review"])),
                ("messaging.destination.name", Value::Text("orders")),
                ("kafka.generation", Value::Between(3, 40)),
            ],
        },
    },
    BackgroundLine {
        services: &["catalog", "checkout", "inventory"],
        line: LogLine {
            when: When::Starts(0.2),
            severity: Severity::Info,
            body: Body::Map(&[
                ("pool", Value::Text("main")),
                ("open", Value::Between(8, 32)),
                ("idle", Value::Between(0, 8)),
                ("saturated", Value::Flag(false)),
                ("load", Value::Float(0.25)),
            ]),
            event_name: "",
            attributes: &[("code.function.name", Value::Text("pool.reportStats"))],
        },
    },
    BackgroundLine {
        services: &["frontend", "cart", "recommendation", "currency", "shipping"],
        line: LogLine {
            when: When::Starts(0.15),
            severity: Severity::Info,
            body: Body::Text("health probe answered in {shop.probe_ms} ms"),
            event_name: "",
            attributes: &[("shop.probe_ms", Value::Between(0, 5)), ("url.path", Value::Text("/healthz"))],
        },
    },
    BackgroundLine {
        services: &["currency"],
        line: LogLine {
            when: When::Starts(0.04),
            severity: Severity::Error,
            body: Body::Text("rate feed refused the connection, keeping rates of {shop.rates_age_s} s ago"),
            event_name: "",
            attributes: &[("shop.rates_age_s", Value::Between(60, 3_600)), ("error.type", Value::Text("ECONNREFUSED"))],
        },
    },
];
