//! What a reading verb asks: a lake's files, or a server.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use bytes::Buf;
use clap::Args;
use futures::StreamExt;
use tokio::sync::Mutex;

use super::args::LakeArgs;
use crate::buffer::TableState;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable};
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
    engine: QueryEngine,
    root: LakeRoot,
    /// What was opened so far; `None` for a table that is not there.
    opened: Mutex<HashMap<Signal, Option<Arc<TableState>>>>,
}

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
            None => Ok(Target::Lake(Box::new(LocalLake::new(&self.lake.load()?)?))),
        }
    }
}

impl LocalLake {
    /// A lake for reading; each table is opened when a query first needs it. Its WAL is left alone: rows not yet
    /// flushed are not seen.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let root = config.lake.clone();
        let engine = QueryEngine::new(root.clone(), &config.query, tokio::runtime::Handle::current())?;
        Ok(Self { engine, root, opened: Mutex::default() })
    }

    /// The tables of these signals that are there, each as it was when it was first opened.
    ///
    /// # Errors
    /// `NotFound` where none of them is there; what opening one met.
    pub(crate) async fn tables(&self, signals: &[Signal]) -> Result<Vec<(Signal, Arc<TableState>)>> {
        let mut opened = self.opened.lock().await;
        let missing = signals.iter().copied().filter(|signal| !opened.contains_key(signal));
        let loaded = futures::future::try_join_all(missing.map(|signal| async move {
            let snapshot = LakeTable::new(&self.root, signal)?.load().await?;
            let state = |snapshot| Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() });
            Ok::<_, Error>((signal, snapshot.map(state)))
        }));
        opened.extend(loaded.await?);
        let there = |signal: &Signal| Some((*signal, Arc::clone(opened.get(signal)?.as_ref()?)));
        let tables: Vec<_> = signals.iter().filter_map(there).collect();
        drop(opened);
        if tables.is_empty() && (1..Signal::ALL.len()).contains(&signals.len()) {
            // The query then says which table the lake lacks.
            return Box::pin(self.tables(&Signal::ALL)).await;
        }
        if tables.is_empty() && !signals.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no lake at {}; name one with --lake, or make one with `telestrata serve` or `telestrata import`",
                    self.root.display()
                ),
            ));
        }
        Ok(tables)
    }

    async fn query(&self, sql: &str) -> Result<QueryStream> {
        let tables = self.tables(&self.engine.signals_read(sql)?).await?;
        self.engine.run(Pinned(tables), sql, Vec::new()).await
    }
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

    async fn query(&self, sql: &str) -> Result<QueryStream> {
        let broken =
            |error: String| Error::unavailable(format!("the answer of {} broke off", self.url)).with_source(error);
        let response = self.post_sql(sql, "application/vnd.apache.arrow.stream").await?;
        let body = response.bytes().await.map_err(|error| broken(error.to_string()))?;
        let reader = StreamReader::try_new(body.reader(), None).map_err(|error| broken(error.to_string()))?;
        let schema: SchemaRef = reader.schema();
        let batches: Vec<Result<RecordBatch>> =
            reader.map(|batch| batch.map_err(|error| broken(error.to_string()))).collect();
        Ok(QueryStream { schema, batches: futures::stream::iter(batches).boxed() })
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
}
