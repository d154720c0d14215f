//! Questions whose answers no job may change: over dates that rules leave alone, over what they keep for sure, and
//! over nobody who is erased.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::lake::Lake;
use super::world::ACCOUNTS;

/// `{open}`: no rule touches this date yet, nor a trace that begins on it. `{kept}` to `{judged}`: dates whose traces are
/// decided, and none of them is at its end. `{accounts}`: the service whose records may be erased.
const QUESTIONS: [&str; 7] = [
    "SELECT count(*), count(DISTINCT attributes['number']), sum(severity_number) FROM logs
     WHERE date >= '{open}' AND service_name <> '{accounts}'",
    "SELECT metric_name, count(*), sum(value_int) FROM metrics WHERE date >= '{open}' GROUP BY 1 ORDER BY 1",
    "SELECT service_name, sum(requests), sum(errors), sum(stored_requests) FROM red
     WHERE time >= '{open}' AND service_name <> '{accounts}' GROUP BY 1 ORDER BY 1",
    "SELECT client, server, sum(calls), sum(errors) FROM service_edges
     WHERE time >= '{open}' AND server <> '{accounts}' GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT count(*), sum(span_count), sum(error_count), sum(log_count), max(duration_ms) FROM traces
     WHERE time >= '{open}' AND root_service <> '{accounts}'",
    "SELECT count(DISTINCT trace_id), count(*) FROM spans
     WHERE date BETWEEN '{kept}' AND '{judged}' AND status_code = 'ERROR' AND service_name <> '{accounts}'",
    "SELECT severity_number, count(*) FROM logs
     WHERE date BETWEEN '{kept}' AND '{judged}' AND service_name = 'payments' AND trace_id IS NULL
     GROUP BY 1 ORDER BY 1",
];

/// Dates between which questions are asked, as days.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub kept: u64,
    pub judged: u64,
    pub open: u64,
}

/// Every question and its answer.
pub async fn answers(lake: &Lake, days: Span) -> Vec<(String, String)> {
    let mut answers = Vec::with_capacity(QUESTIONS.len());
    for question in QUESTIONS {
        let question = question
            .replace("{open}", &lake.date(days.open).to_string())
            .replace("{kept}", &lake.date(days.kept).to_string())
            .replace("{judged}", &lake.date(days.judged).to_string())
            .replace("{accounts}", ACCOUNTS);
        let answer = lake.ask(&question).await;
        answers.push((question, answer));
    }
    answers
}

/// Requests of traces and those that failed, on these days, as a view estimates them from what is kept.
pub async fn estimates(lake: &Lake, first: u64, last: u64) -> (f64, f64) {
    let query = format!(
        "SELECT sum(adjusted_count), coalesce(sum(adjusted_count) FILTER (WHERE status_code = 'ERROR'), 0) FROM requests
         WHERE time >= '{}' AND time < '{}' AND trace_id IS NOT NULL AND service_name <> '{ACCOUNTS}'",
        lake.date(first),
        lake.date(last + 1),
    );
    let answer = &lake.rows(&query).await[0];
    let number = |column: usize| answer.column(column).as_primitive::<Float64Type>().value(0);
    (number(0), number(1))
}

/// Rows that jobs took away, by job and table, as commits and the ledger tell.
pub async fn removed(lake: &Lake) -> BTreeMap<(String, String), u64> {
    let query =
        "SELECT job, table_name, sum(CAST(operation_metrics ->> 'numRemovedRows' AS BIGINT)) FROM system.history
                 WHERE job IN ('retention', 'erasure') GROUP BY job, table_name";
    let mut removed = BTreeMap::new();
    for batch in lake.rows(query).await {
        let texts = |column: usize| cast(batch.column(column), &DataType::Utf8).unwrap();
        let (jobs, tables) = (texts(0), texts(1));
        let (jobs, tables) = (jobs.as_string::<i32>(), tables.as_string::<i32>());
        for (row, rows) in batch.column(2).as_primitive::<Int64Type>().values().iter().enumerate() {
            removed.insert((jobs.value(row).to_owned(), tables.value(row).to_owned()), rows.unsigned_abs());
        }
    }
    removed
}
