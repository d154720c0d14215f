//! One table: its protocol, metadata and schema held against the contract and the configuration, then its files.

use std::sync::Arc;

use super::applications::applications;
use super::files;
use super::finding::{Code, Finding};
use super::footer::Expected;
use super::{Check, TableReport};
use crate::error::Result;
use crate::lake::{LakeRoot, LakeTable, LogState, contract_properties};
use crate::model::contract::{CONTRACT_VERSION, PARTITION};
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;

/// Checks one table; `None` and no findings where it is not there.
pub(super) async fn check(
    root: &LakeRoot,
    signal: Signal,
    what: &Check,
) -> Result<(Option<TableReport>, Vec<Finding>)> {
    let table = LakeTable::new(root, signal)?;
    let stored = files::list(table.store(), signal.table()).await?;
    let state = match table.log_state().await {
        Ok(Some(state)) => state,
        Ok(None) => {
            // Files without a log: a first flush that was cut short, or a log that is gone.
            let findings = stored
                .into_keys()
                .map(|path| Finding::new(Code::FileUnlisted, format!("{signal}/{path}"), "the table has no commits"));
            return Ok((None, findings.collect()));
        }
        // The folder was listed, so the store answers.
        Err(error) => return Ok((None, vec![Finding::new(Code::TableUnreadable, signal.table(), error.to_string())])),
    };
    let mut findings = check_metadata(signal, &state);
    findings.extend(check_schema(signal, &state));
    findings.extend(check_promoted(signal, &state.promoted, &what.promoted));
    let expected = Expected { signal, schema: Arc::clone(&state.schema) };
    let files = match &state.files {
        Ok(live) => files::check(table.store(), &expected, live, stored, what.deep).await?,
        Err(error) => {
            findings.push(Finding::new(Code::TableUnreadable, signal.table(), error.to_string()));
            files::FileCheck::default()
        }
    };
    findings.extend(files.findings);
    let applications = applications(table.store(), |id| id.starts_with("writer/")).await?;
    for application in &applications {
        if application.app_id.rsplit('/').next() != Some(signal.table()) {
            let meaning = format!("`{}` is the id of another table's writer", application.app_id);
            findings.push(Finding::new(Code::TxnMisplaced, signal.table(), meaning));
        }
    }
    let report = TableReport {
        signal,
        version: state.version,
        live: files.live,
        unlisted: files.unlisted,
        missing: files.missing,
        applications,
    };
    Ok((Some(report), findings))
}

fn check_metadata(signal: Signal, state: &LogState) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |code, meaning: String| findings.push(Finding::new(code, signal.table(), meaning));
    let (reader, writer) = state.protocol;
    if reader > 1 || writer > 2 {
        found(
            Code::TableProtocol,
            format!("Delta reader version {reader} and writer version {writer}; the contract's are 1 and 2"),
        );
    }
    match state.contract.as_deref().map(str::parse::<u32>) {
        Some(Ok(version)) if version <= CONTRACT_VERSION => {}
        Some(Ok(version)) => {
            found(Code::TableContract, format!("contract {version}; this program knows {CONTRACT_VERSION}"));
        }
        _ => found(Code::TableContract, "it has no contract version: it was not made by telestrata".to_owned()),
    }
    if state.partitioned_by != [PARTITION] {
        found(
            Code::TablePartitioning,
            format!("partitioned by ({}); the contract's is ({PARTITION})", state.partitioned_by.join(", ")),
        );
    }
    let contract = contract_properties(signal);
    for (name, value) in &contract {
        match state.properties.get(name) {
            Some(found_value) if found_value == value => {}
            Some(other) => found(Code::TableProperty, format!("`{name}` is `{other}`; the contract's is `{value}`")),
            // A table without a version was reported above.
            None if name.starts_with("telestrata.") => {}
            None => found(Code::TableProperty, format!("`{name}` is not set; the contract's is `{value}`")),
        }
    }
    for (name, value) in &state.properties {
        if !contract.iter().any(|(known, _)| known == name) {
            found(Code::TableProperty, format!("`{name}` is set to `{value}`{}", consequence(name)));
        }
    }
    findings
}

/// Why a property that the contract leaves alone matters.
fn consequence(property: &str) -> &'static str {
    match property {
        "delta.setTransactionRetentionDuration" => {
            ": the log forgets what writers have committed, and a write-ahead log that is replayed then stores rows twice"
        }
        "delta.appendOnly" => ": compaction, retention and erase can't commit",
        "delta.enableDeletionVectors" | "delta.columnMapping.mode" => ": this program refuses a table that uses it",
        _ => "; the contract leaves it alone",
    }
}

fn check_schema(signal: Signal, state: &LogState) -> Vec<Finding> {
    state.differences.iter().map(|difference| Finding::new(Code::TableSchema, signal.table(), difference)).collect()
}

fn check_promoted(signal: Signal, there: &[Promoted], configured: &[Promoted]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |code, meaning: String| findings.push(Finding::new(code, signal.table(), meaning));
    for wanted in configured {
        match there.iter().find(|there| there.name == wanted.name) {
            Some(there) if there == wanted => {}
            Some(there) => found(
                Code::PromotedDiffers,
                format!(
                    "`{}` is {} in the table, and {} in the configuration",
                    wanted.name,
                    there.comment(),
                    wanted.comment()
                ),
            ),
            None => found(
                Code::PromotedPending,
                format!("the configuration promotes `{}`, and the table has no such column", wanted.name),
            ),
        }
    }
    for there in there.iter().filter(|there| !configured.iter().any(|wanted| wanted.name == there.name)) {
        found(
            Code::PromotedUnconfigured,
            format!("the table promotes `{}` ({}), and the configuration does not", there.name, there.comment()),
        );
    }
    findings
}
