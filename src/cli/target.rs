//! What a reading verb asks: a lake's files, or a server.

use std::collections::HashMap;
use std::sync::Arc;

use clap::Args;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::args::LakeArgs;
use super::arrow_answer::arrow_answer;
use super::credentials;
use crate::buffer::TableState;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable, NamedSnapshot, NamedSnapshots, TableSnapshot, live_writers};
use crate::model::promoted::{Promoted, default_promoted};
use crate::model::signal::Signal;
use crate::query::{Pinned, QueryEngine, QueryStream, Question, Supervision};
use crate::wal::WalSeq;

/// A lake, or a server.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub(crate) lake: LakeArgs,

    /// Ask the server at this URL, as in http://127.0.0.1:8710, which also has the rows not yet flushed
    #[arg(long, value_name = "URL", conflicts_with = "lake")]
    pub(crate) connect: Option<String>,
}

/// A lake, now or as a named snapshot has it, or a server.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,

    /// Ask the lake as it was when this snapshot was made (telestrata snapshot list)
    #[arg(long, value_name = "NAME", conflicts_with = "connect")]
    pub(crate) snapshot: Option<String>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Target {
    /// A lake, as its files are now.
    Lake(Box<LocalLake>),
    /// A server's HTTP API.
    Server(Server),
}

/// A lake opened for reading.
#[derive(Debug)]
pub(crate) struct LocalLake {
    root: LakeRoot,
    engine: QueryEngine,
    /// The versions to open; `None` for the newest.
    snapshot: Option<NamedSnapshot>,
    /// What was opened so far; `None` for a table that is not there.
    opened: Mutex<HashMap<Signal, Option<Opened>>>,
    /// Set once it was said who writes the lake.
    told: OnceCell<()>,
}

/// A table and the version of it that is looked at.
#[derive(Debug, Clone)]
struct Opened {
    table: LakeTable,
    state: Arc<TableState>,
}

impl Opened {
    fn at(table: LakeTable, snapshot: TableSnapshot) -> Self {
        Self { table, state: Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() }) }
    }
}

/// A server's HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
    client: reqwest::Client,
}

impl ReadArgs {
    /// Opens what the flags name.
    pub(crate) async fn open(&self) -> Result<Target> {
        self.open_with(|_| {}).await
    }

    /// The same; of a lake, with a configuration that was changed.
    pub(crate) async fn open_with(&self, change: impl FnOnce(&mut Config)) -> Result<Target> {
        if let Some(url) = &self.target.connect {
            return Ok(Target::Server(Server::new(url)?));
        }
        let mut config = self.target.lake.load()?;
        change(&mut config);
        let mut lake = LocalLake::new(&config)?;
        if let Some(name) = &self.snapshot {
            lake.snapshot = Some(NamedSnapshots::new(&config.lake)?.get(name).await?);
        }
        Ok(Target::Lake(Box::new(lake)))
    }
}

