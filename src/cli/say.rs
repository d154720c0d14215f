//! What verbs print for people: whole texts to standard output, whose reader may have seen enough.

use std::io::{ErrorKind, Write};

use crate::error::{Error, Result};

/// Prints a text. A reader that has gone, as `head` does, is no failure.
pub(super) fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::config("can't write to standard output").with_source(error))
        }
        _ => Ok(()),
    }
}
