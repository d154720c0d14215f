//! Sends OTLP with OpenTelemetry's Rust SDK: `telestrata-rust-sender SCENARIO PROTOCOL COMPRESSION ENDPOINT RUN`.
//!
//! SCENARIO is one of the modules. PROTOCOL is grpc, http/protobuf or http/json, COMPRESSION none, gzip or zstd. RUN is
//! the resource's `test.run`. What the exporters say goes to stderr.

mod everything;
mod exporters;
mod impossible;
mod numbered;

use exporters::Exporters;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, protocol, compression, endpoint, run] = arguments.as_slice() else {
        panic!("five arguments, not {arguments:?}");
    };
    // Retries are announced among what is for debugging.
    let told = Targets::new().with_default(LevelFilter::WARN).with_target("opentelemetry-otlp", LevelFilter::DEBUG);
    let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(stderr).with(told).init();
    let exporters = Exporters::new(protocol, compression, endpoint);
    match scenario.as_str() {
        "everything" => everything::send(&exporters, run),
        "numbered" => numbered::send(&exporters, run),
        "impossible" => impossible::send(&exporters, run),
        _ => panic!("no scenario {scenario}; there are everything, numbered, impossible"),
    }
}
