//! Where a result goes: the screen, a pager, or a file.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::super::render::display_width;
use super::super::say::say;
use crate::error::{Error, Result};

/// The pager where `$PAGER` names none: colours pass, long lines are cut, and what fits the screen stays on it.
const PAGER: [&str; 2] = ["less", "-RSFX"];

/// Lines of the screen that the next prompt needs.
const PROMPT_LINES: usize = 2;

/// Whether more may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Listening,
    /// The pager was left: nobody reads the rest.
    Gone,
}

/// The screen, with a pager where the text is longer.
#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    lines: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Held back until it is known to fit.
    Held(Vec<u8>),
    Paged(Box<Pager>),
    Direct,
}

#[derive(Debug)]
struct Pager {
    child: Child,
    input: Option<ChildStdin>,
}

impl Screen {
    /// A screen of this size; without `paging` everything is printed at once.
    pub(super) fn new((columns, lines): (usize, usize), paging: bool) -> Self {
        let state = if paging { State::Held(Vec::new()) } else { State::Direct };
        Self { columns, lines, state }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<Reader> {
        match &mut self.state {
            State::Direct => print(bytes).map(|()| Reader::Listening),
            State::Paged(pager) => pager.write(bytes).await,
            State::Held(held) => {
                held.extend_from_slice(bytes);
                if fits(held, self.columns, self.lines.saturating_sub(PROMPT_LINES)) {
                    return Ok(Reader::Listening);
                }
                let held = std::mem::take(held);
                match Pager::start() {
                    Ok(mut pager) => {
                        let reader = pager.write(&held).await;
                        self.state = State::Paged(Box::new(pager));
                        reader
                    }
                    Err(error) => {
                        self.state = State::Direct;
                        print(&held)?;
                        Err(error)
                    }
                }
            }
        }
    }

    /// Shows what is held back, or waits until the pager is left.
    pub(super) async fn close(self) -> Result<()> {
        match self.state {
            State::Held(held) => print(&held),
            State::Direct => Ok(()),
            State::Paged(mut pager) => {
                drop(pager.input.take());
                let status = pager.child.wait().await.map_err(pager_failed)?;
                // What a shell answers for a program that it can't find or run.
                match status.code() {
                    Some(126 | 127) => Err(Error::config("$PAGER can't be run; set another, or \\pager off")),
                    _ => Ok(()),
                }
            }
        }
    }
}

fn fits(text: &[u8], columns: usize, lines: usize) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().count() <= lines && text.lines().all(|line| display_width(line) <= columns)
}

fn print(bytes: &[u8]) -> Result<()> {
    say(&String::from_utf8_lossy(bytes))
}

impl Pager {
    fn start() -> Result<Self> {
        let mut command = match std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()) {
            Some(pager) => {
                // A user's setting is a shell's command line, as everywhere.
                let mut command = Command::new("sh");
                command.args(["-c", &pager]);
                command
            }
            None => {
                let mut command = Command::new(PAGER[0]);
                command.arg(PAGER[1]);
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(pager_failed)?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<Reader> {
        let Some(input) = &mut self.input else { return Ok(Reader::Gone) };
        match input.write_all(bytes).await {
            Ok(()) => Ok(Reader::Listening),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(pager_failed(error)),
        }
    }
}

fn pager_failed(error: std::io::Error) -> Error {
    Error::config("the pager can't be used; set $PAGER, or \\pager off").with_source(error)
}

/// The file that `\o` names.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    file: File,
    pub(super) results: usize,
}

impl OutputFile {
    /// Makes the file anew.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let failed = |error| Error::config(format!("can't write {}", path.display())).with_source(error);
        Ok(Self { path: path.to_owned(), file: File::create(path).map_err(failed)?, results: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = |error| Error::config(format!("can't write {}", self.path.display())).with_source(error);
        self.file.write_all(bytes).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("one\ntwo\n", 10, 2, true)]
    #[case("one\ntwo\nthree\n", 10, 2, false)]
    #[case("日本語\n", 5, 2, false)]
    #[case("", 0, 0, true)]
    fn what_fits_is_not_paged(
        #[case] text: &str,
        #[case] columns: usize,
        #[case] lines: usize,
        #[case] expected: bool,
    ) {
        assert_eq!(fits(text.as_bytes(), columns, lines), expected);
    }
}
