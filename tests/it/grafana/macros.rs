//! What Grafana makes of a query before its PostgreSQL data source sends it: variables in the browser, macros on the
//! server.
//!
//! Read in grafana/grafana: `pkg/tsdb/grafana-postgresql-datasource/macros.go` and `sqleng/sql_engine.go` at commit
//! 446b3e1f (13.x, pgx) and at 05770880 (11.x, lib/pq), whose expansions are equal; `packages/grafana-sql`
//! (`SqlDatasource.ts`, `ResponseParser.ts`) of npm's `@grafana/sql` 13.2.3 and at 2a14b0ed (after it); and npm's
//! `@grafana/scenes` 9.2.2 (`sceneInterpolator.js`, `MultiValueVariable.js`). `docs/grafana/README.md` says more.
//!
//! Left out, and refused by the test if a dashboard has it: comments, which newer versions strip and older ones send,
//! and the forms `${name}`, `${name:format}` and `[[name]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// What a panel asks beside its query.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub interval: Duration,
    /// The data source's switch, which only changes how time is grouped.
    pub timescaledb: bool,
}

/// What to put where a series has no row; Grafana does that itself after the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    Null,
    Previous,
    Value(f64),
}

/// A query as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Expanded {
    pub sql: String,
    pub fill: Option<Fill>,
}

/// The value of a variable of a dashboard.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// `All` of a variable with a value of its own for that, which goes in as it is.
    All(String),
    /// Of a variable of many values.
    Many(Vec<String>),
    /// Of a variable of one value.
    One(String),
}

/// Puts in the variables, as a browser does. Names that are no variable's stay.
///
/// Versions differ in a single value of a variable that may have many, which those up to 13.2 put in quotes and later
/// ones do not. It does not come up: such a variable's values are a list, even of one.
pub fn interpolate(sql: &str, values: &BTreeMap<String, Chosen>, interval: Duration) -> String {
    let (mut text, mut rest) = (String::new(), sql);
    while let Some((before, after)) = rest.split_once('$') {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, next) = after.split_at(end);
        text.push_str(before);
        match (name, values.get(name)) {
            ("__interval", _) => text.push_str(&format_interval(interval)),
            ("__interval_ms", _) => text.push_str(&interval.as_millis().to_string()),
            (_, Some(Chosen::All(all))) => text.push_str(all),
            (_, Some(Chosen::Many(values))) => {
                text.push_str(&values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(","));
            }
            (_, Some(Chosen::One(value))) => text.push_str(&value.replace('\'', "''")),
            (_, None) => text.push_str(&format!("${name}")),
        }
        rest = next;
    }
    text + rest
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Expands the macros, as Grafana's server does.
pub fn expand(sql: &str, asked: &Asked) -> Result<Expanded, String> {
    // A second time: a query that no browser sent (an alert's) still has them.
    let sql = sql
        .replace("$__interval_ms", &asked.interval.as_millis().to_string())
        .replace("$__interval", &format_interval(asked.interval))
        .replace("$__unixEpochFrom()", &asked.from.timestamp().to_string())
        .replace("$__unixEpochTo()", &asked.to.timestamp().to_string());
    let mut expanded = Expanded { sql: String::new(), fill: None };
    let mut rest = sql.as_str();
    while let Some((before, name, arguments, after)) = next_macro(rest) {
        // Before 5.3 a `$__timeGroup` before a comma named its column.
        let name = if name == "__timeGroup" && after.starts_with(',') { "__timeGroupAlias" } else { name };
        let arguments: Vec<&str> = arguments.split(',').map(|argument| argument.trim_matches(' ')).collect();
        expanded.sql.push_str(before);
        let text = evaluate(name, &arguments, asked, &mut expanded.fill)?;
        expanded.sql.push_str(&text);
        rest = after;
    }
    expanded.sql.push_str(rest);
    Ok(expanded)
}

