//! The program as its users and operators meet it: real processes, real clients, real files.

#![allow(unreachable_pub, clippy::clone_on_ref_ptr, reason = "a test binary has no public surface to keep small")]

#[path = "../support/mod.rs"]
mod support;

mod asof_join;
mod background;
mod background_cost;
mod bounded_reads;
mod catalog_views;
mod check;
mod cli;
mod compaction;
mod completions;
mod confinement;
mod cookbook;
mod crash;
mod credentials;
mod cross_signal;
mod durability;
mod erasure;
mod export;
mod faults;
mod fifty;
mod flight_door;
mod functions;
mod grafana;
mod handoff;
mod housekeeping;
mod http_api;
mod http_page;
mod http_requests;
mod import_again;
mod jaeger_api;
mod known_world;
mod object_store;
mod one_trace;
mod otlp_decode;
mod otlp_doors;
mod otlp_rules;
mod postgres_catalogue;
mod postgres_door;
mod promoted_in_views;
mod prompt;
mod query_budgets;
mod query_cancel;
mod query_cost;
mod readers;
mod request_counts;
mod retention;
mod roundtrip;
mod secrets;
mod senders;
mod server_support;
mod service_health;
mod service_views;
mod sql_errors;
mod system_tables;
mod tls;
mod trace_api;
mod trace_index;
mod trace_tree;
mod two_years;
mod views;
