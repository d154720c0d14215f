//! Who writes a lake now: a card for each writer, renewed while it lives.
//!
//! ```text
//! <root>/_writers/<id>.json     put every HEARTBEAT, deleted at a clean stop
//! ```
//! Guarantee: a writer that may commit rows has a card before it reads anything that it must obey, and until its last
//! commit is done. One that was killed leaves its card; whoever has not been heard for [`SILENT_AFTER`] is taken for
//! dead. What keeps writers apart is the Delta log; a card tells a server sooner that another has begun under its id, on a
//! copy of its write-ahead log: the one that began first stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::location::LakeRoot;
use crate::error::{Error, Result};

/// The folder of the cards, below the lake's root.
const FOLDER: &str = "_writers";

/// How often a card is renewed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A writer that has not been heard for so long is dead: four heartbeats, for clocks that differ and stores that stall.
pub const SILENT_AFTER: TimeDelta = TimeDelta::seconds(60);

/// Cards of imports that have been silent for so long are cleared away by the next import: nothing of them comes back.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(1);

/// Pauses before the tries of a put or delete that somebody waits for, in ms.
const PAUSES: [u64; 5] = [0, 50, 200, 800, 1600];

/// What a writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriterKind {
    /// A server; its id is that of its write-ahead log, whose rows come back at the next start.
    Server,
    /// An import; its id is its own.
    Import,
}

/// What a writer says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterCard {
    /// Its id.
    pub writer: String,
    /// What it is.
    pub kind: WriterKind,
    /// Its machine's name, where that has one.
    pub host: Option<String>,
    /// Its process there.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Its HTTP door as a URL; `None` where it has none.
    pub http: Option<String>,
    /// Every standing erasure up to this one holds for all that it commits from now on.
    pub erasures: u64,
    /// Its `vacuum.grace` in seconds: what it has staged for more than half of that it commits no more.
    pub grace_s: u64,
    /// When it began.
    #[serde(with = "super::instant")]
    pub started: DateTime<Utc>,
    /// When it last wrote this.
    #[serde(with = "super::instant")]
    pub heartbeat: DateTime<Utc>,
}

/// A writer of a lake, as its card tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// What it says of itself.
    pub card: WriterCard,
    /// When it was last heard: by its clock, or by the store's, whichever is later.
    pub last_heard: DateTime<Utc>,
}

impl Writer {
    /// Whether it must be taken to be writing.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        now - self.last_heard < SILENT_AFTER
    }

    /// Who it is, for people.
    pub fn describe(&self, now: DateTime<Utc>) -> String {
        let WriterCard { writer, kind, host, pid, http, .. } = &self.card;
        let kind = match kind {
            WriterKind::Server => "server",
            WriterKind::Import => "import",
        };
        let host = host.as_deref().unwrap_or("a machine without a name");
        let ago = (now - self.last_heard).num_seconds().max(0);
        let door = http.as_ref().map_or_else(String::new, |http| format!(", {http}"));
        format!("{kind} {writer} (process {pid} on {host}{door}, heard {ago}s ago)")
    }
}

