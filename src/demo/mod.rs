//! A small realistic shop that sends logs, spans and metrics by OTLP: behind `telestrata demo`, and behind the benchmark
//! of the whole program.
//!
//! ```text
//!  shape/ (tables: services, operations, failures)     chance (seeded)
//!            |                                            |
//!            v                                            v
//!  shop: next visit --> tracer + logger --> pending --> batch --> Tick of OTLP requests --> sender --> OTLP gRPC
//!        next collection --> metrics, which see each span as it leaves pending ^
//! ```
//! - `Shop` is pure: seed and start decide every byte, and no clock is read. `pace` ties it to the real clock.
//! - Every id that is mentioned exists: parents, the spans of logs and exemplars, linked senders.
//! - Payment's external fraud scoring API is slow from second 20 to 40 of every minute (`shape::failures`): one cause
//!   that shows in spans, logs and metrics of several services.

mod batch;
mod chance;
mod conventions;
#[cfg(test)]
mod delivery_tests;
mod export;
mod fleet;
mod logger;
mod metrics;
mod pace;
mod pending;
mod sender;
mod shape;
mod shop;
mod shopper;
#[cfg(test)]
mod tests;
mod tracer;
mod values;

pub use export::{Counts, DemoSignal, EncodedRequest, Export, Tick};
pub use pace::{Progress, Until, run};
pub use sender::Sender;
pub use shop::Shop;
