//! Which spans of a trace are asked for.
//!
//! ```text
//! span_id = d        service_name = pay        both: the spans of pay within the lineage of d, and those above them
//!   a  above           shop a  above
//!   +- b               +- shop b
//!   +- c  above        +- shop c  above
//!      +- d  itself       +- pay d
//!      |  +- e  below     |  +- pay e
//!      +- f               +- zoo f
//! ```
//! What is shown is always a tree up to its roots.

use super::read::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ids::{SpanId, TraceId};

/// What is asked for; all of it where nothing is said.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// This span with every span above and below it.
    pub(super) span_id: Option<SpanId>,
    /// The spans of this service with every span above them.
    pub(super) service_name: Option<String>,
}

impl Filter {
    /// Whether nothing is left out.
    pub(super) const fn is_open(&self) -> bool {
        self.span_id.is_none() && self.service_name.is_none()
    }

    /// Whether what belongs to no stored span of a service is shown.
    pub(super) fn keeps_loose(&self, service: &str) -> bool {
        self.span_id.is_none() && self.service_name.as_ref().is_none_or(|asked| asked == service)
    }

    /// For each span, in the order of the tree, whether it is shown.
    ///
    /// # Errors
    /// `NotFound` where no span is as asked for.
    pub(super) fn shown(&self, id: &TraceId, nodes: &[Node]) -> Result<Vec<bool>> {
        let depths: Vec<i64> = nodes.iter().map(|node| node.depth).collect();
        let mut shown = vec![true; nodes.len()];
        if let Some(span_id) = &self.span_id {
            let own: Vec<bool> = nodes.iter().map(|node| node.span_id() == span_id.as_str()).collect();
            let below = below(&depths, &own);
            shown = above(&depths, &own).into_iter().zip(below).map(|(above, below)| above || below).collect();
        }
        if let Some(service) = &self.service_name {
            let own = nodes.iter().zip(&shown).map(|(node, shown)| *shown && node.record.service_name == *service);
            shown = above(&depths, &own.collect::<Vec<_>>());
        }
        if !self.is_open() && !shown.contains(&true) {
            let what = match (&self.span_id, &self.service_name) {
                (Some(span), None) => format!("span {span}"),
                (None, Some(service)) => format!("span of service `{service}`"),
                _ => "such span".to_owned(),
            };
            return Err(Error::new(ErrorKind::NotFound, format!("trace {id} has no {what} that is stored here")));
        }
        Ok(shown)
    }
}

/// These, and what is above them.
fn above(depths: &[i64], own: &[bool]) -> Vec<bool> {
    let mut marked = own.to_vec();
    // Going back, the next span that is less deep than the last marked one is above it, and so is it above all between.
    let mut wanted = i64::MIN;
    for (place, depth) in depths.iter().enumerate().rev() {
        let mark = &mut marked[place];
        *mark = *mark || *depth <= wanted;
        if *mark {
            wanted = depth - 1;
        }
    }
    marked
}

/// These, and what is below them.
fn below(depths: &[i64], own: &[bool]) -> Vec<bool> {
    let mut top = None;
    let mark = |(depth, own): (&i64, &bool)| {
        if top.is_some_and(|top| *depth <= top) {
            top = None;
        }
        if *own && top.is_none() {
            top = Some(*depth);
        }
        top.is_some()
    };
    depths.iter().zip(own).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two trees: `a(b, c(d(e), f)), g(h)`.
    const DEPTHS: [i64; 8] = [0, 1, 1, 2, 3, 2, 0, 1];

    fn marked(of: fn(&[i64], &[bool]) -> Vec<bool>, own: &str) -> String {
        let own: Vec<bool> = "abcdefgh".chars().map(|name| own.contains(name)).collect();
        "abcdefgh".chars().zip(of(&DEPTHS, &own)).filter(|(_, marked)| *marked).map(|(name, _)| name).collect()
    }

    #[rstest::rstest]
    #[case("d", "acd", "de")]
    #[case("a", "a", "abcdef")]
    #[case("b", "ab", "b")]
    #[case("eh", "acdegh", "eh")]
    #[case("bf", "abcf", "bf")]
    #[case("ce", "acde", "cdef")]
    #[case("g", "g", "gh")]
    #[case("", "", "")]
    fn what_is_above_and_below(#[case] own: &str, #[case] up: &str, #[case] down: &str) {
        assert_eq!((marked(above, own).as_str(), marked(below, own).as_str()), (up, down));
    }
}
