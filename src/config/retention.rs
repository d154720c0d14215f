//! `[[retention]]` and `[[hold]]`: what goes with age, and what stays whatever the rules say.
//!
//! Checked when the configuration loads, since what they take can't be brought back: names and types of the SQL, ages,
//! rules that contradict each other or could never act.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use bytesize::ByteSize;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Value;

use super::layers::Layers;
use crate::error::{Error, Result};
use crate::maintenance::{Age, Condition, Hold, Holds, RetentionRules, TRACES, TableRule, TraceCondition, TraceRule};
use crate::model::promoted::Promoted;
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;
use crate::query::{QueryBudget, RowFilter, RowFilters, SqlObjects, has_sample, sample_steps, traces_schema};

/// One `[[retention]]` as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionEntry {
    table: String,
    after: Option<String>,
    keep_where: Option<String>,
    then_after: Option<String>,
    max_bytes: Option<Value>,
}

/// One `[[hold]]` as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldEntry {
    table: String,
    #[serde(rename = "where")]
    condition: String,
    reason: String,
}

/// An entry and where it stands, for errors.
struct Entry<T> {
    read: T,
    number: usize,
    place: String,
}

/// The rules and holds of the configuration file.
///
/// # Errors
/// `Config`, naming the entry, its key and what to write.
pub(super) fn retention(
    layers: &Layers,
    budget: &QueryBudget,
    views: &SqlObjects,
    promoted: &[Promoted],
) -> Result<RetentionRules> {
    let rules = entries::<RetentionEntry>(layers, "retention")?;
    let holds = entries::<HoldEntry>(layers, "hold")?;
    if rules.is_empty() && holds.is_empty() {
        return Ok(RetentionRules::default());
    }
    let sql = Sql { filters: RowFilters::new(budget, views.clone().into())?, promoted };
    let mut checked = RetentionRules::default();
    for entry in rules {
        let is_second = match entry.read.table.as_str() {
            TRACES => checked.traces.is_some(),
            name => checked.tables.iter().any(|rule| rule.signal.table() == name),
        };
        if is_second {
            return Err(entry.wrong(&format!("`{}` has a rule already; make one of both", entry.read.table)));
        }
        if entry.read.table == TRACES {
            checked.traces = Some(trace_rule(&entry, &sql)?);
        } else {
            checked.tables.push(table_rule(&entry, &sql)?);
        }
    }
    let holds = holds.into_iter().map(|entry| hold(&entry, &sql));
    checked.holds = Holds::new(holds.collect::<Result<_>>()?);
    Ok(checked)
}

fn table_rule(entry: &Entry<RetentionEntry>, sql: &Sql<'_>) -> Result<TableRule> {
    let signal = entry.signal("logs, spans, metrics or traces", &entry.read.table)?;
    let max_bytes = entry.max_bytes()?;
    let after = entry.age("after", entry.read.after.as_deref())?;
    if after.is_none() && max_bytes.is_none() {
        return Err(entry.wrong("it has neither `after` nor `max_bytes`, so it could never act; write after = \"30d\""));
    }
    let then_after = entry.then_after(after)?;
    let keep_where = match &entry.read.keep_where {
        None => None,
        Some(text) => {
            if has_sample(text).map_err(|error| entry.wrong_sql("keep_where", &error))? {
                return Err(entry.wrong(
                    "`keep_where` has sample(), which chooses whole traces; write it in the rule of table = \"traces\"",
                ));
            }
            let filter = sql.of_table(signal, text).map_err(|error| entry.wrong_sql("keep_where", &error))?;
            entry.keeps_some(&filter, &contract_schema(signal))?;
            Some(Condition { text: text.clone(), filter })
        }
    };
    Ok(TableRule { number: entry.number, signal, after, keep_where, then_after, max_bytes })
}

