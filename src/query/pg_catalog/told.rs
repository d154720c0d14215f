//! What the catalogue tells of, from a session that queries of the lake run in.

use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;

use super::super::described::table_summary;
use super::super::error::from_datafusion;
use super::super::planner::{CATALOG, SCHEMA};
use super::super::sql_objects::{SqlObject, SqlObjects};
use super::super::system::{SYSTEM_SCHEMA, SystemTable};
use super::lake::{FunctionKind, FunctionSource, RelationSource};
use crate::error::{Error, Result};
use crate::model::contract::columns;
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;

/// A session, and what is written about what it can name.
pub(in super::super) struct Told<'a> {
    state: &'a SessionState,
    objects: &'a SqlObjects,
    promoted: &'a [Promoted],
    tables: Vec<(Signal, SchemaRef)>,
}

impl<'a> Told<'a> {
    /// Of a session over the lake's tables.
    ///
    /// # Errors
    /// If it has none of a signal.
    pub(in super::super) async fn new(
        state: &'a SessionState,
        objects: &'a SqlObjects,
        promoted: &'a [Promoted],
    ) -> Result<Self> {
        let mut tables = Vec::new();
        for signal in Signal::ALL {
            tables.push((signal, columns_of(state, signal.table()).await?));
        }
        Ok(Self { state, objects, promoted, tables })
    }

    /// What all of it follows from: the columns of the tables.
    pub(in super::super) fn made_of(&self) -> Vec<SchemaRef> {
        self.tables.iter().map(|(_, columns)| SchemaRef::clone(columns)).collect()
    }

    /// The views, which the session is to have planned before [`Self::all`].
    fn views(&self) -> impl Iterator<Item = &'a SqlObject> {
        self.objects.iter().filter(|object| object.parameters.is_none())
    }

    /// Tables and views, and functions.
    ///
    /// # Errors
    /// If the session could not be asked.
    pub(in super::super) async fn all(&self) -> Result<(Vec<RelationSource>, Vec<FunctionSource>)> {
        let mut relations: Vec<_> =
            self.tables.iter().map(|(signal, columns)| self.table(*signal, SchemaRef::clone(columns))).collect();
        for view in self.views() {
            // One that can't be planned is its maker's to mend.
            let Ok(columns) = columns_of(self.state, &view.name).await else { continue };
            relations.push(RelationSource {
                schema: SCHEMA,
                name: view.name.to_string(),
                columns,
                comment: Some(view.documentation()),
                column_comments: Vec::new(),
                definition: Some(view.sql.to_string()),
            });
        }
        relations.extend(SystemTable::ALL.map(|table| RelationSource {
            schema: SYSTEM_SCHEMA,
            name: table.name().to_owned(),
            columns: table.schema(),
            comment: Some(table.summary().to_owned()),
            column_comments: table.columns().iter().map(|column| Some(column.meaning.to_owned())).collect(),
            definition: None,
        }));
        Ok((relations, self.functions()))
    }

    fn table(&self, signal: Signal, schema: SchemaRef) -> RelationSource {
        let comment = |name: &str| {
            let own = columns(signal).find(|column| column.name == name).map(|column| column.comment.to_owned());
            own.or_else(|| self.promoted.iter().find(|one| one.field().name() == name).map(Promoted::comment))
        };
        RelationSource {
            schema: SCHEMA,
            name: signal.table().to_owned(),
            column_comments: schema.fields().iter().map(|field| comment(field.name())).collect(),
            columns: schema,
            comment: Some(table_summary(signal).to_owned()),
            definition: None,
        }
    }

    fn functions(&self) -> Vec<FunctionSource> {
        let of = |name: &String, documentation: Option<&Documentation>, kind| {
            let said = |text: fn(&Documentation) -> &str| documentation.map(|one| text(one).trim().to_owned());
            let usage = said(|one| &one.syntax_example).unwrap_or_else(|| format!("{name}(...)"));
            FunctionSource { name: name.clone(), usage, comment: said(|one| &one.description), kind }
        };
        let macros = self.objects.iter().filter(|object| object.parameters.is_some());
        let mut all: Vec<_> = macros
            .map(|object| FunctionSource {
                name: object.name.to_string(),
                usage: object.usage().to_owned(),
                comment: Some(object.documentation()),
                kind: FunctionKind::Table,
            })
            .collect();
        let scalar = self.state.scalar_functions().iter();
        all.extend(scalar.map(|(name, one)| of(name, one.documentation(), FunctionKind::Scalar)));
        let aggregate = self.state.aggregate_functions().iter();
        all.extend(aggregate.map(|(name, one)| of(name, one.documentation(), FunctionKind::Aggregate)));
        let window = self.state.window_functions().iter();
        all.extend(window.map(|(name, one)| of(name, one.documentation(), FunctionKind::Window)));
        all.extend(self.state.table_functions().keys().map(|name| of(name, None, FunctionKind::Table)));
        // Some are two things by one name.
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all.dedup_by(|one, other| one.name == other.name);
        all
    }
}

/// The columns of a table or view of a session.
async fn columns_of(state: &SessionState, name: &str) -> Result<SchemaRef> {
    let schema = state.catalog_list().catalog(CATALOG).and_then(|catalog| catalog.schema(SCHEMA));
    let table = match schema {
        Some(schema) => schema.table(name).await.map_err(from_datafusion)?,
        None => None,
    };
    table.map(|table| table.schema()).ok_or_else(|| Error::internal(format!("the session has no table {name}")))
}
