//! The command line: one file a verb.
//!
//! Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 partly done.

mod args;
mod arrow_answer;
mod background;
mod check;
mod compact;
mod completions;
mod config;
mod credentials;
mod deliver;
mod demo;
mod erase;
mod export;
mod hash;
mod import;
mod man;
mod prompt;
mod query_text;
mod render;
mod retention;
mod rows;
mod say;
mod serve;
mod snapshot;
mod sql;
mod tables;
mod target;
mod trace;
mod user;
mod vacuum;
mod watch;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, ErrorKind};

/// What a verb that did not fail has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// All of it.
    Wholly,
    /// Some of it; the rest was reported.
    Partly,
}

#[derive(Debug, Parser)]
#[command(name = "telestrata", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take OTLP in, keep it, and answer SQL
    Serve(serve::Serve),
    /// Ask a lake or a server a question in SQL
    Sql(sql::Sql),
    /// Show one trace: its spans, errors and logs in order
    Trace(trace::Trace),
    /// Store OTLP files in a lake
    Import(import::Import),
    /// Write rows to a file, or send them on by OTLP
    Export(export::Export),
    /// List the tables and views of a lake
    Tables(tables::Tables),
    /// Merge the small files of each date into large sorted ones
    Compact(compact::Compact),
    /// Erase rows that a person wants gone, and keep them out
    Erase(erase::Erase),
    /// Remove files that no version of a table needs any more
    Vacuum(vacuum::Vacuum),
    /// Name a moment of the lake, and keep it openable
    Snapshot(snapshot::Snapshot),
    /// Let go of what is past its age, by the rules of the configuration
    Retention(retention::Retention),
    /// Hold lake, write-ahead log and configuration against each other; repairs nothing
    Check(check::Check),
    /// Show the configuration
    Config(config::Config),
    /// Print a shell's completion script
    Completions(completions::Completions),
    /// Print a manual page, or write them all
    Man(man::Man),
    /// See it at work: a small shop sends logs, spans and metrics, and SQL finds its slow dependency
    Demo(demo::Demo),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(serve::QUERY_STACK_BYTES)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&Error::config("no threads can be started on this machine").with_source(error)),
    };
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::Serve(verb) => verb.run().await,
            Verb::Sql(verb) => verb.run().await,
            Verb::Trace(verb) => verb.run().await,
            Verb::Import(verb) => verb.run().await,
            Verb::Export(verb) => verb.run().await,
            Verb::Tables(verb) => verb.run().await,
            Verb::Compact(verb) => verb.run().await,
            Verb::Erase(verb) => verb.run().await,
            Verb::Vacuum(verb) => verb.run().await,
            Verb::Snapshot(verb) => verb.run().await,
            Verb::Retention(verb) => verb.run().await,
            Verb::Check(verb) => verb.run().await,
            Verb::Config(verb) => verb.run(),
            Verb::Completions(verb) => verb.run(),
            Verb::Man(verb) => verb.run(),
            Verb::Demo(verb) => verb.run().await,
        }
    });
    // A query that is still running is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(Done::Wholly) => ExitCode::SUCCESS,
        Ok(Done::Partly) => ExitCode::from(3),
        Err(error) => report(&error),
    }
}

fn report(error: &Error) -> ExitCode {
    match error.position() {
        Some(position) => eprintln!("error at line {}, column {}: {error}", position.line, position.column),
        None => eprintln!("error: {error}"),
    }
    ExitCode::from(if error.kind() == ErrorKind::Config { 2 } else { 1 })
}

/// Logs go to stderr; `TELESTRATA_LOG` chooses, as in `info,telestrata=debug`.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    // delta-rs logs as errors what it also answers, such as a lost race or a table that is not there yet.
    const QUIET: &str = "warn,telestrata=info,deltalake_core=off,buoyant_kernel=off";
    let filter = EnvFilter::try_from_env("TELESTRATA_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
