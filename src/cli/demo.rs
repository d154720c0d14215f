//! `telestrata demo`: a shop of a dozen services sends all three signals, and SQL finds what is wrong with it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::FutureExt;

use super::Done;
use super::args::ConfigArgs;
use super::render::{Layout, table};
use super::serve::{LocalServer, stop_signals};
use super::target::{Server, Target};
use crate::config::Config;
use crate::demo::{Counts, Progress, Sender, Shop, Until, run};
use crate::error::{Error, Result};
use crate::otlp_client::Compression;

/// The question that the demo ends with.
const QUESTION: &str = include_str!("demo.sql");

/// Simulated time between two sends of the shop's past.
const HISTORY_STEP: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    config: ConfigArgs,

    /// Folder for the lake and the write-ahead log of the demo's own server
    #[arg(long, value_name = "DIR", default_value = "./telestrata-demo", conflicts_with_all = ["connect", "otlp"])]
    folder: std::path::PathBuf,

    /// Use the server with this HTTP API instead of one of its own
    #[arg(long, value_name = "URL", requires = "otlp")]
    connect: Option<String>,

    /// Where that server takes OTLP/gRPC
    #[arg(long, value_name = "URL", requires = "connect")]
    otlp: Option<String>,

    /// Spans and logs a second
    #[arg(long, default_value_t = Shop::DEFAULT_RECORDS_PER_SECOND)]
    rate: f64,

    /// How much of the shop's past to send first, as fast as it goes
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    history: Duration,

    /// How long to send live after that, or `forever`
    #[arg(long = "for", value_name = "DURATION|forever", default_value = "10s", value_parser = parse_until)]
    live: Live,

    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Live {
    Elapsed(Duration),
    Forever,
}

fn parse_until(text: &str) -> Result<Live, humantime::DurationError> {
    if text == "forever" { Ok(Live::Forever) } else { humantime::parse_duration(text).map(Live::Elapsed) }
}

impl Demo {
    pub(super) async fn run(self) -> Result<Done> {
        if !self.rate.is_finite() || self.rate <= 0.0 {
            return Err(Error::config(format!("--rate {} is no rate; give records a second", self.rate)));
        }
        let mut stop = stop_signals()?;
        let own = match &self.connect {
            Some(_) => None,
            None => Some(LocalServer::start(&self.own_config()?).await?),
        };
        let (otlp, http) = self.addresses(own.as_ref())?;
        println!("server: OTLP/gRPC {otlp}, HTTP API {http}");
        let outcome = self.show(&otlp, &http, &mut stop).await;
        let stopped = match own {
            Some(server) => server.stop().await,
            None => Ok(()),
        };
        outcome?;
        stopped?;
        self.print_next(&http);
        Ok(Done::Wholly)
    }

    /// A server of its own on free ports, so that it starts beside any other.
    fn own_config(&self) -> Result<Config> {
        let mut layers = self.config.layers()?;
        let folder = |name: &str| self.folder.join(name).display().to_string();
        layers.set_flag("lake", Some(&folder("lake")));
        layers.set_flag("wal", Some(&folder("wal")));
        for door in ["otlp_grpc", "otlp_http", "http", "flight", "postgres"] {
            layers.set_flag(door, Some("127.0.0.1:0"));
        }
        // It is reached from here alone, by a program that knows no password.
        Ok(Config { users: Arc::default(), tls: None, ..Config::from_layers(&layers)? })
    }

    fn addresses(&self, own: Option<&LocalServer>) -> Result<(String, String)> {
        if let (Some(otlp), Some(http)) = (&self.otlp, &self.connect) {
            return Ok((otlp.clone(), http.clone()));
        }
        let doors = own.map(LocalServer::doors).unwrap_or_default();
        let address = |name: &str| {
            let door = doors.iter().find(|(door, _)| *door == name).and_then(|(_, address)| address.clone());
            door.map(|address| format!("http://{address}"))
                .ok_or_else(|| Error::internal(format!("the door {name} is closed")))
        };
        Ok((address("otlp_grpc")?, address("http")?))
    }

