//! What there is to complete: tables, views, their columns, functions, and attribute keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::super::target::Target;
use super::attribute_keys::{AttributeKeys, attribute_keys};
use super::later::Later;
use crate::error::{Error, Result};
use crate::model::signal::Signal;

/// How long TAB waits for what is still being fetched.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The names that SQL knows here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Catalogue {
    /// Tables and views with their columns, by name.
    pub(super) relations: Vec<(String, Vec<String>)>,
    pub(super) functions: Vec<String>,
}

impl Catalogue {
    /// The columns of a table or view.
    pub(super) fn columns(&self, relation: &str) -> Option<&[String]> {
        let found = self.relations.iter().find(|(name, _)| name == relation);
        found.map(|(_, columns)| columns.as_slice())
    }
}

/// Names and keys.
pub(super) trait Known {
    /// The names, as far as they are known.
    fn catalogue(&self) -> Arc<Catalogue>;
    /// The attribute keys of these tables' recent records.
    fn keys(&self, signals: &[Signal]) -> Vec<Arc<AttributeKeys>>;
}

/// Names and keys of a lake or a server, fetched behind the prompt.
#[derive(Debug)]
pub(super) struct Fetched {
    target: Arc<Target>,
    runtime: tokio::runtime::Handle,
    catalogue: Arc<Later<Catalogue>>,
    keys: [Arc<Later<AttributeKeys>>; 3],
}

impl Fetched {
    /// Begins with the names; keys are fetched where they are first needed.
    pub(super) fn begin(target: Arc<Target>, runtime: tokio::runtime::Handle) -> Self {
        let fetched = Self { target, runtime, catalogue: Arc::default(), keys: Default::default() };
        fetched.fetch_catalogue();
        fetched
    }

    fn fetch_catalogue(&self) {
        let target = Arc::clone(&self.target);
        self.catalogue.fetch(&self.runtime, || async move { fetch_catalogue(&target).await });
    }
}

impl Known for Fetched {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.fetch_catalogue();
        self.catalogue.get(PATIENCE).unwrap_or_default()
    }

    fn keys(&self, signals: &[Signal]) -> Vec<Arc<AttributeKeys>> {
        let wanted = Signal::ALL.into_iter().zip(&self.keys).filter(|(signal, _)| signals.contains(signal));
        // All at once: they are waited for together.
        for (signal, keys) in wanted.clone() {
            let target = Arc::clone(&self.target);
            keys.fetch(&self.runtime, || async move { attribute_keys(&target, signal).await });
        }
        let until = Instant::now() + PATIENCE;
        wanted.filter_map(|(_, keys)| keys.get(until.saturating_duration_since(Instant::now()))).collect()
    }
}

async fn fetch_catalogue(target: &Target) -> Result<Catalogue> {
    let mut relations: Vec<(String, Vec<String>)> = Vec::new();
    for batch in target.query(include_str!("catalogue.sql")).await?.collect().await? {
        for (relation, column) in texts(&batch, 0)?.into_iter().zip(texts(&batch, 1)?) {
            match relations.last_mut() {
                Some((name, columns)) if *name == relation => columns.push(column),
                _ => relations.push((relation, vec![column])),
            }
        }
    }
    let mut functions = Vec::new();
    for batch in target.query(include_str!("functions.sql")).await?.collect().await? {
        functions.extend(texts(&batch, 0)?);
    }
    Ok(Catalogue { relations, functions })
}

/// The texts of a column without NULLs.
pub(super) fn texts(batch: &RecordBatch, column: usize) -> Result<Vec<String>> {
    let failed = || Error::internal("the catalogue's queries answer something else");
    let column = batch.columns().get(column).ok_or_else(failed)?;
    let column = cast(column, &DataType::Utf8).map_err(|error| failed().with_source(error))?;
    Ok(column.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}
