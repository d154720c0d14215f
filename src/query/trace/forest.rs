//! The spans of a trace as trees.
//!
//! Every span is in one tree, once, whatever its parent is:
//!
//! ```text
//! no parent                                  a root
//! a parent that is not here                  a root, an orphan
//! parents in a circle                        the earliest of the circle is the root, an orphan
//! several spans with the parent's id         one of the child's own service, else one during which the child starts,
//!                                            else a SERVER span, else the earliest
//! a SERVER span with a CLIENT span's id      below that CLIENT span: Zipkin's shared span, the two halves of a call
//! ```

use std::cmp::Reverse;

/// Of the spans that share an id, the earliest that are looked at. More than the two halves of a call are an accident.
const SHARING: usize = 16;

/// What a span says of its place in the trace.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TraceSpan<'a> {
    /// Its id.
    pub(crate) id: Option<&'a str>,
    /// Its parent's.
    pub(crate) parent_id: Option<&'a str>,
    /// Its service.
    pub(crate) service: &'a str,
    /// `SERVER`, `CLIENT` and so on; empty where it is not known.
    pub(crate) kind: &'a str,
    /// Start in nanoseconds.
    pub(crate) start: i64,
    /// Nanoseconds from there to the end, negative where the end is before the start; `None` without an end.
    pub(crate) duration: Option<i64>,
}

impl TraceSpan<'_> {
    /// The end in nanoseconds, where it is known and not before the start.
    pub(crate) fn end(&self) -> Option<i64> {
        self.duration.filter(|duration| *duration >= 0).map(|duration| self.start.saturating_add(duration))
    }

    fn holds(&self, time: i64) -> bool {
        self.start <= time && self.end().is_some_and(|end| time <= end)
    }
}

/// The trees of a trace. Spans are known by their place in the slice it was made of.
#[derive(Debug)]
pub(crate) struct Forest {
    parents: Vec<Option<usize>>,
    /// The children of all, those of one span together, by start.
    children: Vec<usize>,
    /// Where each span's children begin, and the end.
    first_child: Vec<usize>,
    preorder: Vec<usize>,
    depths: Vec<usize>,
    roots: Vec<usize>,
}

impl Forest {
    /// Puts each span below its parent.
    pub(crate) fn new(spans: &[TraceSpan<'_>]) -> Self {
        let mut by_start: Vec<usize> = (0..spans.len()).collect();
        by_start.sort_by_key(|index| {
            let span = &spans[*index];
            (span.start, Reverse(span.duration), span.id, span.service, *index)
        });
        let mut parents = parents(spans);
        cut_circles(&mut parents, &by_start);
        let (children, first_child) = children(&parents, &by_start);
        let mut forest = Self {
            children,
            first_child,
            preorder: Vec::with_capacity(spans.len()),
            depths: vec![0; spans.len()],
            roots: vec![0; spans.len()],
            parents,
        };
        forest.walk(&by_start);
        forest
    }

    fn walk(&mut self, by_start: &[usize]) {
        let mut waiting: Vec<usize> = by_start.iter().rev().copied().filter(|s| self.parents[*s].is_none()).collect();
        while let Some(span) = waiting.pop() {
            (self.depths[span], self.roots[span]) = match self.parents[span] {
                Some(parent) => (self.depths[parent] + 1, self.roots[parent]),
                None => (0, span),
            };
            self.preorder.push(span);
            waiting.extend(self.children(span).iter().rev());
        }
    }

    /// Every span once: a parent before its children, what starts earlier before what starts later.
    pub(crate) fn preorder(&self) -> &[usize] {
        &self.preorder
    }

    /// The span that a span is below.
    pub(crate) fn parent(&self, span: usize) -> Option<usize> {
        self.parents[span]
    }

    /// The spans directly below, by start.
    pub(crate) fn children(&self, span: usize) -> &[usize] {
        &self.children[self.first_child[span]..self.first_child[span + 1]]
    }

    /// How many spans are above.
    pub(crate) fn depth(&self, span: usize) -> usize {
        self.depths[span]
    }

    /// The root of the tree that a span is in.
    pub(crate) fn root(&self, span: usize) -> usize {
        self.roots[span]
    }
}

/// The spans by id, those of one id by start.
struct Ids<'a, 'b> {
    spans: &'b [TraceSpan<'a>],
    sorted: Vec<usize>,
}

