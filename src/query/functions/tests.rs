//! The functions in SQL, over small tables.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::super::budget::QueryBudget;
use super::super::lookup::MapLookupPlanner;
use super::super::statement::parse;
use super::{JsonOperatorPlanner, register};

fn context(partitions: usize) -> SessionContext {
    context_of(SessionConfig::new().with_target_partitions(partitions).with_batch_size(3))
}

/// How an aggregate may be worked out: at once, in parts, and in parts of a row each.
enum Parts {
    One,
    Many,
    EachRow,
}

fn context_with(parts: &Parts) -> SessionContext {
    let mut config = SessionConfig::new().with_batch_size(3).with_target_partitions(4);
    match parts {
        Parts::One => return context(1),
        Parts::Many => {}
        Parts::EachRow => {
            config.options_mut().execution.skip_partial_aggregation_probe_rows_threshold = 1;
            config.options_mut().execution.skip_partial_aggregation_probe_ratio_threshold = 0.0;
        }
    }
    context_of(config)
}

fn context_of(config: SessionConfig) -> SessionContext {
    let mut state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    let budget = QueryBudget {
        max_memory: usize::MAX,
        max_rows: None,
        max_scan_bytes: None,
        max_time: std::time::Duration::MAX,
        footer_cache: 0,
        small_files: 0,
        span_slack: std::time::Duration::ZERO,
    };
    register(&mut state, &budget).unwrap();
    let mut planners: Vec<_> = vec![Arc::new(MapLookupPlanner::default()) as _, Arc::new(JsonOperatorPlanner) as _];
    planners.extend(state.expr_planners().iter().cloned());
    SessionContext::new_with_state(SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build())
}

async fn ask(context: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let statement = parse(sql).map_err(|error| error.to_string())?;
    let run = async {
        let plan = context.state().statement_to_plan(statement).await?;
        context.execute_logical_plan(plan).await?.collect().await
    };
    let batches: Vec<RecordBatch> =
        run.await.map_err(|error| super::super::error::from_datafusion(error).to_string())?;
    let mut rows = Vec::new();
    for batch in &batches {
        let options = FormatOptions::new().with_null("NULL");
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" ")),
        );
    }
    Ok(rows)
}

