//! Promotion: typed columns out of the attribute maps, and the proof of which maps a column may stand for.
//!
//! A promoted column is the first present of its sources (`promoted.rs`). While columns are filled, a [`Promoter`]
//! watches for every way in which a column could differ from a map lookup, so that a file can be marked with the
//! lookups that its columns answer exactly (invariant 9).
//!
//! ```text
//! attributes, scope_attributes, resource_attributes --+--> typed columns
//!                                                     +--> Exactness --> marks in the file's footer
//! ```

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int64Builder, MapArray, RecordBatch, StringArray,
    StringViewBuilder,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::promoted::{AttributeMap, Promoted, PromotedType};

/// A lookup in a record's attributes, as SQL writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lookup {
    /// `attributes['key']` and its like: one map.
    Map(AttributeMap, String),
    /// `attr('key')`: record, then scope, then resource.
    Any(String),
}

impl Lookup {
    /// The lookup as SQL writes it; also its form in a file's marks.
    pub fn to_sql(&self) -> String {
        match self {
            Self::Map(map, key) => format!("{}['{key}']", map.column()),
            Self::Any(key) => format!("attr('{key}')"),
        }
    }
}

/// The key under which a file's footer carries its [`Marks`].
pub const MARKS_KEY: &str = "telestrata.exact";

/// Which column of a file answers which lookups exactly: SQL form of the lookup to column name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<String, String>);

impl Marks {
    /// The column that answers a lookup, if one does.
    pub fn column(&self, lookup: &Lookup) -> Option<&str> {
        self.0.get(&lookup.to_sql()).map(String::as_str)
    }

    /// The footer's form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Reads the footer's form; what is not understood marks nothing, which is always right.
    pub fn from_json(json: &str) -> Self {
        Self(serde_json::from_str(json).unwrap_or_default())
    }
}

/// Fills promoted columns, batch after batch, and gathers their exactness.
#[derive(Debug)]
pub struct Promoter {
    columns: Vec<Promoted>,
    /// For each map in lookup order: what its keys mean to which columns.
    keys: [KeyUses; 3],
    exactness: Vec<Exactness>,
}

/// What the keys of one map mean.
#[derive(Debug, Default)]
struct KeyUses {
    by_key: HashMap<String, Vec<KeyUse>>,
    /// Bit n: some key has n bytes. Most keys of most records are told apart by that alone.
    lengths: u128,
}

impl KeyUses {
    fn entry(&mut self, key: &str) -> &mut Vec<KeyUse> {
        self.lengths |= length_bit(key);
        self.by_key.entry(key.to_owned()).or_default()
    }

    fn get(&self, key: &str) -> Option<&[KeyUse]> {
        if self.lengths & length_bit(key) == 0 {
            return None;
        }
        self.by_key.get(key).map(Vec::as_slice)
    }
}

/// All keys of 127 bytes and more share the last bit.
fn length_bit(key: &str) -> u128 {
    1 << key.len().min(127)
}

/// What one key of one map means to one column.
#[derive(Debug, Clone, Copy)]
enum KeyUse {
    /// It is the column's source of this rank.
    Source { column: usize, rank: usize },
    /// It has the name of a source, in another map: `attr` would see it.
    Elsewhere { column: usize, rank: usize },
}

/// For each source of one column: whether the column has equalled that source in every row so far.
#[derive(Debug)]
struct Exactness {
    map: Vec<bool>,
    any: Vec<bool>,
}

/// The keys of one row's map that mean something, by their place in it.
#[derive(Debug, Default)]
struct Found<'a> {
    range: Range<usize>,
    uses: Vec<(usize, &'a [KeyUse])>,
}

/// The value a column took in one row.
#[derive(Debug, Clone, Copy)]
struct Pick {
    map: usize,
    rank: usize,
    entry: usize,
}

impl Promoter {
    /// A promoter for these columns.
    pub fn new(columns: &[Promoted]) -> Self {
        let mut keys: [KeyUses; 3] = Default::default();
        for (column, promoted) in columns.iter().enumerate() {
            for (rank, source) in promoted.sources.iter().enumerate() {
                for (map, uses) in AttributeMap::LOOKUP_ORDER.iter().zip(&mut keys) {
                    uses.entry(&source.key).push(if *map == source.map {
                        KeyUse::Source { column, rank }
                    } else {
                        KeyUse::Elsewhere { column, rank }
                    });
                }
            }
        }
        let exactness = columns
            .iter()
            .map(|column| Exactness { map: vec![true; column.sources.len()], any: vec![true; column.sources.len()] })
            .collect();
        Self { columns: columns.to_vec(), keys, exactness }
    }

