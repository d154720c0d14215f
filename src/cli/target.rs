//! What a reading verb asks: a lake's files, or a server.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::Args;

use super::args::LakeArgs;
use super::arrow_answer::arrow_answer;
use crate::buffer::TableState;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable};
use crate::model::promoted::{Promoted, default_promoted};
use crate::model::signal::Signal;
use crate::query::{Pinned, QueryEngine, QueryStream};
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
    tables: ArcSwap<Tables>,
}

/// The tables that there are, each at one version.
type Tables = Vec<(Signal, Arc<TableState>)>;

/// A server's HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
    client: reqwest::Client,
}

impl TargetArgs {
    /// Opens what the flags name.
    pub(crate) async fn open(&self) -> Result<Target> {
        match &self.connect {
            Some(url) => Ok(Target::Server(Server::new(url)?)),
            None => Ok(Target::Lake(Box::new(LocalLake::open(&self.lake.load()?).await?))),
        }
    }
}

impl LocalLake {
    /// Opens a lake for reading. Its WAL is left alone: rows not yet flushed are not seen.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let root = LakeRoot::parse(&config.lake)?;
        let tables = load_tables(&root, &Tables::new()).await?;
        if tables.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no lake at {}; name one with --lake, or make one with `telestrata serve` or `telestrata import`",
                    root.display()
                ),
            ));
        }
        let engine = QueryEngine::new(root.clone(), &config.query, tokio::runtime::Handle::current())?;
        Ok(Self { root, engine, tables: ArcSwap::from_pointee(tables) })
    }

    /// The tables as they were when the lake was opened, or last refreshed.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }

    /// Brings the tables up to their newest versions.
    async fn refresh(&self) -> Result<()> {
        let tables = load_tables(&self.root, &self.tables.load()).await?;
        self.tables.store(Arc::new(tables));
        Ok(())
    }

    async fn query(&self, sql: &str) -> Result<QueryStream> {
        self.engine.run(Pinned(self.tables().to_vec()), sql, Vec::new()).await
    }
}

/// The newest version of every table there is; `known` ones cost only what was committed since.
async fn load_tables(root: &LakeRoot, known: &Tables) -> Result<Tables> {
    let mut tables = Vec::new();
    for signal in Signal::ALL {
        let table = LakeTable::new(root, signal)?;
        let snapshot = match known.iter().find(|(known, _)| *known == signal) {
            Some((_, state)) => Some(table.refresh(&state.snapshot).await?),
            None => table.load().await?,
        };
        if let Some(snapshot) = snapshot {
            tables.push((signal, Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() })));
        }
    }
    Ok(tables)
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Error::config(format!("`{url}` is no server; write http://127.0.0.1:8710")));
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| Error::config("no HTTP client can be made").with_source(error))?;
        Ok(Self { url, client })
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
        413 => ErrorKind::TooLarge,
        422 => ErrorKind::BudgetExceeded,
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
    Error::new(kind, detail.map_or_else(|| format!("the server answered {status}"), str::to_owned))
        .with_position(position)
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
                let tables = lake.tables();
                let table = tables.iter().find(|(known, _)| *known == signal);
                Ok(table.map_or_else(Vec::new, |(_, state)| state.snapshot.promoted().to_vec()))
            }
            Self::Server(_) => Ok(default_promoted()),
        }
    }

    /// What is asked, for people.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Lake(lake) => format!("the lake at {}", lake.root.display()),
            Self::Server(server) => format!("the server at {}", server.url),
        }
    }
}
