//! The values of `$1`, `$2`, ... as clients send them.
//!
//! A parameter's type is the one that the client gives it; else the one that its place in the query tells; else text. A
//! value of another type than its place's stays what it is, unless it is text or an integer that is the same there.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::encode::{decimal_from_groups, parse_decimal};
use super::errors::Refusal;
use super::types::{Format, arrow_type, is_text, item_of, parameter_type};

/// From 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Digits of a decimal.
const PRECISION: u8 = 38;

/// The type of a parameter.
///
/// # Errors
/// 0A000 for a type of the client's that is not taken.
pub(super) fn type_of(number: usize, told: u32, inferred: Option<&DataType>) -> Result<Type, Refusal> {
    if told == 0 || told == Type::UNKNOWN.oid() {
        return Ok(inferred.map_or(Type::TEXT, parameter_type));
    }
    Type::from_oid(told).filter(|pg| item_of(pg).is_some() || arrow_type(pg).is_some()).ok_or_else(|| {
        Refusal::unsupported(format!("the parameter ${number} is of a type (oid {told}) that is not taken here"))
            .with_hint("send it as text, or with a cast such as $1::text")
    })
}

/// A value as a client sent it.
///
/// # Errors
/// 22P02 for a text, 22P03 for bytes that are no value of the type; they name the parameter.
pub(super) fn value_of(
    number: usize,
    pg: &Type,
    format: Format,
    bytes: Option<&[u8]>,
    inferred: Option<&DataType>,
) -> Result<ScalarValue, Refusal> {
    let value = match (bytes, format) {
        (None, _) => null_of(pg),
        (Some(bytes), Format::Text) => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Refusal::new("22021", format!("the parameter ${number} is not UTF-8")))?;
            from_text(pg, text).ok_or_else(|| {
                let shown: String = text.chars().take(60).collect();
                Refusal::new("22P02", format!("the parameter ${number}, `{shown}`, is no {}", pg.name()))
            })?
        }
        (Some(bytes), Format::Binary) => from_binary(pg, bytes).ok_or_else(|| {
            let size = bytes.len();
            Refusal::new("22P03", format!("the parameter ${number} has {size} bytes that are no {}", pg.name()))
        })?,
    };
    match inferred {
        Some(place) => fitted(number, value, place),
        None => Ok(value),
    }
}

/// A value as its place wants it, where it is the same there.
fn fitted(number: usize, value: ScalarValue, place: &DataType) -> Result<ScalarValue, Refusal> {
    let own = value.data_type();
    if own == *place {
        return Ok(value);
    }
    if own.is_string() && !place.is_nested() {
        return value
            .cast_to(place)
            .map_err(|_| Refusal::new("22P02", format!("the parameter ${number}, `{value}`, is no {place}")));
    }
    if own.is_null() || (own.is_integer() && place.is_integer()) {
        return Ok(value.cast_to(place).unwrap_or(value));
    }
    Ok(value)
}

fn null_of(pg: &Type) -> ScalarValue {
    // NULL for a list is NULL of any type.
    let data_type = if item_of(pg).is_some() { None } else { arrow_type(pg) };
    data_type.and_then(|data_type| ScalarValue::try_from(&data_type).ok()).unwrap_or(ScalarValue::Null)
}

/// A value from its text form.
fn from_text(pg: &Type, text: &str) -> Option<ScalarValue> {
    if let Some(item) = item_of(pg) {
        return array_from_text(&item, text);
    }
    Some(match *pg {
        _ if is_text(pg) => ScalarValue::from(text),
        Type::BYTEA => ScalarValue::Binary(Some(bytes_from_text(text)?)),
        Type::NUMERIC => decimal(parse_decimal(text.trim())?),
        _ => ScalarValue::from(text.trim()).cast_to(&arrow_type(pg)?).ok()?,
    })
}

