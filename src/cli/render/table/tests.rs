use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn shown(batch: &RecordBatch, width: Option<usize>, expanded: Expanded) -> String {
    table(&batch.schema(), std::slice::from_ref(batch), Layout { width, expanded }).unwrap()
}

#[test]
fn a_table_that_fits_is_shown_whole() {
    let batch = batch(vec![("name", text(&[Some("a"), None, Some("")])), ("n", numbers(&[1, 20, 300]))]);
    let expected = "\
+------+-----+
| name |   n |
+------+-----+
| a    |   1 |
| NULL |  20 |
|      | 300 |
+------+-----+
3 rows
";
    assert_eq!(shown(&batch, Some(80), Expanded::Auto), expected);
    assert_eq!(shown(&batch, None, Expanded::Auto), expected);
}

#[test]
fn long_text_gives_way_and_numbers_and_times_do_not() {
    let long = "x".repeat(200);
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_675_000_000_123_456]).with_timezone("UTC"));
    let batch = batch(vec![
        ("time", time),
        ("service", text(&[Some("cart")])),
        ("body", text(&[Some(&long)])),
        ("nanoseconds", numbers(&[9_007_199_254_740_993])),
    ]);
    let cut = shown(&batch, Some(80), Expanded::Auto);
    assert!(cut.lines().all(|line| display_width(line) <= 80), "{cut}");
    let longest = cut.lines().map(display_width).max();
    assert_eq!(longest, Some(80), "no room is wasted:\n{cut}");
    for whole in ["2023-01-29 13:46:40.123456Z", "| cart ", " 9007199254740993 |", "x… |"] {
        assert!(cut.contains(whole), "{whole} is not in\n{cut}");
    }
    assert!(shown(&batch, None, Expanded::Auto).contains(&long), "nothing is cut where a program may read");
}

#[test]
fn wide_characters_keep_the_table_straight() {
    let batch = batch(vec![("name", text(&[Some("日本語"), Some("a"), Some("naïve")])), ("n", numbers(&[1, 2, 3]))]);
    let table = shown(&batch, Some(80), Expanded::Auto);
    let widths: Vec<usize> = table.lines().take(7).map(display_width).collect();
    assert_eq!(widths, [14; 7], "{table}");
}

#[test]
fn what_fits_no_table_is_shown_as_records() {
    let names: Vec<String> = (0..20).map(|n| format!("column_{n}")).collect();
    let values = text(&[Some("first line\nand a second that is much longer than the terminal is wide"), None]);
    let columns = names.iter().map(|name| (name.as_str(), Arc::clone(&values))).collect();
    let batch = batch(columns);
    let records = shown(&batch, Some(60), Expanded::Auto);
    assert!(records.lines().all(|line| display_width(line) <= 60), "{records}");
    assert!(records.starts_with("-[ 1 ]-") && records.contains("\n-[ 2 ]-") && records.ends_with("\n2 rows\n"));
    assert!(records.contains("column_0  | first line\n          | and a second that is much longer than the"));
    assert!(records.contains("\ncolumn_19 | NULL\n"), "{records}");
    assert!(shown(&batch, None, Expanded::Auto).starts_with('+'), "a program always gets a table");
    assert!(shown(&batch, Some(60), Expanded::Off).starts_with('+'));
    assert!(shown(&batch, Some(60), Expanded::On).starts_with("-[ 1 ]-"));
}

#[test]
fn a_result_without_rows_shows_its_columns() {
    let batch = batch(vec![("n", numbers(&[]))]);
    assert_eq!(shown(&batch, Some(80), Expanded::Auto), "+---+\n| n |\n+---+\n+---+\n0 rows\n");
}

#[rstest::rstest]
#[case(None, CHUNK_ROWS)]
#[case(Some(80), TERMINAL_CHUNK_ROWS)]
fn later_chunks_follow_the_first_without_another_heading(#[case] width: Option<usize>, #[case] chunk: usize) {
    let first: Vec<i64> = (0..chunk as i64).collect();
    let rows = chunk + 2;
    let all = batch(vec![("n", numbers(&[first, vec![5, 1_000_000_000]].concat()))]);
    let text = shown(&all, width, Expanded::Auto);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), rows + 5);
    assert_eq!(lines[rows - 1 + 3], "| 1000000000 |");
    assert_eq!(lines[rows - 2 + 3], "|          5 |");
    assert_eq!(text.matches(" n |").count(), 1);
    assert_eq!(lines.last(), Some(&format!("{rows} rows").as_str()));
}
