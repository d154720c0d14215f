//! The views and table macros that are SQL text: one file each, the program's own in `sql/`, a user's in his folder.
//!
//! ```text
//! sql/span_logs.sql      -- One row a log record, ...          a view: a head comment, then one SELECT
//! sql/trace_tree.sql     -- trace_tree(trace_id)               a macro: the head begins with its signature,
//!                        -- One row a span of the trace, ...   and the SELECT has $trace_id
//! ```
//! A macro's parameter may have a default: `-- metric_at(metric_name, tolerance = INTERVAL '5 minutes')`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::macros::{is_query, placeholders};
use super::statement::parse;
use crate::error::{Error, Result};
use crate::model::signal::Signal;

/// A view or a macro.
#[derive(Clone)]
pub struct SqlObject {
    /// The name in SQL.
    pub name: Cow<'static, str>,
    /// A macro's parameters, in order; `None` for a view.
    pub parameters: Option<Vec<Parameter>>,
    /// The text: a head comment, then one SELECT.
    pub sql: Cow<'static, str>,
    /// The file of a user's; `None` for the program's own.
    pub file: Option<PathBuf>,
}

impl fmt::Debug for SqlObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlObject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A parameter of a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name; in the SELECT it is `$name`.
    pub name: String,
    /// The expression that stands for it where a call gives none.
    pub default: Option<String>,
}

/// Every view and macro that queries may name.
#[derive(Debug, Clone)]
pub struct SqlObjects {
    objects: Vec<SqlObject>,
    by_name: HashMap<String, usize>,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../sql/", $name, ".sql")))),*]
    };
}

/// The program's own, in the order in which they are listed and documented.
const FILES: &[(&str, &str)] = files![
    "span_logs",
    "spans_with_logs",
    "traces",
    "trace_timeline",
    "span_events",
    "span_links",
    "exemplars",
    "exemplar_spans",
    "error_context",
    "error_occurrences",
    "errors",
    "requests",
    "red",
    "service_health",
    "service_edges",
    "services",
    "metric_catalog",
    "attribute_keys",
    "attribute_values",
    "data_quality",
    "trace_tree",
    "critical_path",
    "metric_at",
    "metric_quantile",
];

impl SqlObject {
    fn new(name: Cow<'static, str>, sql: Cow<'static, str>, file: Option<PathBuf>) -> Result<Self> {
        let parameters = match head(&sql).next() {
            Some(line) => signature(&name, line)?,
            None => return Err(Error::config("it has no head comment; say in it what one row means")),
        };
        let object = Self { name, parameters, sql, file };
        if !is_query(&parse(&object.sql)?) {
            return Err(Error::config("it is no SELECT; a view or a macro is one"));
        }
        let known = object.parameters.iter().flatten().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>();
        for name in placeholders(&parse(&object.sql)?) {
            if !known.contains(&name.as_str()) {
                return Err(Error::config(format!("${name} is no parameter of it; its head names {known:?}")));
            }
        }
        Ok(object)
    }

    /// The head comment, without its comment marks.
    pub fn documentation(&self) -> String {
        head(&self.sql).collect::<Vec<_>>().join("\n")
    }

    /// What one row is: the first line that is not a macro's signature.
    pub fn summary(&self) -> &str {
        head(&self.sql).nth(usize::from(self.parameters.is_some())).unwrap_or_default()
    }

    /// How it is written in SQL: `span_logs`, `trace_tree(trace_id)`.
    pub fn usage(&self) -> &str {
        match self.parameters {
            Some(_) => head(&self.sql).next().unwrap_or_default(),
            None => &self.name,
        }
    }
}

impl SqlObjects {
    /// The program's own.
    ///
    /// # Errors
    /// `Internal`, which a test rules out.
    pub fn built_in() -> Result<Self> {
        let mut objects = Self { objects: Vec::new(), by_name: HashMap::new() };
        for (name, sql) in FILES {
            let object = SqlObject::new(Cow::Borrowed(name), Cow::Borrowed(sql), None)
                .map_err(|error| Error::internal(format!("sql/{name}.sql: {error}")))?;
            objects.add(object);
        }
        Ok(objects)
    }

    /// These and the `.sql` files of a folder, each named as its file is.
    ///
    /// # Errors
    /// `Config`, naming the file, where it can't be read, is not one query with a head comment, or has the name of a
    /// table or of another view or macro.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self> {
        let unreadable = |error| Error::config(format!("can't read {}", folder.display())).with_source(error);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            let object = user_object(&path).and_then(|object| match self.named(&object.name) {
                Some(_) => Err(Error::config(format!("there is a `{}` already; name the file otherwise", object.name))),
                None => Ok(object),
            });
            self.add(object.map_err(|error| {
                let place = error.position().map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
                Error::config(format!("{}{place}: {}", path.display(), error.message()))
            })?);
        }
        Ok(self)
    }

    fn add(&mut self, object: SqlObject) {
        self.by_name.insert(object.name.to_string(), self.objects.len());
        self.objects.push(object);
    }

    /// The view or macro of a name.
    pub fn named(&self, name: &str) -> Option<&SqlObject> {
        self.objects.get(*self.by_name.get(name)?)
    }

    /// The view of a name.
    pub fn view(&self, name: &str) -> Option<&SqlObject> {
        self.named(name).filter(|object| object.parameters.is_none())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SqlObject> {
        self.objects.iter()
    }
}

