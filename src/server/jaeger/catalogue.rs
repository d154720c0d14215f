//! What there is to search: services, operations, and who calls whom.

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;

use super::model::{Dependency, Operation};
use super::search::timestamp;
use crate::error::Result;
use crate::server::traces::{Caller, Columns, Traces};

/// Days of spans, to the newest that there are, whose services and operations are listed. Jaeger's is three days too
/// (`max-span-age` of its Elasticsearch store), to now: then a lake of old traces would seem empty.
const DAYS: i32 = 3;

/// The services of the newest days, by name.
///
/// # Errors
/// What the query met.
pub(super) async fn services(traces: &Traces, caller: &Caller) -> Result<Vec<String>> {
    let Some(after) = before_newest_days(traces, caller).await? else { return Ok(Vec::new()) };
    let batches = traces.rows(caller, include_str!("services.sql"), vec![after]).await?;
    let mut services = Vec::new();
    for batch in &batches {
        services.extend(Columns(batch).text("service_name")?.iter().flatten().map(str::to_owned));
    }
    Ok(services)
}

/// The operations of a service in the newest days, by name; of one kind where it is given.
///
/// # Errors
/// What the query met.
pub(super) async fn operations(
    traces: &Traces,
    caller: &Caller,
    service: &str,
    kind: Option<&str>,
) -> Result<Vec<Operation>> {
    let Some(after) = before_newest_days(traces, caller).await? else { return Ok(Vec::new()) };
    let params = vec![after, ScalarValue::from(service), ScalarValue::Utf8(kind.map(str::to_uppercase))];
    let batches = traces.rows(caller, include_str!("operations.sql"), params).await?;
    let mut operations = Vec::new();
    for batch in &batches {
        let (names, kinds) = (Columns(batch).text("name")?, Columns(batch).text("span_kind")?);
        operations.extend(names.iter().zip(&kinds).map(|(name, kind)| Operation {
            name: name.unwrap_or_default().to_owned(),
            span_kind: kind.unwrap_or_default().to_owned(),
        }));
    }
    Ok(operations)
}

/// Who calls whom within a time; of one service where it is given.
///
/// # Errors
/// What the query met.
pub(super) async fn dependencies(
    traces: &Traces,
    caller: &Caller,
    (end, lookback): (DateTime<Utc>, TimeDelta),
    service: Option<&str>,
) -> Result<Vec<Dependency>> {
    let start = end.checked_sub_signed(lookback).unwrap_or(DateTime::UNIX_EPOCH);
    let params = vec![timestamp(start), timestamp(end), ScalarValue::Utf8(service.map(str::to_owned))];
    let batches = traces.rows(caller, include_str!("dependencies.sql"), params).await?;
    let mut dependencies = Vec::new();
    for batch in &batches {
        let columns = Columns(batch);
        let (parents, children) = (columns.text("parent")?, columns.text("child")?);
        let counts = columns.long("call_count")?;
        let rows = parents.iter().zip(&children).zip(&counts);
        dependencies.extend(rows.map(|((parent, child), count)| Dependency {
            parent: parent.unwrap_or_default().to_owned(),
            child: child.unwrap_or_default().to_owned(),
            call_count: count.unwrap_or_default(),
        }));
    }
    Ok(dependencies)
}

/// The date before the newest days, as a parameter; `None` where there are no spans.
async fn before_newest_days(traces: &Traces, caller: &Caller) -> Result<Option<ScalarValue>> {
    let batches = traces.rows(caller, include_str!("newest.sql"), Vec::new()).await?;
    let newest = batches.first().filter(|batch| batch.num_rows() > 0);
    let newest = newest.map(|batch| ScalarValue::try_from_array(batch.column(0), 0)).transpose();
    let newest = newest.map_err(|error| crate::error::Error::internal("a date").with_source(error))?;
    let Some(ScalarValue::Date32(Some(newest))) = newest else { return Ok(None) };
    Ok(Some(ScalarValue::Date32(Some(newest.saturating_sub(DAYS)))))
}
