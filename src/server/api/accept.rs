//! Which format a client asks for (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, StatusCode, header};

use super::problem::Problem;
use crate::output::Format;

/// The format that the `Accept` headers like best; JSON where they leave it open.
pub(super) fn accepted_format(headers: &HeaderMap) -> Result<Format, Problem> {
    let Some(asked) = liked(headers) else { return Ok(Format::Json) };
    asked.iter().find_map(|name| format_of(name)).ok_or_else(|| {
        let known: Vec<_> = Format::ALL.iter().map(|format| format.media_type()).collect();
        Problem::of_status(StatusCode::NOT_ACCEPTABLE, format!("accept one of {}", known.join(", ")))
    })
}

/// The media ranges of the `Accept` headers in lower case, best first, without those that are refused; `None` where
/// there is no such header.
pub(super) fn liked(headers: &HeaderMap) -> Option<Vec<String>> {
    let mut asked: Vec<(&str, f32)> = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        asked.extend(value.to_str().unwrap_or_default().split(',').filter_map(range));
    }
    if asked.is_empty() {
        return None;
    }
    // Stable: of equals, the one named first.
    asked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let wanted = asked.into_iter().filter(|(_, quality)| *quality > 0.0);
    Some(wanted.map(|(name, _)| name.to_ascii_lowercase()).collect())
}

/// One media range and how much it is liked.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
    Some((name, quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0))))
}

fn format_of(name: &str) -> Option<Format> {
    match name {
        "*/*" | "application/*" => Some(Format::Json),
        "text/*" => Some(Format::Csv),
        "application/jsonl" | "application/ndjson" => Some(Format::Ndjson),
        name => Format::ALL.into_iter().find(|format| format.media_type() == name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(&[], Some(Format::Json))]
    #[case(&["*/*"], Some(Format::Json))]
    #[case(&["text/csv; charset=utf-8"], Some(Format::Csv))]
    #[case(&["text/html, application/xml;q=0.9, */*;q=0.8"], Some(Format::Json))]
    #[case(&["application/json;q=0.5, application/vnd.apache.parquet"], Some(Format::Parquet))]
    #[case(&["text/html", "Application/X-NDJSON"], Some(Format::Ndjson))]
    #[case(&["application/json;q=0"], None)]
    #[case(&["text/html"], None)]
    fn the_best_liked_known_format_is_taken(#[case] accept: &[&'static str], #[case] expected: Option<Format>) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, axum::http::HeaderValue::from_static(value));
        }
        assert_eq!(accepted_format(&headers).ok(), expected);
    }
}
