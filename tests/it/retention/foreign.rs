//! Another engine that rewrites files between two runs.

use super::world::{Model, Row, traces};
use super::{LONG_PAST, assert_same, import, kept, retention, said};
use crate::support::python::python;
use crate::support::server::Home;

/// `deltalake` puts each date of both tables into one file of its own.
fn optimize(home: &Home) {
    let script = "import sys, deltalake\nfor t in sys.argv[1:]: deltalake.DeltaTable(t).optimize.compact()";
    let tables = ["spans", "logs"].map(|table| home.lake().join(table));
    let optimized = python().args(["-c", script]).args(tables).output().unwrap();
    assert!(optimized.status.success(), "{}", String::from_utf8_lossy(&optimized.stderr));
}

/// Files of another engine have no marks. Rows in them that were weighted are not weighted again, and those of traces that
/// were not decided when they were written are weighted as any.
#[test]
fn what_another_engine_merged_is_weighted_once() {
    let home = Home::new(&LONG_PAST.toml());
    let (first, second): (Vec<Row>, Vec<Row>) = traces(4, 60)
        .into_iter()
        .partition(|row| row.trace.as_ref().is_none_or(|trace| trace.as_bytes()[0].is_ascii_digit()));
    let (mut rows, mut model) = (Vec::new(), Model::new(LONG_PAST));
    let mut add = |more: &[Row], model: &mut Model| {
        import(&home, more);
        model.add(more);
        rows.extend_from_slice(more);
        rows.clone()
    };
    let decide = |model: &mut Model, rows: &[Row], when: &str| {
        said(&retention(&home, "apply", &[]).output().unwrap());
        model.apply(1000);
        assert_same(&kept(&home), &model.kept(), rows, when);
    };
    add(&first[..first.len() / 2], &mut model);
    let known = add(&first[first.len() / 2..], &mut model);
    decide(&mut model, &known, "decided");
    optimize(&home);
    decide(&mut model, &known, "optimized");

    // Undecided traces, in the same files as decided ones.
    let known = add(&second, &mut model);
    optimize(&home);
    decide(&mut model, &known, "optimized before they were decided");
    optimize(&home);

    // Late rows of decided traces, beside the other engine's files.
    let number = known.len() as u64;
    let late: Vec<Row> = (0..60)
        .map(|late| Row { number: number + late, ..Row::span(number + late, late * 3, late / 20, 5000) })
        .collect();
    let known = add(&late, &mut model);
    said(&home.verb("compact").output().unwrap());
    decide(&mut model, &known, "late, and compacted");
    said(&home.verb("compact").output().unwrap());
    decide(&mut model, &known, "compacted again");
    let weighted = model.kept().values().filter(|weight| **weight > 1.0).count();
    assert!(weighted > 40, "{weighted}");
}
