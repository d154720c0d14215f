//! A table's commits as its log has them, whoever made them.

use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::table::LakeTable;
use crate::error::{Error, ErrorKind, Result};

/// What a commit of maintenance says of itself, in `commitInfo`.
pub(crate) const LEDGER_ENTRY: &str = "telestrata";

/// One commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableCommit {
    /// The Delta version that it made.
    pub version: u64,
    /// When, in ms since 1970: what the commit says, else when its file was written.
    pub time_ms: i64,
    /// What was done, as the writer calls it: `WRITE`, `OPTIMIZE`; `None` where it does not say.
    pub operation: Option<String>,
    /// The operation's parameters, JSON.
    pub operation_parameters: Option<String>,
    /// What the writer counted, JSON.
    pub operation_metrics: Option<String>,
    /// The program that wrote it.
    pub engine_info: Option<String>,
    /// Files put in.
    pub files_added: u64,
    /// Files taken out.
    pub files_removed: u64,
    /// Rows of the files put in; `None` where one of them does not say.
    pub rows_added: Option<u64>,
    /// Bytes of the files put in.
    pub bytes_added: u64,
    /// Bytes of the files taken out; `None` where one of them does not say.
    pub bytes_removed: Option<u64>,
    /// Whether rows came or went; not so where files were only written anew.
    pub data_change: bool,
    /// Whose work is in, up to which sequence.
    pub transactions: Vec<(String, i64)>,
    /// The work of maintenance that it is of: `compaction`, `retention`, `erasure`; `None` for any other commit.
    pub job: Option<String>,
    /// One call of that work, over all its commits.
    pub run: Option<String>,
    /// Who did it.
    pub by: Option<String>,
    /// The rule or request by which rows went.
    pub rule: Option<String>,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

impl LakeTable {
    /// The commit that made a version; `None` where its file is not there any more: clean-up takes the oldest first,
    /// once a checkpoint stands for them. Reads one object.
    ///
    /// # Errors
    /// `Damaged` for a file that is no commit, `Unavailable` where the store does not answer.
    pub async fn commit_of(&self, version: u64) -> Result<Option<TableCommit>> {
        let Some((written, text)) = self.commit_text(version).await? else { return Ok(None) };
        parse(version, written, &text).map(Some).map_err(|why| self.no_commit(version, why))
    }

    /// The paths of the files that a commit put in; `None` where it is not there any more.
    pub(super) async fn added_by(&self, version: u64) -> Result<Option<Vec<String>>> {
        let Some((_, text)) = self.commit_text(version).await? else { return Ok(None) };
        let mut paths = Vec::new();
        for (number, line) in lines(&text) {
            let action: Action =
                serde_json::from_slice(line).map_err(|error| self.no_commit(version, (number, error)))?;
            paths.extend(action.add.map(|added| added.path));
        }
        Ok(Some(paths))
    }

    fn no_commit(&self, version: u64, (line, error): (usize, serde_json::Error)) -> Error {
        let table = self.signal();
        let what = format!("line {line} of {} of table `{table}` is no action of a commit", commit_path(version));
        Error::new(ErrorKind::Damaged, what).with_source(error)
    }

