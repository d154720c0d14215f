//! A table that is made from the signals' tables: whether its log can be read, and its live files are there.

use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::files;
use super::finding::{Code, Finding};
use crate::error::{Error, Result};
use crate::lake::{DerivedTable, DerivedTableSpec, LakeRoot};
use crate::ledger;
use crate::maintenance::retention::DECISIONS;
use crate::trace_index;

/// The tables, and what each is worth.
pub(super) const TABLES: [(DerivedTableSpec, &str); 3] = [
    (ledger::TABLE, "what it told of commits whose logs are gone is told nowhere else"),
    (DECISIONS, "retention takes the traces that it told of for undecided"),
    (
        trace_index::TABLE,
        "answers are right without it: remove the folder, and the next server or import makes it again",
    ),
];

/// Checks one table; no findings where it is not there.
pub(super) async fn check(root: &LakeRoot, spec: DerivedTableSpec, worth: &str) -> Result<Vec<Finding>> {
    let table = DerivedTable::new(root, spec)?;
    // Listed first, as with every table: what is committed meanwhile is looked for by itself.
    let stored = files::list(table.store(), spec.name).await?;
    let live = match table.load().await {
        Ok(Some(live)) => live,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Ok(vec![Finding::new(Code::TableUnreadable, spec.name, format!("{error}; {worth}"))]),
    };
    let mut findings = Vec::new();
    for file in live.files() {
        let mut found = |code, meaning: String| {
            findings.push(Finding::new(code, format!("{}/{}", spec.name, file.path), format!("{meaning}; {worth}")));
        };
        let path = Path::from(file.path.as_str());
        let size = match stored.get(path.as_ref()) {
            Some(size) => *size,
            None => match table.store().head(&path).await {
                Ok(object) => object.size,
                Err(object_store::Error::NotFound { .. }) => {
                    found(Code::FileMissing, "it is part of its table and not stored".to_owned());
                    continue;
                }
                Err(error) => {
                    let what = format!("{}/{path} can't be looked for", spec.name);
                    return Err(Error::unavailable(what).with_source(error));
                }
            },
        };
        if size != file.size {
            found(Code::FileSize, format!("the log says {} bytes, and it has {size}", file.size));
        }
    }
    Ok(findings)
}
