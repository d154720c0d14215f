//! What the query string of `/v1/sql` says.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::output::Format;

/// The parameters of the query string, each at most once but `param`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    /// The query, of a GET.
    pub(super) query: Option<String>,
    /// The values of `$1`, `$2`, ..., as text.
    pub(super) params: Vec<String>,
    pub(super) query_id: Option<String>,
    pub(super) format: Option<Format>,
    pub(super) max_time: Option<Duration>,
    pub(super) max_rows: Option<u64>,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter.
    pub(super) fn parse(query: &str) -> Result<Self> {
        let mut options = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "query" => set(&key, &mut options.query, value.into_owned())?,
                "param" => options.params.push(value.into_owned()),
                "query_id" => set(&key, &mut options.query_id, value.into_owned())?,
                "format" => set(&key, &mut options.format, format(&value)?)?,
                "max_time" => set(&key, &mut options.max_time, max_time(&value)?)?,
                "max_rows" => set(&key, &mut options.max_rows, max_rows(&value)?)?,
                other => {
                    return Err(Error::invalid(format!(
                        "`{other}` is no parameter of a query: query, param, format, max_time, max_rows, query_id"
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// A value of which there may be one, in the query string or in the body.
///
/// # Errors
/// `Invalid` where there is one already.
pub(super) fn set<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::invalid(format!("{name} is given twice; give it once"))),
    }
}

/// The format of a name.
pub(super) fn format(name: &str) -> Result<Format> {
    Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
        let known: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
        Error::invalid(format!("`{name}` is no format: {}", known.join(", ")))
    })
}

/// `500ms`, `30s`, `5m`.
pub(super) fn max_time(text: &str) -> Result<Duration> {
    humantime::parse_duration(text)
        .map_err(|error| Error::invalid("max_time is no duration; write 500ms, 30s or 5m").with_source(error))
}

fn max_rows(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::invalid("max_rows is no number of rows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_string_is_read_as_it_is_encoded() {
        let options = Options::parse(
            "query=select+1%20where+%24&param=a%26b&param=&format=csv&max_time=2s&max_rows=9&query_id=q",
        );
        let expected = Options {
            query: Some("select 1 where $".into()),
            params: vec!["a&b".into(), String::new()],
            query_id: Some("q".into()),
            format: Some(Format::Csv),
            max_time: Some(Duration::from_secs(2)),
            max_rows: Some(9),
        };
        assert_eq!(options.unwrap(), expected);
        assert_eq!(Options::parse("").unwrap(), Options::default());
    }

    #[rstest::rstest]
    #[case("limit=5", "`limit` is no parameter")]
    #[case("format=xml", "`xml` is no format: json,")]
    #[case("format=csv&format=json", "format is given twice")]
    #[case("max_time=5", "max_time is no duration")]
    #[case("max_rows=-1", "max_rows is no number")]
    fn what_is_no_option_is_refused(#[case] query: &str, #[case] reason: &str) {
        let error = Options::parse(query).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
