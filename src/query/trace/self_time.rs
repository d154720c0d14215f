//! What of a span's time none of its children covers.

use super::forest::{Forest, TraceSpan};

/// Nanoseconds of each span that lie in none of its children, which may overlap each other and reach out of it.
/// `None` for a span without an end; 0 for one that ends before it starts. A child without an end covers nothing.
pub(crate) fn self_times(spans: &[TraceSpan<'_>], forest: &Forest) -> Vec<Option<i64>> {
    (0..spans.len()).map(|span| self_time(spans, forest, span)).collect()
}

fn self_time(spans: &[TraceSpan<'_>], forest: &Forest, span: usize) -> Option<i64> {
    let duration = spans[span].duration?;
    let Some(end) = spans[span].end() else { return Some(0) };
    let mut reached = spans[span].start;
    let mut covered = 0_i64;
    // By start, so what is before `reached` is counted.
    for child in forest.children(span).iter().map(|child| &spans[*child]) {
        let from = child.start.max(reached);
        let to = child.end().map_or(from, |child_end| child_end.min(end));
        if to > from {
            covered = covered.saturating_add(to.saturating_sub(from));
            reached = to;
        }
    }
    Some(duration.saturating_sub(covered).max(0))
}

#[cfg(test)]
mod tests {
    use super::super::forest::tests::span;
    use super::*;

    #[rstest::rstest]
    #[case::leaf(&[span("a", "", 0, 10)], &[10])]
    #[case::one_child(&[span("a", "", 0, 10), span("b", "a", 2, 5)], &[7, 3])]
    #[case::children_that_overlap_count_once(&[span("a", "", 0, 10), span("b", "a", 2, 6), span("c", "a", 4, 8)], &[4, 4, 4])]
    #[case::a_child_within_a_child(&[span("a", "", 0, 10), span("b", "a", 2, 8), span("c", "a", 3, 4)], &[4, 6, 1])]
    #[case::a_grandchild_is_its_parents(&[span("a", "", 0, 10), span("b", "a", 2, 6), span("c", "b", 3, 5)], &[6, 2, 2])]
    #[case::starts_before_and_ends_after(&[span("a", "", 5, 10), span("b", "a", 0, 20)], &[0, 20])]
    #[case::after_its_parent(&[span("a", "", 0, 10), span("b", "a", 12, 20)], &[10, 8])]
    #[case::before_its_parent(&[span("a", "", 10, 20), span("b", "a", 2, 8)], &[10, 6])]
    #[case::ends_before_it_starts(&[span("a", "", 10, 4), span("b", "a", 2, 20)], &[0, 18])]
    #[case::a_child_that_ends_before_it_starts(&[span("a", "", 0, 10), span("b", "a", 5, 2)], &[10, 0])]
    fn is_what_no_child_covers(#[case] spans: &[TraceSpan<'_>], #[case] expected: &[i64]) {
        let times: Vec<_> = self_times(spans, &Forest::new(spans)).into_iter().flatten().collect();
        assert_eq!(times, expected);
    }

    #[test]
    fn a_span_without_an_end_has_none_and_covers_nothing() {
        let open = TraceSpan { duration: None, ..span("b", "a", 2, 2) };
        let spans = [span("a", "", 0, 10), open];
        assert_eq!(self_times(&spans, &Forest::new(&spans)), [Some(10), None]);
    }
}
