//! Records with times that can't be, beside good ones. What the exporters answer goes to stdout, a line a signal.
//!
//! No metrics: their times are the SDK's clock's, and its points can't be made by hand.

use std::time::{Duration, SystemTime};

use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};

use crate::exporters::Exporters;

const GOOD: u64 = 1_760_000_000;

/// In seconds: 2100-01-01, and one past what signed 64-bit nanoseconds hold.
const TIMES: [(&str, u64); 4] =
    [("good", GOOD), ("future", 4_102_444_800), ("beyond", 9_223_372_037), ("also good", GOOD + 1)];

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub fn send(exporters: &Exporters, run: &str) {
    let attributes = [KeyValue::new("service.name", "impossible"), KeyValue::new("test.run", run.to_owned())];
    let resource = Resource::builder_empty().with_attributes(attributes).build();
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_span_processor(BatchSpanProcessor::builder(exporters.spans()).build())
        .build();
    let tracer = tracers.tracer("impossible");
    for (name, time) in TIMES {
        let span = SpanBuilder::from_name(name).with_start_time(at(time));
        tracer.build_with_context(span, &Context::new()).end_with_timestamp(at(time));
    }
    println!("spans {}", answer(tracers.force_flush()));

    let loggers = SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_log_processor(BatchLogProcessor::builder(exporters.logs()).build())
        .build();
    let logger = loggers.logger("impossible");
    for (name, time) in TIMES {
        let mut record = logger.create_log_record();
        record.set_timestamp(at(time));
        record.set_observed_timestamp(at(GOOD));
        record.set_body(name.into());
        logger.emit(record);
    }
    println!("logs {}", answer(loggers.force_flush()));
    tracers.shutdown().unwrap();
    loggers.shutdown().unwrap();
}

fn answer(outcome: OTelSdkResult) -> &'static str {
    if outcome.is_ok() { "success" } else { "failure" }
}