#[rstest::rstest]
#[case("time_bucket('5 minutes', timestamp '2024-02-29T12:34:56Z')", "2024-02-29T12:30:00")]
#[case("time_bucket(interval '5 minutes', timestamp '2024-02-29T12:34:56Z')", "2024-02-29T12:30:00")]
#[case("time_bucket('60.000s', '2024-02-29T12:34:56.789Z')", "2024-02-29T12:34:00Z")]
#[case("time_bucket('1 month', '2024-02-29T12:34:56Z')", "2024-02-01T00:00:00Z")]
#[case("time_bucket(interval '1 month', '1999-12-31T23:59:59Z')", "1999-12-01T00:00:00Z")]
#[case("time_bucket('1 quarter', '2024-06-30T23:59:59Z')", "2024-04-01T00:00:00Z")]
#[case("time_bucket('1 year', '2024-06-30T23:59:59Z')", "2024-01-01T00:00:00Z")]
#[case::a_week_begins_on_monday("time_bucket('1 week', '2024-03-03T23:59:59Z')", "2024-02-26T00:00:00Z")]
#[case::before_the_origin("time_bucket('7 days', '1999-12-27T00:00:00Z')", "1999-12-27T00:00:00Z")]
#[case::before_1970("time_bucket('1 hour', '1969-12-31T23:30:00Z')", "1969-12-31T23:00:00Z")]
#[case::from_an_origin(
    "time_bucket('1 day', '2024-03-03T05:00:00Z', timestamp '2024-01-01T06:00:00Z')",
    "2024-03-02T06:00:00Z"
)]
#[case::months_from_an_origin(
    "time_bucket('1 month', '2024-03-03T05:00:00Z', timestamp '2024-01-15T00:00:00Z')",
    "2024-02-15T00:00:00Z"
)]
#[case::a_date("time_bucket('1 month', date '2024-03-03')", "2024-03-01")]
#[case::no_time("time_bucket('1 month', NULL)", "NULL")]
#[case::no_width("time_bucket(NULL, timestamp '2024-03-03T00:00:00Z')", "NULL")]
#[case::a_zone(
    "arrow_typeof(time_bucket('1h', arrow_cast('2024-03-03T05:00:00', 'Timestamp(Microsecond, Some(\"UTC\"))')))",
    "Timestamp(µs, \"UTC\")"
)]
#[case("level_name(13)", "WARN")]
#[case("level_name(NULL)", "NULL")]
#[case("level_num('warn')", "13")]
#[case("level_num(NULL)", "NULL")]
#[case("sample('4bf92f3577b34da6a3ce929d0e0e4736', 0.2)", "true")]
#[case("sample('4bf92f3577b34da6a3ce929d0e0e4736', 0.19)", "false")]
#[case("sample('ffffffffffffffffffffffffffffffff', 0)", "false")]
#[case("sample('00000000000000000000000000000000', 1)", "true")]
#[case("sample(NULL, 0.5)", "NULL")]
#[case("histogram_quantile(0.5, [1.0, 2.0], [0, 10, 0])", "1.5")]
#[case("histogram_quantile(0.5, [1, 2], [0, 10, 0], 1.75, 2)", "1.75")]
#[case("round(histogram_quantile(0.5, 0, 0, 0.0, -1, [1, 2, 1], 0, []), 12)", "1.414213562373")]
#[case("histogram_quantile(0.5, named_struct('bucket_counts', [0, 10, 0], 'explicit_bounds', [1.0, 2.0]))", "1.5")]
#[case("histogram_quantile(0.5, [1.0, 2.0], NULL)", "NULL")]
#[case("histogram_quantile(NULL, [1.0, 2.0], [0, 10, 0])", "NULL")]
#[case::as_many_counts_as_bounds("histogram_quantile(0.5, [1.0, 2.0], [0, 10])", "NULL")]
#[case::a_negative_count("histogram_quantile(0.5, [1.0, 2.0], [0, 10, -1])", "NULL")]
#[case::more_than_a_bigint("histogram_quantile(0.5, [1.0], [9223372036854775807, 9223372036854775807])", "NULL")]
#[case("json_get_int('{\"a\": {\"b\": [1, 2]}}', 'a', 'b', 1)", "2")]
#[case("'{\"a\": {\"b\": \"x\"}}' -> 'a' ->> 'b'", "x")]
#[case("'{\"a\": {\"b\": \"x\"}}' -> 'a'", "{\"b\": \"x\"}")]
#[case("'{\"a\": 1}' ->> 'b'", "NULL")]
#[case("'{\"a\": ' ->> 'a'", "NULL")]
#[case("json_get_int('{\"a\": \"x\"}', 'a')", "NULL")]
#[case("('{\"a\": 5}' ->> 'a')::int + 1", "6")]
#[case("map(['k'], ['v']) ->> 'k'", "v")]
#[case("map(['k'], ['v'])['k']", "v")]
#[tokio::test]
async fn a_value_is(#[case] expression: &str, #[case] expected: &str) {
    assert_eq!(ask(&context(1), &format!("select {expression}")).await.unwrap(), [expected]);
}

