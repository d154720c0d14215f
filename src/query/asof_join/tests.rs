//! Temporal joins over tables in memory: answers worked out by hand, and any tables against a loop over all pairs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::with_asof_joins;
use crate::query::statement::parse;

/// Rows of two tables: `l` has id, k and t, `r` has k, t and v.
type Rows = Vec<(Option<&'static str>, Option<i64>)>;

const LEFT: [(Option<&str>, Option<i64>); 6] = [
    (Some("a"), Some(10)),
    (Some("a"), Some(20)),
    (Some("b"), Some(10)),
    (None, Some(10)),
    (Some("a"), None),
    (Some("c"), Some(10)),
];

const RIGHT: [(Option<&str>, Option<i64>); 8] = [
    (Some("a"), Some(5)),
    (Some("a"), Some(10)),
    (Some("a"), Some(10)),
    (Some("a"), Some(25)),
    (Some("b"), Some(11)),
    (None, Some(10)),
    (Some("b"), None),
    (Some("c"), Some(1)),
];

fn batch(numbers: &str, rows: &[(i64, Option<&str>, Option<i64>)]) -> RecordBatch {
    let number: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let key: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>());
    let micros = rows.iter().map(|row| row.2).collect::<TimestampMicrosecondArray>();
    let time: ArrayRef = Arc::new(micros.with_timezone("UTC"));
    RecordBatch::try_from_iter_with_nullable([("k", key, true), ("t", time, true), (numbers, number, true)]).unwrap()
}

/// A session over both tables, each cut into so many partitions of batches of `batch_size`.
fn context(left: &Rows, right: &Rows, partitions: usize, batch_size: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(batch_size);
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    let context = SessionContext::new_with_state(with_asof_joins(state));
    for (name, numbers, rows) in [("l", "id", left), ("r", "v", right)] {
        let rows: Vec<_> = (1..).zip(rows).map(|(number, row)| (number, row.0, row.1)).collect();
        let mut parts = vec![vec![batch(numbers, &[])]; partitions];
        for (place, rows) in rows.chunks(batch_size).enumerate() {
            parts[place % partitions].push(batch(numbers, rows));
        }
        let table = MemTable::try_new(parts[0][0].schema(), parts).unwrap();
        context.register_table(name, Arc::new(table)).unwrap();
    }
    context
}

async fn run(context: &SessionContext, sql: &str) -> datafusion::common::Result<Vec<RecordBatch>> {
    let plan = context.state().statement_to_plan(parse(sql).unwrap()).await?;
    context.execute_logical_plan(plan).await?.collect().await
}

/// The numbers of a query's rows, NULL as -1.
async fn numbers(context: &SessionContext, sql: &str) -> Vec<Vec<i64>> {
    let batches = run(context, sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| column.as_primitive::<Int64Type>()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| if column.is_null(row) { -1 } else { column.value(row) }).collect());
        }
    }
    rows
}

const BY_KEY: &str = "on l.k = r.k";

#[rstest::rstest]
// The latest at or before: of two at 10 the greatest; NULL keys and times match nothing.
#[case("l.t >= r.t", BY_KEY, [3, 3, -1, -1, -1, 8])]
#[case("r.t <= l.t", "on r.k = l.k", [3, 3, -1, -1, -1, 8])]
#[case("l.t > r.t", BY_KEY, [1, 3, -1, -1, -1, 8])]
#[case("l.t <= r.t", BY_KEY, [3, 4, 5, -1, -1, -1])]
#[case("l.t < r.t", BY_KEY, [4, 4, 5, -1, -1, -1])]
// 2 is 10 after its nearest, 6 is 9.
#[case("l.t >= r.t and l.t - r.t <= interval '9 microseconds'", BY_KEY, [3, -1, -1, -1, -1, 8])]
#[case("l.t - r.t < interval '9 microseconds' and l.t >= r.t", BY_KEY, [3, -1, -1, -1, -1, -1])]
#[case("l.t >= r.t and r.t >= l.t - interval '9 microseconds'", BY_KEY, [3, -1, -1, -1, -1, 8])]
#[case("l.t >= r.t and l.t - interval '9 microseconds' < r.t", BY_KEY, [3, -1, -1, -1, -1, -1])]
#[case("l.t > r.t and interval '5 microseconds' >= l.t - r.t", BY_KEY, [1, -1, -1, -1, -1, -1])]
#[case("l.t <= r.t and r.t - l.t <= interval '4 microseconds'", BY_KEY, [3, -1, 5, -1, -1, -1])]
#[case("l.t <= r.t and r.t <= l.t + interval '5 microseconds'", BY_KEY, [3, 4, 5, -1, -1, -1])]
// Without keys: of three at 10 the greatest again.
#[case("l.t >= r.t", "", [6, 5, 6, 6, -1, 6])]
#[case("l.t < r.t", "", [5, 4, 5, 5, -1, 5])]
// A condition on the right alone is met before the nearest is looked for.
#[case("l.t >= r.t", "on l.k = r.k and r.v <> 3", [2, 2, -1, -1, -1, 8])]
// Keys and times may be expressions.
#[case("date_trunc('second', l.t) >= date_trunc('second', r.t)", "on upper(l.k) = upper(r.k)", [4, 4, 5, -1, -1, 8])]
#[tokio::test]
async fn the_nearest_row_is_found(#[case] condition: &str, #[case] on: &str, #[case] expected: [i64; 6]) {
    let sql = format!("select l.id, r.v from l asof join r match_condition ({condition}) {on} order by l.id");
    let expected: Vec<_> = (1..).zip(expected).map(|(id, v)| vec![id, v]).collect();
    for (partitions, batch_size) in [(1, 100), (3, 1), (2, 3)] {
        let context = context(&LEFT.to_vec(), &RIGHT.to_vec(), partitions, batch_size);
        assert_eq!(numbers(&context, &sql).await, expected, "{partitions} x {batch_size}: {sql}");
    }
}

