//! The loop: read, do, show; until Ctrl-D or `\q`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::render::{Expanded, Layout, screen};
use super::super::rows::OutputFormat;
use super::super::say::say;
use super::super::target::Target;
use super::answer::{Manner, Sink, answer, cancelled};
use super::caret::explain;
use super::catalogue::Fetched;
use super::command::{Command, help, parse};
use super::describe::{describe, list};
use super::editor::{Input, LineEditor, gives_up};
use super::script::{Step, What, steps};
use super::sink::{OutputFile, Screen};
use crate::error::{Error, Result};

/// Files that `\i` reads from files that `\i` reads.
const INCLUDE_DEPTH: usize = 8;

/// The screen where the terminal does not tell.
const CLASSICAL: (usize, usize) = (80, 24);

struct Session {
    target: Arc<Target>,
    interrupts: Signal,
    format: OutputFormat,
    expanded: Expanded,
    timing: bool,
    paging: bool,
    output: Option<OutputFile>,
}

/// Whether the prompt goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Prompt,
    Leave,
}

/// What went wrong, as it is to be shown.
struct Trouble(String);

/// Asks a person for queries until they leave.
///
/// # Errors
/// `Config` where the terminal can't be read from, or `output` not written.
pub(in crate::cli) async fn run(target: Target, format: OutputFormat, output: Option<PathBuf>) -> Result<()> {
    let target = Arc::new(target);
    // From here on Ctrl-C ends queries only.
    let interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::config("signals can't be listened for").with_source(error))?;
    let known = Fetched::begin(Arc::clone(&target), tokio::runtime::Handle::current());
    let mut editor = LineEditor::new(known)?;
    let output = output.as_deref().map(OutputFile::create).transpose()?;
    say(&format!(
        "telestrata {}, {}\nA query ends with `;`, \\? lists the commands, \\q leaves.\n",
        env!("CARGO_PKG_VERSION"),
        target.display()
    ))?;
    let (expanded, timing, paging) = (Expanded::Auto, true, true);
    let mut session = Session { target, interrupts, format, expanded, timing, paging, output };
    loop {
        // What a pager's user interrupted is over. While a line is typed, Ctrl-C is a key and not a signal.
        while session.interrupts.recv().now_or_never().flatten().is_some() {}
        match tokio::task::block_in_place(|| editor.read())? {
            Input::Cleared => {}
            Input::End => return Ok(()),
            Input::Text(text) if gives_up(&text) => return Ok(()),
            Input::Text(text) => match session.run(&text, 0).await {
                Ok(Next::Prompt) => {}
                Ok(Next::Leave) => return Ok(()),
                Err(Trouble(text)) => eprint!("{text}"),
            },
        }
    }
}

impl Session {
    /// Does what a text says, up to the first thing that fails.
    async fn run(&mut self, text: &str, depth: usize) -> Result<Next, Trouble> {
        match text.trim() {
            "exit" | "quit" => return Ok(Next::Leave),
            "help" => return self.command("\\?", depth).await,
            _ => {}
        }
        for step in steps(text) {
            let next = match step {
                Step { what: What::Command(line), .. } => self.command(line, depth).await?,
                Step { what: What::Statement(sql), .. } => {
                    self.ask(sql).await.map_err(|error| trouble(&error, sql))?;
                    Next::Prompt
                }
            };
            if next == Next::Leave {
                return Ok(Next::Leave);
            }
        }
        Ok(Next::Prompt)
    }

    async fn ask(&mut self, sql: &str) -> Result<()> {
        if self.output.is_some() { self.ask_into_file(sql).await } else { self.ask_on_screen(sql).await }
    }

    async fn ask_on_screen(&mut self, sql: &str) -> Result<()> {
        let format = if self.format == OutputFormat::Auto { OutputFormat::Table } else { self.format };
        if !format.is_text() {
            return Err(Error::invalid(
                "this format is not for a screen: name a file with \\o FILE, or another \\format",
            ));
        }
        let size = size();
        let mut screen = Screen::new(size, self.paging);
        let layout = Layout { width: Some(size.0), expanded: self.expanded };
        let manner = Manner { format, layout, timing: self.timing };
        let mut sink = Sink::Screen(&mut screen);
        let outcome = tokio::select! {
            outcome = answer(&self.target, sql, manner, &mut sink) => outcome,
            _ = self.interrupts.recv() => Err(cancelled()),
        };
        screen.close().await?;
        let count = outcome?;
        if format == OutputFormat::Table { Ok(()) } else { say(&format!("{count}\n")) }
    }