    async fn show(&self, otlp: &str, http: &str, stop: &mut tokio::sync::mpsc::Receiver<()>) -> Result<()> {
        let failed = |error| Error::unavailable("the shop can't send").with_source(error);
        let mut sender = Sender::connect(otlp, Compression::Zstd).await.map_err(failed)?;
        let now = u64::try_from(chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default()).unwrap_or_default();
        let past = u64::try_from(self.history.as_nanos()).unwrap_or(u64::MAX);
        let mut shop = Shop::new(self.seed, now.saturating_sub(past)).with_records_per_second(self.rate);
        let sent = self.send_history(&mut shop, &mut sender, stop).await?;
        println!("sent the shop's last {}: {}", humantime::format_duration(self.history), describe(sent));
        let until = match self.live {
            Live::Elapsed(time) => Until::Elapsed(time),
            Live::Forever => Until::Forever,
        };
        match self.live {
            Live::Elapsed(time) => println!("sending live for {} ...", humantime::format_duration(time)),
            Live::Forever => println!("sending live until Ctrl-C ..."),
        }
        let terminal = std::io::stderr().is_terminal();
        let progress = run(&mut shop, &mut sender, until, stop.recv().map(|_| ()), |progress: &Progress| {
            if terminal {
                eprint!("\r{}, {} rejected   ", describe(progress.sent), progress.rejected);
            }
        })
        .await
        .map_err(failed)?;
        if terminal {
            eprintln!();
        }
        println!("sent live: {}, {} rejected\n", describe(progress.sent), progress.rejected);
        println!("{}", QUESTION.trim_end());
        let target = Target::Server(Server::new(http)?);
        let answer = target.query(QUESTION).await?;
        let schema = Arc::clone(&answer.schema);
        println!("\n{}", table(&schema, &answer.collect().await?, Layout::of_stdout())?);
        println!(
            "The shop's checkouts are slow in seconds 20 to 40 of every minute: payment waits for fraud scoring.\n"
        );
        Ok(())
    }

    async fn send_history(
        &self,
        shop: &mut Shop,
        sender: &mut Sender,
        stop: &mut tokio::sync::mpsc::Receiver<()>,
    ) -> Result<Counts> {
        let mut sent = Counts::default();
        let mut left = self.history;
        while left > Duration::ZERO && stop.try_recv().is_err() {
            let step = left.min(HISTORY_STEP);
            let tick = shop.advance(step);
            for export in &tick.exports {
                sender
                    .send(export)
                    .await
                    .map_err(|error| Error::unavailable("the shop can't send").with_source(error))?;
            }
            sent += tick.counts;
            left -= step;
        }
        Ok(sent)
    }

    fn print_next(&self, http: &str) {
        let at = match &self.connect {
            Some(_) => format!("--connect {http}"),
            None => format!("--lake {}", self.folder.join("lake").display()),
        };
        let program = std::env::args().next().unwrap_or_else(|| "telestrata".to_owned());
        println!("Everything is kept as open Delta tables. What to try next:");
        println!("  {program} tables --lake {}", self.folder.join("lake").display());
        println!("  {program} sql {at} \"select * from traces where error_count > 0 order by time desc limit 5\"");
        println!(
            "  {program} sql {at} \"select attr('http.route') as route, count(*) from spans group by 1 order by 2 desc\""
        );
        println!("  {program} trace {at} <a trace_id of the above>");
        println!(
            "  {program} serve --lake {} --wal {}",
            self.folder.join("lake").display(),
            self.folder.join("wal").display()
        );
    }
}

fn describe(counts: Counts) -> String {
    format!("{} spans, {} logs, {} data points", counts.spans, counts.logs, counts.data_points)
}
