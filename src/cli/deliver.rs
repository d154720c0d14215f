//! Requests on their way to an endpoint: a few at a time, each answer counted.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::error::{Error, ErrorKind, Result};
use crate::export::{Distinct, Request};
use crate::model::signal::Signal;
use crate::otlp_client::{Client, Delivery, SendError};

/// Requests under way at once: enough that an endpoint's disk and this program's decoding do not wait for each other.
const UNDER_WAY: usize = 4;

/// Different messages that are kept.
const MESSAGES: usize = 10;

/// What an endpoint has answered.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Requests that it took, also in part.
    pub(super) requests: u64,
    /// Their bytes before compression.
    pub(super) bytes: u64,
    /// Records that it took.
    pub(super) taken: u64,
    /// Records that it rejected.
    pub(super) rejected: u64,
    /// How often requests were sent again.
    pub(super) retries: u64,
    /// What it said.
    pub(super) messages: BTreeSet<String>,
}

/// Sends the requests of one export.
pub(super) struct Deliveries {
    client: Client,
    signal: Signal,
    distinct: Distinct,
    under_way: JoinSet<(u64, Result<Delivery, SendError>)>,
    delivered: Delivered,
}

impl Deliveries {
    pub(super) fn new(client: Client, signal: Signal) -> Self {
        let (distinct, under_way, delivered) = (Distinct::default(), JoinSet::new(), Delivered::default());
        Self { client, signal, distinct, under_way, delivered }
    }

    /// Takes a request, once there is room for it.
    ///
    /// # Errors
    /// That of an earlier request: no more should be sent.
    pub(super) async fn send(&mut self, request: Request) -> Result<()> {
        while self.under_way.len() >= UNDER_WAY {
            self.next_answer().await?;
        }
        let (mut client, signal, records) = (self.client.clone(), self.signal, request.records);
        let body = tokio::task::block_in_place(|| {
            let mut body = request.into_proto();
            self.distinct.make(&mut body);
            body
        });
        let bytes = body.len() as u64;
        self.under_way.spawn(async move { (bytes, client.send(signal, records, body.into()).await) });
        Ok(())
    }

    /// Waits for every answer, also after an error, so that what was delivered is known.
    pub(super) async fn finish(mut self) -> (Delivered, Result<()>) {
        let mut outcome = Ok(());
        while !self.under_way.is_empty() {
            outcome = outcome.and(self.next_answer().await);
        }
        (self.delivered, outcome)
    }

    async fn next_answer(&mut self) -> Result<()> {
        let Some(answer) = self.under_way.join_next().await else { return Ok(()) };
        let (bytes, answer) = answer.map_err(|error| Error::internal("a sender died").with_source(error))?;
        match answer {
            Ok(delivery) => {
                self.delivered.requests += 1;
                self.delivered.bytes += bytes;
                self.delivered.taken += delivery.records.saturating_sub(delivery.rejected);
                self.delivered.rejected += delivery.rejected;
                self.delivered.retries += u64::from(delivery.retries);
                self.keep(delivery.message);
                Ok(())
            }
            // One record alone can't be sent in smaller parts.
            Err(SendError::Refused { records: 1, refusal, .. }) if refusal.too_large => {
                self.delivered.rejected += 1;
                self.keep(refusal.to_string());
                Ok(())
            }
            Err(error) => {
                let kind = match &error {
                    SendError::Refused { refusal, .. } if refusal.is_final() => ErrorKind::Invalid,
                    SendError::Refused { .. } | SendError::Connect { .. } => ErrorKind::Unavailable,
                    SendError::Address(_) => ErrorKind::Config,
                };
                Err(Error::new(kind, error.to_string()))
            }
        }
    }

    fn keep(&mut self, message: String) {
        if !message.is_empty() && self.delivered.messages.len() < MESSAGES {
            self.delivered.messages.insert(message);
        }
    }
}
