//! DataFusion's functions that make much of little, refused past a bound before they make it (invariant 11).
//!
//! `repeat('x', 2000000000)` allocates in one step that no budget sees, no cancellation stops, and that ends the program where
//! memory does. The bound is on what one call makes of one batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, ExprSchema, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Bytes that one call may make of a batch, by estimate.
const MAX_BYTES: u64 = 64 << 20;

/// Bytes of an element of a list, by estimate.
const ELEMENT_BYTES: u64 = 8;

/// How large a function's result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Size {
    /// The first argument's text, so often.
    Repeated,
    /// The second argument's characters.
    Padded,
    /// A list of the second argument's elements.
    Counted,
    /// A list from the first argument to the second, in steps of the third.
    Series,
}

/// The functions that are bounded.
pub(super) const NAMES: [&str; 7] =
    ["repeat", "lpad", "rpad", "array_repeat", "array_resize", "range", "generate_series"];

/// The bounded form of a function of DataFusion's, where it has one.
pub(super) fn bounded(inner: &Arc<ScalarUDF>) -> Option<ScalarUDF> {
    let size = match inner.name() {
        "repeat" => Size::Repeated,
        "lpad" | "rpad" => Size::Padded,
        "array_repeat" | "array_resize" => Size::Counted,
        "range" | "generate_series" => Size::Series,
        _ => return None,
    };
    Some(ScalarUDF::new_from_impl(Bounded { inner: Arc::clone(inner), size }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    size: Size,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<arrow::datatypes::FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_nullable(&self, args: &[Expr], schema: &dyn ExprSchema) -> bool {
        #[expect(deprecated, reason = "a wrapper says what the wrapped one says")]
        self.inner.is_nullable(args, schema)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = self.size.of(&args.args)?;
        if bytes > MAX_BYTES {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} would make some {} MiB at once, and {} MiB are the most; ask for less",
                self.name(),
                bytes >> 20,
                MAX_BYTES >> 20
            )));
        }
        self.inner.invoke_with_args(args)
    }
}

impl Size {
    /// Bytes of the result, by estimate; 0 where the arguments do not tell.
    fn of(self, args: &[ColumnarValue]) -> Result<u64> {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let numbers = |index: usize| arrays.get(index).and_then(numbers_of);
        let sum = |each: &mut dyn FnMut(usize) -> u64| {
            let rows = arrays.first().map_or(0, Array::len);
            (0..rows).map(each).fold(0, u64::saturating_add)
        };
        let at = |numbers: &Option<ArrayRef>, row: usize| {
            let numbers = numbers.as_ref()?.as_primitive::<Int64Type>();
            (numbers.is_valid(row)).then(|| numbers.value(row))
        };
        let count = |numbers: &Option<ArrayRef>, row: usize| at(numbers, row).map_or(0, |n| n.max(0).unsigned_abs());
        let second = numbers(1);
        Ok(match self {
            Self::Repeated => {
                let lengths = arrays.first().and_then(|text| length(text.as_ref()).ok()).as_ref().and_then(numbers_of);
                sum(&mut |row| count(&lengths, row).saturating_mul(count(&second, row)))
            }
            Self::Padded => sum(&mut |row| count(&second, row)),
            Self::Counted => sum(&mut |row| count(&second, row).saturating_mul(ELEMENT_BYTES)),
            Self::Series => {
                let (first, step) = (numbers(0), numbers(2));
                sum(&mut |row| {
                    let (from, to) = match (&second, at(&first, row), at(&second, row)) {
                        (Some(_), Some(from), Some(to)) => (from, to),
                        // range(n)
                        (None, Some(to), _) => (0, to),
                        _ => return 0,
                    };
                    let step = at(&step, row).map_or(1, |step| step.unsigned_abs().max(1));
                    (from.abs_diff(to) / step).saturating_mul(ELEMENT_BYTES)
                })
            }
        })
    }
}

fn numbers_of(array: &ArrayRef) -> Option<ArrayRef> {
    array.data_type().is_integer().then(|| cast(array, &DataType::Int64).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::FunctionRegistry as _;
    use datafusion::prelude::SessionContext;

    fn session() -> SessionContext {
        let session = SessionContext::new();
        for name in NAMES {
            let function = session.udf(name).unwrap();
            session.register_udf(bounded(&function).unwrap());
        }
        session
    }

    #[rstest::rstest]
    #[case("repeat('x', 2000000000)")]
    #[case("repeat(repeat('x', 100000), v)")]
    #[case("lpad('x', 2000000000)")]
    #[case("rpad('x', 2000000000, 'y')")]
    #[case("array_repeat(1, 2000000000)")]
    #[case("list_repeat(1, 2000000000)")]
    #[case("array_resize([1], 1000000000, 0)")]
    #[case("range(2000000000)")]
    #[case("range(0, 2000000000)")]
    #[case("range(2000000000, 0, -2)")]
    #[case("generate_series(-9000000000000000000, 9000000000000000000)")]
    #[tokio::test]
    async fn what_would_make_too_much_is_refused(#[case] call: &str) {
        let query = format!("SELECT {call} FROM (VALUES (1000000)) AS t(v)");
        let outcome = async { session().sql(&query).await?.collect().await }.await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("at once"), "{error}");
    }

    #[rstest::rstest]
    #[case("repeat('ab', 3)", "ababab")]
    #[case("lpad('x', 3, '-')", "--x")]
    #[case("array_repeat(1, 2)", "[1, 1]")]
    #[case("array_resize([1], 2, 0)", "[1, 0]")]
    #[case("range(1, 7, 3)", "[1, 4]")]
    #[case("generate_series(3)", "[0, 1, 2, 3]")]
    #[case("repeat('x', -1)", "")]
    #[case("repeat(NULL, 3)", "")]
    #[case("range(DATE '2024-01-01', DATE '2024-01-02', INTERVAL '1 day')", "[2024-01-01]")]
    #[tokio::test]
    async fn all_else_is_as_it_was(#[case] call: &str, #[case] expected: &str) {
        let rows = session().sql(&format!("SELECT {call}")).await.unwrap().collect().await.unwrap();
        let shown = arrow::util::display::array_value_to_string(rows[0].column(0), 0).unwrap();
        assert_eq!(shown, expected);
    }
}
