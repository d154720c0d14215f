//! The parameters of a request, from its query string.

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, Result};
use crate::model::ids::TraceId;

/// The parameters in the order they came; a name may repeat.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Out of what follows the `?`.
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value that is not empty, under the first of the names that has one.
    pub(super) fn one(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.all(name).find(|value| !value.is_empty()))
    }

    /// Every value of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    pub(super) fn number(&self, names: &[&str]) -> Result<Option<i64>> {
        let Some(text) = self.one(names) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| cannot_parse(names, text, "a whole number").with_source(error))
    }

    /// A time in microseconds since 1970.
    pub(super) fn micros(&self, names: &[&str]) -> Result<Option<DateTime<Utc>>> {
        self.time(names, DateTime::from_timestamp_micros)
    }

    /// A time in milliseconds since 1970.
    pub(super) fn millis(&self, names: &[&str]) -> Result<Option<DateTime<Utc>>> {
        self.time(names, DateTime::from_timestamp_millis)
    }

    fn time(&self, names: &[&str], read: fn(i64) -> Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>> {
        let Some(number) = self.number(names)? else { return Ok(None) };
        read(number).map(Some).ok_or_else(|| cannot_parse(names, &number.to_string(), "a time"))
    }

    /// A time of RFC 3339. Its `+` may have become a space: Grafana sends it as it is.
    pub(super) fn rfc3339(&self, names: &[&str]) -> Result<Option<DateTime<Utc>>> {
        let Some(text) = self.one(names) else { return Ok(None) };
        let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+"));
        time.map(|time| Some(time.to_utc())).map_err(|error| cannot_parse(names, text, "a time").with_source(error))
    }

    /// A duration as Go writes it.
    pub(super) fn duration(&self, names: &[&str]) -> Result<Option<TimeDelta>> {
        let Some(text) = self.one(names) else { return Ok(None) };
        super::duration::parse(text)
            .map(Some)
            .ok_or_else(|| cannot_parse(names, text, "a duration such as 1.5s or 100ms"))
    }

    /// A number of milliseconds.
    pub(super) fn milliseconds(&self, names: &[&str]) -> Result<Option<TimeDelta>> {
        let Some(number) = self.number(names)? else { return Ok(None) };
        let read = TimeDelta::try_milliseconds(number).filter(|lookback| *lookback >= TimeDelta::zero());
        read.map(Some).ok_or_else(|| cannot_parse(names, &number.to_string(), "a number of milliseconds"))
    }
}

/// A trace's id, in Jaeger's words where it is none.
pub(super) fn trace_id(text: &str) -> Result<TraceId> {
    TraceId::parse(text).map_err(|error| Error::invalid(error.to_string()))
}

fn cannot_parse(names: &[&str], text: &str, wanted: &str) -> Error {
    let name = names.first().copied().unwrap_or_default();
    let text: String = text.chars().take(80).collect();
    Error::invalid(format!("unable to parse param '{name}': `{text}` is not {wanted}"))
}
