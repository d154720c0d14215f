//! OTLP/JSON: a cursor over the text of a request.
//!
//! As OTLP says: ids in hex of either case, 64-bit integers as strings or numbers, bytes in base64, unknown fields
//! ignored, `null` as absent. Taken beside what it says: the fields' proto names, enum values by name
//! (`SPAN_KIND_SERVER`), numbers in strings for doubles, bare `NaN`, `Infinity` and `-Infinity` (Python's `json` writes
//! them), `1e3` and `1.0` for integers, either base64 alphabet with or without padding. A field given twice is read as
//! protobuf merges it.
//!
//! A cursor of our own and not a JSON library, because the two encodings share one reader a message (`wire.rs`), a bad
//! value rejects its record alone, and text stays where it is in the request. serde_json undoes the escapes.
//!
//! ```text
//! reader.rs  the cursor: objects, fields, values
//! scan.rs    tokens: where strings, numbers and skipped values end
//! number.rs  numbers from their text
//! plain.rs   plain JSON to a value, for the way back
//! ```

mod number;
mod plain;
mod reader;
mod scan;

pub(crate) use reader::JsonReader;
