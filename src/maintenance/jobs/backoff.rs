//! How long what has failed waits before it is tried again.

use std::time::Duration;

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// The shortest and the longest first pause.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The pause after so many failures in a row of what is done every so often: it doubles, up to an hour.
pub(super) fn pause(every: Duration, failures: u32) -> Duration {
    let first = every.clamp(FIRST_PAUSE.0, FIRST_PAUSE.1);
    let doublings = failures.saturating_sub(1).min(16);
    (first * (1 << doublings)).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(10, 1, 10)]
    #[case(10, 2, 20)]
    #[case(10, 5, 160)]
    #[case(0, 1, 1)]
    #[case(86_400, 1, 30)]
    #[case(10, 1_000_000, 3600)]
    fn a_pause_doubles_up_to_an_hour(#[case] every: u64, #[case] failures: u32, #[case] expected: u64) {
        assert_eq!(pause(Duration::from_secs(every), failures), Duration::from_secs(expected));
    }
}