#[rstest::rstest]
#[case::a_filter_after("select id, v from l asof join r match_condition (l.t >= r.t) on l.k = r.k where v < 8", &[[1, 3], [2, 3]])]
#[case::what_has_no_match("select id, v from l asof join r match_condition (l.t >= r.t) on l.k = r.k where l.k = 'b' and v is null", &[[3, -1]])]
#[case::a_filter_before("select id, v from (select * from l where id < 3) as a asof join (select k as x, t, v from r where v <> 3) as b match_condition (a.t >= b.t) on k = x", &[[1, 2], [2, 2]])]
#[case::a_cte("with n as (select l.id, r.v from l asof join r match_condition (l.t > r.t) on l.k = r.k) select id, v from n where id in (1, 6)", &[[1, 1], [6, 8]])]
#[case::using("select id, v from l asof join r match_condition (l.t >= r.t) using (k) where k = 'c'", &[[6, 8]])]
#[case::another_join_after("select a.id, r.v from l as a asof join r match_condition (a.t >= r.t) on a.k = r.k join l as b on a.id = b.id and b.id > 5", &[[6, 8]])]
#[case::another_join_before("select a.id, r.v from l as a join l as b on a.id = b.id asof join r match_condition (b.t >= r.t) on a.k = r.k where b.id = 2", &[[2, 3]])]
#[case::two_in_a_row("select b.v, a.v from l asof join r as a match_condition (l.t >= a.t) on l.k = a.k asof join r as b match_condition (l.t < b.t) on l.k = b.k where l.id = 1", &[[4, 3]])]
#[case::a_table_after_a_comma("select id, v from (values (1)) as one(n), l asof join r match_condition (l.t >= r.t) on l.k = r.k where l.id = n", &[[1, 3]])]
#[case::parentheses("select id, v from (l asof join r match_condition (l.t >= r.t) on l.k = r.k) where l.id = 6", &[[6, 8]])]
#[case::in_a_subquery("select id, id as v from l where id in (select l.id from l asof join r match_condition (l.t >= r.t) on l.k = r.k where v = 3)", &[[1, 1], [2, 2]])]
#[case::a_limit_counts_left_rows("select count(*) as n, count(v) as m from (select id, v from l asof join r match_condition (l.t >= r.t) on l.k = r.k limit 6)", &[[6, 3]])]
#[case::times_of_different_types("select id, v from l asof join (select k, arrow_cast(t, 'Timestamp(Nanosecond, Some(\"UTC\"))') as t, v from r) as r match_condition (l.t >= r.t and l.t - r.t <= interval '9 microseconds') on l.k = r.k where id in (1, 2)", &[[1, 3], [2, -1]])]
#[tokio::test]
async fn it_is_a_table_like_others(#[case] sql: &str, #[case] expected: &[[i64; 2]]) {
    let context = context(&LEFT.to_vec(), &RIGHT.to_vec(), 2, 2);
    let mut found = numbers(&context, sql).await;
    found.sort();
    assert_eq!(found, expected, "{sql}");
}