    async fn ask_into_file(&mut self, sql: &str) -> Result<()> {
        let Some(file) = &mut self.output else { return Ok(()) };
        let format = self.format.of_file(file.path());
        if !format.is_text() && file.results > 0 {
            return Err(Error::invalid(format!(
                "{} has a result, and its format holds one only; name another with \\o FILE",
                file.path().display()
            )));
        }
        let layout = Layout { width: None, expanded: self.expanded };
        let manner = Manner { format, layout, timing: self.timing };
        let mut sink = Sink::File(file);
        let count = tokio::select! {
            outcome = answer(&self.target, sql, manner, &mut sink) => outcome,
            _ = self.interrupts.recv() => Err(cancelled()),
        }?;
        file.results += 1;
        say(&format!("{count} to {}\n", file.path().display()))
    }

    async fn command(&mut self, line: &str, depth: usize) -> Result<Next, Trouble> {
        let command = parse(line).map_err(|error| trouble(&error, ""))?;
        if let Command::Include(path) = &command {
            return self.include(path, depth).await;
        }
        self.perform(command).await.map_err(|error| trouble(&error, ""))
    }

    async fn perform(&mut self, command: Command) -> Result<Next> {
        let (columns, _) = size();
        match command {
            Command::Quit => return Ok(Next::Leave),
            Command::Include(_) => {}
            Command::Help => self.show(&help(Some(columns))).await?,
            Command::List => {
                let text = self.interruptible(async |target| list(&target, Some(columns)).await).await?;
                self.show(&text).await?;
            }
            Command::Describe(name) => {
                let text = self.interruptible(async |target| describe(&target, &name, Some(columns)).await).await?;
                self.show(&text).await?;
            }
            Command::Expanded(wanted) => {
                self.expanded = wanted.unwrap_or(match self.expanded {
                    Expanded::On => Expanded::Auto,
                    Expanded::Auto | Expanded::Off => Expanded::On,
                });
                say(match self.expanded {
                    Expanded::Auto => "records where no table fits\n",
                    Expanded::On => "records\n",
                    Expanded::Off => "tables, also where they do not fit\n",
                })?;
            }
            Command::Timing(wanted) => {
                self.timing = wanted.unwrap_or(!self.timing);
                say(if self.timing { "timing is on\n" } else { "timing is off\n" })?;
            }
            Command::Pager(wanted) => {
                self.paging = wanted.unwrap_or(!self.paging);
                say(if self.paging { "the pager is on\n" } else { "the pager is off\n" })?;
            }
            Command::Format(wanted) => {
                self.format = wanted.unwrap_or(OutputFormat::Auto);
                say(&format!("the format is {}\n", name_of(self.format)))?;
            }
            Command::Output(path) => {
                self.output = path.as_deref().map(OutputFile::create).transpose()?;
                match &self.output {
                    Some(file) => say(&format!("results go to {}\n", file.path().display()))?,
                    None => say("results go to the screen\n")?,
                }
            }
        }
        Ok(Next::Prompt)
    }

    fn include<'a>(&'a mut self, path: &'a Path, depth: usize) -> LocalBoxFuture<'a, Result<Next, Trouble>> {
        async move {
            let failed = |error: Error| trouble(&error, "");
            if depth == INCLUDE_DEPTH {
                return Err(failed(Error::invalid(format!("{} is read from too many files deep", path.display()))));
            }
            let text = std::fs::read_to_string(path)
                .map_err(|error| failed(Error::config(format!("can't read {}", path.display())).with_source(error)))?;
            for step in steps(&text) {
                let text = match step.what {
                    What::Statement(text) | What::Command(text) => text,
                };
                match self.run(text, depth + 1).await {
                    Ok(Next::Prompt) => {}
                    Ok(Next::Leave) => return Ok(Next::Leave),
                    Err(Trouble(text)) => {
                        let path = path.display();
                        return Err(Trouble(format!("{text}in {path}, in what begins on line {}\n", step.line)));
                    }
                }
            }
            Ok(Next::Prompt)
        }
        .boxed_local()
    }

    /// Does something that Ctrl-C ends.
    async fn interruptible<T>(&mut self, act: impl AsyncFnOnce(Arc<Target>) -> Result<T>) -> Result<T> {
        tokio::select! {
            outcome = act(Arc::clone(&self.target)) => outcome,
            _ = self.interrupts.recv() => Err(cancelled()),
        }
    }

    async fn show(&self, text: &str) -> Result<()> {
        let mut screen = Screen::new(size(), self.paging);
        let written = screen.write(text.as_bytes()).await;
        screen.close().await?;
        written.map(|_| ())
    }
}

fn size() -> (usize, usize) {
    screen().unwrap_or(CLASSICAL)
}

fn trouble(error: &Error, query: &str) -> Trouble {
    Trouble(explain(error, query, size().0))
}

fn name_of(format: OutputFormat) -> String {
    use clap::ValueEnum;
    format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