fn trace_rule(entry: &Entry<RetentionEntry>, sql: &Sql<'_>) -> Result<TraceRule> {
    if entry.read.max_bytes.is_some() {
        return Err(entry.wrong("`max_bytes` is of a table; write it in a rule of logs, spans or metrics"));
    }
    let after = entry.age("after", entry.read.after.as_deref())?;
    let after = after.ok_or_else(|| entry.wrong("`after` is missing; write after = \"14d\""))?;
    let then_after = entry.then_after(Some(after))?;
    let keep_where = match &entry.read.keep_where {
        None => None,
        Some(text) => {
            let wrong = |error: Error| entry.wrong_sql("keep_where", &error);
            // As a whole first, so that an error has its place in what was written.
            let whole = sql.filters.traces_filter(text).map_err(wrong)?;
            if !has_sample(text).map_err(wrong)? {
                entry.keeps_some(&whole, &traces_schema())?;
            }
            let steps = sample_steps(text).map_err(wrong)?;
            if steps.iter().skip(1).any(|step| step.probability >= 1.0) {
                return Err(entry.wrong("`keep_where` has sample(trace_id, 1), which is always true; leave it out"));
            }
            let steps = steps
                .into_iter()
                .map(|step| Ok((step.probability, sql.filters.traces_filter(&step.condition).map_err(wrong)?)))
                .collect::<Result<_>>()?;
            Some(TraceCondition { text: text.clone(), steps })
        }
    };
    Ok(TraceRule { number: entry.number, after, keep_where, then_after })
}

fn hold(entry: &Entry<HoldEntry>, sql: &Sql<'_>) -> Result<Hold> {
    let signal = entry.signal("logs, spans or metrics", &entry.read.table)?;
    if entry.read.reason.trim().is_empty() {
        return Err(entry.wrong("`reason` is empty; say why, for whoever meets the hold in years"));
    }
    let condition = &entry.read.condition;
    if has_sample(condition).map_err(|error| entry.wrong_sql("where", &error))? {
        return Err(entry.wrong("`where` has sample(): chance is no reason to hold a row; name what it is about"));
    }
    let filter = sql.of_table(signal, condition).map_err(|error| entry.wrong_sql("where", &error))?;
    if constant(&filter, &contract_schema(signal))? == Some(false) {
        return Err(entry.wrong("`where` is never true, so it holds nothing; name a column"));
    }
    Ok(Hold { number: entry.number, signal, condition: condition.clone(), filter, reason: entry.read.reason.clone() })
}

/// What conditions are planned with.
struct Sql<'a> {
    filters: RowFilters,
    promoted: &'a [Promoted],
}

impl Sql<'_> {
    fn of_table(&self, signal: Signal, condition: &str) -> Result<RowFilter> {
        self.filters.filter(signal, self.promoted, condition)
    }
}

/// What a condition says of every row, where it names no column.
fn constant(filter: &RowFilter, schema: &SchemaRef) -> Result<Option<bool>> {
    if !filter.columns().is_empty() {
        return Ok(None);
    }
    let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
    let row = RecordBatch::try_new(Arc::clone(schema), columns);
    let row = row.map_err(|error| Error::internal("no row to ask a condition of").with_source(error))?;
    Ok(Some(filter.matches(&row)?.value(0)))
}

fn entries<T: DeserializeOwned>(layers: &Layers, key: &'static str) -> Result<Vec<Entry<T>>> {
    let Some((value, origin)) = layers.get(key) else { return Ok(Vec::new()) };
    let not_tables = || Error::config(format!("`{key}` (from {origin}) is not a list of tables; write [[{key}]]"));
    let values = value.as_array().ok_or_else(not_tables)?.iter().zip(1..).map(|(value, number)| {
        let place = format!("[[{key}]] number {number} (from {origin})");
        if !value.is_table() {
            return Err(not_tables());
        }
        match value.clone().try_into() {
            Ok(read) => Ok(Entry { read, number, place }),
            Err(error) => Err(Error::config(format!("{place}: {}", error.message()))),
        }
    });
    values.collect()
}

impl<T> Entry<T> {
    fn wrong(&self, why: &str) -> Error {
        Error::config(format!("{}: {why}", self.place))
    }

    fn wrong_sql(&self, key: &str, error: &Error) -> Error {
        let place = error
            .position()
            .map_or_else(String::new, |position| format!(" at line {}, column {}", position.line, position.column));
        self.wrong(&format!("`{key}`{place}: {}", error.message()))
    }

    fn signal(&self, known: &str, name: &str) -> Result<Signal> {
        Signal::from_table(name).ok_or_else(|| self.wrong(&format!("`table` = `{name}` is not one of {known}")))
    }
}

