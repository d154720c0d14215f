//! Numbered spans, log records and counted items, in rounds: what arrives can be counted.
//!
//! Each round begins with a line on stdin and ends with one on stdout, when everything has been exported or given up:
//! `done`. Without another line it shuts down.

use std::time::Duration;

use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchConfigBuilder as LogBatches, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{BatchConfigBuilder as SpanBatches, BatchSpanProcessor, SdkTracerProvider};

use crate::exporters::Exporters;

const PER_ROUND: i64 = 100;
const NEVER: Duration = Duration::from_secs(3600);

pub fn send(exporters: &Exporters, run: &str) {
    let attributes = [KeyValue::new("service.name", "numbered"), KeyValue::new("test.run", run.to_owned())];
    let resource = Resource::builder_empty().with_attributes(attributes).build();
    // More than a round: a batch that is full before the flush would be sent before it.
    let batch = 2 * PER_ROUND as usize;
    let span_batches = SpanBatches::default().with_max_export_batch_size(batch).with_scheduled_delay(NEVER).build();
    let log_batches = LogBatches::default().with_max_export_batch_size(batch).with_scheduled_delay(NEVER).build();
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_span_processor(BatchSpanProcessor::builder(exporters.spans()).with_batch_config(span_batches).build())
        .build();
    let loggers = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_log_processor(BatchLogProcessor::builder(exporters.logs()).with_batch_config(log_batches).build())
        .build();
    let reader = PeriodicReader::builder(exporters.metrics(Temporality::Delta)).with_interval(NEVER).build();
    let meters = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();

    let (tracer, logger) = (tracers.tracer("numbered"), loggers.logger("numbered"));
    let counter = meters.meter("numbered").u64_counter("numbered.items").build();
    let mut number = 0;
    for _ in std::io::stdin().lines() {
        for _ in 0..PER_ROUND {
            let item = SpanBuilder::from_name("item").with_attributes([KeyValue::new("number", number)]);
            tracer.build_with_context(item, &Context::new()).end();
            let mut record = logger.create_log_record();
            record.set_body("item".into());
            record.add_attribute("number", number);
            logger.emit(record);
            counter.add(1, &[]);
            number += 1;
        }
        report(tracers.force_flush());
        report(loggers.force_flush());
        report(meters.force_flush());
        println!("done");
    }
    report(tracers.shutdown());
    report(loggers.shutdown());
    report(meters.shutdown());
}

/// A signal that was given up must not keep the others from their turn.
fn report(outcome: OTelSdkResult) {
    if let Err(error) = outcome {
        eprintln!("gave up: {error}");
    }
}