#[rstest::rstest]
#[case("time_bucket('5 parsecs', now())", "time_bucket: '5 parsecs' is no width")]
#[case(
    "time_bucket('5 minutes', 3)",
    "time_bucket takes (interval, time) or ('60.000s', time) or (interval, time, origin), not (text, integer)"
)]
#[case("time_bucket()", "time_bucket takes (interval, time) or")]
#[case("time_bucket(x, now()) from (values ('1h'), ('2h')) as t(x)", "must be a constant")]
#[case("level_num(3)", "level_num takes (text), not (integer)")]
#[case("level_name('warn')", "level_name takes (severity_number), not (text)")]
#[case("sample('00', 2)", "from 0 to 1, not 2")]
#[case("sample(0.5, 'x')", "sample takes (trace_id, probability), not (double, text)")]
#[case("histogram_quantile(1.5, [1.0], [1, 2])", "from 0 to 1, not 1.5")]
#[case("histogram_quantile(0.5, 'x')", "histogram_quantile takes (q) or (q, histogram) or")]
#[case("increase(1, 2)", "increase takes () or (series_id, time, start_time, temporality, value) or")]
#[case("rate('x')", "rate takes () or")]
#[case("histogram_merge(1)", "histogram_merge takes () or (histogram) or")]
#[case("delta_value(1) over ()", "delta_value takes () OVER (PARTITION BY series_id) or")]
#[tokio::test]
async fn a_wrong_call_is_told_the_forms(#[case] expression: &str, #[case] expected: &str) {
    let error = ask(&context(1), &format!("select {expression}")).await.unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn a_bound_on_buckets_is_a_bound_on_times() {
    let context = context(1);
    let schema = Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("name", DataType::Utf8, true),
    ]));
    let times = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    let columns = vec![Arc::new(times) as _, Arc::new(StringArray::from(vec!["a"])) as _];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    context.register_table("t", Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())).unwrap();
    for (condition, bound) in [
        ("time_bucket('1 hour', time) >= '2024-01-01T05:00:00Z'", "t.time >= TimestampMicrosecond(1704085200000000"),
        ("time_bucket('1 hour', time) > '2024-01-01T05:00:00Z'", "t.time >= TimestampMicrosecond(1704088800000000"),
        ("time_bucket('1 month', time) = '2024-02-01T00:00:00Z'", "t.time < TimestampMicrosecond(1709251200000000"),
        ("time_bucket('1 hour', time) >= '2024-01-01T05:00:01Z'", "t.time >= TimestampMicrosecond(1704088800000000"),
        ("time_bucket('1 hour', time) <= '2024-01-01T05:00:01Z'", "t.time < TimestampMicrosecond(1704088800000000"),
        (
            "time_bucket(interval '1 hour', time) < '2024-01-01T05:00:00Z'",
            "t.time < TimestampMicrosecond(1704085200000000",
        ),
        (
            "time_bucket('1 hour', time) between '2024-01-01T05:00:00Z' and '2024-01-01T06:00:00Z'",
            "t.time < TimestampMicrosecond(1704092400000000",
        ),
        // Months from the 31st are not equally far apart, so the way back is not taken.
        ("time_bucket('1 month', time, timestamp '2024-01-31T00:00:00Z') >= '2024-02-29T00:00:00Z'", "time_bucket("),
    ] {
        let plan = ask(&context, &format!("explain select name from t where {condition}")).await.unwrap();
        assert!(plan.iter().any(|line| line.contains(bound)), "{condition}: {plan:#?}");
    }
    // A constant is worked out once, before anything is read.
    let plan = ask(
        &context,
        "explain select name from t where time >= time_bucket('1 day', timestamp '2024-01-01T05:00:00Z')",
    );
    let plan = plan.await.unwrap();
    assert!(plan.iter().all(|line| !line.contains("time_bucket")), "{plan:#?}");
}

/// Two series of a counter, one of deltas, a gauge, and rows that do not count, in no order and with repeats.
const SUMS: &str =
    "(select column1 as service, column2 as series_id, column3::timestamp as time, column4::timestamp as start_time,
    column5 as temporality, column6 as value, column7 as is_monotonic from (values
    ('a', 1, '2024-01-01T00:03:00', '2024-01-01T00:02:30', 'CUMULATIVE', 7.0, true),
    ('a', 1, '2024-01-01T00:01:00', '2023-01-01T00:00:00', 'CUMULATIVE', 100.0, true),
    ('a', 1, '2024-01-01T00:02:00', '2023-01-01T00:00:00', 'CUMULATIVE', 130.0, true),
    ('a', 1, '2024-01-01T00:02:00', '2023-01-01T00:00:00', 'CUMULATIVE', 130.0, true),
    ('a', 2, '2024-01-01T00:02:00', NULL, 'CUMULATIVE', 5.0, NULL),
    ('a', 2, '2024-01-01T00:03:00', NULL, 'CUMULATIVE', 2.0, NULL),
    ('a', 2, '2024-01-01T00:04:00', NULL, 'CUMULATIVE', 'NaN'::double, NULL),
    ('a', 2, '2024-01-01T00:05:00', NULL, 'CUMULATIVE', NULL, NULL),
    ('b', 3, '2024-01-01T00:01:00', '2024-01-01T00:00:00', 'DELTA', 4.0, true),
    ('b', 3, '2024-01-01T00:02:00', '2024-01-01T00:01:00', 'DELTA', 8.0, true),
    ('b', 3, '2024-01-01T00:02:00', '2024-01-01T00:01:00', 'DELTA', 8.0, true),
    ('c', 4, '2024-01-01T00:02:00', NULL, NULL, 8.0, NULL),
    ('d', 5, '2024-01-01T00:01:00', '2023-01-01T00:00:00', 'CUMULATIVE', 9.0, false),
    ('d', 5, '2024-01-01T00:02:00', '2023-01-01T00:00:00', 'CUMULATIVE', 3.0, false)
)) as metrics";

