//! Values as text: how an OTLP AnyValue is kept in a `map<string,string>` or a body, and how it comes back.
//!
//! Text and type letter together give the sender's value back exactly ([`AnyValue::from_text`]).
//!
//! | letter | value | text |
//! | --- | --- | --- |
//! | (none) | string | the string itself |
//! | `i` | 64-bit integer | decimal: `-5` |
//! | `d` | double | shortest decimal that reads back the same, always with `.` or exponent: `1.0`, `1e16`, `-0.0`; `NaN`, `Infinity`, `-Infinity` |
//! | `b` | boolean | `true`, `false` |
//! | `x` | bytes | base64 with padding |
//! | `a` | array | compact JSON: `[1,2.0,"three",null]` |
//! | `m` | map | compact JSON, in the sender's order: `{"b":1,"a":[]}` |
//! | `e` | empty (a value that is not set) | `` |
//! | `v` | array or map that plain JSON can't carry | OTLP/JSON AnyValue: `{"arrayValue":{"values":[{"bytesValue":"AA=="}]}}` |
//!
//! In the JSON of `a` and `m`, integers have neither `.` nor exponent and doubles have one, and an empty value is
//! `null`. What plain JSON can't carry: bytes, NaN and infinities inside, and maps with equal keys.
//! In `v`, integers are strings and bytes base64, as OTLP/JSON has them, and an empty value is `{}`.
//!
//! `value_types` names the letters of a row, as compact JSON without spaces. Its parts are in this order, each is left
//! out when it would be empty, and the whole is NULL when every value was a string:
//!
//! | part | covers |
//! | --- | --- |
//! | `"a":{"key":"i",…}` | `attributes`: keys of values that are not strings, ascending |
//! | `"b":"m"` | the log's `body` |
//! | `"m":{…}` | `metric_metadata` |
//! | `"r":{…}` | `resource_attributes` |
//! | `"s":{…}` | `scope_attributes` |
//!
//! For example `{"a":{"http.response.status_code":"i"},"r":{"process.pid":"i"}}`. The `value_types` of an event, link
//! or exemplar has the part `a` alone.

mod any_value;
mod tape;
mod text;
mod types;

pub use any_value::{AnyValue, ValueTextError};
pub(crate) use tape::{Tape, read_any_value};
pub(crate) use text::{parse_special_double, push_double, push_int, push_json_string, special_double};
pub use types::ValueType;
pub(crate) use types::{RowTypes, write_map_types};