    /// The batch with its promoted columns behind it, in `schema`.
    ///
    /// # Errors
    /// If the batch lacks an attribute map, or `schema` is not the batch's with the promoted columns behind.
    pub fn promote(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let mut arrays = batch.columns().to_vec();
        arrays.extend(self.columns_of(batch)?);
        RecordBatch::try_new(Arc::clone(schema), arrays)
    }

    /// The promoted columns of a batch.
    ///
    /// # Errors
    /// If the batch lacks an attribute map.
    pub fn columns_of(&mut self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let maps = AttributeMap::LOOKUP_ORDER
            .iter()
            .map(|map| Entries::of(batch, *map))
            .collect::<Result<Vec<_>, ArrowError>>()?;
        let mut columns: Vec<ColumnBuilder> =
            self.columns.iter().map(|column| ColumnBuilder::new(column.kind, batch.num_rows())).collect();
        let mut row_state = RowState::new(&self.columns);
        let mut found: [Found<'_>; 3] = Default::default();
        for row in 0..batch.num_rows() {
            row_state.clear();
            for (map, entries) in maps.iter().enumerate() {
                let found = &mut found[map];
                let range = entries.range(row);
                // Neighbours are of one service and often of one operation, and have the same keys: look them up once.
                if !entries.same_keys(&found.range, &range) {
                    found.uses.clear();
                    for entry in range.clone() {
                        if let Some(uses) = self.keys[map].get(entries.keys.value(entry)) {
                            found.uses.push((entry - range.start, uses));
                        }
                    }
                }
                for (offset, uses) in &found.uses {
                    row_state.note(map, range.start + offset, uses);
                }
                found.range = range;
            }
            // A column that no key of the row speaks of is NULL there, and equal to every lookup.
            for index in &row_state.touched {
                let pick = row_state.picks[*index];
                let stored =
                    pick.is_some_and(|pick| columns[*index].append(row, maps[pick.map].values.value(pick.entry)));
                self.exactness[*index].watch(pick.filter(|_| stored), &row_state, *index);
            }
        }
        Ok(columns.into_iter().map(|column| column.finish(batch.num_rows())).collect())
    }

    /// The lookups that the columns answer exactly in every row seen.
    pub fn marks(&self) -> Marks {
        let mut marks = BTreeMap::new();
        // A double's text is not unique (1e16 and 1e+16), so its column never stands for what was sent.
        let exact = self.columns.iter().zip(&self.exactness).filter(|(column, _)| column.kind != PromotedType::Double);
        for (column, exactness) in exact {
            for (rank, source) in column.sources.iter().enumerate() {
                if exactness.map[rank] {
                    marks.insert(Lookup::Map(source.map, source.key.clone()).to_sql(), column.name.clone());
                }
                if exactness.any[rank] {
                    marks.insert(Lookup::Any(source.key.clone()).to_sql(), column.name.clone());
                }
            }
        }
        Marks(marks)
    }
}

impl Exactness {
    /// `pick` is the source that the column's value came from, `None` where the column is NULL.
    fn watch(&mut self, pick: Option<Pick>, row: &RowState, column: usize) {
        for rank in 0..self.map.len() {
            let present = row.present[column] & (1 << rank) != 0;
            let chosen = pick.is_some_and(|pick| pick.rank == rank);
            // Equal means: the value is this source's, or both are absent.
            let equal = if present { chosen } else { pick.is_none() };
            self.map[rank] &= equal;
            self.any[rank] &= equal && row.elsewhere[column] & (1 << rank) == 0;
        }
    }
}

/// What one row's maps say of every column.
struct RowState {
    /// The columns that the row's keys speak of.
    touched: Vec<usize>,
    picks: Vec<Option<Pick>>,
    present: Vec<u64>,
    elsewhere: Vec<u64>,
}

impl RowState {
    fn new(columns: &[Promoted]) -> Self {
        Self {
            touched: Vec::with_capacity(columns.len()),
            picks: vec![None; columns.len()],
            present: vec![0; columns.len()],
            elsewhere: vec![0; columns.len()],
        }
    }

