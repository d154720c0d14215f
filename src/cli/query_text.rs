//! A query given as an argument, in a file, or on standard input.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// The query's text; `-` stands for standard input.
pub(super) fn query_text(query: Option<&str>, file: Option<&Path>) -> Result<String> {
    match (query, file) {
        (_, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| Error::config(format!("can't read the query from {}", file.display())).with_source(error)),
        (Some("-"), None) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Error::config("can't read the query from standard input").with_source(error))?;
            Ok(text)
        }
        (Some(query), None) => Ok(query.to_owned()),
        (None, None) => Err(Error::config("no query; give one, or -f FILE, or - for standard input")),
    }
}