/// A value from its binary form.
fn from_binary(pg: &Type, bytes: &[u8]) -> Option<ScalarValue> {
    if let Some(item) = item_of(pg) {
        return array_from_binary(&item, bytes);
    }
    let int8 = || Some(i64::from_be_bytes(bytes.try_into().ok()?));
    Some(match *pg {
        Type::BOOL => match bytes {
            [0] => ScalarValue::Boolean(Some(false)),
            [_] => ScalarValue::Boolean(Some(true)),
            _ => return None,
        },
        Type::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT4 => ScalarValue::Int32(Some(i32::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT8 => ScalarValue::Int64(Some(int8()?)),
        Type::OID => ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(bytes.try_into().ok()?)))),
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(bytes.try_into().ok()?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(bytes.try_into().ok()?))),
        Type::NUMERIC => decimal(decimal_from_groups(bytes)?),
        Type::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        Type::UUID => ScalarValue::from(uuid::Uuid::from_slice(bytes).ok()?.to_string()),
        // Its first byte is the version of the form, which is text.
        Type::JSONB => ScalarValue::from(std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?),
        Type::DATE => ScalarValue::Date32(Some(i32::from_be_bytes(bytes.try_into().ok()?).checked_add(EPOCH_DAYS)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(int8()?)),
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(int8()?.checked_add(EPOCH_MICROS)?), None),
        Type::TIMESTAMPTZ => {
            ScalarValue::TimestampMicrosecond(Some(int8()?.checked_add(EPOCH_MICROS)?), Some("UTC".into()))
        }
        Type::INTERVAL => {
            let (micros, rest) = bytes.split_first_chunk::<8>()?;
            let (days, rest) = rest.split_first_chunk::<4>()?;
            let months = i32::from_be_bytes(rest.try_into().ok()?);
            let nanos = i64::from_be_bytes(*micros).checked_mul(1000)?;
            ScalarValue::new_interval_mdn(months, i32::from_be_bytes(*days), nanos)
        }
        _ => ScalarValue::from(std::str::from_utf8(bytes).ok()?),
    })
}

fn decimal((unscaled, scale): (i128, i8)) -> ScalarValue {
    ScalarValue::Decimal128(Some(unscaled), PRECISION, scale)
}

/// `\x0aff`, or bytes as they are with `\\` and `\ooo`.
fn bytes_from_text(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        if digits.len() % 2 == 1 {
            return None;
        }
        let pairs = digits.as_bytes().chunks(2);
        return pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
        } else if let Some(behind) = rest.strip_prefix(b"\\") {
            bytes.push(b'\\');
            rest = behind;
        } else {
            let (octal, behind) = rest.split_at_checked(3)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok()?);
            rest = behind;
        }
    }
    Some(bytes)
}

fn list(item: &Type, values: Vec<ScalarValue>) -> Option<ScalarValue> {
    let mut data_type = arrow_type(item)?;
    let mut values = values;
    // Decimals of several scales get the largest.
    if *item == Type::NUMERIC {
        let scale = values.iter().filter_map(|value| match value {
            ScalarValue::Decimal128(Some(_), _, scale) => Some(*scale),
            _ => None,
        });
        data_type = DataType::Decimal128(PRECISION, scale.max().unwrap_or(0));
        values = values.iter().map(|value| value.cast_to(&data_type).ok()).collect::<Option<_>>()?;
    }
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, &data_type)))
}

fn null_item(item: &Type) -> Option<ScalarValue> {
    ScalarValue::try_from(&arrow_type(item)?).ok()
}

/// An array of one dimension: `{1,NULL,"a \"b\""}`.
fn array_from_text(item: &Type, text: &str) -> Option<ScalarValue> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut values = Vec::new();
    let mut chars = inner.chars().peekable();
    while chars.peek().is_some() {
        let mut value = String::new();
        let mut quoted = false;
        loop {
            match chars.next() {
                None | Some(',') => break,
                Some('"') => {
                    quoted = true;
                    loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => value.push(chars.next()?),
                            other => value.push(other),
                        }
                    }
                }
                Some('\\') => value.push(chars.next()?),
                // An array within an array.
                Some('{' | '}') => return None,
                Some(other) => value.push(other),
            }
        }
        let plain = if quoted { value.as_str() } else { value.trim() };
        let is_null = !quoted && plain.eq_ignore_ascii_case("null");
        values.push(if is_null { null_item(item)? } else { from_text(item, plain)? });
    }
    list(item, values)
}

