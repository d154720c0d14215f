//! Names, oids and comments, looked up by the functions.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use datafusion::common::Result;

use super::lake::Lake;
use super::types;

/// What the functions look up.
#[derive(Debug, Default)]
pub(super) struct Index {
    relations: HashMap<u32, Known>,
    relation_oids: HashMap<(String, String), u32>,
    schemas: HashMap<u32, String>,
    types: HashMap<u32, String>,
    type_oids: HashMap<String, u32>,
    comments: HashMap<(u32, i64), String>,
    functions: HashMap<u32, String>,
}

#[derive(Debug)]
struct Known {
    schema: String,
    name: String,
    definition: Option<String>,
}

/// The schemas that a name without one is looked for in, in order.
const SEARCHED: [&str; 2] = ["pg_catalog", "public"];

impl Index {
    /// Of a lake and the rows of `pg_type`.
    pub(super) fn new(lake: &Lake, pg_type: &[RecordBatch]) -> Result<Self> {
        let mut index = Self::default();
        for schema in &lake.schemas {
            index.schemas.insert(schema.oid, schema.name.clone());
        }
        for relation in &lake.relations {
            let (schema, name) = (relation.schema.clone(), relation.name.clone());
            index.relation_oids.insert((schema.clone(), name.clone()), relation.oid);
            index.relations.insert(relation.oid, Known { schema, name, definition: relation.definition.clone() });
            let comments = relation.comments();
            index.comments.extend(comments.map(|(number, comment)| ((relation.oid, number), comment)));
        }
        for function in &lake.functions {
            index.functions.insert(function.oid, function.usage.clone());
        }
        for batch in pg_type {
            let (Some(oids), Some(names)) = (batch.column_by_name("oid"), batch.column_by_name("typname")) else {
                continue;
            };
            let (Some(oids), Some(names)) = (oids.as_primitive_opt::<UInt32Type>(), names.as_string_opt::<i32>())
            else {
                continue;
            };
            for row in 0..names.len() {
                let (oid, name) = (oids.value(row), names.value(row).to_owned());
                index.types.insert(oid, types::sql_name(&name));
                index.type_oids.insert(name, oid);
            }
        }
        Ok(index)
    }

    /// How SQL names a type.
    pub(super) fn type_name(&self, oid: u32) -> Option<String> {
        self.types.get(&oid).cloned()
    }

    /// The type that SQL names so: `int4`, `integer`, `pg_catalog.int4`, `integer[]`, `timestamp(3)`.
    pub(super) fn type_oid(&self, name: &str) -> Option<u32> {
        let name = name.trim().to_lowercase();
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name).replace('"', "");
        let (name, array) = match name.strip_suffix("[]") {
            Some(element) => (element.to_owned(), true),
            None => (name, false),
        };
        let bare = name.split('(').next().unwrap_or(&name).trim();
        let typname = types::typname(bare);
        self.type_oids.get(&if array { format!("_{typname}") } else { typname.to_owned() }).copied()
    }

    /// A table or view as SQL names it, with its schema where it needs one.
    pub(super) fn relation_name(&self, oid: u32) -> Option<String> {
        let known = self.relations.get(&oid)?;
        let name = super::functions::quoted(&known.name);
        let seen = SEARCHED.contains(&known.schema.as_str());
        Some(if seen { name } else { format!("{}.{name}", super::functions::quoted(&known.schema)) })
    }

    /// The table or view that SQL names so: `logs`, `"public"."logs"`, `telestrata.public.logs`.
    pub(super) fn relation_oid(&self, name: &str) -> Option<u32> {
        let parts = identifiers(name)?;
        let of = |schema: &str, name: &str| self.relation_oids.get(&(schema.to_owned(), name.to_owned())).copied();
        match parts.as_slice() {
            [name] => SEARCHED.iter().find_map(|schema| of(schema, name)),
            [schema, name] => of(schema, name),
            [database, schema, name] if database == super::super::planner::CATALOG => of(schema, name),
            _ => None,
        }
    }

    pub(super) fn schema_name(&self, oid: u32) -> Option<String> {
        self.schemas.get(&oid).cloned()
    }

    pub(super) fn schema_oid(&self, name: &str) -> Option<u32> {
        let parts = identifiers(name)?;
        let [name] = parts.as_slice() else { return None };
        self.schemas.iter().find(|(_, known)| *known == name).map(|(oid, _)| *oid)
    }

    /// The query of a view.
    pub(super) fn definition(&self, oid: u32) -> Option<String> {
        self.relations.get(&oid)?.definition.clone()
    }

    /// The comment of an object, or of a column of it.
    pub(super) fn comment(&self, oid: u32, column: i64) -> Option<String> {
        self.comments.get(&(oid, column)).cloned()
    }

    /// Whether a table or view may be named without its schema.
    pub(super) fn is_visible(&self, oid: u32) -> bool {
        self.relations.get(&oid).is_some_and(|known| SEARCHED.contains(&known.schema.as_str()))
    }

    /// How a function is called.
    pub(super) fn function_usage(&self, oid: u32) -> Option<String> {
        self.functions.get(&oid).cloned()
    }
}

/// The parts of a name with dots and quotes; `None` where it is none.
fn identifiers(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let part;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next()? {
                    (_, '"') if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                        chars.next();
                        text.push('"');
                    }
                    (place, '"') => break place + 1,
                    (_, char) => text.push(char),
                }
            };
            (part, rest) = (text, quoted.get(end..)?);
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let (head, tail) = rest.split_at(end);
            (part, rest) = (head.trim().to_lowercase(), tail);
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match rest.trim_start().strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.trim().is_empty() => return Some(parts),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("logs", Some(vec!["logs"]))]
    #[case("Public.LOGS", Some(vec!["public", "logs"]))]
    #[case("\"public\".\"My\"\"Logs\"", Some(vec!["public", "My\"Logs"]))]
    #[case("\"open", None)]
    #[case("a..b", None)]
    #[case("", None)]
    fn a_name_has_its_parts(#[case] name: &str, #[case] expected: Option<Vec<&str>>) {
        assert_eq!(identifiers(name), expected.map(|parts| parts.into_iter().map(str::to_owned).collect()));
    }
}
