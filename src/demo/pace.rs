//! Ties the shop to the real clock: a second of simulated time a second, for a while or for ever.

use super::export::{Counts, Export, Tick};
use super::sender::Sender;
use super::shop::Shop;
use crate::otlp_client::{Delivery, SendError};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the shop's time catches up with the real one.
const STEP: Duration = Duration::from_millis(200);
/// The most simulated time in one tick, so that memory stays bounded when the server was away for long.
const LONGEST_TICK: Duration = Duration::from_secs(2);

/// When `run` ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this much time, with a last tick that ends what is under way.
    Elapsed(Duration),
    /// Not at all.
    Forever,
}

/// What was sent since the start of `run`.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Records sent and acknowledged, rejected ones included.
    pub sent: Counts,
    /// Records that the server rejected.
    pub rejected: u64,
    /// Requests sent and acknowledged.
    pub requests: u64,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// The server's last message about rejected records, or warning. Empty without.
    pub last_message: String,
    /// Real time since the start.
    pub elapsed: Duration,
}

/// Lets the shop live in real time and sends what it does; `report` hears after every tick that sent something.
///
/// The shop should have been made with the present as its start; its rate is its own
/// ([`Shop::with_records_per_second`]). While the server is slow or away the shop falls behind, then catches up: nothing
/// is left out. When `stop` is ready the request under way is dropped unanswered, and the shop stays as it is.
///
/// # Errors
/// The first export that could not be delivered ends the run.
pub async fn run(
    shop: &mut Shop,
    sender: &mut Sender,
    until: Until,
    stop: impl Future<Output = ()>,
    mut report: impl FnMut(&Progress),
) -> Result<Progress, SendError> {
    let mut progress = Progress::default();
    tokio::select! {
        biased;
        () = stop => Ok(progress),
        sent = live(shop, sender, until, &mut progress, &mut report) => sent.map(|()| progress),
    }
}

async fn live(
    shop: &mut Shop,
    sender: &mut Sender,
    until: Until,
    progress: &mut Progress,
    report: &mut impl FnMut(&Progress),
) -> Result<(), SendError> {
    let started = Instant::now();
    let mut simulated = Duration::ZERO;
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        let elapsed = started.elapsed();
        let target = match until {
            Until::Elapsed(limit) => elapsed.min(limit),
            Until::Forever => elapsed,
        };
        while simulated < target {
            let by = (target - simulated).min(LONGEST_TICK);
            let tick = shop.advance(by);
            simulated += by;
            deliver(tick, sender, progress).await?;
            progress.elapsed = started.elapsed();
            report(progress);
        }
        if Until::Elapsed(target) == until {
            deliver(shop.close(), sender, progress).await?;
            progress.elapsed = started.elapsed();
            report(progress);
            return Ok(());
        }
    }
}

impl Progress {
    fn add(&mut self, export: &Export, delivery: Delivery) {
        self.sent += export.counts();
        self.rejected += delivery.rejected;
        self.requests += 1;
        self.retries += u64::from(delivery.retries);
        if !delivery.message.is_empty() {
            self.last_message = delivery.message;
        }
    }
}

async fn deliver(tick: Tick, sender: &mut Sender, progress: &mut Progress) -> Result<(), SendError> {
    for export in &tick.exports {
        progress.add(export, sender.send(export).await?);
    }
    Ok(())
}