/// An array of one dimension (PostgreSQL, `array_recv`).
fn array_from_binary(item: &Type, bytes: &[u8]) -> Option<ScalarValue> {
    let mut words = bytes.chunks_exact(4).map(|word| Some(i32::from_be_bytes(word.try_into().ok()?)));
    let dimensions = words.next()??;
    if dimensions == 0 {
        return list(item, Vec::new());
    }
    let (_nulls, _item, count, _first) = (words.next()??, words.next()??, words.next()??, words.next()??);
    if dimensions != 1 {
        return None;
    }
    let mut rest = bytes.get(20..)?;
    // Each item has its length at least.
    let count = usize::try_from(count).ok().filter(|count| *count <= rest.len() / 4)?;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, behind) = behind.split_at_checked(length)?;
                values.push(from_binary(item, value)?);
                rest = behind;
            }
            Err(_) => {
                values.push(null_item(item)?);
                rest = behind;
            }
        }
    }
    list(item, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pg: &Type, text: &str) -> Option<String> {
        value_of(1, pg, Format::Text, Some(text.as_bytes()), None).ok().map(|value| value.to_string())
    }

    #[rstest::rstest]
    #[case(Type::BOOL, "t", Some("true"))]
    #[case(Type::BOOL, "no", Some("false"))]
    #[case(Type::INT4, " 12 ", Some("12"))]
    #[case(Type::INT2, "70000", None)]
    #[case(Type::INT8, "1.5", None)]
    #[case(Type::FLOAT8, "NaN", Some("NaN"))]
    #[case(Type::NUMERIC, "12.50", Some("12.50"))]
    #[case(Type::DATE, "2024-02-30", None)]
    #[case(Type::DATE, "2024-02-29", Some("2024-02-29"))]
    #[case(Type::BYTEA, "\\x0", None)]
    #[case(Type::INT4_ARRAY, "{1,NULL,3}", Some("[1, , 3]"))]
    #[case(Type::TEXT_ARRAY, r#"{a,"b,\"c",NULL,"NULL"}"#, Some("[a, b,\"c, , NULL]"))]
    #[case(Type::INT4_ARRAY, "{{1},{2}}", None)]
    #[case(Type::INT4_ARRAY, "{1", None)]
    fn text_is_a_value_of_the_type_or_refused(#[case] pg: Type, #[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(read(&pg, text).as_deref(), expected);
    }

    #[test]
    fn times_with_and_without_a_zone_are_read() {
        let expected = ScalarValue::TimestampMicrosecond(Some(1_706_702_400_500_000), Some("UTC".into()));
        for text in ["2024-01-31 12:00:00.5+00", "2024-01-31T12:00:00.5Z", "2024-01-31 14:00:00.5+02:00"] {
            let value = value_of(1, &Type::TIMESTAMPTZ, Format::Text, Some(text.as_bytes()), None).unwrap();
            assert_eq!(value, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_names_its_parameter() {
        let refused = value_of(3, &Type::INT4, Format::Binary, Some(&[1, 2]), None).unwrap_err();
        assert!(refused.message().contains("$3"), "{refused:?}");
    }

    #[test]
    fn a_value_of_another_type_keeps_its_meaning() {
        let place = DataType::Int64;
        let half = value_of(1, &Type::FLOAT8, Format::Text, Some(b"1.5"), Some(&place)).unwrap();
        assert_eq!(half, ScalarValue::Float64(Some(1.5)));
        let small = value_of(1, &Type::INT2, Format::Text, Some(b"7"), Some(&place)).unwrap();
        assert_eq!(small, ScalarValue::Int64(Some(7)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            for pg in [Type::INT4_ARRAY, Type::TEXT_ARRAY, Type::NUMERIC, Type::NUMERIC_ARRAY, Type::INTERVAL, Type::UUID] {
                for format in [Format::Text, Format::Binary] {
                    let _ = value_of(1, &pg, format, Some(&bytes), Some(&DataType::Int64));
                }
            }
        }
    }
}
