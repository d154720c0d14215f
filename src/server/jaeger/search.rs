//! The search: which traces have a span that is asked for.

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;
use serde_json::{Map, Value};

use super::params::Params;
use crate::error::{Error, Result};
use crate::model::ids::TraceId;
use crate::server::traces::{Caller, Columns, Traces};

/// Traces where no number is asked: what Jaeger's UI and Grafana ask. (Jaeger's own server then gives 100.)
const DEFAULT_LIMIT: i64 = 20;

/// Traces, at most: what Jaeger's UI lets one ask.
const MAX_LIMIT: i64 = 1_500;

/// Where no start is asked, as Jaeger has it.
const DEFAULT_LOOKBACK: TimeDelta = TimeDelta::hours(48);

/// Tags of a search, at most.
const MAX_TAGS: usize = 32;

/// What a span of the trace must be; one and the same span.
#[derive(Debug)]
pub(super) struct Search {
    service: Option<String>,
    operation: Option<String>,
    tags: Vec<(String, String)>,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    min_duration: Option<TimeDelta>,
    max_duration: Option<TimeDelta>,
    limit: i64,
}

impl Search {
    /// As `/api/traces` asks: times in microseconds, and a service.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter.
    pub(super) fn of(params: &Params) -> Result<Self> {
        let service = params.one(&["service"]).ok_or_else(|| Error::invalid("parameter 'service' is required"))?;
        let end = params.micros(&["end"])?.unwrap_or_else(Utc::now);
        let start = match params.micros(&["start"])? {
            Some(start) => start,
            None => end - lookback(params)?,
        };
        let mut tags = Vec::new();
        for tag in params.all("tag") {
            let (key, value) = tag.split_once(':').ok_or_else(|| {
                Error::invalid("malformed 'tag' parameter: it is `key:value`, or `tags` is a JSON object of strings")
            })?;
            tags.push((key.to_owned(), value.to_owned()));
        }
        for json in params.all("tags").filter(|json| !json.is_empty()) {
            tags.extend(tags_of(json, "tags")?);
        }
        Self {
            service: Some(service.to_owned()),
            operation: params.one(&["operation"]).map(str::to_owned),
            tags,
            start,
            end,
            min_duration: params.duration(&["minDuration"])?,
            max_duration: params.duration(&["maxDuration"])?,
            limit: params.number(&["limit"])?.unwrap_or(DEFAULT_LIMIT),
        }
        .checked()
    }

    /// As `/api/v3` asks: times of RFC 3339, both required, of any service.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter.
    pub(super) fn of_v3(params: &Params) -> Result<Self> {
        if params.one(&["query.filter"]).is_some() {
            return Err(Error::invalid("query.filter is not taken here; use query.attributes, or ask by SQL"));
        }
        let start = params.rfc3339(&["query.startTimeMin", "query.start_time_min"])?;
        let end = params.rfc3339(&["query.startTimeMax", "query.start_time_max"])?;
        let (Some(start), Some(end)) = (start, end) else {
            return Err(Error::invalid("query.startTimeMin and query.startTimeMax are required"));
        };
        let tags = params.one(&["query.attributes"]).map(|json| tags_of(json, "query.attributes")).transpose()?;
        let depth = params.number(&["query.searchDepth", "query.search_depth", "query.num_traces"])?;
        Self {
            service: params.one(&["query.serviceName", "query.service_name"]).map(str::to_owned),
            operation: params.one(&["query.operationName", "query.operation_name"]).map(str::to_owned),
            tags: tags.unwrap_or_default(),
            start,
            end,
            min_duration: params.duration(&["query.durationMin", "query.duration_min"])?,
            max_duration: params.duration(&["query.durationMax", "query.duration_max"])?,
            limit: depth.unwrap_or(DEFAULT_LIMIT),
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(Error::invalid(format!("limit is {}; it is 1 to {MAX_LIMIT}", self.limit)));
        }
        if self.tags.len() > MAX_TAGS {
            return Err(Error::invalid(format!("{} tags are asked; a search takes {MAX_TAGS}", self.tags.len())));
        }
        if self.start > self.end {
            return Err(Error::invalid("the start is after the end"));
        }
        if let (Some(min), Some(max)) = (self.min_duration, self.max_duration)
            && max < min
        {
            return Err(Error::invalid("'maxDuration' should be greater than 'minDuration'"));
        }
        Ok(self)
    }

    /// The ids of the newest such traces, by the newest such span of each.
    ///
    /// # Errors
    /// What the query met.
    pub(super) async fn ids(&self, traces: &Traces, caller: &Caller) -> Result<Vec<TraceId>> {
        let (sql, params) = self.query();
        let batches = traces.rows(caller, &sql, params).await?;
        let mut ids = Vec::new();
        for batch in &batches {
            for id in Columns(batch).text("trace_id")?.iter().flatten() {
                ids.push(TraceId::parse(id).map_err(|error| Error::internal("a stored id").with_source(error))?);
            }
        }
        Ok(ids)
    }

