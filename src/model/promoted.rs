//! Promoted columns: well-known attributes that get a typed column of their own beside the maps.
//!
//! The maps stay complete (invariant 9). A promoted column is defined by one expression over them: the first of
//! its [`Source`]s that is present. It is filled when a file is written; where a file or a hot batch lacks the
//! column, the same expression answers.

use super::column::{Column, Kind};

/// Which of a record's three maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttributeMap {
    /// `attributes`: the record's own.
    Record,
    /// `resource_attributes`.
    Resource,
    /// `scope_attributes`.
    Scope,
}

impl AttributeMap {
    /// Every map, in the order in which `attr('k')` looks: record, scope, resource.
    pub const LOOKUP_ORDER: [Self; 3] = [Self::Record, Self::Scope, Self::Resource];

    /// The column that holds the map.
    pub const fn column(self) -> &'static str {
        match self {
            Self::Record => "attributes",
            Self::Resource => "resource_attributes",
            Self::Scope => "scope_attributes",
        }
    }

    /// The map of a column, `None` for any other column.
    pub fn from_column(column: &str) -> Option<Self> {
        Self::LOOKUP_ORDER.into_iter().find(|map| map.column() == column)
    }
}

/// One key of one map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Which map.
    pub map: AttributeMap,
    /// Which key of it.
    pub key: String,
}

/// The type of a promoted column. A value that it can't hold exactly is left NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromotedType {
    /// Text, as in the map.
    Text,
    /// A 64-bit integer in canonical decimal.
    Long,
    /// A double.
    Double,
    /// `true` or `false`.
    Bool,
}

impl PromotedType {
    /// The column type.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text => Kind::Text,
            Self::Long => Kind::Long,
            Self::Double => Kind::Double,
            Self::Bool => Kind::Bool,
        }
    }
}

/// One promoted column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Promoted {
    /// Column name, `[a-z0-9_]+`.
    pub name: String,
    /// Its type.
    pub kind: PromotedType,
    /// Where its value comes from: the first that is present.
    pub sources: Vec<Source>,
}

use AttributeMap::{Record, Resource};
use PromotedType::{Long, Text};

/// The default set: attribute, type, map, and the attribute's older names in the order they are tried.
const DEFAULT: &[(&str, PromotedType, AttributeMap, &[&str])] = &[
    ("service.namespace", Text, Resource, &[]),
    ("service.version", Text, Resource, &[]),
    ("service.instance.id", Text, Resource, &[]),
    ("deployment.environment.name", Text, Resource, &["deployment.environment"]),
    ("host.name", Text, Resource, &[]),
    ("k8s.cluster.name", Text, Resource, &[]),
    ("k8s.namespace.name", Text, Resource, &[]),
    ("k8s.pod.name", Text, Resource, &[]),
    ("k8s.node.name", Text, Resource, &[]),
    ("k8s.deployment.name", Text, Resource, &[]),
    ("k8s.container.name", Text, Resource, &[]),
    ("cloud.region", Text, Resource, &[]),
    ("http.request.method", Text, Record, &["http.method"]),
    ("http.route", Text, Record, &[]),
    ("http.response.status_code", Long, Record, &["http.status_code"]),
    ("url.path", Text, Record, &[]),
    ("server.address", Text, Record, &["net.peer.name"]),
    ("db.system.name", Text, Record, &["db.system"]),
    ("db.operation.name", Text, Record, &["db.operation"]),
    ("db.query.text", Text, Record, &["db.statement"]),
    ("rpc.service", Text, Record, &[]),
    ("rpc.method", Text, Record, &[]),
    ("messaging.system", Text, Record, &[]),
    ("messaging.destination.name", Text, Record, &["messaging.destination"]),
    ("error.type", Text, Record, &[]),
    ("exception.type", Text, Record, &[]),
    ("exception.message", Text, Record, &[]),
    ("user.id", Text, Record, &["enduser.id"]),
    ("session.id", Text, Record, &[]),
    ("gen_ai.request.model", Text, Record, &[]),
    ("gen_ai.usage.input_tokens", Long, Record, &["gen_ai.usage.prompt_tokens"]),
    ("gen_ai.usage.output_tokens", Long, Record, &["gen_ai.usage.completion_tokens"]),
];

/// The promoted columns that every lake has unless its configuration says otherwise.
pub fn default_promoted() -> Vec<Promoted> {
    DEFAULT
        .iter()
        .map(|(attribute, kind, map, older)| Promoted {
            name: column_name(attribute),
            kind: *kind,
            sources: std::iter::once(attribute)
                .chain(older.iter())
                .map(|key| Source { map: *map, key: (*key).to_owned() })
                .collect(),
        })
        .collect()
}

/// The column that an attribute is promoted to: its name with `_` for every `.`.
pub fn column_name(attribute: &str) -> String {
    attribute.replace('.', "_")
}

impl Promoted {
    /// What the column means, as its Delta comment says it.
    pub fn comment(&self) -> String {
        let sources: Vec<String> =
            self.sources.iter().map(|source| format!("{}['{}']", source.map.column(), source.key)).collect();
        sources.join(", else ")
    }

    /// The Arrow field of this column in memory.
    pub fn field(&self) -> arrow::datatypes::Field {
        Column::new("", self.kind.kind(), "").field().with_name(&self.name)
    }
}
