//! A file as a sequence of OTLP requests.
//!
//! ```text
//! OTLP/JSON       one request a line, its signal told by its first key (the Collector's file exporter)
//! OTLP protobuf   requests behind their length, 4 bytes big-endian (the same exporter), or one request alone;
//!                 protobuf does not say its signal: it is told by --signal or the file's name
//! ```

use std::io::{self, BufRead, Read};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::model::signal::{Encoding, Signal};

/// The largest request that a file may hold.
const MAX_REQUEST_BYTES: u64 = 1 << 30;

/// Bytes of a line's first key that are looked at.
const MAX_KEY_SHOWN: usize = 100;

/// How a file's requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// One OTLP/JSON request a line.
    JsonLines,
    /// Protobuf requests of one signal.
    Proto(Signal),
}

impl FileFormat {
    /// The format of a name, `otlp-json` or `otlp-proto`, and the table of the signal that protobuf does not tell.
    ///
    /// # Errors
    /// `Invalid` where a name is not known, or protobuf comes without its signal.
    pub fn parse(format: &str, signal: Option<&str>) -> Result<Self> {
        match (format, signal) {
            ("otlp-json", _) => Ok(Self::JsonLines),
            ("otlp-proto", Some(table)) => {
                let signal = Signal::ALL.into_iter().find(|signal| signal.table() == table);
                signal
                    .map(Self::Proto)
                    .ok_or_else(|| Error::invalid(format!("`{table}` is no signal; name logs, spans or metrics")))
            }
            ("otlp-proto", None) => {
                Err(Error::invalid("protobuf does not say which signal it holds; name logs, spans or metrics"))
            }
            (other, _) => Err(Error::invalid(format!("`{other}` is no format; name otlp-json or otlp-proto"))),
        }
    }

    /// The names that [`Self::parse`] takes.
    pub const fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::JsonLines => ("otlp-json", None),
            Self::Proto(signal) => ("otlp-proto", Some(signal.table())),
        }
    }
}

/// One request of a file.
#[derive(Debug, Clone)]
pub struct FileRequest {
    /// Which signal.
    pub signal: Signal,
    /// How `body` is encoded.
    pub encoding: Encoding,
    /// The request.
    pub body: Bytes,
    /// The line it stands on, or its number in a protobuf file, from 1.
    pub number: u64,
}

/// Reads one request after another.
pub struct Requests<R> {
    reader: R,
    format: FileFormat,
    number: u64,
    framed: Option<bool>,
}

impl<R> std::fmt::Debug for Requests<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").field("format", &self.format).field("number", &self.number).finish_non_exhaustive()
    }
}

impl<R: BufRead> Requests<R> {
    /// The requests of a reader.
    pub const fn new(reader: R, format: FileFormat) -> Self {
        Self { reader, format, number: 0, framed: None }
    }

    /// What is read from.
    pub fn into_reader(self) -> R {
        self.reader
    }

    /// The next request; `Ok(None)` at the end.
    ///
    /// # Errors
    /// The outer error ends the file: it can't be read on. The inner one is of one line, and the next can be asked for.
    pub fn next_request(&mut self) -> Result<Option<Result<FileRequest, (u64, String)>>> {
        match self.format {
            FileFormat::JsonLines => self.next_line(),
            FileFormat::Proto(signal) => self.next_proto(signal),
        }
    }