    fn query(&self) -> (String, Vec<ScalarValue>) {
        let nanos = |duration: Option<TimeDelta>| ScalarValue::Int64(duration.and_then(|it| it.num_nanoseconds()));
        let mut params = vec![
            timestamp(self.start),
            timestamp(self.end),
            ScalarValue::Utf8(self.service.clone()),
            ScalarValue::Utf8(self.operation.clone()),
            nanos(self.min_duration),
            nanos(self.max_duration),
            ScalarValue::Int64(Some(self.limit)),
        ];
        let mut conditions = String::new();
        for (key, value) in &self.tags {
            let mut place = |text: &str| {
                params.push(ScalarValue::from(text));
                // Its type must be known while the query is planned without its value, for has_event().
                format!("CAST(${} AS VARCHAR)", params.len())
            };
            let condition = include_str!("tag.sql")
                .replace("{key}", &place(key))
                .replace("{resource_key}", &place(key.strip_prefix("resource.").unwrap_or(key)))
                .replace("{scope_key}", &place(key.strip_prefix("otel.scope.").unwrap_or(key)))
                .replace("{value}", &place(value));
            conditions.push_str(&condition);
        }
        (include_str!("search.sql").replace("{tags}", &conditions), params)
    }
}

/// A time as a parameter.
pub(super) fn timestamp(time: DateTime<Utc>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into()))
}

/// How far before the end the start is. `custom`, which the UI sends beside a start, says nothing.
fn lookback(params: &Params) -> Result<TimeDelta> {
    match params.one(&["lookback"]) {
        None | Some("custom") => Ok(DEFAULT_LOOKBACK),
        Some(text) => match text.strip_suffix('d').and_then(|days| days.parse().ok()) {
            Some(days) => TimeDelta::try_days(days).ok_or_else(|| Error::invalid("the lookback is too long")),
            None => Ok(params.duration(&["lookback"])?.unwrap_or(DEFAULT_LOOKBACK)),
        },
    }
}

/// `{"key": "value"}`; numbers and booleans are taken as their text.
fn tags_of(json: &str, name: &str) -> Result<Vec<(String, String)>> {
    let malformed = || Error::invalid(format!("malformed '{name}' parameter: it is a JSON object of strings"));
    let object: Map<String, Value> = serde_json::from_str(json).map_err(|error| malformed().with_source(error))?;
    let tag = |(key, value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
        _ => Err(malformed()),
    };
    object.into_iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(query: &str) -> Result<Search> {
        Search::of(&Params::of(Some(query)))
    }

    #[test]
    fn values_are_parameters_and_never_text() {
        let query = "service=a'b&tags=%7B%22k%27%22%3A%22v%27%22%2C%22resource.x%22%3A1%7D&start=1&end=2&tag=a:b:c";
        let (sql, params) = search(query).unwrap().query();
        assert!(!sql.contains("a'b") && !sql.contains("k'") && !sql.contains("v'") && !sql.contains('{'), "{sql}");
        let texts: Vec<&str> = params.iter().filter_map(|param| param.try_as_str().flatten()).collect();
        assert_eq!(texts, ["a'b", "a", "a", "a", "b:c", "k'", "k'", "k'", "v'", "resource.x", "x", "resource.x", "1"]);
        assert!(sql.contains("$19") && !sql.contains("$20"), "{sql}");
    }

    #[test]
    fn bounds_have_defaults() {
        let asked = search("service=s&end=172800000000").unwrap();
        assert_eq!((asked.start.timestamp(), asked.end.timestamp(), asked.limit), (0, 172_800, 20));
        let asked = search("service=s&end=172800000000&lookback=1h").unwrap();
        assert_eq!(asked.start.timestamp(), 172_800 - 3_600);
        let asked = search("service=s&end=172800000000&lookback=2d&limit=7&start=&minDuration=1ms").unwrap();
        assert_eq!((asked.start.timestamp(), asked.limit), (0, 7));
        assert_eq!(asked.min_duration, Some(TimeDelta::milliseconds(1)));
    }

    #[rstest::rstest]
    #[case("", "service")]
    #[case("service=s&limit=0", "1 to 1500")]
    #[case("service=s&limit=1501", "1 to 1500")]
    #[case("service=s&limit=x", "param 'limit'")]
    #[case("service=s&start=now", "param 'start'")]
    #[case("service=s&start=2&end=1", "after the end")]
    #[case("service=s&minDuration=5", "param 'minDuration'")]
    #[case("service=s&minDuration=2s&maxDuration=1s", "maxDuration")]
    #[case("service=s&tag=alone", "malformed 'tag'")]
    #[case("service=s&tags=[]", "malformed 'tags'")]
    #[case("service=s&tags={\"a\":[]}", "malformed 'tags'")]
    #[case("service=s&lookback=-1s", "param 'lookback'")]
    fn what_is_wrong_is_named(#[case] query: &str, #[case] expected: &str) {
        let error = search(query).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn v3_wants_both_times() {
        let of = |query: &str| Search::of_v3(&Params::of(Some(query)));
        let times = "query.start_time_min=1970-01-01T01:00:00.5+01:00&query.startTimeMax=1970-01-02T00:00:00Z";
        let asked = of(times).unwrap();
        assert_eq!((asked.start.timestamp_micros(), asked.service), (500_000, None));
        assert!(of("query.startTimeMin=1970-01-01T00:00:00Z").unwrap_err().to_string().contains("required"));
        assert!(of(&format!("{times}&query.filter=x")).unwrap_err().to_string().contains("query.filter"));
    }
}
