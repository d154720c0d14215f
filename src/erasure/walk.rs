//! Every attribute and every text of a batch of the contract, in nested maps and lists too.
//!
//! ```text
//! map             each key with its value
//! list of structs each element, by the offsets of its row
//! text            where the finder reads text
//! ```

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;

/// What is looked for.
pub(crate) trait Finder {
    /// Whether it is this entry of a map.
    fn entry(&mut self, key: &str, value: &str) -> bool;

    /// Whether the text of a column, or of a nested field, of this name is looked at.
    fn reads_text_of(&self, _name: &str) -> bool {
        false
    }

    /// Whether it is this text.
    fn text(&mut self, _text: &str) -> bool {
        false
    }
}

/// The rows in which something is found, `None` where it is in none.
pub(crate) fn rows_with(batch: &RecordBatch, finder: &mut dyn Finder) -> Option<Vec<bool>> {
    let mut found: Option<Vec<bool>> = None;
    let rows = batch.num_rows();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        find(column, field.name(), finder, &mut |row| {
            if let Some(found) = found.get_or_insert_with(|| vec![false; rows]).get_mut(row) {
                *found = true;
            }
        });
    }
    found
}

/// Tells the elements of an array in which something is found, perhaps more than once each.
fn find(array: &ArrayRef, name: &str, finder: &mut dyn Finder, hit: &mut dyn FnMut(usize)) {
    match array.data_type() {
        DataType::Map(..) => {
            let map = array.as_map();
            let (Some(keys), Some(values)) = (map.keys().as_string_opt::<i32>(), map.values().as_string_opt::<i32>())
            else {
                return;
            };
            for (row, ends) in map.value_offsets().windows(2).enumerate() {
                let mut entries = (ends[0] as usize)..(ends[1] as usize);
                if entries.any(|entry| finder.entry(keys.value(entry), values.value(entry))) {
                    hit(row);
                }
            }
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return };
            let (first, last) = (*first as usize, *last as usize);
            let elements = list.values().slice(first, last - first);
            find(&elements, name, finder, &mut |element| {
                let place = first + element;
                hit(offsets.partition_point(|start| *start as usize <= place) - 1);
            });
        }
        DataType::Struct(fields) => {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                find(column, field.name(), finder, hit);
            }
        }
        DataType::Utf8 if finder.reads_text_of(name) => {
            texts(array.as_string::<i32>().iter(), finder, hit);
        }
        DataType::Utf8View if finder.reads_text_of(name) => {
            texts(array.as_string_view().iter(), finder, hit);
        }
        _ => {}
    }
}

fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>, finder: &mut dyn Finder, hit: &mut dyn FnMut(usize)) {
    for (row, text) in texts.enumerate() {
        if text.is_some_and(|text| finder.text(text)) {
            hit(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signal::{Encoding, Signal};
    use crate::otlp::{RequestMeta, decode};
    use serde_json::json;

    struct Wanted(&'static str);

    impl Finder for Wanted {
        fn entry(&mut self, key: &str, value: &str) -> bool {
            key == "user.id" && value == self.0
        }

        fn reads_text_of(&self, name: &str) -> bool {
            name == "name"
        }

        fn text(&mut self, text: &str) -> bool {
            text.contains(self.0)
        }
    }

    fn attributes(value: &str) -> serde_json::Value {
        json!([{ "key": "a", "value": { "stringValue": "u42" } }, { "key": "user.id", "value": { "stringValue": value } }])
    }

    fn spans() -> RecordBatch {
        let span = |number: u64, more: serde_json::Value| {
            let mut span = json!({
                "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "plain",
                "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000001",
            });
            span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            span
        };
        let event =
            |name: &str, value: &str| json!({ "timeUnixNano": "1", "name": name, "attributes": attributes(value) });
        let link = |value: &str| json!({ "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "attributes": attributes(value) });
        let spans = vec![
            span(1, json!({ "events": [event("e", "u1"), event("e", "u2")] })),
            span(2, json!({ "events": [event("e", "u1"), event("e", "u42")] })),
            span(3, json!({ "links": [link("u1"), link("u42")] })),
            span(4, json!({ "attributes": attributes("u42") })),
            span(5, json!({ "events": [event("e u42", "u1")] })),
            span(6, json!({ "attributes": attributes("u420"), "statusMessage": "u42" })),
        ];
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string();
        let meta =
            RequestMeta { ingest_time: i64::MAX / 2, latest_time: i64::MAX / 2, source: "test", principal: None };
        decode(Signal::Spans, Encoding::Json, body.as_bytes(), &meta).unwrap().batch
    }

    #[test]
    fn nested_maps_and_texts_are_found_in_their_rows() {
        let batch = spans();
        let found = rows_with(&batch, &mut Wanted("u42")).unwrap();
        assert_eq!(found, [false, true, true, true, true, false]);
        assert_eq!(rows_with(&batch, &mut Wanted("u43")), None);
    }

    #[test]
    fn a_slice_is_searched_and_no_more() {
        let batch = spans();
        assert_eq!(rows_with(&batch.slice(2, 3), &mut Wanted("u42")).unwrap(), [true, true, true]);
        assert_eq!(rows_with(&batch.slice(5, 1), &mut Wanted("u42")), None);
        assert_eq!(rows_with(&batch.slice(0, 1), &mut Wanted("u42")), None);
    }
}
