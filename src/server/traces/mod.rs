//! Whole traces, for the answers that are made of spans and not of rows: `jaeger/`, `api/trace/`.
//!
//! Guarantees: whatever they ask goes through the [`QueryService`], values as parameters; an answer holds at most
//! [`MAX_ANSWER_BYTES`] of records, all answers under way [`ROOM_BYTES`] (invariant 11). A duplicate span comes once.
//!
//! ```text
//! ids --> whole.sql --> QueryService --> export: rows to records --> Trace
//! body.rs    an answer's bytes, which hold room until they are sent
//! columns.rs what else a query answers, by name
//! values.rs  values as plain JSON
//! ```

mod body;
mod columns;
mod values;
mod whole;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;

pub(super) use body::held_body;
pub(super) use columns::Columns;
pub(super) use values::{plain, plain_attributes};
pub(super) use whole::{Trace, with_ids};

use crate::auth::Principal;
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Dialect, QueryStream};
use crate::server::room::{Held, Room};
use crate::server::service::{Ask, QueryService};

/// Bytes of one answer's records as protobuf, and of its text.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Bytes of all answers that are being made or sent.
const ROOM_BYTES: usize = 256 << 20;

/// Reads traces for every door that shows them.
#[derive(Debug, Clone)]
pub(super) struct Traces {
    service: Arc<QueryService>,
    room: Arc<Room>,
}

/// Who asks, and by which way.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    pub(super) door: &'static str,
}

/// The room that an answer takes while it is made and sent.
#[derive(Debug)]
pub(super) struct AnswerRoom {
    held: Held,
    bytes: usize,
}

impl Traces {
    pub(super) fn new(service: Arc<QueryService>) -> Self {
        Self { service, room: Room::new(ROOM_BYTES) }
    }

    /// Room for one answer.
    pub(super) fn room(&self) -> AnswerRoom {
        AnswerRoom { held: self.room.hold(), bytes: 0 }
    }

    /// Every row of a query that answers few.
    ///
    /// # Errors
    /// What the query met.
    pub(super) async fn rows(&self, caller: &Caller, sql: &str, params: Vec<ScalarValue>) -> Result<Vec<RecordBatch>> {
        self.stream(caller, sql, params).await?.collect().await
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// What the query met before its first rows.
    pub(super) async fn stream(&self, caller: &Caller, sql: &str, params: Vec<ScalarValue>) -> Result<QueryStream> {
        let ask = Ask {
            sql: sql.to_owned(),
            params,
            dialect: Dialect::Own,
            query_id: None,
            principal: caller.principal.clone(),
            door: caller.door,
        };
        Ok(self.service.run(ask).await?.query)
    }
}

impl AnswerRoom {
    /// Grows to `bytes` in all.
    ///
    /// # Errors
    /// `BudgetExceeded` past what one answer may take, `Unavailable` where others have taken the room.
    pub(super) fn reach(&mut self, bytes: usize) -> Result<()> {
        if bytes > MAX_ANSWER_BYTES {
            return Err(Error::new(
                ErrorKind::BudgetExceeded,
                format!(
                    "the answer would take more than {} MiB; ask for fewer traces or for a part of one, or read the \
                     rows by SQL, which streams",
                    MAX_ANSWER_BYTES >> 20
                ),
            ));
        }
        if bytes > self.bytes {
            self.held.grow(bytes - self.bytes).map_err(|_| {
                Error::unavailable("other answers of traces fill the memory for them; ask again in two seconds")
            })?;
            self.bytes = bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn answer(room: &Arc<Room>) -> AnswerRoom {
        AnswerRoom { held: room.hold(), bytes: 0 }
    }

    #[tokio::test]
    async fn answers_are_bounded_alone_and_together() {
        let room = Room::new(MAX_ANSWER_BYTES + 10);
        let mut one = answer(&room);
        one.reach(MAX_ANSWER_BYTES).unwrap();
        assert_eq!(one.reach(MAX_ANSWER_BYTES + 1).unwrap_err().kind(), ErrorKind::BudgetExceeded);
        let mut other = answer(&room);
        other.reach(10).unwrap();
        other.reach(5).unwrap();
        assert_eq!(other.reach(11).unwrap_err().kind(), ErrorKind::Unavailable);
        drop(one);
        // What is being sent keeps its room until it is sent.
        let text = vec![b'x'; 200_000];
        let body = held_body(text.clone(), other).unwrap();
        let mut rest = answer(&room);
        assert!(rest.reach(MAX_ANSWER_BYTES).is_err());
        assert_eq!(body.collect().await.unwrap().to_bytes(), text);
        rest.reach(MAX_ANSWER_BYTES).unwrap();
    }
}
