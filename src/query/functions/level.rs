//! `level_name` and `level_num`: OpenTelemetry's severity numbers and what people call them.

use std::sync::Arc;

use arrow::array::{AsArray, Int32Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::description::{Description, is_integer, is_text};

/// The names of the ranges of four, from 1 on.
const RANGES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// What loggers write that is no name of OpenTelemetry's, and the number it stands for.
const SPELLINGS: &[(&str, i32)] = &[
    ("finest", 1),
    ("trc", 1),
    ("verbose", 5),
    ("dbg", 5),
    ("finer", 5),
    ("fine", 6),
    ("config", 7),
    ("inf", 9),
    ("information", 9),
    ("informational", 9),
    ("notice", 10),
    ("wrn", 13),
    ("warning", 13),
    ("err", 17),
    ("severe", 17),
    ("crit", 18),
    ("critical", 18),
    ("dpanic", 18),
    ("alert", 19),
    ("panic", 19),
    ("emerg", 21),
    ("emergency", 21),
    ("ftl", 21),
];

pub(super) const NAME: Description = Description {
    name: "level_name",
    forms: &["(severity_number)"],
    meaning: "The name of a severity number's range, by which people filter and group: `TRACE` (1 to 4), `DEBUG` (5 to 8), \
        `INFO` (9 to 12), `WARN` (13 to 16), `ERROR` (17 to 20), `FATAL` (21 to 24); NULL for any other number. The finer \
        short names, as `INFO2`, are `level_num`'s to read.",
    source: "OpenTelemetry's log data model, SeverityNumber ranges",
    example: "SELECT level_name(severity_number) AS level, count(*) FROM logs GROUP BY level",
    short: None,
};

pub(super) const NUM: Description = Description {
    name: "level_num",
    forms: &["(text)"],
    meaning: "The severity number that a level's name begins at, in any case: `'warn'` is 13, `'ERROR'` 17. Short names of single \
        numbers are read (`'INFO2'` is 10), and what loggers write: `warning`, `err`, `severe`, `notice` (10), `critical` (18), `alert` (19), \
        `emergency` (21). NULL for what is no level.",
    source: "OpenTelemetry's log data model, short names, and its appendix B, which maps syslog, Windows, Log4j, Zap, \
        java.util.logging and .NET; where .NET's and ETW's Critical is FATAL, syslog's ERROR2 is taken, so that a bound finds both",
    example: "SELECT count(*) FROM logs WHERE severity_number >= level_num('warn')",
    short: None,
};

/// `level_name(severity_number)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LevelName {
    signature: Signature,
}

impl Default for LevelName {
    fn default() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable) }
    }
}

fn name_of(number: i64) -> Option<&'static str> {
    let range = usize::try_from(number.checked_sub(1)?).ok()? / 4;
    RANGES.get(range).copied()
}

impl ScalarUDFImpl for LevelName {
    fn name(&self) -> &'static str {
        NAME.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        NAME.documentation()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [number] if is_integer(number) => Ok(DataType::Utf8View),
            _ => Err(NAME.wrong_call(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        super::columnar(&args, |arrays| {
            let numbers = cast(&arrays[0], &DataType::Int64)?;
            let names = numbers.as_primitive::<Int64Type>().iter().map(|number| name_of(number?));
            Ok(Arc::new(names.collect::<StringViewArray>()))
        })
    }
}

/// `level_num(text)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LevelNum {
    signature: Signature,
}

impl Default for LevelNum {
    fn default() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable) }
    }
}

fn number_of(text: &str) -> Option<i32> {
    let text = text.trim();
    let spelled = SPELLINGS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    if let Some((_, number)) = spelled {
        return Some(*number);
    }
    let (name, step) = match text.as_bytes() {
        [.., digit @ b'2'..=b'4'] => (text.get(..text.len() - 1)?, i32::from(digit - b'1')),
        _ => (text, 0),
    };
    let range = RANGES.iter().position(|range| range.eq_ignore_ascii_case(name))?;
    Some(i32::try_from(range).ok()? * 4 + 1 + step)
}

impl ScalarUDFImpl for LevelNum {
    fn name(&self) -> &'static str {
        NUM.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        NUM.documentation()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [text] if is_text(text) => Ok(DataType::Int32),
            _ => Err(NUM.wrong_call(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        super::columnar(&args, |arrays| {
            let texts = cast(&arrays[0], &DataType::Utf8View)?;
            let numbers = texts.as_string_view().iter().map(|text| number_of(text?));
            Ok(Arc::new(numbers.collect::<Int32Array>()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, None)]
    #[case(1, Some("TRACE"))]
    #[case(4, Some("TRACE"))]
    #[case(5, Some("DEBUG"))]
    #[case(10, Some("INFO"))]
    #[case(13, Some("WARN"))]
    #[case(20, Some("ERROR"))]
    #[case(24, Some("FATAL"))]
    #[case(25, None)]
    #[case(-3, None)]
    #[case(i64::MIN, None)]
    fn a_number_has_its_ranges_name(#[case] number: i64, #[case] expected: Option<&str>) {
        assert_eq!(name_of(number), expected);
    }

    #[rstest::rstest]
    #[case("warn", Some(13))]
    #[case(" Warning ", Some(13))]
    #[case("TRACE", Some(1))]
    #[case("info2", Some(10))]
    #[case("FATAL4", Some(24))]
    #[case("INFO1", None)]
    #[case("INFO5", None)]
    #[case("err", Some(17))]
    #[case("Critical", Some(18))]
    #[case("Emergency", Some(21))]
    #[case("", None)]
    #[case("4", None)]
    #[case("wårn2", None)]
    fn a_name_has_its_number(#[case] text: &str, #[case] expected: Option<i32>) {
        assert_eq!(number_of(text), expected);
    }
}
