//! Connections that are not let in yet: how many there may be, and for how long.
//!
//! Guarantee: peers that never log in keep nobody out. One connection more than there may be ends the oldest of them,
//! which is one of the silent ones unless hundreds come within the time of one login.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::errors::Failure;

/// Logins under way.
const MAX_LOGINS: usize = 256;

/// Time from the first byte to the end of the login.
const LOGIN_TIME: Duration = Duration::from_secs(30);

/// The logins under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Logins(Mutex<VecDeque<CancellationToken>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Login<'a> {
    logins: &'a Logins,
    over: CancellationToken,
    deadline: Instant,
}

impl Logins {
    /// A login begins; the oldest ends where there are too many.
    pub(super) fn begin(&self) -> Login<'_> {
        let over = CancellationToken::new();
        let mut logins = self.lock();
        logins.push_back(over.clone());
        if logins.len() > MAX_LOGINS
            && let Some(oldest) = logins.pop_front()
        {
            oldest.cancel();
        }
        Login { logins: self, over, deadline: Instant::now() + LOGIN_TIME }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Login<'_> {
    /// Does a part of the login.
    ///
    /// # Errors
    /// `Gone` where its time is over, or another took its place.
    pub(super) async fn within<T, E>(&self, part: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        match self.over.run_until_cancelled(tokio::time::timeout_at(self.deadline, part)).await {
            Some(Ok(done)) => Ok(done?),
            Some(Err(late)) => Err(io::Error::from(late).into()),
            None => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "a newer login took its place").into()),
        }
    }
}

impl Drop for Login<'_> {
    fn drop(&mut self) {
        self.over.cancel();
        self.logins.lock().retain(|login| !login.is_cancelled());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_login_too_many_ends_the_oldest_and_time_ends_the_rest() {
        let logins = Logins::default();
        let mut silent: VecDeque<Login<'_>> = (0..MAX_LOGINS).map(|_| logins.begin()).collect();
        let real = logins.begin();
        let oldest = silent.pop_front().unwrap();
        let waits = || std::future::pending::<io::Result<()>>();
        assert!(
            matches!(oldest.within(waits()).await, Err(Failure::Gone(error)) if error.kind() == io::ErrorKind::ConnectionAborted)
        );
        drop(oldest);
        real.within(async { io::Result::Ok(()) }).await.unwrap();
        drop(real);
        let _next = logins.begin();
        let mut second = silent.pop_front().unwrap();
        second.deadline = Instant::now();
        assert!(
            matches!(second.within(waits()).await, Err(Failure::Gone(error)) if error.kind() == io::ErrorKind::TimedOut)
        );
    }
}