impl LocalLake {
    /// A lake for reading; each table is opened when a query first needs it. Its WAL is left alone: rows not yet
    /// flushed are not seen.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let root = config.lake.clone();
        let engine = QueryEngine::new(
            root.clone(),
            &config.query,
            Arc::clone(&config.views),
            tokio::runtime::Handle::current(),
        )?;
        Ok(Self { root, engine, snapshot: None, opened: Mutex::default(), told: OnceCell::new() })
    }

    /// The tables of these signals that are there, each as it was when it was first opened, or last refreshed.
    ///
    /// # Errors
    /// `NotFound` where none of them is there; what opening one met.
    pub(crate) async fn tables(&self, signals: &[Signal]) -> Result<Vec<(Signal, Arc<TableState>)>> {
        if !signals.is_empty() {
            self.told.get_or_init(|| tell_of_writers(&self.root, "is not seen here")).await;
        }
        let mut opened = self.opened.lock().await;
        let missing = signals.iter().copied().filter(|signal| !opened.contains_key(signal));
        let loaded = futures::future::try_join_all(missing.map(|signal| async move {
            let table = LakeTable::new(&self.root, signal)?;
            let snapshot = match &self.snapshot {
                None => table.load().await?,
                Some(named) => match named.tables.get(signal.table()) {
                    Some(version) => Some(table.load_at(*version).await?),
                    None => None,
                },
            };
            Ok::<_, Error>((signal, snapshot.map(|snapshot| Opened::at(table, snapshot))))
        }));
        opened.extend(loaded.await?);
        let there = |signal: &Signal| Some((*signal, Arc::clone(&opened.get(signal)?.as_ref()?.state)));
        let tables: Vec<_> = signals.iter().filter_map(there).collect();
        drop(opened);
        if tables.is_empty() && (1..Signal::ALL.len()).contains(&signals.len()) {
            // The query then says which table the lake lacks.
            return Box::pin(self.tables(&Signal::ALL)).await;
        }
        if tables.is_empty() && !signals.is_empty() {
            return Err(no_lake(&self.root));
        }
        Ok(tables)
    }

    /// Brings what is open up to the newest versions.
    async fn refresh(&self) -> Result<()> {
        if self.snapshot.is_some() {
            return Ok(());
        }
        let mut opened = self.opened.lock().await;
        // What was not there is looked for again when it is needed.
        opened.retain(|_, opened| opened.is_some());
        let newer = opened.iter().filter_map(|(signal, opened)| Some((*signal, opened.clone()?)));
        let newer = futures::future::try_join_all(newer.map(|(signal, opened)| async move {
            let newer = opened.table.newer(&opened.state.snapshot).await?;
            Ok::<_, Error>((signal, Some(newer.map_or(opened.clone(), |newer| Opened::at(opened.table, newer)))))
        }));
        let newer = newer.await?;
        opened.extend(newer);
        Ok(())
    }

    async fn query(&self, sql: &str) -> Result<QueryStream> {
        let tables = self.tables(&self.engine.signals_read(sql)?).await?;
        self.engine.run(Pinned(tables), Question::new(sql), Supervision::default()).await
    }
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        if url.contains('@') || url.contains('?') {
            // Not repeated: there may be a password in it.
            return Err(Error::config(
                "a server's address has no user, password or query; write http://127.0.0.1:8710, and give credentials \
                 in TELESTRATA_TOKEN, or TELESTRATA_USER and TELESTRATA_PASSWORD",
            ));
        }
        let parsed = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(parsed) = parsed else {
            return Err(Error::config(format!("`{url}` is no server; write http://127.0.0.1:8710")));
        };
        let client = reqwest::Client::builder();
        // Without TLS there is nothing to trust, and a machine without certificates must not fail over it.
        let client = if parsed.scheme() == "http" { client.tls_certs_only([]) } else { client };
        let client = client
            .no_proxy()
            // What was meant for one server is shown to no other.
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(credentials::headers(&parsed)?)
            .build()
            .map_err(|error| Error::config("no HTTP client can be made").with_source(error))?;
        Ok(Self { url, client })
    }

    /// Posts a body to a path of the API.
    pub(crate) async fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<reqwest::Response> {
        let request = self.client.post(format!("{}{path}", self.url)).query(query).body(body);
        let response = request
            .send()
            .await
            .map_err(|error| Error::unavailable(format!("no answer from {}", self.url)).with_source(error))?;
        if response.status().is_success() { Ok(response) } else { Err(problem(response).await) }
    }

    /// A query's answer in the form that `accept` names.
    pub(crate) async fn post_sql(&self, sql: &str, accept: &str) -> Result<reqwest::Response> {
        let request = self.client.post(format!("{}/v1/sql", self.url)).header("accept", accept);
        let response = request
            .header("content-type", "text/plain; charset=utf-8")
            .body(sql.to_owned())
            .send()
            .await
            .map_err(|error| Error::unavailable(format!("no answer from {}", self.url)).with_source(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(problem(response).await)
    }

    /// What a path of the API answers, as JSON.
    pub(crate) async fn get_json(&self, path: &str) -> Result<serde_json::Value> {
        let failed =
            |error: reqwest::Error| Error::unavailable(format!("no answer from {}{path}", self.url)).with_source(error);
        let response = self.client.get(format!("{}{path}", self.url)).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        response.json().await.map_err(failed)
    }

    async fn query(&self, sql: &str) -> Result<QueryStream> {
        arrow_answer(&self.url, self.post_sql(sql, "application/vnd.apache.arrow.stream").await?).await
    }
}

/// The error that a problem+json body tells.
async fn problem(response: reqwest::Response) -> Error {
    let status = response.status();
    let kind = match status.as_u16() {
        400 | 415 | 406 => ErrorKind::Invalid,
        404 => ErrorKind::NotFound,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::Forbidden,
        413 => ErrorKind::TooLarge,
        422 => ErrorKind::BudgetExceeded,
        499 => ErrorKind::Cancelled,
        429 | 502..=504 => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let body: serde_json::Value = response.json().await.unwrap_or_default();
    let detail = body.get("detail").and_then(serde_json::Value::as_str);
    let position = body.get("position").and_then(|position| {
        Some(crate::error::Position {
            line: position.get("line")?.as_u64()?,
            column: position.get("column")?.as_u64()?,
        })
    });
    let mut message = detail.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    if kind == ErrorKind::Unauthenticated {
        message.push_str("; set TELESTRATA_TOKEN, or TELESTRATA_USER and TELESTRATA_PASSWORD");
    }
    Error::new(kind, message).with_position(position)
}

impl Target {
    /// Runs a query.
    pub(crate) async fn query(&self, sql: &str) -> Result<QueryStream> {
        match self {
            Self::Lake(lake) => lake.query(sql).await,
            Self::Server(server) => server.query(sql).await,
        }
    }

    /// Sees what was committed since the lake was opened. A server does so by itself.
    pub(crate) async fn refresh(&self) -> Result<()> {
        match self {
            Self::Lake(lake) => lake.refresh().await,
            Self::Server(_) => Ok(()),
        }
    }

    /// The promoted columns of a table; of a server, those that ship with the program.
    pub(crate) async fn promoted(&self, signal: Signal) -> Result<Vec<Promoted>> {
        match self {
            Self::Lake(lake) => {
                let tables = lake.tables(&[signal]).await?;
                let table = tables.iter().find(|(known, _)| *known == signal);
                Ok(table.map_or_else(Vec::new, |(_, state)| state.snapshot.promoted().to_vec()))
            }
            Self::Server(_) => Ok(default_promoted()),
        }
    }

    /// What is asked, for people.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Lake(lake) => match &lake.snapshot {
                Some(named) => format!("snapshot `{}` of the lake at {}", named.name, lake.root.display()),
                None => format!("the lake at {}", lake.root.display()),
            },
            Self::Server(server) => format!("the server at {}", server.url),
        }
    }
}

/// Says on stderr who writes the lake, and what is so of the rows that it has not flushed.
pub(super) async fn tell_of_writers(root: &LakeRoot, of_rows: &str) {
    let now = chrono::Utc::now();
    match live_writers(root, now).await {
        Ok(live) => {
            for writer in live {
                eprintln!(
                    "note: {} writes this lake; what it has not flushed {of_rows}{}",
                    writer.describe(now),
                    writer.card.http.map_or_else(String::new, |http| format!(": ask it with --connect {http}"))
                );
            }
        }
        Err(error) => tracing::warn!(%error, "who writes this lake is not known"),
    }
}

/// Refuses a lake that is none: a name that was mistyped is not done.
pub(super) async fn require_lake(root: &LakeRoot) -> Result<()> {
    for signal in Signal::ALL {
        if LakeTable::new(root, signal)?.load().await?.is_some() {
            return Ok(());
        }
    }
    Err(no_lake(root))
}

fn no_lake(root: &LakeRoot) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "there is no lake at {}; name one with --lake, or make one with `telestrata serve` or `telestrata import`",
            root.display()
        ),
    )
}
