//! What a reading verb asks: a lake's files, or a server.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;
use clap::Args;
use futures::StreamExt;
use futures::stream::BoxStream;

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
    tables: Vec<(Signal, Arc<TableState>)>,
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
            None => Ok(Target::Lake(Box::new(LocalLake::open(&self.lake.load()?).await?))),
        }
    }
}

impl LocalLake {
    /// Opens a lake for reading. Its WAL is left alone: rows not yet flushed are not seen.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let root = LakeRoot::parse(&config.lake)?;
        let mut tables = Vec::new();
        for signal in Signal::ALL {
            if let Some(snapshot) = LakeTable::new(&root, signal)?.load().await? {
                tables.push((signal, Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() })));
            }
        }
        if tables.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no lake at {}; name one with --lake, or make one with `telestrata serve` or `telestrata import`",
                    root.display()
                ),
            ));
        }
        let engine = QueryEngine::new(root, &config.query, tokio::runtime::Handle::current())?;
        Ok(Self { engine, tables })
    }

    /// The tables as they were when the lake was opened.
    pub(crate) fn tables(&self) -> &[(Signal, Arc<TableState>)] {
        &self.tables
    }

    async fn query(&self, sql: &str) -> Result<QueryStream> {
        self.engine.run(Pinned(self.tables.clone()), sql, Vec::new()).await
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
        let response = self.post_sql(sql, "application/vnd.apache.arrow.stream").await?;
        let mut answer = Answer {
            url: self.url.clone(),
            body: response.bytes_stream().boxed(),
            unread: Buffer::from(Vec::<u8>::new()),
            decoder: StreamDecoder::new(),
        };
        let first = answer.next_batch().await?;
        let schema = answer.decoder.schema().ok_or_else(|| answer.broken("it has no schema"))?;
        let rest = futures::stream::try_unfold(answer, async |mut answer| {
            Ok(answer.next_batch().await?.map(|batch| (batch, answer)))
        });
        let batches = futures::stream::iter(first.map(Ok)).chain(rest).boxed();
        Ok(QueryStream { schema, batches })
    }
}

/// An Arrow stream while it comes in: one batch at a time is held.
struct Answer {
    url: String,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    /// What the decoder has not taken yet.
    unread: Buffer,
    decoder: StreamDecoder,
}

impl Answer {
    /// The next batch, `None` at the end of a whole answer.
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while !self.unread.is_empty() {
                let decoded = self.decoder.decode(&mut self.unread);
                if let Some(batch) = decoded.map_err(|error| self.broken(error))? {
                    return Ok(Some(batch));
                }
            }
            match self.body.next().await {
                Some(bytes) => self.unread = Buffer::from(bytes.map_err(|error| self.broken(error))?),
                None => return self.decoder.finish().map(|()| None).map_err(|error| self.broken(error)),
            }
        }
    }

    fn broken(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::unavailable(format!("the answer of {} broke off", self.url)).with_source(cause)
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