/// Groups come hashed by their keys, sorts sorted: neither may be taken for what the join needs when it is not.
#[rstest::rstest]
#[case("(select k, t, max(id) as id from l group by k, t)", "(select k, v, max(t) as t from r group by k, v)")]
#[case("(select k, max(t) as t, max(id) as id from l group by k)", "(select * from r order by k, t, v limit 150)")]
#[case("(select * from l order by t, id limit 150)", "(select k, max(v) as v, min(t) as t from r group by k)")]
#[tokio::test]
async fn partitions_do_not_change_the_answer(#[case] left: &str, #[case] right: &str) {
    let rows = |step: i64| -> Rows {
        (0..300_i64).map(|i| (Some(["a", "b", "c", "d", "e"][(i * 7 % 5) as usize]), Some(i * step % 211))).collect()
    };
    let sql = format!(
        "select l.id, r.v from {left} as l asof join {right} as r
         match_condition (l.t >= r.t) on l.k = r.k and l.id % 2 = r.v % 2"
    );
    let mut answers = Vec::new();
    for (partitions, batch_size) in [(1, 1000), (4, 7)] {
        let mut answer = numbers(&context(&rows(37), &rows(53), partitions, batch_size), &sql).await;
        answer.sort();
        answers.push(answer);
    }
    assert!(answers[0].iter().any(|row| row[1] > 0), "{sql}");
    assert_eq!(answers[0], answers[1], "{sql}");
}

#[tokio::test]
async fn a_column_of_using_is_there_once() {
    let context = context(&LEFT.to_vec(), &RIGHT.to_vec(), 1, 10);
    let columns = async |constraint: &str| {
        let sql = format!("select * from l asof join r match_condition (l.t >= r.t) {constraint}");
        let plan = context.state().statement_to_plan(parse(&sql).unwrap()).await.unwrap();
        plan.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    assert_eq!(columns("using (k)").await, ["k", "t", "id", "t", "v"]);
    assert_eq!(columns("on l.k = r.k").await, ["k", "t", "id", "k", "t", "v"]);
}

#[rstest::rstest]
#[case("match_condition (l.t = r.t) on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t >= r.t or l.t < r.t) on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t - r.t <= interval '5 minutes') on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t >= r.t and l.t <= r.t) on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t >= r.t and r.t - l.t <= interval '1 hour') on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t >= r.t and r.t <= l.t - interval '1 hour') on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t >= timestamp '2020-01-01') on l.k = r.k", "is written l ASOF JOIN r")]
#[case("match_condition (l.t >= r.t) on l.k = r.k or l.id = 1", "put others into WHERE")]
#[case("match_condition (l.t >= r.t) on l.k = r.k and l.id > 1", "put others into WHERE")]
#[case("match_condition (l.t >= r.t) using (nothing)", "nothing")]
#[case("match_condition (l.t >= r.v) on l.k = r.k", "Timestamp")]
#[tokio::test]
async fn what_is_wrong_is_said(#[case] rest: &str, #[case] expected: &str) {
    let context = context(&LEFT.to_vec(), &RIGHT.to_vec(), 1, 10);
    let error = run(&context, &format!("select * from l asof join r {rest}")).await.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}\n{rest}");
}

/// The filters on the right that a query's plan has.
async fn right_filters(context: &SessionContext, sql: &str) -> String {
    let plan = context.state().statement_to_plan(parse(sql).unwrap()).await.unwrap();
    let plan = context.state().optimize(&plan).unwrap().display_indent().to_string();
    let of_right: Vec<&str> =
        plan.lines().map(str::trim).filter(|line| line.starts_with("Filter: ") && line.contains("r.")).collect();
    of_right.join("; ").replace("TimestampMicrosecond", "").replace(", Some(\"UTC\")", "")
}