impl Entry<RetentionEntry> {
    fn age(&self, key: &str, text: Option<&str>) -> Result<Option<Age>> {
        text.map(|text| text.parse().map_err(|why: String| self.wrong(&format!("`{key}`: {why}")))).transpose()
    }

    /// `then_after`, held against the rest.
    fn then_after(&self, after: Option<Age>) -> Result<Option<Age>> {
        if self.read.keep_where.is_some() && after.is_none() {
            return Err(self.wrong("`keep_where` says what outlives `after`, which is missing; write after = \"30d\""));
        }
        let Some(then_after) = self.age("then_after", self.read.then_after.as_deref())? else { return Ok(None) };
        if self.read.keep_where.is_none() {
            return Err(self.wrong(
                "`then_after` is the end of what `keep_where` keeps, which is missing; leave `then_after` out or write both",
            ));
        }
        if after.is_some_and(|after| then_after <= after) {
            return Err(self.wrong("`then_after` must be more than `after`, or nothing would be kept for it"));
        }
        Ok(Some(then_after))
    }

    fn max_bytes(&self) -> Result<Option<u64>> {
        let Some(value) = &self.read.max_bytes else { return Ok(None) };
        let bytes = match value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            Value::String(text) => text.parse().ok().map(|size: ByteSize| size.as_u64()),
            _ => None,
        };
        match bytes {
            Some(bytes) if bytes > 0 => Ok(Some(bytes)),
            _ => Err(self.wrong("`max_bytes` is no number of bytes above 0; write \"500 GB\"")),
        }
    }

    fn keeps_some(&self, filter: &RowFilter, schema: &SchemaRef) -> Result<()> {
        match constant(filter, schema)? {
            None => Ok(()),
            Some(true) => {
                Err(self.wrong("`keep_where` is true of everything, so the rule could never act; name a column"))
            }
            Some(false) => {
                Err(self.wrong("`keep_where` is never true, so it keeps nothing; leave it out, or name a column"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(toml: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("telestrata.toml");
        std::fs::write(&file, toml).unwrap();
        Config::from_layers(&Layers::load(Some(&file), |_| None)?)
    }

    /// The rules of the issue, with a hold.
    const WHOLE: &str = r#"
        [[retention]]
        table = "logs"
        after = "30d"
        keep_where = "severity_number >= 17 or service_name = 'payments'"
        then_after = "400d"
        max_bytes = "5 GB"

        [[retention]]
        table = "traces"
        after = "14d"
        keep_where = "error_count > 0 or duration_ms > 2000 or sample(trace_id, 0.01)"
        then_after = "400d"

        [[retention]]
        table = "metrics"
        after = "90d"

        [[hold]]
        table = "logs"
        where = "attr('case') = '17'"
        reason = "case 17"
    "#;

    #[test]
    fn the_rules_are_read_and_shown() {
        let config = load(WHOLE).unwrap();
        let steps = &config.retention.traces.as_ref().unwrap().keep_where.as_ref().unwrap().steps;
        assert_eq!(steps.iter().map(|(probability, _)| *probability).collect::<Vec<_>>(), [1.0, 0.01]);
        assert_eq!(config.described["retention"][0]["max_bytes"], 5_000_000_000_u64);
        assert_eq!(config.described["retention"][1]["table"], "traces");
        assert_eq!(config.described["retention"][2]["after"], "90d");
        assert_eq!(config.described["hold"][0]["reason"], "case 17");
        assert!(load("").unwrap().retention.is_empty());
    }

    #[rstest::rstest]
    #[case("array_has(services, 'payments') and stored_span_count > 100")]
    #[case("root_service = 'front' and root_name like 'GET %' and sample(trace_id, 0.5)")]
    #[case("time < timestamp '2024-01-01' or error_log_count > 0")]
    fn conditions_on_traces(#[case] condition: &str) {
        load(&format!("[[retention]]\ntable = \"traces\"\nafter = \"1d\"\nkeep_where = \"{condition}\"")).unwrap();
    }

    #[rstest::rstest]
    #[case::unknown_table("table = \"log\"\nafter = \"1d\"", "`log` is not one of")]
    #[case::unknown_key("table = \"logs\"\nafter = \"1d\"\nkeep = \"x\"", "keep")]
    #[case::no_table("after = \"1d\"", "table")]
    #[case::hours("table = \"logs\"\nafter = \"36h\"", "`after`: `36h` is no number of whole days")]
    #[case::nothing("table = \"logs\"", "neither `after` nor `max_bytes`")]
    #[case::traces_without_an_age("table = \"traces\"", "`after` is missing")]
    #[case::then_without_keep(
        "table = \"logs\"\nafter = \"1d\"\nthen_after = \"2d\"",
        "`keep_where` keeps, which is missing"
    )]
    #[case::then_before_after(
        "table = \"logs\"\nafter = \"9d\"\nkeep_where = \"severity_number > 8\"\nthen_after = \"9d\"",
        "more than `after`"
    )]
    #[case::keep_without_after(
        "table = \"logs\"\nmax_bytes = 1\nkeep_where = \"severity_number > 8\"",
        "`after`, which is missing"
    )]
    #[case::no_bytes("table = \"logs\"\nmax_bytes = 0", "`max_bytes`")]
    #[case::bytes_of_traces("table = \"traces\"\nafter = \"1d\"\nmax_bytes = 5", "`max_bytes` is of a table")]
    #[case::keeps_all("table = \"logs\"\nafter = \"1d\"\nkeep_where = \"1 = 1\"", "never act")]
    #[case::keeps_none("table = \"logs\"\nafter = \"1d\"\nkeep_where = \"null\"", "never true")]
    #[case::a_name("table = \"logs\"\nafter = \"1d\"\nkeep_where = \"severity >= 17\"", "no column severity")]
    #[case::a_place("table = \"logs\"\nafter = \"1d\"\nkeep_where = \"severity_number > 1 and x = 2\"", "column 25")]
    #[case::a_type("table = \"logs\"\nafter = \"1d\"\nkeep_where = \"severity_number\"", "non-boolean")]
    #[case::the_clock("table = \"logs\"\nafter = \"1d\"\nkeep_where = \"time > now()\"", "now()")]
    #[case::sample_of_rows(
        "table = \"spans\"\nafter = \"1d\"\nkeep_where = \"sample(trace_id, 0.1)\"",
        "table = \"traces\""
    )]
    #[case::a_column_of_spans("table = \"traces\"\nafter = \"1d\"\nkeep_where = \"duration_nano > 5\"", "duration_ms")]
    #[case::not_sample(
        "table = \"traces\"\nafter = \"1d\"\nkeep_where = \"not sample(trace_id, 0.1)\"",
        "never under NOT"
    )]
    #[case::sample_of_all("table = \"traces\"\nafter = \"1d\"\nkeep_where = \"sample(trace_id, 1)\"", "always true")]
    #[case::two("table = \"logs\"\nafter = \"1d\"\n[[retention]]\ntable = \"logs\"\nafter = \"2d\"", "number 2")]
    fn what_is_wrong_with_a_rule_is_named(#[case] entry: &str, #[case] named: &str) {
        let error = load(&format!("[[retention]]\n{entry}")).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("[[retention]] number "), "{error}");
    }

    #[rstest::rstest]
    #[case("table = \"logs\"\nwhere = \"service_name = 'a'\"", "reason")]
    #[case("table = \"logs\"\nwhere = \"service_name = 'a'\"\nreason = \" \"", "`reason` is empty")]
    #[case("table = \"traces\"\nwhere = \"error_count > 0\"\nreason = \"x\"", "`traces` is not one of logs, spans")]
    #[case("table = \"logs\"\nwhere = \"service = 'a'\"\nreason = \"x\"", "service_name")]
    #[case("table = \"spans\"\nwhere = \"sample(trace_id, 0.1)\"\nreason = \"x\"", "chance is no reason")]
    #[case("table = \"logs\"\nwhere = \"false\"\nreason = \"x\"", "never true")]
    fn what_is_wrong_with_a_hold_is_named(#[case] entry: &str, #[case] named: &str) {
        let error = load(&format!("[[hold]]\n{entry}")).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("[[hold]] number 1"), "{error}");
    }
}
