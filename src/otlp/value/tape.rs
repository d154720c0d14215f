//! An AnyValue while it is read: a flat tape of its parts, written out as text at its end.
//!
//! The tape is one buffer for the whole request. It is needed because protobuf lets a map's key follow its value and
//! a value come in several pieces, and because only at the end of an array or map is it known whether plain JSON can
//! carry it.
//!
//! ```text
//! {"a": [1, "x"]}  -->  MapStart  Key(a)  ArrayStart  Int(1)  Text(x)  End  End
//! ```

use super::any_value::AnyValue;
use super::text::{push_double, push_int, push_json_string, special_double};
use super::types::ValueType;
use crate::otlp::base64::decode_base64;
use crate::otlp::error::DecodeError;
use crate::otlp::report::RejectReason;
use crate::otlp::schema::{any_value, key_value, value_list};
use crate::otlp::wire::{Scratch, Text, Wire};

/// How deep arrays and maps may nest. Protobuf libraries stop at 100 messages, which is some 50 arrays.
pub(crate) const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, Copy)]
enum Node<'a> {
    Text(Text<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// As base64.
    Bytes(Text<'a>),
    Empty,
    ArrayStart,
    MapStart,
    Key(Text<'a>),
    End,
}

/// The value being read.
#[derive(Debug, Default)]
pub(crate) struct Tape<'a> {
    nodes: Vec<Node<'a>>,
    /// The keys of the maps that are open while a value is checked.
    keys: Vec<Text<'a>>,
    json: String,
}

/// Reads the AnyValue at the cursor onto the tape, from node `start` on. What is there already is an earlier piece of
/// the same value: arrays go on with arrays, maps with maps, else the later piece stands alone.
pub(crate) fn read_any_value<'a, W: Wire<'a>>(
    wire: &mut W,
    tape: &mut Tape<'a>,
    start: usize,
    depth: usize,
) -> Result<(), DecodeError> {
    if depth > MAX_DEPTH {
        let detail = || format!("a value is nested more than {MAX_DEPTH} deep");
        wire.state_mut().reject(RejectReason::TooDeep, detail);
        return wire.skip();
    }
    wire.message(any_value::FIELDS, |wire, field| {
        let node = match field {
            any_value::STRING => Node::Text(wire.text()?),
            any_value::BOOL => Node::Bool(wire.boolean()?),
            any_value::INT => Node::Int(wire.int64()?),
            any_value::DOUBLE => Node::Double(wire.double()?),
            any_value::BYTES => Node::Bytes(wire.base64()?),
            any_value::ARRAY => return read_array(wire, tape, start, depth),
            any_value::KVLIST => return read_map(wire, tape, start, depth),
            _ => return wire.skip(),
        };
        tape.nodes.truncate(start);
        tape.nodes.push(node);
        Ok(())
    })
}

fn read_array<'a, W: Wire<'a>>(
    wire: &mut W,
    tape: &mut Tape<'a>,
    start: usize,
    depth: usize,
) -> Result<(), DecodeError> {
    match tape.nodes.get(start) {
        Some(Node::ArrayStart) => drop(tape.nodes.pop()),
        _ => tape.restart(start, Node::ArrayStart),
    }
    wire.message(value_list::FIELDS, |wire, field| match field {
        value_list::VALUES => wire.each(|wire| {
            let value = tape.nodes.len();
            read_any_value(wire, tape, value, depth + 1)?;
            tape.close_value(value);
            Ok(())
        }),
        _ => wire.skip(),
    })?;
    tape.nodes.push(Node::End);
    Ok(())
}

fn read_map<'a, W: Wire<'a>>(wire: &mut W, tape: &mut Tape<'a>, start: usize, depth: usize) -> Result<(), DecodeError> {
    match tape.nodes.get(start) {
        Some(Node::MapStart) => drop(tape.nodes.pop()),
        _ => tape.restart(start, Node::MapStart),
    }
    wire.message(value_list::FIELDS, |wire, field| match field {
        value_list::VALUES => wire.each(|wire| {
            let key = tape.nodes.len();
            tape.nodes.push(Node::Key(Text::default()));
            wire.message(key_value::FIELDS, |wire, field| match field {
                key_value::KEY => {
                    let text = wire.text()?;
                    if let Some(node) = tape.nodes.get_mut(key) {
                        *node = Node::Key(text);
                    }
                    Ok(())
                }
                key_value::VALUE => read_any_value(wire, tape, key + 1, depth + 1),
                _ => wire.skip(),
            })?;
            tape.close_value(key + 1);
            Ok(())
        }),
        _ => wire.skip(),
    })?;
    tape.nodes.push(Node::End);
    Ok(())
}

impl<'a> Tape<'a> {
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
    }

    /// The text and type of the value on the tape.
    pub(crate) fn render(&mut self, scratch: &mut Scratch) -> (Text<'a>, ValueType) {
        match self.nodes.first() {
            None | Some(Node::Empty | Node::Key(_) | Node::End) => (Text::default(), ValueType::Empty),
            Some(Node::Text(text)) => (*text, ValueType::String),
            Some(Node::Bytes(base64)) => (*base64, ValueType::Bytes),
            Some(Node::Bool(true)) => (Text::Input("true"), ValueType::Bool),
            Some(Node::Bool(false)) => (Text::Input("false"), ValueType::Bool),
            Some(Node::Int(value)) => (scratch.make(|out| push_int(out, *value)), ValueType::Int),
            Some(Node::Double(value)) => (scratch.make(|out| push_double(out, *value)), ValueType::Double),
            Some(Node::ArrayStart) => self.render_nested(scratch, ValueType::Array),
            Some(Node::MapStart) => self.render_nested(scratch, ValueType::Map),
        }
    }

    fn render_nested(&mut self, scratch: &mut Scratch, plain: ValueType) -> (Text<'a>, ValueType) {
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        let value_type = if self.is_plain(scratch) {
            self.write_plain(0, scratch, &mut json);
            plain
        } else {
            self.write_any_value(0, scratch, &mut json);
            ValueType::AnyValue
        };
        let text = scratch.make(|out| out.push_str(&json));
        self.json = json;
        (text, value_type)
    }

    fn restart(&mut self, start: usize, node: Node<'a>) {
        self.nodes.truncate(start);
        self.nodes.push(node);
    }

    fn close_value(&mut self, start: usize) {
        if self.nodes.len() == start {
            self.nodes.push(Node::Empty);
        }
    }

    fn node(&self, at: usize) -> Node<'a> {
        self.nodes.get(at).copied().unwrap_or(Node::End)
    }

    /// Whether plain JSON gives the value back: no bytes, no NaN or infinity, no equal keys in one map.
    fn is_plain(&mut self, scratch: &Scratch) -> bool {
        let carried = |node: &Node<'_>| match node {
            Node::Bytes(_) => false,
            Node::Double(value) => special_double(*value).is_none(),
            _ => true,
        };
        if !self.nodes.iter().all(carried) {
            return false;
        }
        self.keys.clear();
        self.has_distinct_keys(0, scratch).is_some()
    }

    /// The end of the value at `at`, `None` if a map in it has equal keys.
    fn has_distinct_keys(&mut self, at: usize, scratch: &Scratch) -> Option<usize> {
        let mut at = at;
        match self.node(at) {
            Node::ArrayStart => {
                at += 1;
                while !matches!(self.node(at), Node::End) {
                    at = self.has_distinct_keys(at, scratch)?;
                }
            }
            Node::MapStart => {
                let outer = self.keys.len();
                at += 1;
                while let Node::Key(key) = self.node(at) {
                    self.keys.push(key);
                    at = self.has_distinct_keys(at + 1, scratch)?;
                }
                let keys = self.keys.get_mut(outer..)?;
                keys.sort_unstable_by(|a, b| a.get(scratch).cmp(b.get(scratch)));
                if keys.windows(2).any(|pair| matches!(pair, [a, b] if a.get(scratch) == b.get(scratch))) {
                    return None;
                }
                self.keys.truncate(outer);
            }
            _ => {}
        }
        Some(at + 1)
    }

    /// The value on the tape, owned.
    pub(crate) fn to_value(&self, scratch: &Scratch) -> AnyValue {
        let mut at = 0;
        if self.nodes.is_empty() { AnyValue::Empty } else { self.value(&mut at, scratch) }
    }

    fn value(&self, at: &mut usize, scratch: &Scratch) -> AnyValue {
        let node = self.node(*at);
        *at += 1;
        match node {
            Node::Text(text) => AnyValue::String(text.get(scratch).to_owned()),
            Node::Bool(value) => AnyValue::Bool(value),
            Node::Int(value) => AnyValue::Int(value),
            Node::Double(value) => AnyValue::Double(value),
            Node::Bytes(base64) => AnyValue::Bytes(decode_base64(base64.get(scratch)).unwrap_or_default()),
            Node::Empty | Node::Key(_) | Node::End => AnyValue::Empty,
            Node::ArrayStart => {
                let mut values = Vec::new();
                while !matches!(self.node(*at), Node::End) {
                    values.push(self.value(at, scratch));
                }
                *at += 1;
                AnyValue::Array(values)
            }
            Node::MapStart => {
                let mut entries = Vec::new();
                while let Node::Key(key) = self.node(*at) {
                    *at += 1;
                    entries.push((key.get(scratch).to_owned(), self.value(at, scratch)));
                }
                *at += 1;
                AnyValue::Map(entries)
            }
        }
    }

    /// Writes the value at `at` as plain JSON and returns where it ends.
    fn write_plain(&self, at: usize, scratch: &Scratch, out: &mut String) -> usize {
        let mut at = at;
        match self.node(at) {
            Node::Text(text) => push_json_string(out, text.get(scratch)),
            Node::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Node::Int(value) => push_int(out, value),
            Node::Double(value) => push_double(out, value),
            Node::Empty | Node::Bytes(_) | Node::Key(_) | Node::End => out.push_str("null"),
            Node::ArrayStart => {
                out.push('[');
                at += 1;
                while !matches!(self.node(at), Node::End) {
                    separate(out, '[');
                    at = self.write_plain(at, scratch, out);
                }
                out.push(']');
            }
            Node::MapStart => {
                out.push('{');
                at += 1;
                while let Node::Key(key) = self.node(at) {
                    separate(out, '{');
                    push_json_string(out, key.get(scratch));
                    out.push(':');
                    at = self.write_plain(at + 1, scratch, out);
                }
                out.push('}');
            }
        }
        at + 1
    }

    /// Writes the value at `at` as an OTLP/JSON AnyValue and returns where it ends.
    fn write_any_value(&self, at: usize, scratch: &Scratch, out: &mut String) -> usize {
        let mut at = at;
        match self.node(at) {
            Node::Text(text) => {
                out.push_str("{\"stringValue\":");
                push_json_string(out, text.get(scratch));
            }
            Node::Bool(value) => {
                out.push_str("{\"boolValue\":");
                out.push_str(if value { "true" } else { "false" });
            }
            Node::Int(value) => {
                out.push_str("{\"intValue\":\"");
                push_int(out, value);
                out.push('"');
            }
            Node::Double(value) => {
                out.push_str("{\"doubleValue\":");
                match special_double(value) {
                    Some(name) => push_json_string(out, name),
                    None => push_double(out, value),
                }
            }
            Node::Bytes(base64) => {
                out.push_str("{\"bytesValue\":");
                push_json_string(out, base64.get(scratch));
            }
            Node::Empty | Node::Key(_) | Node::End => out.push('{'),
            Node::ArrayStart => {
                out.push_str("{\"arrayValue\":{\"values\":[");
                at += 1;
                while !matches!(self.node(at), Node::End) {
                    separate(out, '[');
                    at = self.write_any_value(at, scratch, out);
                }
                out.push_str("]}");
            }
            Node::MapStart => {
                out.push_str("{\"kvlistValue\":{\"values\":[");
                at += 1;
                while let Node::Key(key) = self.node(at) {
                    separate(out, '[');
                    out.push_str("{\"key\":");
                    push_json_string(out, key.get(scratch));
                    out.push_str(",\"value\":");
                    at = self.write_any_value(at + 1, scratch, out);
                    out.push('}');
                }
                out.push_str("]}");
            }
        }
        out.push('}');
        at + 1
    }
}

/// Appends a comma unless the array or map has only just been opened.
fn separate(out: &mut String, open: char) {
    if !out.ends_with(open) {
        out.push(',');
    }
}
