//! What was not stored, each as a line of JSON with where it stands and why.

use std::io::Write;

use serde_json::json;

use super::input::Input;
use crate::model::ids::hex;
use crate::model::signal::{Encoding, Signal};

/// One record that was not stored, or a line or request that could not be read at all.
#[derive(Debug)]
pub struct RejectedRecord<'a> {
    /// Which input.
    pub input: &'a Input,
    /// The line, or the number of the request in a protobuf file, from 1.
    pub number: u64,
    /// Which signal, where that can be told.
    pub signal: Option<Signal>,
    /// Which record of the request, from 0; `None` for all of it.
    pub record: Option<usize>,
    /// Why, for counters.
    pub reason: &'static str,
    /// Why, for people.
    pub detail: &'a str,
    /// How `bytes` is encoded.
    pub encoding: Encoding,
    /// The record as it stands in the request; empty for what could not be read.
    pub bytes: &'a [u8],
}

impl RejectedRecord<'_> {
    /// Writes the record as one line: `file`, `line`, `record`, `signal`, `reason`, `detail`, and the record itself in
    /// `json` or, of a protobuf request, in `proto_hex`.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_line(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut row = json!({
            "file": self.input.to_string(),
            "line": self.number,
            "record": self.record,
            "signal": self.signal.map(Signal::table),
            "reason": self.reason,
            "detail": self.detail,
        });
        match self.encoding {
            _ if self.bytes.is_empty() => {}
            Encoding::Json => {
                row["json"] =
                    serde_json::from_slice(self.bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(self.bytes)));
            }
            Encoding::Proto => row["proto_hex"] = json!(hex(self.bytes)),
        }
        writeln!(out, "{row}")
    }
}
