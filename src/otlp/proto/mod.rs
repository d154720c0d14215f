//! Protobuf: a cursor over the bytes of a request.
//!
//! ```text
//! reader.rs  the cursor: messages, fields, lengths, values
//! varint.rs  variable-length integers
//! ```

mod reader;
mod varint;

pub(crate) use reader::ProtoReader;
