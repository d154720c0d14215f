//! Jaeger's query API, for Grafana's Jaeger data source and Jaeger's own UI.
//!
//! ```text
//! GET /api/services, /api/operations, ...  --> params.rs --> catalogue.rs: lists
//! GET /api/traces                          --> search.rs: ids --> Traces::whole --+
//! GET /api/traces/{id}                     --> Traces::whole ---------------------+--> convert.rs --> model.rs
//! GET /api/v3/...                          --> the same, as OTLP or summaries: v3.rs, summary.rs
//! reply.rs   the envelopes and the errors of both
//! ```
//! What is sent and answered is as Jaeger 2.9 and 1.76 have it: `http_handler.go`, `query_parser.go`, `apiv3/`, and
//! `uimodel`. The newest UI (2.20) asks `/api/v3` for services, operations and searches and `/api` for a trace and the
//! dependencies; older ones and Grafana ask `/api` for all.

mod catalogue;
mod convert;
mod duration;
mod model;
mod params;
mod reply;
mod routes;
mod search;
mod summary;
mod v3;

pub(super) use routes::routes;
