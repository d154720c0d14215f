//! `telestrata serve`: every door over one lake, until told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::Done;
use super::args::LakeArgs;
use super::background::start_background;
use super::erase::erase_settings;
use super::import::import_settings;
use crate::config::{Config, Layers, Origin};
use crate::error::{Error, Result};
use crate::ingest::Store;
use crate::maintenance::Background;
use crate::maintenance::{EraseService, JobKind};
use crate::metrics::Metrics;
use crate::query::QueryEngine;
use crate::server::{self, Running, ServerSettings};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    lake: LakeArgs,

    /// Folder of the write-ahead log [default: ./telemetry-wal]
    #[arg(long, value_name = "DIR")]
    wal: Option<String>,

    /// Address of the OTLP/gRPC door, or off [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR|off")]
    otlp_grpc: Option<String>,

    /// Address of the OTLP/HTTP door, or off [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR|off")]
    otlp_http: Option<String>,

    /// Address of the HTTP API, or off [default: 127.0.0.1:8710]
    #[arg(long, value_name = "ADDR|off")]
    http: Option<String>,

    /// Address of the Arrow Flight SQL door, or off [default: 127.0.0.1:8711]
    #[arg(long, value_name = "ADDR|off")]
    flight: Option<String>,

    /// Address of the PostgreSQL door, or off [default: 127.0.0.1:8712]
    #[arg(long, value_name = "ADDR|off")]
    postgres: Option<String>,

    /// Let other machines come without TLS: what they send and ask, and their passwords, can be read on the way
    #[arg(long)]
    insecure_plaintext: bool,

    /// Write the doors' addresses to this file as JSON once ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<Done> {
        let mut layers = self.lake.layers()?;
        layers.set_flag("wal", self.wal.as_deref());
        layers.set_flag("otlp_grpc", self.otlp_grpc.as_deref());
        layers.set_flag("otlp_http", self.otlp_http.as_deref());
        layers.set_flag("http", self.http.as_deref());
        layers.set_flag("flight", self.flight.as_deref());
        layers.set_flag("postgres", self.postgres.as_deref());
        layers.set_flag("insecure_plaintext", self.insecure_plaintext.then_some("true"));
        let config = Config::from_layers(&layers)?;
        warn_of_open_secrets(&layers, &config);
        let stop = stop_signals()?;
        let server = LocalServer::start(&config).await?;
        for (door, address) in server.doors() {
            println!("{door} {}", address.as_deref().unwrap_or("off"));
        }
        println!("ready");
        if let Some(file) = &self.ready_file {
            server.write_ready_file(file)?;
        }
        let mut stop = stop;
        stop.recv().await;
        eprintln!("stopping: finishing requests and flushing; a second Ctrl-C stops now");
        tokio::select! {
            stopped = server.stop() => stopped.map(|()| Done::Wholly),
            _ = stop.recv() => Err(Error::unavailable("stopped before everything was flushed; it is safe in the write-ahead log and comes back at the next start")),
        }
    }
}

/// Warns of files with hashes or a key in them that others than their owner can read.
fn warn_of_open_secrets(layers: &Layers, config: &Config) {
    use std::os::unix::fs::PermissionsExt as _;
    let hashes = ["auth.user", "auth.token"].into_iter().filter_map(|list| match layers.get(list)? {
        (_, Origin::File(file)) => Some(file.as_path()),
        _ => None,
    });
    let files: std::collections::BTreeSet<&Path> =
        hashes.chain(config.tls.as_ref().map(|tls| tls.key.as_path())).collect();
    for file in files {
        if std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0) {
            tracing::warn!(file = %file.display(), "others than its owner can read this file's secrets; chmod 600 it");
        }
    }
}

/// A store and its doors in this process.
#[derive(Debug)]
pub(super) struct LocalServer {
    store: Arc<Store>,
    running: Running,
    background: Option<Background>,
    _queries: QueryThreads,
}

/// The part of the memory limit that an import through the server may take.
const SERVER_IMPORT_SHARE: usize = 16;

/// Stack of a thread that plans queries: deep expressions are visited, and let go of, by recursion.
pub(super) const QUERY_STACK_BYTES: usize = 64 << 20;

/// Threads for queries, a core.
const THREADS_A_CORE: usize = 8;