/// a: 30 + 7 of the first series, 2 of the second; over 120 s, of which the second series was seen for 60: it is taken
/// to go on for half a minute at the end it is missing at. b: 12 in two minutes. d: fell by 6 in one.
#[rstest::rstest]
#[case(Parts::One)]
#[case(Parts::Many)]
#[case(Parts::EachRow)]
#[tokio::test]
async fn sums_grow(#[case] parts: Parts) {
    let context = context_with(&parts);
    let rows =
        ask(&context, &format!("select service, increase() from {SUMS} group by service order by service")).await;
    assert_eq!(rows.unwrap(), ["a 39.0", "b 12.0", "c NULL", "d -6.0"]);
    let rows = ask(&context, &format!("select increase() from {SUMS}")).await;
    assert_eq!(rows.unwrap(), ["45.0"]);
    let rows = ask(&context, &format!("select round(rate() * 60, 6) from {SUMS} where service = 'b'")).await;
    assert_eq!(rows.unwrap(), ["6.0"]);
    // The second series' step is a minute, as is what it lacks before; it stood at 5 before it grew by 2.
    let rows = ask(&context, &format!("select round(rate() * 120, 6) from {SUMS} where service = 'a'")).await;
    assert_eq!(rows.unwrap(), ["41.0"]);
    let rows = ask(&context, &format!("select increase() over (order by time) from {SUMS} where service = 'b'")).await;
    assert_eq!(rows.unwrap(), ["4.0", "12.0", "12.0"]);
    let rows = ask(&context, &format!("select increase() from {SUMS} where service = 'nobody'")).await;
    assert_eq!(rows.unwrap(), ["NULL"]);
    let rows = ask(&context, &format!("select increase() filter (where series_id = 1) from {SUMS}")).await;
    assert_eq!(rows.unwrap(), ["37.0"]);
}

#[rstest::rstest]
#[case("OVER (PARTITION BY series_id ORDER BY time)")]
#[case("OVER (PARTITION BY service ORDER BY value DESC)")]
#[case("OVER ()")]
#[tokio::test]
async fn each_point_grew(#[case] over: &str) {
    let sql = format!(
        "select series_id, sum(growth) from (select series_id, delta_value() {over} as growth from {SUMS}) group by series_id order by series_id"
    );
    // With the whole table to look at, nothing changes: no series began after its earliest point, but by its start.
    assert_eq!(ask(&context(2), &sql).await.unwrap(), ["1 37.0", "2 2.0", "3 12.0", "4 NULL", "5 -6.0"]);
    let sql = format!("select value, delta_value() {over} from {SUMS} where series_id = 1 order by time, value");
    let rows = ask(&context(1), &sql).await.unwrap();
    let mut repeated = rows[1..3].to_vec();
    repeated.sort();
    assert_eq!((rows[0].as_str(), rows[3].as_str()), ("100.0 NULL", "7.0 7.0"));
    assert_eq!(repeated, ["130.0 30.0", "130.0 NULL"]);
}

fn histograms(rows: &str) -> String {
    format!(
        "(select column1 as service, column2 as series_id, column3::timestamp as time, column4::timestamp as start_time,
        column5 as temporality, NULL as count, column6 as sum, NULL as min, NULL as max, column7 as explicit_bounds, column8 as bucket_counts,
        NULL as scale, NULL as zero_count, NULL as zero_threshold, NULL as positive_offset, NULL as positive_bucket_counts,
        NULL as negative_offset, NULL as negative_bucket_counts from (values {rows})) as metrics"
    )
}

/// Two cumulative series, the second begun anew, and one of deltas with finer buckets.
const EXPLICIT: &str = "
    ('a', 1, '2024-01-01T00:01:00', '2023-01-01T00:00:00', 'CUMULATIVE', 10.0, [1.0, 2.0], [5, 5, 5]),
    ('a', 1, '2024-01-01T00:03:00', '2023-01-01T00:00:00', 'CUMULATIVE', 19.0, [1.0, 2.0], [6, 8, 6]),
    ('a', 1, '2024-01-01T00:02:00', '2023-01-01T00:00:00', 'CUMULATIVE', 12.0, [1.0, 2.0], [5, 6, 5]),
    ('a', 2, '2024-01-01T00:01:00', NULL, 'CUMULATIVE', 10.0, [1.0, 2.0], [5, 5, 5]),
    ('a', 2, '2024-01-01T00:02:00', NULL, 'CUMULATIVE', 3.0, [1.0, 2.0], [0, 2, 0]),
    ('b', 3, '2024-01-01T00:01:00', '2024-01-01T00:00:00', 'DELTA', 2.0, [1.0, 1.5, 2.0], [1, 1, 1, 0]),
    ('b', 3, '2024-01-01T00:01:00', '2024-01-01T00:00:00', 'DELTA', 2.0, [1.0, 1.5, 2.0], [1, 1, 1, 0]),
    ('b', 3, '2024-01-01T00:02:00', '2024-01-01T00:01:00', 'DELTA', 2.0, [1.0, 1.5, 2.0], [0, 0, 0, 0]),
    ('c', 4, '2024-01-01T00:02:00', '2024-01-01T00:01:00', 'DELTA', 2.0, [7.0], [1, 0])";

