//! PostgreSQL's functions on arrays.
//!
//! An array is a list, where the query writes one, or a text as PostgreSQL writes it (`{a,b}`) or NULL, as the columns of
//! the catalogue have it.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{RowFunction, text};

/// The functions.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let long = |name, of: fn(&[Option<String>]) -> Option<i64>| {
        RowFunction::udf(name, DataType::Int64, move |args| {
            Ok(ScalarValue::Int64(elements(args.first()).and_then(|elements| of(&elements))))
        })
    };
    let length = |elements: &[Option<String>]| i64::try_from(elements.len()).ok();
    vec![
        long("array_length", |elements| some(elements.len())),
        long("array_upper", |elements| some(elements.len())),
        long("array_lower", |elements| some(elements.len()).map(|_| 1)),
        long("cardinality", length),
        RowFunction::udf("array_to_string", DataType::Utf8, |args| {
            let elements = elements(args.first());
            let between = text(args, 1).unwrap_or_default();
            let null = text(args, 2);
            let joined = elements.map(|elements| {
                let shown = elements.iter().filter_map(|element| element.as_deref().or(null));
                shown.collect::<Vec<_>>().join(between)
            });
            Ok(ScalarValue::Utf8(joined))
        }),
        RowFunction::udf("array_remove", DataType::Utf8, |args| {
            let removed = args.get(1).map(ScalarValue::to_string);
            let kept = elements(args.first()).map(|elements| {
                let kept = elements.into_iter().flatten().filter(|element| Some(element) != removed.as_ref());
                format!("{{{}}}", kept.collect::<Vec<_>>().join(","))
            });
            Ok(ScalarValue::Utf8(kept))
        }),
        RowFunction::udf("pg_array_has", DataType::Boolean, |args| {
            let wanted = args.get(1).filter(|value| !value.is_null()).map(ScalarValue::to_string);
            let found = elements(args.first()).zip(wanted);
            Ok(ScalarValue::Boolean(found.map(|(elements, wanted)| elements.contains(&Some(wanted)))))
        }),
    ]
}

/// PostgreSQL has no length for an array without elements.
fn some(length: usize) -> Option<i64> {
    i64::try_from(length).ok().filter(|length| *length > 0)
}

/// The elements of an array, as texts; `None` where it is NULL.
fn elements(array: Option<&ScalarValue>) -> Option<Vec<Option<String>>> {
    match array? {
        ScalarValue::List(list) => {
            let rows = ScalarValue::convert_array_to_scalar_vec(list.as_ref()).ok()?;
            let values = rows.into_iter().next()??;
            Some(values.iter().map(|value| (!value.is_null()).then(|| value.to_string())).collect())
        }
        other => Some(written(other.try_as_str()??)?.into_iter().map(Some).collect()),
    }
}

/// The elements of an array that is written as a text: `{a,"b,c"}`.
pub(super) fn written(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (mut all, mut current, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    if inner.is_empty() {
        return Some(all);
    }
    for char in inner.chars() {
        match char {
            _ if escaped => {
                current.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut current)),
            _ => current.push(char),
        }
    }
    all.push(current);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("{}", Some(vec![]))]
    #[case("{a,b}", Some(vec!["a", "b"]))]
    #[case("{a,\"b,c\",d\\\"}", Some(vec!["a", "b,c", "d\""]))]
    #[case("a", None)]
    fn an_array_in_a_text_has_its_elements(#[case] text: &str, #[case] expected: Option<Vec<&str>>) {
        assert_eq!(written(text), expected.map(|all| all.into_iter().map(str::to_owned).collect()));
    }
}