    fn clear(&mut self) {
        for column in self.touched.drain(..) {
            self.picks[column] = None;
            self.present[column] = 0;
            self.elsewhere[column] = 0;
        }
    }

    fn note(&mut self, map: usize, entry: usize, uses: &[KeyUse]) {
        for key_use in uses {
            let (KeyUse::Source { column, .. } | KeyUse::Elsewhere { column, .. }) = *key_use;
            if self.present[column] == 0 && self.elsewhere[column] == 0 {
                self.touched.push(column);
            }
            match *key_use {
                KeyUse::Source { column, rank } => {
                    self.present[column] |= 1 << rank;
                    if self.picks[column].is_none_or(|pick| rank < pick.rank) {
                        self.picks[column] = Some(Pick { map, rank, entry });
                    }
                }
                KeyUse::Elsewhere { column, rank } => self.elsewhere[column] |= 1 << rank,
            }
        }
    }
}

/// The entries of one map column.
struct Entries<'a> {
    map: &'a MapArray,
    keys: &'a StringArray,
    values: &'a StringArray,
}

impl<'a> Entries<'a> {
    fn of(batch: &'a RecordBatch, map: AttributeMap) -> Result<Self, ArrowError> {
        let missing = || ArrowError::SchemaError(format!("no map column `{}`", map.column()));
        let array = batch.column_by_name(map.column()).and_then(|array| array.as_map_opt()).ok_or_else(missing)?;
        let keys = array.keys().as_string_opt::<i32>().ok_or_else(missing)?;
        let values = array.values().as_string_opt::<i32>().ok_or_else(missing)?;
        Ok(Self { map: array, keys, values })
    }

    fn range(&self, row: usize) -> Range<usize> {
        let offsets = self.map.value_offsets();
        // Arrow keeps offsets non-negative and ascending.
        offsets[row] as usize..offsets[row + 1] as usize
    }

    /// Whether two rows' maps have the same keys.
    fn same_keys(&self, left: &Range<usize>, right: &Range<usize>) -> bool {
        let offsets = self.keys.value_offsets();
        // Arrow keeps offsets non-negative, ascending and inside of the data.
        let bytes =
            |range: &Range<usize>| &self.keys.value_data()[offsets[range.start] as usize..offsets[range.end] as usize];
        let length = |entry: usize| offsets[entry + 1] - offsets[entry];
        left.len() == right.len()
            && bytes(left) == bytes(right)
            && left.clone().zip(right.clone()).all(|(one, other)| length(one) == length(other))
    }
}

/// One promoted column in the making. Rows that it is not given are NULL.
struct ColumnBuilder {
    rows: usize,
    values: Values,
}

enum Values {
    Text(StringViewBuilder),
    Long(Int64Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
}

impl ColumnBuilder {
    fn new(kind: PromotedType, rows: usize) -> Self {
        let values = match kind {
            PromotedType::Text => Values::Text(StringViewBuilder::with_capacity(rows)),
            PromotedType::Long => Values::Long(Int64Builder::with_capacity(rows)),
            PromotedType::Double => Values::Double(Float64Builder::with_capacity(rows)),
            PromotedType::Bool => Values::Bool(BooleanBuilder::with_capacity(rows)),
        };
        Self { rows: 0, values }
    }

    /// Gives the row a value, or NULL where the type can't hold exactly that text. Tells whether it was held.
    fn append(&mut self, row: usize, text: &str) -> bool {
        self.nulls_up_to(row);
        self.rows = row + 1;
        match &mut self.values {
            Values::Text(builder) => {
                builder.append_value(text);
                true
            }
            Values::Long(builder) => {
                let value = exact_long(text);
                builder.append_option(value);
                value.is_some()
            }
            Values::Double(builder) => {
                let value = exact_double(text);
                builder.append_option(value);
                value.is_some()
            }
            Values::Bool(builder) => {
                let value = exact_bool(text);
                builder.append_option(value);
                value.is_some()
            }
        }
    }

    fn nulls_up_to(&mut self, row: usize) {
        let count = row - self.rows;
        match &mut self.values {
            Values::Text(builder) => (0..count).for_each(|_| builder.append_null()),
            Values::Long(builder) => builder.append_nulls(count),
            Values::Double(builder) => builder.append_nulls(count),
            Values::Bool(builder) => builder.append_nulls(count),
        }
        self.rows = row;
    }