/// The next `$name(arguments)`: what is before it, its parts, what is after it. The arguments end at the first `)`.
fn next_macro(text: &str) -> Option<(&str, &str, &str, &str)> {
    text.match_indices('$').find_map(|(at, _)| {
        let after = &text[at + 1..];
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let (name, next) = after.split_at(end);
        let (arguments, after) = next.strip_prefix('(')?.split_once(')')?;
        (!name.is_empty()).then_some((&text[..at], name, arguments, after))
    })
}

fn evaluate(name: &str, arguments: &[&str], asked: &Asked, fill: &mut Option<Fill>) -> Result<String, String> {
    let (column, from, to) = (arguments[0], asked.from, asked.to);
    Ok(match name {
        "__time" => format!("{column} AS \"time\""),
        "__timeEpoch" => format!("extract(epoch from {column}) as \"time\""),
        "__timeFilter" => format!("{column} BETWEEN '{}' AND '{}'", rfc3339(from), rfc3339(to)),
        "__timeFrom" => format!("'{}'", rfc3339(from)),
        "__timeTo" => format!("'{}'", rfc3339(to)),
        "__timeGroup" | "__unixEpochGroup" => {
            let seconds = group_seconds(name, arguments, fill)?;
            let number = go_float(seconds);
            match (name, asked.timescaledb) {
                ("__timeGroup", true) => format!("time_bucket('{seconds:.3}s',{column})"),
                ("__timeGroup", false) => format!("floor(extract(epoch from {column})/{number})*{number}"),
                _ => format!("floor(({column})/{number})*{number}"),
            }
        }
        "__timeGroupAlias" => evaluate("__timeGroup", arguments, asked, fill)? + " AS \"time\"",
        "__unixEpochGroupAlias" => evaluate("__unixEpochGroup", arguments, asked, fill)? + " AS \"time\"",
        "__unixEpochFilter" => format!("{column} >= {} AND {column} <= {}", from.timestamp(), to.timestamp()),
        "__unixEpochNanoFilter" => format!("{column} >= {} AND {column} <= {}", nanos(from), nanos(to)),
        "__unixEpochNanoFrom" => nanos(from).to_string(),
        "__unixEpochNanoTo" => nanos(to).to_string(),
        _ => return Err(format!("unknown macro {name:?}")),
    })
}

/// The seconds of `$__timeGroup(column, interval[, fill])`.
fn group_seconds(name: &str, arguments: &[&str], fill: &mut Option<Fill>) -> Result<f64, String> {
    let text = arguments.get(1).ok_or_else(|| format!("macro {name} needs time column and interval"))?;
    let interval = parse_interval(text.trim_matches('\'')).ok_or_else(|| format!("error parsing interval {text}"))?;
    if let [_, _, value] = arguments {
        *fill = Some(match *value {
            "NULL" => Fill::Null,
            "previous" => Fill::Previous,
            number => Fill::Value(number.parse().map_err(|_| format!("error parsing fill value {number}"))?),
        });
    }
    Ok(interval.as_secs_f64())
}

fn parse_interval(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3_600),
        "d" => Duration::from_secs(number * 86_400),
        "w" => Duration::from_secs(number * 7 * 86_400),
        _ => return None,
    })
}

