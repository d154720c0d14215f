//! Backslash commands: their names, what they take, and what they mean.

use std::path::PathBuf;

use clap::ValueEnum;

use super::super::render::{Align, Expanded, listing};
use super::super::rows::OutputFormat;
use crate::error::{Error, Result};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    List,
    Describe(String),
    Expanded(Option<Expanded>),
    Timing(Option<bool>),
    Pager(Option<bool>),
    Format(Option<OutputFormat>),
    Include(PathBuf),
    Output(Option<PathBuf>),
    Help,
    Quit,
}

/// What follows a command's name, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    Nothing,
    Relation,
    OneOf(&'static [&'static str]),
    File,
}

/// A command as `\?` lists it.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) argument: Argument,
    usage: &'static str,
    help: &'static str,
}

const SWITCH: Argument = Argument::OneOf(&["on", "off"]);
const EXPANDED: Argument = Argument::OneOf(&["auto", "on", "off"]);
const FORMATS: Argument =
    Argument::OneOf(&["auto", "table", "csv", "tsv", "json", "ndjson", "markdown", "arrow", "parquet"]);

/// Every command.
pub(super) const SPECS: &[Spec] = &[
    Spec::new("\\d", Argument::Relation, "\\d [NAME]", "list the tables and views, or the columns of one"),
    Spec::new("\\x", EXPANDED, "\\x [auto|on|off]", "show rows as records: where no table fits, always, never"),
    Spec::new(
        "\\format",
        FORMATS,
        "\\format [FORMAT]",
        "how rows are shown: table, csv, tsv, json, ndjson, markdown; arrow, parquet into a file",
    ),
    Spec::new("\\timing", SWITCH, "\\timing [on|off]", "tell how long each query took"),
    Spec::new("\\pager", SWITCH, "\\pager [on|off]", "show what is longer than the screen through $PAGER"),
    Spec::new("\\i", Argument::File, "\\i FILE", "run the queries and commands of a file"),
    Spec::new("\\o", Argument::File, "\\o [FILE]", "write results to a file, or to the screen again"),
    Spec::new("\\?", Argument::Nothing, "\\?", "this list"),
    Spec::new("\\q", Argument::Nothing, "\\q", "leave; Ctrl-D does too"),
];

impl Spec {
    const fn new(name: &'static str, argument: Argument, usage: &'static str, help: &'static str) -> Self {
        Self { name, argument, usage, help }
    }
}

/// Reads a command's line.
///
/// # Errors
/// `Invalid` for a command or an argument that there is not.
pub(super) fn parse(line: &str) -> Result<Command> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
    let command = match name {
        // psql's narrower lists are habits of many fingers.
        "\\d" | "\\dt" | "\\dv" => match argument {
            Some(name) => return Ok(Command::Describe(name.to_owned())),
            None => Command::List,
        },
        "\\x" => return Ok(Command::Expanded(argument.map(|text| value_of(name, text)).transpose()?)),
        "\\format" => return Ok(Command::Format(argument.map(|text| value_of(name, text)).transpose()?)),
        "\\timing" => return Ok(Command::Timing(argument.map(|text| switch_of(name, text)).transpose()?)),
        "\\pager" => return Ok(Command::Pager(argument.map(|text| switch_of(name, text)).transpose()?)),
        "\\i" => {
            let file = argument.ok_or_else(|| Error::invalid("\\i needs a file: \\i FILE"))?;
            return Ok(Command::Include(file.into()));
        }
        "\\o" => return Ok(Command::Output(argument.map(PathBuf::from))),
        "\\?" | "\\h" | "\\help" => Command::Help,
        "\\q" | "\\quit" => Command::Quit,
        _ => return Err(Error::invalid(format!("`{name}` is no command; \\? lists them"))),
    };
    match argument {
        Some(argument) => Err(Error::invalid(format!("{name} takes nothing, not `{argument}`"))),
        None => Ok(command),
    }
}

fn value_of<T: ValueEnum>(name: &str, text: &str) -> Result<T> {
    T::from_str(text, true).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
            .collect();
        Error::invalid(format!("{name} takes {}, not `{text}`", names.join(", ")))
    })
}

fn switch_of(name: &str, text: &str) -> Result<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Error::invalid(format!("{name} takes on or off, not `{text}`"))),
    }
}

/// What `\?` shows.
pub(super) fn help(width: Option<usize>) -> String {
    let rows: Vec<[String; 2]> = SPECS.iter().map(|spec| [spec.usage.to_owned(), spec.help.to_owned()]).collect();
    let commands = listing([Align::Left, Align::Left], &rows, width);
    format!(
        "A query ends with `;` and may have many lines. TAB completes names, and the keys in attributes['...'] and \
         attr('...').\nCtrl-C stops a running query, or clears what is typed; Ctrl-R searches the history.\n\n{commands}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("\\d", Command::List)]
    #[case("\\dt", Command::List)]
    #[case("\\d  logs ;", Command::Describe("logs".into()))]
    #[case("\\x", Command::Expanded(None))]
    #[case("\\x AUTO", Command::Expanded(Some(Expanded::Auto)))]
    #[case("\\timing off", Command::Timing(Some(false)))]
    #[case("\\format csv", Command::Format(Some(OutputFormat::Csv)))]
    #[case("\\i a file.sql", Command::Include("a file.sql".into()))]
    #[case("\\o", Command::Output(None))]
    #[case("\\q;", Command::Quit)]
    fn commands_are_read(#[case] line: &str, #[case] expected: Command) {
        assert_eq!(parse(line).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case("\\nonsense", "\\?")]
    #[case("\\x sideways", "auto, on, off")]
    #[case("\\timing 5", "on or off")]
    #[case("\\i", "needs a file")]
    #[case("\\q now", "takes nothing")]
    fn what_is_no_command_says_what_is(#[case] line: &str, #[case] expected: &str) {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn every_listed_command_and_argument_is_one() {
        for spec in SPECS {
            let arguments: &[&str] = match spec.argument {
                Argument::OneOf(values) => values,
                Argument::File | Argument::Relation => &["x"],
                Argument::Nothing => &[""],
            };
            for argument in arguments {
                parse(&format!("{} {argument}", spec.name)).unwrap();
            }
            assert!(help(None).contains(spec.usage));
        }
    }
}
