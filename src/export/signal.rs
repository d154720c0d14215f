//! Which signal a query's columns are of, and whether OTLP can be made of them.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;

use crate::error::{Error, Result};
use crate::model::contract::columns;
use crate::model::signal::Signal;

/// Columns without which a record would silently become another: its time cut, its values all strings, its service
/// unknown.
const ALWAYS: &[&str] = &["time", "time_nanos", "attributes", "resource_attributes", "value_types"];

const LOGS: &[&str] = &["body", "severity_number"];

const SPANS: &[&str] = &["name", "trace_id", "span_id", "parent_span_id", "duration_nano", "kind", "status_code"];

/// Every value that a data point may have: without one it would be a point of nothing.
const METRICS: &[&str] = &[
    "metric_name",
    "metric_type",
    "unit",
    "temporality",
    "is_monotonic",
    "value",
    "value_int",
    "count",
    "sum",
    "explicit_bounds",
    "bucket_counts",
    "scale",
    "zero_count",
    "zero_threshold",
    "positive_offset",
    "negative_offset",
    "positive_bucket_counts",
    "negative_bucket_counts",
    "quantiles",
    "flags",
];

const fn needed(signal: Signal) -> &'static [&'static str] {
    match signal {
        Signal::Logs => LOGS,
        Signal::Spans => SPANS,
        Signal::Metrics => METRICS,
    }
}

/// Columns that only one signal has, by which it is told.
const fn telling(signal: Signal) -> &'static [&'static str] {
    match signal {
        Signal::Logs => &["body", "severity_number", "severity_text", "observed_time", "event_name"],
        Signal::Spans => &["duration_nano", "parent_span_id", "status_code", "links"],
        Signal::Metrics => &["metric_name", "metric_type", "series_id"],
    }
}

/// The signal of a query's columns, once it is sure that its rows can become OTLP.
pub(super) fn signal_of(schema: &Schema) -> Result<Signal> {
    let has = |name: &&str| schema.fields().find(name).is_some();
    let found: Vec<Signal> = Signal::ALL.into_iter().filter(|signal| telling(*signal).iter().any(has)).collect();
    let signal = match found.as_slice() {
        [signal] => *signal,
        [] => {
            return Err(Error::invalid(
                "the query's columns are not those of logs, spans or metrics; write `select * from spans where ...`, \
                 or export to another format",
            ));
        }
        [one, other, ..] => {
            return Err(Error::invalid(format!(
                "the query has columns of both {one} and {other}; select those of one table, as in `select l.* from ...`"
            )));
        }
    };
    let mut missing: Vec<&str> = ALWAYS.iter().chain(needed(signal)).filter(|name| !has(name)).copied().collect();
    let alone = |time: &str| {
        let nanos = format!("{time}_nanos");
        columns(signal).find(|column| column.name == nanos).filter(|column| has(&time) && !has(&column.name))
    };
    missing.extend(["observed_time", "start_time"].into_iter().filter_map(alone).map(|column| column.name));
    if !missing.is_empty() {
        return Err(Error::invalid(format!(
            "{signal} can't be made from this query: it lacks {}; `select * from {signal}` has all of them",
            missing.join(", ")
        )));
    }
    let mut names = BTreeSet::new();
    let contract: BTreeSet<&str> = columns(signal).map(|column| column.name).collect();
    let twice =
        schema.fields().iter().find(|field| contract.contains(field.name().as_str()) && !names.insert(field.name()));
    match twice {
        Some(field) => Err(Error::invalid(format!(
            "the query has two columns `{}`; select those of one table, as in `select l.* from ...`",
            field.name()
        ))),
        None => Ok(signal),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::model::schema::contract_schema;

    fn named(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|name| Field::new(*name, DataType::Null, true)).collect::<Vec<_>>())
    }

    #[test]
    fn a_whole_table_is_told_and_suffices() {
        for signal in Signal::ALL {
            assert_eq!(signal_of(&contract_schema(signal)).unwrap(), signal);
            let known = |name: &&&str| columns(signal).any(|column| column.name == **name);
            let listed = ALWAYS.iter().chain(needed(signal)).chain(telling(signal));
            assert_eq!(listed.clone().filter(known).count(), listed.count(), "a column of {signal} is misspelt");
            let elsewhere = |name: &&str| {
                Signal::ALL.iter().any(|other| *other != signal && columns(*other).any(|column| column.name == *name))
            };
            assert!(!telling(signal).iter().any(elsewhere), "a column that tells {signal} is not its own");
        }
    }

    #[test]
    fn what_does_not_suffice_says_what_is_missing() {
        let fails = |names: &[&str]| signal_of(&named(names)).unwrap_err().to_string();
        assert!(fails(&["n"]).contains("not those of logs, spans or metrics"));
        assert!(fails(&["body", "duration_nano"]).contains("both logs and spans"));
        let all = ["time", "time_nanos", "attributes", "resource_attributes", "value_types", "body", "severity_number"];
        assert_eq!(signal_of(&named(&all)).unwrap(), Signal::Logs);
        for left_out in all {
            let rest: Vec<&str> = all.into_iter().filter(|name| *name != left_out).collect();
            assert!(fails(&rest).contains(&format!("lacks {left_out};")), "{left_out}");
        }
        assert!(fails(&[&all[..], &["observed_time"]].concat()).contains("lacks observed_time_nanos;"));
        assert!(fails(&[&all[..], &["time"]].concat()).contains("two columns `time`"));
        let promoted_twice = [&all[..], &["http_route", "http_route"]].concat();
        assert!(signal_of(&named(&promoted_twice)).is_ok(), "columns that are not used do no harm");
    }
}