impl<'a, 'b> Ids<'a, 'b> {
    fn of(spans: &'b [TraceSpan<'a>]) -> Self {
        let mut sorted: Vec<usize> = (0..spans.len()).filter(|index| spans[*index].id.is_some()).collect();
        sorted.sort_by_key(|index| (spans[*index].id, spans[*index].start, *index));
        Self { spans, sorted }
    }

    fn with(&self, id: &str) -> &[usize] {
        let from = self.sorted.partition_point(|index| self.spans[*index].id < Some(id));
        let to = from + self.sorted[from..].partition_point(|index| self.spans[*index].id == Some(id));
        &self.sorted[from..to.min(from + SHARING)]
    }
}

fn parents(spans: &[TraceSpan<'_>]) -> Vec<Option<usize>> {
    let ids = Ids::of(spans);
    let parent = |child: usize| client_half(spans, &ids, child).or_else(|| named_parent(spans, &ids, child));
    (0..spans.len()).map(parent).collect()
}

fn client_half(spans: &[TraceSpan<'_>], ids: &Ids<'_, '_>, server: usize) -> Option<usize> {
    let half = spans[server];
    let id = half.id.filter(|_| half.kind == "SERVER")?;
    let clients = ids.with(id).iter().copied();
    clients
        .filter(|other| spans[*other].kind == "CLIENT" && spans[*other].parent_id == half.parent_id)
        .min_by_key(|other| (!spans[*other].holds(half.start), spans[*other].start, *other))
}

fn named_parent(spans: &[TraceSpan<'_>], ids: &Ids<'_, '_>, child: usize) -> Option<usize> {
    let span = spans[child];
    let candidates = ids.with(span.parent_id?).iter().copied().filter(|candidate| *candidate != child);
    candidates.min_by_key(|candidate| {
        let other = spans[*candidate];
        (other.service != span.service, !other.holds(span.start), other.kind != "SERVER", other.start, *candidate)
    })
}

/// Makes the earliest span of each circle of parents a root.
fn cut_circles(parents: &mut [Option<usize>], by_start: &[usize]) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTrail,
        Yes,
    }
    let mut ranks = vec![0; parents.len()];
    for (rank, span) in by_start.iter().enumerate() {
        ranks[*span] = rank;
    }
    let mut seen = vec![Seen::No; parents.len()];
    let mut trail = Vec::new();
    for start in by_start {
        let mut next = Some(*start);
        while let Some(span) = next.filter(|span| seen[*span] == Seen::No) {
            seen[span] = Seen::OnTrail;
            trail.push(span);
            next = parents[span];
        }
        if let Some(met) = next.filter(|span| seen[*span] == Seen::OnTrail) {
            let circle = trail.iter().rev().take_while(|span| **span != met).chain([&met]);
            if let Some(earliest) = circle.min_by_key(|span| ranks[**span]) {
                parents[*earliest] = None;
            }
        }
        for span in trail.drain(..) {
            seen[span] = Seen::Yes;
        }
    }
}

/// Every child, by parent and start, and where each parent's begin.
fn children(parents: &[Option<usize>], by_start: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut first = vec![0; parents.len() + 1];
    for parent in parents.iter().flatten() {
        first[parent + 1] += 1;
    }
    for span in 0..parents.len() {
        first[span + 1] += first[span];
    }
    let mut children = vec![0; first[parents.len()]];
    let mut next = first.clone();
    for child in by_start {
        if let Some(parent) = parents[*child] {
            children[next[parent]] = *child;
            next[parent] += 1;
        }
    }
    (children, first)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A span of service `s`, from `start` to `end`.
    pub(in crate::query::trace) fn span(
        id: &'static str,
        parent: &'static str,
        start: i64,
        end: i64,
    ) -> TraceSpan<'static> {
        let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let (id, parent_id) = (given(id), given(parent));
        TraceSpan { id, parent_id, service: "s", kind: "INTERNAL", start, duration: Some(end - start) }
    }

    fn of(service: &'static str, kind: &'static str, span: TraceSpan<'static>) -> TraceSpan<'static> {
        TraceSpan { service, kind, ..span }
    }

    /// `depth id` in pre-order; roots that name a parent with a `?`.
    fn drawn(spans: &[TraceSpan<'_>]) -> String {
        let forest = Forest::new(spans);
        let line = |index: &usize| {
            let span = spans[*index];
            let orphan = if forest.parent(*index).is_none() && span.parent_id.is_some() { "?" } else { "" };
            format!("{}{}{orphan}", forest.depth(*index), span.id.unwrap_or("-"))
        };
        forest.preorder().iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[rstest::rstest]
    #[case::nothing(&[], "")]
    #[case::children_by_start(&[span("c", "a", 5, 9), span("b", "a", 1, 4), span("a", "", 0, 9)], "0a 1b 1c")]
    #[case::the_longer_of_two_that_start_together(&[span("a", "", 0, 9), span("b", "a", 1, 2), span("c", "a", 1, 3)], "0a 1c 1b")]
    #[case::below_before_beside(&[span("a", "", 0, 9), span("b", "a", 1, 4), span("c", "a", 5, 9), span("d", "b", 6, 7)], "0a 1b 2d 1c")]
    #[case::missing_parent(&[span("a", "", 0, 9), span("b", "x", 1, 4), span("c", "b", 2, 3)], "0a 0b? 1c")]
    #[case::several_roots(&[span("b", "", 3, 9), span("a", "", 0, 2), span("c", "a", 4, 5)], "0a 1c 0b")]
    #[case::no_ids(&[span("", "", 0, 9), span("", "", 1, 2), span("b", "", 3, 4)], "0- 0- 0b")]
    #[case::its_own_parent(&[span("a", "a", 0, 9), span("b", "a", 1, 2)], "0a? 1b")]
    #[case::a_circle_with_a_tail(&[span("c", "b", 1, 2), span("b", "a", 5, 6), span("a", "b", 3, 9)], "0a? 1b 2c")]
    #[case::two_circles(&[span("a", "b", 0, 9), span("b", "a", 1, 2), span("d", "c", 4, 5), span("c", "d", 6, 7)], "0a? 1b 0d? 1c")]
    #[case::starts_before_its_parent(&[span("a", "", 5, 9), span("b", "a", 1, 2)], "0a 1b")]
    fn each_span_is_in_a_tree_once(#[case] spans: &[TraceSpan<'_>], #[case] expected: &str) {
        assert_eq!(drawn(spans), expected);
    }

    /// Zipkin: the server's half has the client's id and parent. What the server does is below the server's half.
    #[test]
    fn the_server_half_of_a_shared_span_is_below_the_client_half() {
        let spans = [
            of("shop", "SERVER", span("a", "", 0, 100)),
            of("shop", "CLIENT", span("b", "a", 10, 50)),
            of("pay", "SERVER", span("b", "a", 20, 40)),
            of("pay", "INTERNAL", span("c", "b", 25, 30)),
            // Of a service that has no span with its parent's id: the half that serves.
            of("bank", "SERVER", span("d", "b", 31, 39)),
        ];
        let forest = Forest::new(&spans);
        assert_eq!(forest.preorder(), [0, 1, 2, 3, 4]);
        assert_eq!((0..5).map(|span| forest.depth(span)).collect::<Vec<_>>(), [0, 1, 2, 3, 3]);
    }

    /// An id that was drawn twice, hours apart: the child is where its time is.
    #[test]
    fn of_two_parents_of_another_service_the_one_at_the_time() {
        let spans = [
            of("x", "CLIENT", span("a", "", 0, 10)),
            of("y", "CLIENT", span("a", "", 1000, 1010)),
            of("z", "SERVER", span("b", "a", 1002, 1005)),
        ];
        assert_eq!(Forest::new(&spans).parent(2), Some(1));
    }

    #[test]
    fn a_hundred_thousand_spans_in_one_chain_or_of_one_id_take_no_stack_and_no_square_of_time() {
        let ids: Vec<String> = (0..100_000).map(|id| format!("{id:x}")).collect();
        let link = |at: usize| TraceSpan {
            id: Some(&ids[at]),
            parent_id: at.checked_sub(1).map(|above| ids[above].as_str()),
            start: at as i64,
            duration: Some(1_000_000),
            ..TraceSpan::default()
        };
        let chain: Vec<_> = (0..ids.len()).map(link).collect();
        let forest = Forest::new(&chain);
        assert_eq!(forest.depth(ids.len() - 1), ids.len() - 1);
        let same: Vec<_> =
            chain.iter().map(|span| TraceSpan { id: Some("a"), parent_id: Some("a"), ..*span }).collect();
        assert_eq!(Forest::new(&same).preorder().len(), ids.len());
    }
}