/// The writers that have a card, live or not, by id.
///
/// # Errors
/// `Unavailable` where the store does not answer.
pub async fn writers(root: &LakeRoot) -> Result<Vec<Writer>> {
    let unreadable =
        |error: object_store::Error| Error::unavailable("the lake's list of writers can't be read").with_source(error);
    let store = root.table_store(FOLDER)?;
    let cards: Vec<_> = match store.list(None).try_collect().await {
        Ok(cards) => cards,
        Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut found = Vec::new();
    for meta in cards.into_iter().filter(|meta| meta.location.extension() == Some("json")) {
        let bytes = match store.get(&meta.location).await {
            Ok(object) => object.bytes().await.map_err(unreadable)?,
            // It has just stopped.
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(unreadable(error)),
        };
        match serde_json::from_slice::<WriterCard>(&bytes) {
            Ok(card) => {
                let last_heard = card.heartbeat.max(meta.last_modified);
                found.push(Writer { card, last_heard });
            }
            Err(error) => tracing::warn!(file = %meta.location, %error, "this is no writer's card; it is left out"),
        }
    }
    found.sort_by(|one, other| one.card.writer.cmp(&other.card.writer));
    Ok(found)
}

/// The writers that must be taken to be writing at this time.
///
/// # Errors
/// As [`writers`].
pub async fn live_writers(root: &LakeRoot, now: DateTime<Utc>) -> Result<Vec<Writer>> {
    let mut live = writers(root).await?;
    live.retain(|writer| writer.is_live(now));
    Ok(live)
}

/// A writer's own card. Dropped, it is renewed no more; [`end`](Self::end) takes it away.
#[derive(Debug)]
pub struct Registration {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Held while the card is put, so that an older one never follows a newer; `None` once it is taken away.
    card: Mutex<Option<WriterCard>>,
    /// Set once another process was seen to put cards under this id.
    is_taken: AtomicBool,
}

impl Registration {
    /// Puts a card, and renews it from now on.
    ///
    /// # Errors
    /// `Unavailable` where it could not be put.
    pub async fn begin(root: &LakeRoot, id: &str, kind: WriterKind) -> Result<Self> {
        let store = root.table_store(FOLDER)?;
        // As the card has it.
        let now = Utc::now().trunc_subsecs(3);
        let card = WriterCard {
            writer: id.to_owned(),
            kind,
            host: host_name(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            http: None,
            erasures: 0,
            grace_s: root.grace().as_secs(),
            started: now,
            heartbeat: now,
        };
        let path = Path::from(format!("{id}.json"));
        let is_taken = AtomicBool::new(false);
        let shared = Arc::new(Shared { store, path, card: Mutex::new(Some(card)), is_taken });
        shared.put().await?;
        if kind == WriterKind::Import {
            shared.clear_forgotten(root, now).await;
        }
        let stop = CancellationToken::new();
        let (renewed, stopped) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(HEARTBEAT).await;
                if let Some(other) = renewed.other().await {
                    renewed.is_taken.store(true, Ordering::Release);
                    tracing::error!(
                        other = other.describe(Utc::now()),
                        "another process writes this lake under this server's id: its write-ahead log's folder was copied. This \
                         one takes no more requests; see `A copied write-ahead log` in docs/operations.md"
                    );
                    return;
                }
                if let Err(error) = renewed.put().await {
                    tracing::warn!(%error, "this writer's card was not renewed; it is tried again");
                }
            }
        }));
        Ok(Self { shared, stop })
    }

    /// Says where its HTTP door is.
    ///
    /// # Errors
    /// `Unavailable`; the next heartbeat says it then.
    pub async fn has_door(&self, http: String) -> Result<()> {
        if let Some(card) = self.shared.card.lock().await.as_mut() {
            card.http = Some(http);
        }
        self.shared.put().await
    }

    /// Says that every standing erasure up to this one holds for all that it commits from now on.
    ///
    /// # Errors
    /// `Unavailable`; the next heartbeat says it then.
    pub async fn obeys(&self, erasures: u64) -> Result<()> {
        let mut card = self.shared.card.lock().await;
        let news = card.as_mut().filter(|card| card.erasures < erasures).map(|card| card.erasures = erasures);
        drop(card);
        if news.is_some() { self.shared.put().await } else { Ok(()) }
    }

    /// Whether another process has begun under this id, so that this one must take nothing more.
    pub fn is_taken(&self) -> bool {
        self.shared.is_taken.load(Ordering::Acquire)
    }

    /// What it says now; `None` once it is taken away.
    pub async fn card(&self) -> Option<WriterCard> {
        self.shared.card.lock().await.clone()
    }

    /// Takes the card away: the writer's last commit is done.
    pub async fn end(&self) {
        self.stop.cancel();
        let mut card = self.shared.card.lock().await;
        if card.take().is_none() || self.is_taken() {
            return;
        }
        for pause in PAUSES {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            match self.shared.store.delete(&self.shared.path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => return,
                Err(error) => tracing::info!(%error, "this writer's card was not taken away yet"),
            }
        }
        tracing::warn!(card = %self.shared.path, "this writer's card is left; it is taken for live for a minute more");
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    /// Whoever else has put a card under this id since this process did. What can't be read says nothing.
    async fn other(&self) -> Option<Writer> {
        let found = self.store.get(&self.path).await.ok()?;
        let last_heard = found.meta.last_modified;
        let card: WriterCard = serde_json::from_slice(&found.bytes().await.ok()?).ok()?;
        let own = self.card.lock().await;
        let own = own.as_ref()?;
        let is_own = (card.started, card.pid, &card.host) == (own.started, own.pid, &own.host);
        (!is_own).then_some(Writer { card, last_heard })
    }

    async fn put(&self) -> Result<()> {
        let mut card = self.card.lock().await;
        let Some(card) = card.as_mut() else { return Ok(()) };
        card.heartbeat = Utc::now();
        let text = serde_json::to_vec(card)
            .map_err(|error| Error::internal("no JSON of a writer's card").with_source(error))?;
        let mut outcome = Ok(());
        for pause in PAUSES {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            outcome = self.store.put(&self.path, text.clone().into()).await.map(|_| ());
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map_err(|error| Error::unavailable("can't tell the lake who writes it").with_source(error))
    }

    async fn clear_forgotten(&self, root: &LakeRoot, now: DateTime<Utc>) {
        let Ok(writers) = writers(root).await else { return };
        let forgotten =
            |writer: &Writer| writer.card.kind == WriterKind::Import && now - writer.last_heard > FORGOTTEN_AFTER;
        for writer in writers.iter().filter(|writer| forgotten(writer)) {
            let path = Path::from(format!("{}.json", writer.card.writer));
            if let Err(error) = self.store.delete(&path).await {
                tracing::info!(%error, card = %path, "the card of a dead import is left");
            }
        }
    }
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::CloudAccess;

    #[tokio::test]
    async fn a_writer_is_live_from_its_first_card_to_its_end_and_says_what_it_obeys() {
        let folder = tempfile::tempdir().unwrap();
        let root = LakeRoot::parse(folder.path().to_str().unwrap(), &CloudAccess::default()).unwrap();
        assert_eq!(live_writers(&root, Utc::now()).await.unwrap(), []);
        let server = Registration::begin(&root, "b", WriterKind::Server).await.unwrap();
        let import = Registration::begin(&root, "a", WriterKind::Import).await.unwrap();
        server.has_door("http://127.0.0.1:8710".to_owned()).await.unwrap();
        server.obeys(7).await.unwrap();
        server.obeys(3).await.unwrap();
        let live = live_writers(&root, Utc::now()).await.unwrap();
        let said: Vec<_> = live.iter().map(|writer| (writer.card.writer.as_str(), writer.card.erasures)).collect();
        assert_eq!(said, [("a", 0), ("b", 7)]);
        assert!(live[1].describe(Utc::now()).contains("http://127.0.0.1:8710"), "{live:?}");
        assert!(!live[1].is_live(Utc::now() + SILENT_AFTER));
        // One that begins under the same id is seen by the one before, and not the other way round.
        let second = Registration::begin(&root, "b", WriterKind::Server).await.unwrap();
        let other = server.shared.other().await.unwrap();
        assert_eq!(other.card.started, second.card().await.unwrap().started);
        assert_eq!(second.shared.other().await, None);
        import.end().await;
        drop((server, second));
        let left: Vec<_> = writers(&root).await.unwrap().into_iter().map(|writer| writer.card.writer).collect();
        assert_eq!(left, ["b"], "one that was dropped was killed, for all that others know");
    }
}