    fn finish(mut self, rows: usize) -> ArrayRef {
        if let (Values::Text(_), 0) = (&self.values, self.rows) {
            // Most text columns of most batches are NULL throughout.
            return arrow::array::new_null_array(&arrow::datatypes::DataType::Utf8View, rows);
        }
        self.nulls_up_to(rows);
        match self.values {
            Values::Text(mut builder) => Arc::new(builder.finish()),
            Values::Long(mut builder) => Arc::new(builder.finish()),
            Values::Double(mut builder) => Arc::new(builder.finish()),
            Values::Bool(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// The integer that is written exactly so.
fn exact_long(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|value| value.to_string() == text)
}

/// The finite double that a decimal number names. An integer is one: senders write `5` for `5.0`.
fn exact_double(text: &str) -> Option<f64> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|value| number && value.is_finite())
}

fn exact_bool(text: &str) -> Option<bool> {
    text.parse::<bool>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::column::{Column, Kind};
    use crate::model::promoted::Source;
    use arrow::array::{MapBuilder, MapFieldNames, StringBuilder};
    use arrow::datatypes::{Int64Type, Schema};

    fn map(rows: &[&[(&str, &str)]]) -> ArrayRef {
        let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new()).with_values_field(
            Arc::new(arrow::datatypes::Field::new("value", arrow::datatypes::DataType::Utf8, false)),
        );
        for row in rows {
            for (key, value) in *row {
                builder.keys().append_value(key);
                builder.values().append_value(value);
            }
            builder.append(true).unwrap();
        }
        Arc::new(builder.finish())
    }

    fn batch(record: &[&[(&str, &str)]], resource: &[&[(&str, &str)]]) -> RecordBatch {
        let empty: Vec<&[(&str, &str)]> = vec![&[]; record.len()];
        let fields: Vec<_> = ["attributes", "resource_attributes", "scope_attributes"]
            .iter()
            .map(|name| Column::new("", Kind::TextMap, "").field().with_name(*name))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![map(record), map(resource), map(&empty)]).unwrap()
    }

    fn status() -> Promoted {
        let source = |key: &str| Source { map: AttributeMap::Record, key: key.to_owned() };
        Promoted { name: "status".into(), kind: PromotedType::Long, sources: vec![source("new"), source("old")] }
    }

    #[test]
    fn the_first_source_present_wins_and_what_does_not_fit_is_null() {
        let mut promoter = Promoter::new(&[status()]);
        let columns = promoter
            .columns_of(&batch(
                &[&[("new", "200")], &[("old", "404")], &[("new", "1"), ("old", "2")], &[("new", "0200")], &[]],
                &[&[] as &[_]; 5],
            ))
            .unwrap();
        let values: Vec<_> = columns[0].as_primitive::<Int64Type>().iter().collect();
        assert_eq!(values, [Some(200), Some(404), Some(1), None, None]);
        assert_eq!(promoter.marks(), Marks::default(), "neither key equals the column in every row");
    }

    #[test]
    fn a_file_where_only_the_new_key_occurs_is_exact_for_it_alone() {
        let mut promoter = Promoter::new(&[status()]);
        promoter.columns_of(&batch(&[&[("new", "200")], &[]], &[&[], &[]])).unwrap();
        let marks = promoter.marks();
        assert_eq!(marks.column(&Lookup::Map(AttributeMap::Record, "new".into())), Some("status"));
        assert_eq!(marks.column(&Lookup::Any("new".into())), Some("status"));
        assert_eq!(marks.column(&Lookup::Map(AttributeMap::Record, "old".into())), None);
        assert_eq!(Marks::from_json(&marks.to_json()), marks);
    }

    #[test]
    fn the_same_key_in_another_map_spoils_attr_and_not_the_map() {
        let mut promoter = Promoter::new(&[status()]);
        promoter.columns_of(&batch(&[&[]], &[&[("new", "7")]])).unwrap();
        let marks = promoter.marks();
        assert_eq!(marks.column(&Lookup::Map(AttributeMap::Record, "new".into())), Some("status"));
        assert_eq!(marks.column(&Lookup::Any("new".into())), None);
    }

    #[test]
    fn a_misfit_spoils_the_column() {
        let mut promoter = Promoter::new(&[status()]);
        promoter.columns_of(&batch(&[&[("new", "two hundred")]], &[&[]])).unwrap();
        assert_eq!(promoter.marks().column(&Lookup::Map(AttributeMap::Record, "new".into())), None);
    }
}