#[rstest::rstest]
#[case(Parts::One)]
#[case(Parts::Many)]
#[case(Parts::EachRow)]
#[tokio::test]
async fn histograms_grow_and_add_up(#[case] parts: Parts) {
    let (context, metrics) = (context_with(&parts), histograms(EXPLICIT));
    let shown = "h['count'], h['sum'], h['explicit_bounds'], h['bucket_counts'], histogram_quantile(0.5, h)";
    // 1 + 0 in the first bucket, 3 + 2 in the second, 1 in the last, of the two series of a.
    let expected = ["a 7 12.0 [1.0, 2.0] [1, 5, 1] 1.5", "b 3 2.0 [1.0, 1.5, 2.0] [1, 1, 1, 0] 1.25"];
    let of = |merge: &str, from: &str| {
        format!(
            "select service, {shown} from (select service, {merge} as h from {from} where service <> 'c' group by service) order by service"
        )
    };
    assert_eq!(ask(&context, &of("histogram_merge()", &metrics)).await.unwrap(), expected);
    let grown = format!("(select service, histogram_delta() over (partition by series_id) as g from {metrics})");
    assert_eq!(ask(&context, &of("histogram_merge(g)", &grown)).await.unwrap(), expected);
    // The finer buckets of b are brought into a's.
    let both = format!("select {shown} from (select histogram_merge() as h from {metrics} where service <> 'c')");
    assert_eq!(ask(&context, &both).await.unwrap(), ["10 14.0 [1.0, 2.0] [2, 7, 1] 1.4285714285714286"]);
    let error = ask(&context, &format!("select histogram_merge() from {metrics}")).await.unwrap_err();
    assert!(error.contains("the bounds [7.0] and [1.0,"), "{error}");
    let none = format!("select histogram_quantile(0.5, histogram_merge()) from {metrics} where service = 'nobody'");
    assert_eq!(ask(&context, &none).await.unwrap(), ["NULL"]);
}

/// A bound on buckets answers as the bucket does, whether a bucket begins at it or not.
#[tokio::test]
async fn a_bound_on_buckets_answers_the_same_as_the_bucket() {
    let context = context(1);
    let times = "(select arrow_cast(column1, 'Timestamp(Microsecond, Some(\"UTC\"))') as time from (values
        ('2024-01-31T23:59:59.999999'), ('2024-02-01T00:00:00'), ('2024-02-29T12:00:00'), ('2024-03-01T00:00:00'), (NULL)))";
    for width in ["1 month", "1 day", "1h"] {
        for op in ["<", "<=", ">", ">=", "=", "<>", "is distinct from", "is not distinct from"] {
            for bound in ["2024-02-01T00:00:00Z", "2024-02-29T12:00:00Z", "2024-02-10T01:02:03Z"] {
                // `+ interval` keeps the way back from being taken.
                let bucket = format!("time_bucket('{width}', time)");
                let sql =
                    |bucket: &str| format!("select time from {times} where {bucket} {op} '{bound}' order by time");
                let taken = ask(&context, &sql(&bucket)).await.unwrap();
                let plain = ask(&context, &sql(&format!("({bucket} + interval '0 seconds')"))).await.unwrap();
                assert_eq!(taken, plain, "{bucket} {op} {bound}");
            }
        }
    }
}

#[tokio::test]
async fn a_column_keeps_the_name_that_was_written() {
    let sql = format!(
        "select service, increase() from {SUMS} group by service having increase() > 20 order by increase() desc"
    );
    let context = context(1);
    let plan = context.state().statement_to_plan(parse(&sql).unwrap()).await.unwrap();
    assert_eq!(plan.schema().field(1).name(), "increase()");
    assert_eq!(ask(&context, &sql).await.unwrap(), ["a 39.0"]);
}