    fn next_line(&mut self) -> Result<Option<Result<FileRequest, (u64, String)>>> {
        loop {
            let mut line = Vec::new();
            self.number += 1;
            let number = self.number;
            let read = (&mut self.reader)
                .take(MAX_REQUEST_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(|error| broken(number, error))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == MAX_REQUEST_BYTES && line.last() != Some(&b'\n') {
                return Err(Error::invalid(format!("line {number} is longer than 1 GiB; write smaller requests")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            return Ok(Some(match json_signal(&line) {
                Ok(Some(signal)) => Ok(FileRequest { signal, encoding: Encoding::Json, body: line.into(), number }),
                // `{}` is a request of nothing.
                Ok(None) => continue,
                Err(what) => Err((number, what)),
            }));
        }
    }

    fn next_proto(&mut self, signal: Signal) -> Result<Option<Result<FileRequest, (u64, String)>>> {
        self.number += 1;
        let number = self.number;
        let framed = match self.framed {
            Some(framed) => framed,
            None => {
                let start = self.reader.fill_buf().map_err(|error| broken(number, error))?;
                // A request alone begins with the tag of field 1; a length's first byte is that only from 160 MiB on.
                let framed = start.first() != Some(&0x0a);
                self.framed = Some(framed);
                framed
            }
        };
        let mut body = Vec::new();
        if framed {
            let Some(length) = self.read_length(number)? else { return Ok(None) };
            let read = (&mut self.reader).take(length).read_to_end(&mut body).map_err(|error| broken(number, error))?;
            if read as u64 != length {
                return Err(Error::invalid(format!(
                    "request {number} ends after {read} of its {length} bytes; the file is cut short"
                )));
            }
        } else {
            (&mut self.reader).take(MAX_REQUEST_BYTES).read_to_end(&mut body).map_err(|error| broken(number, error))?;
            if body.len() as u64 == MAX_REQUEST_BYTES {
                return Err(Error::invalid(format!("request {number} is longer than 1 GiB; write smaller requests")));
            }
            if body.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(Ok(FileRequest { signal, encoding: Encoding::Proto, body: body.into(), number })))
    }

    fn read_length(&mut self, number: u64) -> Result<Option<u64>> {
        let mut length = [0; 4];
        let mut filled = 0;
        while let Some(rest) = length.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(broken(number, io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(number, error)),
            }
        }
        let length = u64::from(u32::from_be_bytes(length));
        if length > MAX_REQUEST_BYTES {
            return Err(Error::invalid(format!(
                "request {number} says it has {length} bytes; this is no OTLP protobuf file"
            )));
        }
        Ok(Some(length))
    }
}

/// What ends a file: damage in it, which its readable part outlives, or a disk that fails, which may pass.
fn broken(number: u64, error: io::Error) -> Error {
    let what = format!("can't be read beyond request {number}");
    if error.raw_os_error().is_some() {
        return Error::unavailable(what).with_source(error);
    }
    let what =
        format!("{what}; what could be read is stored, and the whole file would be another content, stored beside it");
    Error::invalid(what).with_source(error)
}

/// The signal of a JSON request, by its first key; `None` for an empty one.
fn json_signal(line: &[u8]) -> Result<Option<Signal>, String> {
    let text = line.trim_ascii();
    let Some(inside) = text.strip_prefix(b"{") else {
        return Err("is no JSON object; an OTLP/JSON file has one request a line".to_owned());
    };
    let inside = inside.trim_ascii_start();
    if inside.starts_with(b"}") {
        return Ok(None);
    }
    let key: Vec<u8> = inside
        .strip_prefix(b"\"")
        .unwrap_or_default()
        .iter()
        .take(MAX_KEY_SHOWN)
        .take_while(|byte| **byte != b'"')
        .copied()
        .collect();
    match key.as_slice() {
        b"resourceLogs" | b"resource_logs" => Ok(Some(Signal::Logs)),
        b"resourceSpans" | b"resource_spans" => Ok(Some(Signal::Spans)),
        b"resourceMetrics" | b"resource_metrics" => Ok(Some(Signal::Metrics)),
        b"" if inside.is_empty() => {
            Err("ends after `{`; an OTLP/JSON file has one request a line, `jq -c .` writes it so".to_owned())
        }
        other => Err(format!(
            "begins with the key `{}`, and none of resourceLogs, resourceSpans, resourceMetrics",
            String::from_utf8_lossy(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_told_and_good_ones_go_on() {
        let text = b"{\"resourceLogs\":[]}\n\nnonsense\n{\"other\":1}\n{\"resourceSpans\":[]}" as &[u8];
        let mut requests = Requests::new(text, FileFormat::JsonLines);
        let mut seen = Vec::new();
        while let Some(next) = requests.next_request().unwrap() {
            seen.push(next.map(|request| (request.signal, request.number)).map_err(|(number, _)| number));
        }
        assert_eq!(seen, [Ok((Signal::Logs, 1)), Err(3), Err(4), Ok((Signal::Spans, 5))]);
    }

    #[test]
    fn protobuf_comes_framed_or_alone() {
        let alone = [0x0a, 0x00];
        let mut framed = Vec::new();
        for _ in 0..2 {
            framed.extend([0, 0, 0, 2]);
            framed.extend(alone);
        }
        let count = |bytes: &[u8]| {
            let mut requests = Requests::new(bytes, FileFormat::Proto(Signal::Logs));
            std::iter::from_fn(|| requests.next_request().unwrap()).filter(Result::is_ok).count()
        };
        assert_eq!((count(&framed), count(&alone)), (2, 1));
        let mut cut = Requests::new(&framed[..9], FileFormat::Proto(Signal::Logs));
        assert!(cut.next_request().is_ok());
        assert!(cut.next_request().is_err(), "a file that is cut short says so");
    }
}
