//! The line editor: rustyline with our rules of what is whole and what TAB offers.

use std::path::PathBuf;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::catalogue::{Fetched, Known};
use super::complete::complete;
use super::history;
use super::scan::scan;
use crate::error::{Error, Result};

const PROMPT: &str = "telestrata> ";

/// Candidates that are listed without asking first.
const LISTED: usize = 200;

/// What came of one input.
#[derive(Debug)]
pub(super) enum Input {
    /// Something whole.
    Text(String),
    /// Ctrl-C: nothing is to be done.
    Cleared,
    /// Ctrl-D.
    End,
}

/// The editor and its history.
#[derive(Debug)]
pub(super) struct LineEditor {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// An editor with the user's history. Where no history can be kept, stderr says so and why.
    pub(super) fn new(known: Fetched) -> Result<Self> {
        let config = Config::builder()
            .max_history_size(history::ENTRIES)
            .map_err(broken)?
            // As in shells, a space before a line keeps it out of the history.
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_prompt_limit(LISTED)
            .build();
        let mut editor = Editor::with_config(config).map_err(broken)?;
        editor.set_helper(Some(Assistant { known: Box::new(known), files: FilenameCompleter::new() }));
        let history = match history::path(|name| std::env::var_os(name)) {
            None => {
                eprintln!("no history is kept: neither XDG_STATE_HOME nor HOME names a folder");
                None
            }
            Some(path) => match history::create(&path) {
                Ok(()) => Some(path),
                Err(error) => {
                    eprintln!("{error}");
                    None
                }
            },
        };
        let mut this = Self { editor, history };
        if let Some(path) = this.history.clone()
            && let Err(error) = this.editor.load_history(&path)
        {
            this.without_history(&error);
        }
        Ok(this)
    }

    /// Waits for the next input. Blocks its thread.
    pub(super) fn read(&mut self) -> Result<Input> {
        match self.editor.readline(PROMPT) {
            Ok(text) => {
                self.remember(&text);
                Ok(Input::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Input::Cleared),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(broken(error)),
        }
    }

    fn remember(&mut self, text: &str) {
        let Some(path) = self.history.clone().filter(|_| !text.trim().is_empty()) else { return };
        // At once, so that neither a crash nor another prompt loses it.
        let kept = self.editor.add_history_entry(text.trim_end()).and_then(|_| self.editor.append_history(&path));
        if let Err(error) = kept {
            self.without_history(&error);
        }
    }

    fn without_history(&mut self, error: &ReadlineError) {
        if let Some(path) = self.history.take() {
            eprintln!("no history is kept from here on: {}: {error}", path.display());
        }
    }
}

fn broken(error: ReadlineError) -> Error {
    Error::config("the terminal can't be read from").with_source(error)
}

/// What rustyline asks.
struct Assistant {
    known: Box<dyn Known>,
    files: FilenameCompleter,
}

impl std::fmt::Debug for Assistant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assistant").finish_non_exhaustive()
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let offer = complete(line, pos, self.known.as_ref());
        if offer.file {
            return self.files.complete(line, pos, context);
        }
        let pairs = offer.candidates.into_iter();
        let pairs = pairs.map(|candidate| Pair { display: candidate.shown, replacement: candidate.put });
        Ok((offer.start, pairs.collect()))
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Shown on the empty line that Enter opens in an unfinished query: why nothing has happened yet.
struct Unfinished;

impl Hint for Unfinished {
    fn display(&self) -> &'static str {
        "-- a query ends with ; and Ctrl-C clears it"
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Unfinished;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Unfinished> {
        (pos == line.len() && line.ends_with('\n')).then_some(Unfinished)
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> std::borrow::Cow<'h, str> {
        format!("\x1b[2m{hint}\x1b[0m").into()
    }
}

impl Helper for Assistant {}

/// Whether Enter ends the input: it is a command, its last statement has its `;`, or nothing is in it.
fn is_whole(text: &str) -> bool {
    let scan = scan(text);
    let word = text.trim();
    word.starts_with('\\')
        || matches!(word, "exit" | "quit" | "help")
        || gives_up(text)
        || scan.is_blank()
        || scan.is_ended(text)
}

/// Whether the last line says `\q`: who is lost in an unfinished query wants to leave, also out of an open string.
pub(super) fn gives_up(text: &str) -> bool {
    text.lines().next_back().is_some_and(|line| line.trim() == "\\q")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("", true)]
    #[case("-- a thought", true)]
    #[case("\\d", true)]
    #[case("exit", true)]
    #[case("select 'open\n\\q", true)]
    #[case("select 1\n\\x", false)]
    #[case("select 1", false)]
    #[case("select 1;", true)]
    #[case("select 'a;", false)]
    fn enter_ends_what_is_whole(#[case] text: &str, #[case] whole: bool) {
        assert_eq!(is_whole(text), whole);
    }
}
