//! How a span was reached from its root, as a text: `shop: GET /buy > total > pay: charge`.
//!
//! A service is named where it changes. A path is bounded, however deep the trace: one longer than [`PATH`] keeps its
//! root and its end.

use super::forest::{Forest, TraceSpan};

/// Bytes of a path, about.
const PATH: usize = 512;

/// Bytes of a name within a path, about.
const NAME: usize = 100;

const THEN: &str = " > ";
const LEFT_OUT: &str = "…";

/// The path of each span.
pub(crate) fn call_paths(spans: &[TraceSpan<'_>], names: &[&str], forest: &Forest) -> Vec<String> {
    let mut paths = vec![String::new(); spans.len()];
    for span in forest.preorder().iter().copied() {
        let own = step(spans, names, forest, span);
        paths[span] = match forest.parent(span).map(|parent| &paths[parent]) {
            None => own,
            Some(above) if above.len() + THEN.len() + own.len() <= PATH => [above.as_str(), THEN, &own].concat(),
            Some(_) => both_ends(spans, names, forest, span),
        };
    }
    paths
}

fn step(spans: &[TraceSpan<'_>], names: &[&str], forest: &Forest, span: usize) -> String {
    let name = cut(names[span]);
    let service = spans[span].service;
    match forest.parent(span) {
        Some(parent) if spans[parent].service == service => name,
        _ => format!("{}: {name}", cut(service)),
    }
}

fn both_ends(spans: &[TraceSpan<'_>], names: &[&str], forest: &Forest, span: usize) -> String {
    let root = step(spans, names, forest, forest.root(span));
    let mut left = PATH.saturating_sub(root.len() + THEN.len() + LEFT_OUT.len());
    let mut end = Vec::new();
    let mut next = Some(span);
    while let Some(part) = next.map(|span| step(spans, names, forest, span)) {
        let length = part.len() + THEN.len();
        if length > left && !end.is_empty() {
            break;
        }
        left = left.saturating_sub(length);
        end.push(part);
        next = next.and_then(|span| forest.parent(span));
    }
    end.extend([LEFT_OUT.to_owned(), root]);
    end.reverse();
    end.join(THEN)
}

fn cut(text: &str) -> String {
    if text.len() <= NAME {
        return text.to_owned();
    }
    [&text[..text.floor_char_boundary(NAME)], LEFT_OUT].concat()
}

#[cfg(test)]
mod tests {
    use super::super::forest::tests::span;
    use super::*;

    #[test]
    fn names_a_service_where_it_changes() {
        let other = TraceSpan { service: "pay", ..span("c", "b", 2, 3) };
        let spans = [span("a", "", 0, 9), span("b", "a", 1, 8), other];
        let paths = call_paths(&spans, &["GET /buy", "total", "charge"], &Forest::new(&spans));
        assert_eq!(paths, ["s: GET /buy", "s: GET /buy > total", "s: GET /buy > total > pay: charge"]);
    }

    #[test]
    fn is_bounded_however_deep_and_long_the_names() {
        let ids: Vec<String> = (0..2000).map(|id| format!("{id:x}")).collect();
        let link = |at: usize| TraceSpan {
            id: Some(&ids[at]),
            parent_id: at.checked_sub(1).map(|above| ids[above].as_str()),
            service: "s",
            start: at as i64,
            duration: Some(9),
            ..TraceSpan::default()
        };
        let spans: Vec<_> = (0..ids.len()).map(link).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("n{id}{}", "ä".repeat(id.len() * 20))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let paths = call_paths(&spans, &names, &Forest::new(&spans));
        assert!(paths.iter().all(|path| path.len() < PATH + NAME), "{:?}", paths.iter().map(String::len).max());
        let last = &paths[1999];
        assert!(last.starts_with("s: n0ä") && last.contains(" > … > n7c") && last.contains(" > n7cfä"), "{last}");
    }
}
