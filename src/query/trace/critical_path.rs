//! Which span the trace waited for at each moment: its critical path.
//!
//! The algorithm is that of CRISP (Zhang et al., "CRISP: Critical Path Analysis of Large-Scale Microservice
//! Architectures", USENIX ATC 2022) and of Jaeger's UI (`TracePage/CriticalPath` in jaegertracing/jaeger-ui): walk back
//! from the end of the root; what ran last before the moment one is at is what was waited for.
//!
//! ```text
//! root    |=========|..........|===|........|====|     = on the path, . not: a child is
//! first      |.....||==========|
//! second                           |========|
//! beside        |...................|                  ends after `second` started: nobody waited for it
//! ```
//!
//! Guarantee: segments follow one another without gap or overlap from the root's start to its end, so their sum is the
//! root's duration to the nanosecond, whatever the spans below say. Where they disagree with the root:
//!
//! - A child is clipped to its parent, as clipped itself; one wholly outside is left out, with all below it. This is
//!   what Jaeger does with clock skew and with work that outlasts its request.
//! - A CONSUMER below a PRODUCER is not waited for and left out, with all below it (also Jaeger's rule; OpenTelemetry's
//!   `SpanKind` says that the two have no critical path in common).
//! - A span without an end, or with one before its start, lasts until the last of its children ends.
//! - A child that ends in the moment in which the next one starts comes before it. (Jaeger's UI asks for earlier, and
//!   so passes over steps that follow one another closely: jaegertracing/jaeger#9173.)

use std::cmp::Reverse;

use super::forest::{Forest, TraceSpan};

/// A stretch of time in which the trace waited for a span itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The span.
    pub(crate) span: usize,
    /// From, in nanoseconds.
    pub(crate) start: i64,
    /// To, in nanoseconds; after `start`.
    pub(crate) end: i64,
}