#[rstest::rstest]
#[case::both_bounds(
    "l.t >= r.t and l.t - r.t <= interval '1 second'",
    "l.t >= to_timestamp_micros(2000000) and l.t < to_timestamp_micros(3000000)",
    "r.t >= (1000000) AND r.t < (3000000)"
)]
#[case::no_tolerance(
    "l.t >= r.t",
    "l.t between to_timestamp_micros(2000000) and to_timestamp_micros(3000000)",
    "r.t <= (3000000)"
)]
#[case::forward(
    "l.t <= r.t and r.t - l.t < interval '1 second'",
    "l.t >= to_timestamp_micros(2000000) and l.t < to_timestamp_micros(3000000)",
    "r.t >= (2000000) AND r.t <= (4000000)"
)]
#[case::one_time(
    "l.t > r.t and r.t > l.t - interval '1 second'",
    "l.t = to_timestamp_micros(2000000)",
    "r.t <= (2000000) AND r.t >= (1000000)"
)]
#[case::months_vary(
    "l.t >= r.t and l.t - r.t <= interval '1 month'",
    "l.t >= to_timestamp_micros(2000000) and l.t < to_timestamp_micros(3000000)",
    "r.t < (3000000)"
)]
#[case::a_key("l.t >= r.t", "l.k = 'a'", "r.k = Utf8(\"a\")")]
#[case::keys(
    "l.t >= r.t",
    "l.k in ('a', 'b', 'c', 'd')",
    "r.k IN ([Utf8(\"a\"), Utf8(\"b\"), Utf8(\"c\"), Utf8(\"d\")])"
)]
#[case::nothing_of_the_right_goes_below("l.t >= r.t", "r.v > 1 and l.id > 2", "r.v > Int64(1)")]
#[tokio::test]
async fn what_bounds_the_left_bounds_the_right(#[case] condition: &str, #[case] filter: &str, #[case] expected: &str) {
    let context = context(&LEFT.to_vec(), &RIGHT.to_vec(), 1, 10);
    let above = format!("select id, v from l asof join r match_condition ({condition}) on l.k = r.k where {filter}");
    let mut sorted: Vec<String> = Vec::new();
    for filters in [right_filters(&context, &above).await, expected.to_owned()] {
        let mut parts: Vec<&str> = filters.strip_prefix("Filter: ").unwrap_or(&filters).split(" AND ").collect();
        parts.sort_unstable();
        sorted.push(parts.join(" AND "));
    }
    assert_eq!(sorted[0], sorted[1], "{above}");
    // The same from below: a subquery, an alias, a group.
    if !filter.contains("r.") {
        let below = format!(
            "select id, v from (select k, t, max(id) as id from l where {filter} group by k, t) as l asof join r match_condition ({condition}) on l.k = r.k"
        );
        let filters = right_filters(&context, &below).await;
        let mut parts: Vec<&str> = filters.strip_prefix("Filter: ").unwrap_or(&filters).split(" AND ").collect();
        parts.sort_unstable();
        assert_eq!(parts.join(" AND "), sorted[1], "{below}");
    }
}

#[tokio::test]
async fn the_plan_sorts_by_keys_and_time_and_counts_its_rows() {
    let context = context(&LEFT.to_vec(), &RIGHT.to_vec(), 2, 2);
    let sql = "explain analyze select id, v from l asof join r match_condition (l.t >= r.t) on l.k = r.k";
    let batches = run(&context, sql).await.unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let join = text.lines().find(|line| line.contains("AsofJoinExec: ")).unwrap_or_else(|| panic!("{text}"));
    assert!(join.contains("output_rows=6") && join.contains("elapsed_compute"), "{join}");
    assert!(text.contains("SortExec: expr=[k@0 ASC NULLS LAST, t@1 ASC NULLS LAST]"), "{text}");
    assert!(text.contains("Hash([k@0], 2)"), "{text}");
}

/// Which right row a loop over all of them finds for a left row.
fn naive(left: (Option<&str>, Option<i64>), right: &Rows, form: usize, tolerance: Option<i64>) -> i64 {
    let (Some(key), Some(time)) = left else { return -1 };
    let matching = (1..).zip(right).filter_map(|(v, row)| {
        let distance = match row {
            (Some(other), Some(at)) if *other == key => time - at,
            _ => return None,
        };
        let (distance, strict) = match form {
            0 => (distance, false),
            1 => (distance, true),
            2 => (-distance, false),
            _ => (-distance, true),
        };
        let near = distance >= i64::from(strict) && tolerance.is_none_or(|tolerance| distance <= tolerance);
        near.then_some((-distance, v))
    });
    matching.max().map_or(-1, |(_, v)| v)
}

fn rows() -> impl Strategy<Value = Rows> {
    let key = prop::option::weighted(0.9, prop::sample::select(vec!["a", "b", "c"]));
    prop::collection::vec((key, prop::option::weighted(0.9, 0_i64..30)), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_tables_give_what_a_loop_over_all_pairs_gives(
        left in rows(),
        right in rows(),
        form in 0_usize..4,
        tolerance in prop::option::of(0_i64..10),
        partitions in 1_usize..4,
        batch_size in 1_usize..7,
    ) {
        let op = [">=", ">", "<=", "<"][form];
        let limit = tolerance.map_or(String::new(), |tolerance| {
            let (early, late) = if form < 2 { ("r", "l") } else { ("l", "r") };
            format!(" and {late}.t - {early}.t <= interval '{tolerance} microseconds'")
        });
        let sql = format!("select l.id, r.v from l asof join r match_condition (l.t {op} r.t{limit}) on l.k = r.k");
        let context = context(&left, &right, partitions, batch_size);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut found = runtime.block_on(numbers(&context, &sql));
        found.sort();
        let expected: Vec<_> =
            (1..).zip(&left).map(|(id, row)| vec![id, naive(*row, &right, form, tolerance)]).collect();
        prop_assert_eq!(found, expected, "{}", sql);
    }
}
