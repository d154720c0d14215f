//! How often a request is sent again, and after how long.

use std::time::Duration;

use super::reply::Refusal;

/// How stubborn a client is.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    pub(super) max_tries: u32,
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
    /// The longest wait that an endpoint may ask for.
    pub(super) longest_asked: Duration,
}

impl RetryPolicy {
    /// By its own waits about half a minute: enough for a server that restarts.
    pub(super) const DEFAULT: Self = Self {
        max_tries: 9,
        first_wait: Duration::from_millis(200),
        longest_wait: Duration::from_secs(8),
        longest_asked: Duration::from_secs(120),
    };

    /// How long to wait before the next try; `None` when there must be none. `tries` have been made.
    pub(super) fn wait(&self, refusal: &Refusal, tries: u32) -> Option<Duration> {
        if !refusal.retryable || tries >= self.max_tries {
            return None;
        }
        let backoff = self.first_wait.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.longest_wait);
        Some(refusal.asked.map_or(backoff, |asked| asked.min(self.longest_asked)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_tries: 4,
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_millis(300),
        longest_asked: Duration::from_millis(1_000),
    };

    #[test]
    fn waits_double_up_to_the_longest_until_the_tries_are_used_up() {
        let busy = Refusal::no_answer(String::new());
        let waits: Vec<_> = (1..=4).map(|tries| POLICY.wait(&busy, tries).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(100), Some(200), Some(300), None]);
    }

    #[test]
    fn the_endpoints_wish_comes_first() {
        for (asked, expected) in [(250, 250), (0, 0), (700, 700), (30_000, 1_000)] {
            let refusal = Refusal { asked: Some(Duration::from_millis(asked)), ..Refusal::no_answer(String::new()) };
            assert_eq!(POLICY.wait(&refusal, 1), Some(Duration::from_millis(expected)));
        }
        let bad = Refusal { retryable: false, ..Refusal::no_answer(String::new()) };
        assert_eq!(POLICY.wait(&bad, 1), None);
    }
}