    /// A commit's file, and when it was written.
    async fn commit_text(&self, version: u64) -> Result<Option<(i64, Bytes)>> {
        let path = commit_path(version);
        let unavailable = |error: object_store::Error| {
            Error::unavailable(format!("commit {version} of table `{}` can't be read", self.signal()))
                .with_source(error)
        };
        let found = match self.store().get(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let written = found.meta.last_modified.timestamp_millis();
        Ok(Some((written, found.bytes().await.map_err(unavailable)?)))
    }
}

/// The actions that are looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    commit_info: Option<Map<String, Value>>,
    add: Option<Added>,
    remove: Option<Removed>,
    txn: Option<Txn>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    path: String,
    size: u64,
    #[serde(default)]
    data_change: bool,
    stats: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    size: Option<u64>,
    #[serde(default)]
    data_change: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rows {
    num_records: Option<u64>,
}

fn commit_path(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.json"))
}

/// The lines that are not empty, by number.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(text.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// The commit in a file, or the line that is none of its actions. Delta's protocol lets `commitInfo` be absent and hold
/// anything, so what is not as usual in it is left out.
fn parse(version: u64, written_ms: i64, text: &[u8]) -> std::result::Result<TableCommit, (usize, serde_json::Error)> {
    let mut commit = TableCommit {
        version,
        time_ms: written_ms,
        rows_added: Some(0),
        bytes_removed: Some(0),
        ..TableCommit::default()
    };
    for (number, line) in lines(text) {
        let action: Action = serde_json::from_slice(line).map_err(|error| (number, error))?;
        if let Some(info) = action.commit_info {
            commit.take_info(&info);
        }
        if let Some(add) = action.add {
            let rows = add.stats.and_then(|stats| serde_json::from_str::<Rows>(&stats).ok()?.num_records);
            commit.files_added += 1;
            commit.rows_added = commit.rows_added.zip(rows).map(|(sum, rows)| sum.saturating_add(rows));
            commit.bytes_added = commit.bytes_added.saturating_add(add.size);
            commit.data_change |= add.data_change;
        }
        if let Some(remove) = action.remove {
            commit.files_removed += 1;
            commit.bytes_removed = commit.bytes_removed.zip(remove.size).map(|(sum, size)| sum.saturating_add(size));
            commit.data_change |= remove.data_change;
        }
        commit.transactions.extend(action.txn.map(|txn| (txn.app_id, txn.version)));
    }
    Ok(commit)
}

impl TableCommit {
    fn take_info(&mut self, info: &Map<String, Value>) {
        let number = |key: &str| info.get(key).and_then(Value::as_i64);
        let text = |key: &str| info.get(key).and_then(Value::as_str).map(str::to_owned);
        let json = |key: &str| info.get(key).filter(|value| !value.is_null()).map(Value::to_string);
        self.time_ms = number("inCommitTimestamp").or_else(|| number("timestamp")).unwrap_or(self.time_ms);
        self.operation = text("operation");
        self.operation_parameters = json("operationParameters");
        self.operation_metrics = json("operationMetrics");
        self.engine_info = text("engineInfo").or_else(|| text("clientVersion"));
        let entry = |key: &str| info.get(LEDGER_ENTRY)?.get(key)?.as_str().map(str::to_owned);
        self.job = entry("job");
        self.run = entry("run");
        self.by = entry("by");
        self.rule = entry("rule");
        self.reason = entry("reason");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_what_its_actions_say() {
        let text = br#"{"commitInfo":{"timestamp":5,"operation":"WRITE","operationParameters":{"mode":"Append"},"engineInfo":"e"}}
{"add":{"path":"a","size":10,"dataChange":true,"stats":"{\"numRecords\":3}"}}
{"add":{"path":"b","size":20,"dataChange":true,"stats":"{\"numRecords\":4}"}}
{"remove":{"path":"c","dataChange":true,"size":7}}
{"txn":{"appId":"writer/x","version":9}}
{"metaData":{"id":"m"}}
"#;
        let expected = TableCommit {
            version: 2,
            time_ms: 5,
            operation: Some("WRITE".into()),
            operation_parameters: Some(r#"{"mode":"Append"}"#.into()),
            operation_metrics: None,
            engine_info: Some("e".into()),
            files_added: 2,
            files_removed: 1,
            rows_added: Some(7),
            bytes_added: 30,
            bytes_removed: Some(7),
            data_change: true,
            transactions: vec![("writer/x".into(), 9)],
            ..TableCommit::default()
        };
        assert_eq!(parse(2, 1, text).unwrap(), expected);
    }

    #[test]
    fn a_commit_of_maintenance_says_who_and_why() {
        let text = br#"{"commitInfo":{"operation":"DELETE","telestrata":{"job":"erasure","run":"r","by":"ann","reason":"asked"}}}"#;
        let commit = parse(3, 77, text).unwrap();
        let said = [&commit.job, &commit.run, &commit.by, &commit.rule, &commit.reason].map(|one| one.as_deref());
        assert_eq!(said, [Some("erasure"), Some("r"), Some("ann"), None, Some("asked")]);
    }

    #[test]
    fn a_foreign_commit_may_say_little_or_odd_things() {
        let text = br#"{"add":{"path":"a","size":10,"dataChange":false}}
{"remove":{"path":"c"}}"#;
        let commit = parse(3, 77, text).unwrap();
        assert_eq!((commit.time_ms, commit.rows_added, commit.bytes_removed), (77, None, None));
        assert_eq!((commit.files_added, commit.files_removed, commit.data_change), (1, 1, false));
        let odd = br#"{"commitInfo":{"timestamp":"noon","inCommitTimestamp":8,"operation":4,"operationMetrics":{"n":"1"},"clientVersion":"c"}}"#;
        let commit = parse(3, 77, odd).unwrap();
        assert_eq!((commit.time_ms, commit.operation, commit.engine_info.as_deref()), (8, None, Some("c")));
        assert_eq!(commit.operation_metrics.as_deref(), Some(r#"{"n":"1"}"#));
    }

    #[test]
    fn what_is_no_commit_is_told_by_its_line() {
        assert_eq!(parse(0, 0, b"{}\n\n{\"add\":{}}").unwrap_err().0, 3);
        assert_eq!(parse(0, 0, b"{\"add\":").unwrap_err().0, 1);
    }
}
