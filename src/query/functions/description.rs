//! What each function is, written once: for `docs/sql.md`, for the error of a wrong call, and for calls that leave out
//! what the table has anyway.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{DocSection, Documentation, DocumentationBuilder};

use super::DESCRIPTIONS;

/// A function, as its users are told of it.
#[derive(Debug)]
pub(super) struct Description {
    /// The name in SQL.
    pub(super) name: &'static str,
    /// What may stand in its parentheses, one a form.
    pub(super) forms: &'static [&'static str],
    /// What it answers, NULLs and edges included.
    pub(super) meaning: &'static str,
    /// Where its rule comes from.
    pub(super) source: &'static str,
    /// A use of it.
    pub(super) example: &'static str,
    /// The short form, where there is one.
    pub(super) short: Option<Short>,
}

/// A call with so many arguments has these columns written behind them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    pub(super) given: usize,
    pub(super) columns: &'static [&'static str],
}

impl Description {
    /// The error of a call with arguments of these types.
    pub(super) fn wrong_call<'t>(&self, types: impl IntoIterator<Item = &'t DataType>) -> DataFusionError {
        let types: Vec<String> = types.into_iter().map(|data_type| SqlName(data_type).to_string()).collect();
        DataFusionError::Plan(format!("{} takes {}, not ({})", self.name, self.forms.join(" or "), types.join(", ")))
    }

    /// What `SHOW FUNCTIONS` says of it.
    pub(super) fn documentation(&self) -> Option<&'static Documentation> {
        static ALL: LazyLock<HashMap<&'static str, Documentation>> = LazyLock::new(|| {
            let one = |function: &&Description| {
                let meaning = format!("{} Rule: {}.", function.meaning, function.source);
                let syntax = function.calls().join("; ");
                let builder = DocumentationBuilder::new_with_details(DocSection::default(), meaning, syntax);
                (function.name, builder.with_sql_example(function.example).build())
            };
            DESCRIPTIONS.iter().map(one).collect()
        });
        ALL.get(self.name)
    }

    /// Each form with the name before it.
    fn calls(&self) -> Vec<String> {
        self.forms.iter().map(|form| format!("{}{form}", self.name)).collect()
    }

    /// The error of an argument that has a right type and a wrong value.
    pub(super) fn wrong_value(&self, what: impl fmt::Display) -> DataFusionError {
        DataFusionError::Execution(format!("{}: {what}", self.name))
    }
}

/// A type by a name that people know.
struct SqlName<'t>(&'t DataType);

impl fmt::Display for SqlName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DataType::Null => f.write_str("NULL"),
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => f.write_str("text"),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => f.write_str("double"),
            DataType::Boolean => f.write_str("boolean"),
            DataType::Timestamp(..) => f.write_str("timestamp"),
            DataType::Date32 | DataType::Date64 => f.write_str("date"),
            DataType::Interval(_) => f.write_str("interval"),
            DataType::Map(..) => f.write_str("map"),
            DataType::Struct(_) => f.write_str("struct"),
            DataType::List(item) | DataType::LargeList(item) => write!(f, "list of {}", SqlName(item.data_type())),
            other if other.is_integer() => f.write_str("integer"),
            other => write!(f, "{other}"),
        }
    }
}

/// Whether a value of this type is text.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null)
}

/// Whether a value of this type is a number.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_null()
}

/// Whether a value of this type is a whole number.
pub(super) fn is_integer(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_null()
}

/// Whether a value of this type is a moment.
pub(super) fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Null)
}

#[cfg(test)]
mod tests {
    use super::super::DESCRIPTIONS;

    fn section() -> String {
        let mut section = String::new();
        for function in DESCRIPTIONS {
            section += &format!("\n### `{}`\n\n```text\n{}\n```\n\n", function.name, function.calls().join("\n"));
            section += &format!("{} *Rule: {}.*\n\n", function.meaning, function.source);
            section += &format!("```sql\n{}\n```\n", function.example);
        }
        section
    }

    /// The part of docs/sql.md between its marks is what the descriptions say; TELESTRATA_UPDATE_DOCS=1 writes it anew.
    #[test]
    fn the_documentation_says_what_the_functions_say() {
        const BEGIN: &str = "<!-- functions: made from src/query/functions/ by TELESTRATA_UPDATE_DOCS=1 cargo test --lib functions_say -->\n";
        const END: &str = "<!-- end of functions -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sql.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let made = format!("{before}{BEGIN}{}\n{END}{after}", section());
        if std::env::var_os("TELESTRATA_UPDATE_DOCS").is_some() {
            std::fs::write(path, made).unwrap();
        } else {
            assert_eq!(text, made, "docs/sql.md is not what the descriptions in src/query/functions/ say");
        }
    }
}