/// The largest whole unit, and what is more is cut off.
fn format_interval(interval: Duration) -> String {
    let (seconds, millis) = (interval.as_secs(), interval.as_millis());
    let units = [(31_536_000, "y"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    match units.into_iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{}ms", millis.max(1)),
    }
}

/// RFC 3339 without the zeros at the fraction's end.
fn rfc3339(time: DateTime<Utc>) -> String {
    let text = time.format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + "Z"
}

fn nanos(time: DateTime<Utc>) -> i64 {
    time.timestamp_nanos_opt().unwrap()
}

/// A float as Go's `%v` writes it: the shortest digits, with an exponent of two digits from a million on.
fn go_float(value: f64) -> String {
    match format!("{value:e}").split_once('e') {
        Some((digits, exponent)) if value >= 1e6 => format!("{digits}e+{exponent:0>2}"),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(timescaledb: bool) -> Asked {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let (from, to) = (time("2024-02-29T23:59:00Z"), time("2024-03-01T00:04:30.250Z"));
        Asked { from, to, interval: Duration::from_secs(90), timescaledb }
    }

    /// Worked out by hand from macros.go.
    #[test]
    fn a_macro_becomes_what_grafana_sends() {
        let cases = [
            ("$__time(t)", "t AS \"time\""),
            ("min($__time(t))", "min(t AS \"time\")"),
            ("$__timeEpoch(t)", "extract(epoch from t) as \"time\""),
            (
                "$__timeFilter(l.time) AND x",
                "l.time BETWEEN '2024-02-29T23:59:00Z' AND '2024-03-01T00:04:30.25Z' AND x",
            ),
            ("$__timeFrom() $__timeTo()", "'2024-02-29T23:59:00Z' '2024-03-01T00:04:30.25Z'"),
            ("$__timeGroup(t, '5m')", "floor(extract(epoch from t)/300)*300"),
            ("$__timeGroup(t , 5m) AS x", "floor(extract(epoch from t)/300)*300 AS x"),
            ("$__timeGroup(t,'5m'), v", "floor(extract(epoch from t)/300)*300 AS \"time\", v"),
            ("$__timeGroupAlias(t, $__interval)", "floor(extract(epoch from t)/60)*60 AS \"time\""),
            ("$__timeGroupAlias(t, 20ms)", "floor(extract(epoch from t)/0.02)*0.02 AS \"time\""),
            ("$__timeGroup(t, 1w)", "floor(extract(epoch from t)/604800)*604800"),
            ("$__timeGroup(t, 12d)", "floor(extract(epoch from t)/1.0368e+06)*1.0368e+06"),
            ("$__interval_ms", "90000"),
            ("$__unixEpochFrom()..$__unixEpochTo()", "1709251140..1709251470"),
            ("$__unixEpochFilter(s)", "s >= 1709251140 AND s <= 1709251470"),
            ("$__unixEpochNanoFilter(n)", "n >= 1709251140000000000 AND n <= 1709251470250000000"),
            ("$__unixEpochNanoFrom() $__unixEpochNanoTo()", "1709251140000000000 1709251470250000000"),
            ("$__unixEpochGroup(a+b,'1h')", "floor((a+b)/3600)*3600"),
            ("$__unixEpochGroupAlias(s,'1h')", "floor((s)/3600)*3600 AS \"time\""),
            ("SELECT $1, '$', f($2)", "SELECT $1, '$', f($2)"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, &asked(false)).unwrap(), Expanded { sql: expected.into(), fill: None }, "{text}");
        }
        let bucket = expand("$__timeGroupAlias(t, '12d')", &asked(true)).unwrap();
        assert_eq!(bucket.sql, "time_bucket('1036800.000s',t) AS \"time\"");
        for (text, fill) in [("NULL", Fill::Null), ("previous", Fill::Previous), ("0.5", Fill::Value(0.5))] {
            let filled = expand(&format!("$__timeGroup(t, 1s, {text})"), &asked(false)).unwrap();
            assert_eq!(filled, Expanded { sql: "floor(extract(epoch from t)/1)*1".into(), fill: Some(fill) });
        }
        for wrong in ["$__nothing(t)", "$__timeGroup(t)", "$__timeGroup(t, soon)", "$__timeGroup(t, 1s, ever)"] {
            assert!(expand(wrong, &asked(false)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_interval_is_cut_to_its_largest_unit() {
        let cases = [(0, "1ms"), (250, "250ms"), (1_999, "1s"), (90_000, "1m"), (5_400_000, "1h"), (86_400_000, "1d")];
        for (millis, expected) in cases {
            assert_eq!(format_interval(Duration::from_millis(millis)), expected);
        }
    }
}