/// The critical path of the trace's first root: the earliest span without a parent, or where none is here, the earliest
/// whose parent is missing. In order of time; empty where that span took no time.
pub(crate) fn critical_path(spans: &[TraceSpan<'_>], forest: &Forest) -> Vec<Segment> {
    let roots = forest.preorder().iter().copied().filter(|span| forest.parent(*span).is_none());
    let Some(root) = roots.min_by_key(|root| spans[*root].parent_id.is_some()) else { return Vec::new() };
    let ends = ends(spans, forest);
    let mut path = Vec::new();
    let mut open = vec![Visit::of(root, spans[root].start, ends[root], spans, forest, &ends)];
    while let Some(visit) = open.last_mut() {
        match visit.last_child() {
            Some((child, start, end)) => {
                path.extend(segment(visit.span, end, visit.now));
                visit.now = start;
                let child = Visit::of(child, start, end, spans, forest, &ends);
                open.push(child);
            }
            None => {
                path.extend(segment(visit.span, visit.start, visit.now));
                open.pop();
            }
        }
    }
    path.reverse();
    path
}

fn segment(span: usize, start: i64, end: i64) -> Option<Segment> {
    (start < end).then_some(Segment { span, start, end })
}

/// A span on the path, walked from its end to its start.
struct Visit {
    span: usize,
    start: i64,
    /// What is after this moment is done.
    now: i64,
    /// The children that may have been waited for, clipped; the last to end is the last.
    children: Vec<(usize, i64, i64)>,
}

impl Visit {
    fn of(span: usize, start: i64, end: i64, spans: &[TraceSpan<'_>], forest: &Forest, ends: &[i64]) -> Self {
        let asynchronous = |child: usize| spans[span].kind == "PRODUCER" && spans[child].kind == "CONSUMER";
        let clipped = |child: &usize| (*child, spans[*child].start.max(start), ends[*child].min(end));
        let inside = forest.children(span).iter().filter(|child| !asynchronous(**child)).map(clipped);
        let mut children: Vec<_> = inside.filter(|(_, start, end)| start < end).collect();
        // Of those that end together, the one that took longest.
        children.sort_by_key(|(child, start, end)| (*end, Reverse(*start), Reverse(*child)));
        Self { span, start, now: end, children }
    }

    /// The child that ended last before now.
    fn last_child(&mut self) -> Option<(usize, i64, i64)> {
        while let Some(child) = self.children.pop() {
            if child.2 <= self.now {
                return Some(child);
            }
        }
        None
    }
}

/// The end of each span, that of the last below it where it has none of its own.
fn ends(spans: &[TraceSpan<'_>], forest: &Forest) -> Vec<i64> {
    let mut ends: Vec<i64> = spans.iter().map(|span| span.end().unwrap_or(span.start)).collect();
    for span in forest.preorder().iter().rev() {
        if let Some(parent) = forest.parent(*span).filter(|parent| spans[*parent].end().is_none()) {
            ends[parent] = ends[parent].max(ends[*span]);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::forest::tests::span;
    use super::*;

    fn of(kind: &'static str, span: TraceSpan<'static>) -> TraceSpan<'static> {
        TraceSpan { kind, ..span }
    }

    /// `id from-to` in order of time.
    fn drawn(spans: &[TraceSpan<'_>]) -> String {
        let path = critical_path(spans, &Forest::new(spans));
        let line = |part: &Segment| format!("{} {}-{}", spans[part.span].id.unwrap_or("-"), part.start, part.end);
        path.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    /// The traces and paths that Jaeger's UI tests itself with (`CriticalPath/testCases` of jaegertracing/jaeger-ui).
    #[rstest::rstest]
    #[case::test1(&[span("E", "C", 50, 60), span("C", "", 1, 101), span("D", "C", 20, 40)],
        "C 1-20, D 20-40, C 40-50, E 50-60, C 60-101")]
    #[case::test2(&[span("X", "", 1, 101), span("A", "X", 10, 50), span("C", "X", 20, 60)], "X 1-20, C 20-60, X 60-101")]
    #[case::test8(&[span("A", "", 10, 30), span("B", "A", 5, 35)], "B 10-30")]
    fn is_what_jaeger_finds(#[case] spans: &[TraceSpan<'_>], #[case] expected: &str) {
        assert_eq!(drawn(spans), expected);
    }

    #[rstest::rstest]
    #[case::nothing(&[], "")]
    #[case::one(&[span("a", "", 3, 9)], "a 3-9")]
    #[case::no_time(&[span("a", "", 3, 3), span("b", "a", 3, 3)], "")]
    #[case::nested(&[span("a", "", 0, 10), span("b", "a", 2, 8), span("c", "b", 4, 6)], "a 0-2, b 2-4, c 4-6, b 6-8, a 8-10")]
    #[case::one_after_the_other(&[span("a", "", 0, 10), span("b", "a", 0, 5), span("c", "a", 5, 10)], "b 0-5, c 5-10")]
    #[case::ends_while_the_next_runs(&[span("a", "", 0, 10), span("b", "a", 1, 6), span("c", "a", 5, 9)], "a 0-5, c 5-9, a 9-10")]
    #[case::of_two_that_end_together_the_longer(&[span("a", "", 0, 10), span("b", "a", 6, 9), span("c", "a", 2, 9)], "a 0-2, c 2-9, a 9-10")]
    #[case::outlasts_its_parent(&[span("a", "", 0, 10), span("b", "a", 4, 99)], "a 0-4, b 4-10")]
    #[case::wholly_after_its_parent(&[span("a", "", 0, 10), span("b", "a", 12, 20), span("c", "b", 5, 6)], "a 0-10")]
    #[case::wholly_before_its_parent(&[span("a", "", 50, 60), span("b", "a", 12, 20)], "a 50-60")]
    #[case::a_grandchild_outlasts_both(&[span("a", "", 0, 10), span("b", "a", 2, 8), span("c", "b", 4, 9)], "a 0-2, b 2-4, c 4-8, a 8-10")]
    #[case::a_root_without_a_duration_ends_with_its_children(
        &[span("a", "", 5, 0), span("b", "a", 6, 9)], "a 5-6, b 6-9")]
    #[case::a_root_goes_before_an_earlier_orphan(&[span("o", "gone", 0, 50), span("a", "", 5, 9)], "a 5-9")]
    #[case::without_a_root_the_earliest_orphan(&[span("p", "gone", 7, 50), span("o", "gone", 3, 9)], "o 3-9")]
    #[case::the_first_of_two_roots(&[span("b", "", 4, 50), span("a", "", 3, 9)], "a 3-9")]
    #[case::a_circle_ends(&[span("a", "b", 0, 9), span("b", "a", 2, 4)], "a 0-2, b 2-4, a 4-9")]
    #[case::nobody_waits_for_the_consumer(&[
        of("SERVER", span("a", "", 0, 10)), of("PRODUCER", span("p", "a", 2, 8)), of("CONSUMER", span("c", "p", 3, 5)),
        of("CLIENT", span("d", "c", 3, 4))], "a 0-2, p 2-8, a 8-10")]
    #[case::a_consumer_waits_for_what_it_does(&[
        of("CONSUMER", span("a", "", 0, 10)), of("CONSUMER", span("c", "a", 3, 5))], "a 0-3, c 3-5, a 5-10")]
    fn says_what_was_waited_for(#[case] spans: &[TraceSpan<'_>], #[case] expected: &str) {
        assert_eq!(drawn(spans), expected);
    }

    #[test]
    fn a_span_that_never_ended_ends_with_the_last_below_it() {
        let open = |span: TraceSpan<'static>| TraceSpan { duration: None, ..span };
        let spans =
            [span("a", "", 0, 10), open(span("b", "a", 2, 2)), open(span("c", "b", 3, 3)), span("d", "c", 4, 6)];
        assert_eq!(drawn(&spans), "a 0-2, b 2-3, c 3-4, d 4-6, a 6-10");
    }

    /// Spans with any parent that was there before, times of their own.
    fn dirty() -> impl Strategy<Value = Vec<(usize, i64, i64, u8)>> {
        proptest::collection::vec((any::<usize>(), 0_i64..100, -5_i64..60, 0_u8..6), 1..60)
    }

    const KINDS: [&str; 6] = ["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER", ""];

    fn traced<'a>(ids: &'a [String], drawn: &[(usize, i64, i64, u8)]) -> Vec<TraceSpan<'a>> {
        let one = |(at, (parent, start, duration, kind)): (usize, &(usize, i64, i64, u8))| TraceSpan {
            id: Some(&ids[at]),
            parent_id: (at > 0).then(|| ids[parent % at].as_str()),
            service: "s",
            kind: KINDS[usize::from(*kind)],
            start: *start,
            duration: Some(*duration),
        };
        drawn.iter().enumerate().map(one).collect()
    }

    /// The same moment, answered from the definition: down from the root, always to the child that the walk back meets.
    fn waited_for(spans: &[TraceSpan<'_>], forest: &Forest, span: usize, window: (i64, i64), moment: i64) -> usize {
        let mut now = window.1;
        loop {
            let child = forest.children(span).iter().copied();
            let clipped = child.map(|child| {
                (
                    child,
                    spans[child].start.max(window.0),
                    spans[child].end().unwrap_or(spans[child].start).min(window.1),
                )
            });
            let before = clipped.filter(|(_, start, end)| start < end && *end <= now);
            match before.max_by_key(|(child, start, end)| (*end, Reverse(*start), Reverse(*child))) {
                Some((child, start, end)) if moment < end => {
                    if moment >= start {
                        return waited_for(spans, forest, child, (start, end), moment);
                    }
                    now = start;
                }
                _ => return span,
            }
        }
    }

    proptest! {
        #[test]
        fn segments_are_in_order_without_gaps_and_sum_to_the_root(drawn in dirty()) {
            let ids: Vec<String> = (0..drawn.len()).map(|id| format!("{id:x}")).collect();
            let mut spans = traced(&ids, &drawn);
            spans[0].duration = Some(100);
            let forest = Forest::new(&spans);
            let path = critical_path(&spans, &forest);
            let mut reached = spans[0].start;
            for part in &path {
                prop_assert_eq!(part.start, reached);
                prop_assert!(part.end > part.start);
                reached = part.end;
            }
            prop_assert_eq!(reached, spans[0].start + 100);
        }

        #[test]
        fn of_children_within_their_parents_each_moment_is_as_defined(drawn in dirty()) {
            let ids: Vec<String> = (0..drawn.len()).map(|id| format!("{id:x}")).collect();
            let mut spans = traced(&ids, &drawn);
            (spans[0].start, spans[0].duration) = (0, Some(100));
            for at in 1..spans.len() {
                let parent = spans[drawn[at].0 % at];
                let (from, to) = (parent.start, parent.start + parent.duration.unwrap_or(0));
                let start = from + spans[at].start * (to - from) / 100;
                spans[at].start = start;
                spans[at].duration = Some((to - start).min(spans[at].duration.unwrap_or(0).max(0)));
                spans[at].kind = "INTERNAL";
            }
            let forest = Forest::new(&spans);
            let path = critical_path(&spans, &forest);
            for moment in 0..100 {
                let found = path.iter().find(|part| part.start <= moment && moment < part.end).map(|part| part.span);
                prop_assert_eq!(found, Some(waited_for(&spans, &forest, 0, (0, 100), moment)), "at {}", moment);
            }
        }
    }
}