fn user_object(path: &Path) -> Result<SqlObject> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if !name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        || !name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
    {
        return Err(Error::config("a view's name has lower-case letters, digits and _; name the file so"));
    }
    if Signal::from_table(name).is_some() {
        return Err(Error::config("that is the name of a table; name the file otherwise"));
    }
    let sql = std::fs::read_to_string(path).map_err(|error| Error::config("can't be read").with_source(error))?;
    SqlObject::new(Cow::Owned(name.to_owned()), Cow::Owned(sql), Some(path.to_owned()))
}

/// The lines of the head comment.
fn head(sql: &str) -> impl Iterator<Item = &str> {
    sql.lines().map_while(|line| line.strip_prefix("--")).map(|line| line.strip_prefix(' ').unwrap_or(line))
}

/// The parameters that a head's first line names, if it is a signature.
fn signature(name: &str, line: &str) -> Result<Option<Vec<Parameter>>> {
    let Some(inner) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')')) else {
        return Ok(None);
    };
    let mut parameters = Vec::new();
    for text in inner.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let (name, default) = match text.split_once('=') {
            Some((name, default)) => (name.trim(), Some(default.trim().to_owned())),
            None => (text, None),
        };
        if default.is_none() && parameters.last().is_some_and(|before: &Parameter| before.default.is_some()) {
            return Err(Error::config(format!("`{name}` needs a default, since the parameter before it has one")));
        }
        parameters.push(Parameter { name: name.to_owned(), default });
    }
    Ok(Some(parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_view_or_a_macro() {
        let objects = SqlObjects::built_in().unwrap();
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sql"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let mut names: Vec<&str> = objects.iter().map(|object| object.name.as_ref()).collect();
        names.sort_unstable();
        assert_eq!(names, files);
    }

    /// The part of docs/sql.md between its marks is the files' heads; TELESTRATA_UPDATE_DOCS=1 writes it anew.
    #[test]
    fn the_documentation_says_what_the_heads_say() {
        const BEGIN: &str =
            "<!-- views: made from the heads of sql/ by TELESTRATA_UPDATE_DOCS=1 cargo test --lib heads_say -->\n";
        const END: &str = "<!-- end of views -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sql.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let mut sections = String::new();
        for object in SqlObjects::built_in().unwrap().iter() {
            sections += &format!("\n### `{}`\n\n```text\n{}\n```\n", object.name, object.documentation().trim_end());
        }
        let made = format!("{before}{BEGIN}{sections}\n{END}{after}");
        if std::env::var_os("TELESTRATA_UPDATE_DOCS").is_some() {
            std::fs::write(path, made).unwrap();
        } else {
            assert_eq!(text, made, "docs/sql.md is not what the heads of sql/ say");
        }
    }

    #[test]
    fn a_signature_names_parameters() {
        let parsed = signature("f", "f(a, b = INTERVAL '5 minutes')").unwrap().unwrap();
        let parameter = |name: &str, default: Option<&str>| Parameter {
            name: name.to_owned(),
            default: default.map(str::to_owned),
        };
        assert_eq!(parsed, [parameter("a", None), parameter("b", Some("INTERVAL '5 minutes'"))]);
        assert_eq!(signature("f", "f()").unwrap().unwrap(), []);
        assert_eq!(signature("f", "One row a thing (of many)").unwrap(), None);
        assert!(signature("f", "f(a = 1, b)").is_err());
    }

    #[rstest::rstest]
    #[case("mine.sql", "SELECT 1", "no head comment")]
    #[case("mine.sql", "-- One.\nSELECT 1 +", "mine.sql:2:")]
    #[case("mine.sql", "-- One.\nSELECT $x", "no parameter")]
    #[case("mine.sql", "-- One.\nDELETE FROM spans", "no SELECT")]
    #[case("mine.sql", "-- One.\nEXPLAIN SELECT 1", "no SELECT")]
    #[case("mine.sql", "-- One.\nSELECT 1; SELECT 2", "one statement")]
    #[case("logs.sql", "-- One.\nSELECT 1", "name of a table")]
    #[case("traces.sql", "-- One.\nSELECT 1", "already")]
    #[case("My View.sql", "-- One.\nSELECT 1", "lower-case")]
    fn a_users_file_that_is_no_view_is_named(#[case] file: &str, #[case] sql: &str, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), sql).unwrap();
        let error = SqlObjects::built_in().unwrap().with_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(file), "{error}");
    }
}
