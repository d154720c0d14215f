//! Headers that go along with every request, as `OTEL_EXPORTER_OTLP_HEADERS` writes them: `name=value,name=value`, the
//! values percent-encoded (OpenTelemetry's OTLP exporter configuration, "Specifying headers via environment variables").

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Why a text is no list of headers. Values are not repeated: they are secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// Not `name=value`.
    #[error("entry {0} is not of the form name=value")]
    Form(usize),
    /// Not a header's name.
    #[error("entry {0} has no header's name before the =")]
    Name(usize),
    /// Not a header's value.
    #[error("the value of `{0}` can't be a header's")]
    Value(HeaderName),
}

/// Reads the list; an empty text is an empty one.
///
/// # Errors
/// Which entry is wrong, without its value.
pub fn parse_headers(text: &str) -> Result<HeaderMap, HeadersError> {
    let mut headers = HeaderMap::new();
    let entries = text.split(',').map(str::trim).zip(1..).filter(|(entry, _)| !entry.is_empty());
    for (entry, number) in entries {
        let (name, value) = entry.split_once('=').ok_or(HeadersError::Form(number))?;
        let name: HeaderName = name.trim().parse().map_err(|_| HeadersError::Name(number))?;
        let value = decoded(value.trim()).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let mut value = value.ok_or_else(|| HeadersError::Value(name.clone()))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Percent-decoding (RFC 3986, section 2.1); a `%` must have its two digits.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("", Ok(&[][..]))]
    #[case("authorization=Bearer%20tst_a_1", Ok(&[("authorization", "Bearer tst_a_1")][..]))]
    #[case(" a = 1 , b=x=y,", Ok(&[("a", "1"), ("b", "x=y")][..]))]
    #[case("a=1,hunter2", Err(HeadersError::Form(2)))]
    #[case("a b=hunter2", Err(HeadersError::Name(1)))]
    #[case("a=hunter2%0a", Err(HeadersError::Value(HeaderName::from_static("a"))))]
    #[case("a=hunter2%4", Err(HeadersError::Value(HeaderName::from_static("a"))))]
    fn lists(#[case] text: &str, #[case] expected: Result<&[(&str, &str)], HeadersError>) {
        let found = parse_headers(text);
        assert!(!format!("{found:?}").contains("hunter2"));
        let pairs = |headers: &HeaderMap| -> Vec<(String, String)> {
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
        };
        let expected = expected.map(|expected| {
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(found.as_ref().map(pairs).map_err(Clone::clone), expected);
    }
}
