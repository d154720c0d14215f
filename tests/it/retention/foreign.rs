//! Another engine that rewrites files between two runs.

use super::world::{Model, Row, traces};
use super::{RULES, apply, assert_same, import, kept, said};
use crate::support::python::python;
use crate::support::server::Home;

/// `deltalake`'s OPTIMIZE puts rows that were judged and weighted into files of its own: they are not weighted again, late
/// rows beside them are, and what is merged with them stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_engine_merged_is_not_weighted_again() {
    let home = Home::new(&RULES.toml());
    let mut rows = traces(4, 60);
    let mut model = Model::new(RULES);
    for part in rows.chunks(rows.len() / 3) {
        import(&home, part);
    }
    model.add(&rows);
    for day in [6, 9, 10] {
        model.apply(day);
        apply(&home, day).await;
        assert_same(&kept(&home), &model.kept(), &rows, &format!("day {day}"));

        // All of it into one file a date, by other hands; then late rows of traces that are decided, or not yet.
        let script = "import sys, deltalake\nfor t in sys.argv[1:]: deltalake.DeltaTable(t).optimize.compact()";
        let tables = ["spans", "logs"].map(|table| home.lake().join(table));
        let optimized = python().args(["-c", script]).args(tables).output().unwrap();
        assert!(optimized.status.success(), "{}", String::from_utf8_lossy(&optimized.stderr));
        assert_same(&kept(&home), &model.kept(), &rows, &format!("optimized on day {day}"));
        let late: Vec<Row> = (0..40_u64)
            .map(|late| {
                let (number, trace) = (rows.len() as u64 + late, late * 6);
                Row { number, ..Row::span(number, trace, trace / 60, 5000 + day) }
            })
            .collect();
        import(&home, &late);
        model.add(&late);
        rows.extend(late);
        if day == 9 {
            said(&home.verb("compact").output().unwrap());
            assert_same(&kept(&home), &model.kept(), &rows, &format!("compacted on day {day}"));
        }
    }
    model.apply(11);
    apply(&home, 11).await;
    assert_same(&kept(&home), &model.kept(), &rows, "in the end");
    let weighted = model.kept().values().filter(|weight| **weight > 1.0).count();
    assert!(weighted > 20, "{weighted}");
}