/// Queries have threads of their own, so that a heavy one does not hold up acknowledgements.
#[derive(Debug)]
struct QueryThreads(Option<tokio::runtime::Runtime>);

impl QueryThreads {
    fn start() -> Result<(Self, tokio::runtime::Handle)> {
        // More than there are cores: a join that computes long between two batches keeps its threads, and other queries
        // then share the cores with it by time.
        let threads = THREADS_A_CORE * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("query")
            .thread_stack_size(QUERY_STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| Error::config("no threads can be started for queries").with_source(error))?;
        let handle = runtime.handle().clone();
        Ok((Self(Some(runtime)), handle))
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        // A runtime that waits for its threads must not be dropped in async code; running queries are not waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl LocalServer {
    pub(super) async fn start(config: &Config) -> Result<Self> {
        let root = config.lake.clone();
        let (queries, handle) = QueryThreads::start()?;
        let metrics = Arc::new(Metrics::new(root.requests()));
        let store = Store::open(root.clone(), config.ingest.clone(), metrics).await?;
        let engine = Arc::new(QueryEngine::new(root, &config.query, Arc::clone(&config.views), handle)?);
        let erase = EraseService { settings: erase_settings(config)?, desk: Arc::default() };
        let settings = ServerSettings {
            otlp_grpc: config.otlp_grpc.address(),
            otlp_http: config.otlp_http.address(),
            http: config.http.address(),
            flight: config.flight.address(),
            postgres: config.postgres.address(),
            users: Arc::clone(&config.users),
            tls: config.tls.clone(),
            insecure_plaintext: config.insecure_plaintext,
            import: import_settings(config, config.memory_limit / SERVER_IMPORT_SHARE),
            max_request_bytes: config.max_request_bytes,
            erase: Some(erase.clone()),
            config: config.described.clone(),
        };
        let running = match server::start(Arc::clone(&store), Arc::clone(&engine), settings).await {
            Ok(running) => running,
            Err(error) => return store.close().await.and(Err(error)),
        };
        if let Some(address) = running.addresses().http {
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            // Only a hint for people; the next heartbeat gives it too.
            if let Err(error) = store.registration().has_door(format!("{scheme}://{address}")).await {
                tracing::info!(%error, "the lake does not know this server's HTTP door yet");
            }
        }
        match start_background(config, &store, &engine) {
            Ok(background) => {
                let desk = background.as_ref().and_then(|background| background.desk(JobKind::Erasure));
                if let Some(desk) = desk {
                    // Set here alone.
                    drop(erase.desk.set(desk));
                }
                Ok(Self { store, running, background, _queries: queries })
            }
            Err(error) => {
                running.stop().await;
                store.close().await.and(Err(error))
            }
        }
    }

    /// Each door by its name in the ready file, and its address.
    pub(super) fn doors(&self) -> [(&'static str, Option<String>); 5] {
        let addresses = self.running.addresses();
        [
            ("otlp_grpc", addresses.otlp_grpc.map(|address| address.to_string())),
            ("otlp_http", addresses.otlp_http.map(|address| address.to_string())),
            ("http", addresses.http.map(|address| address.to_string())),
            ("flight", addresses.flight.map(|address| address.to_string())),
            ("postgres", addresses.postgres.map(|address| address.to_string())),
        ]
    }

    /// Written whole or not at all: a reader that finds the file finds all of it.
    fn write_ready_file(&self, file: &Path) -> Result<()> {
        let doors: serde_json::Map<String, serde_json::Value> =
            self.doors().into_iter().map(|(door, address)| (door.to_owned(), json!(address))).collect();
        let failed = |error| Error::config(format!("can't write {}", file.display())).with_source(error);
        let mut staged = file.as_os_str().to_owned();
        staged.push(".tmp");
        std::fs::write(&staged, serde_json::Value::Object(doors).to_string()).map_err(failed)?;
        std::fs::rename(&staged, file).map_err(failed)
    }

    /// Refuses new work, finishes what is under way, cuts background work short, flushes, and lets go of the WAL.
    pub(super) async fn stop(self) -> Result<()> {
        let background = async {
            if let Some(background) = &self.background {
                background.stop().await;
            }
        };
        tokio::join!(self.running.stop(), background);
        self.store.close().await
    }
}

/// SIGTERM and SIGINT, as they come.
pub(super) fn stop_signals() -> Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Error::config("signals can't be listened for").with_source(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
