//! Lists of spans as arguments: a trace a row, each span a struct with the fields of table `spans` that a function needs.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringViewArray, StructArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_err, plan_err};

use crate::query::trace::TraceSpan;

/// The fields that every span must have.
const NEEDED: [&str; 9] =
    ["span_id", "parent_span_id", "service_name", "name", "kind", "status_code", "time", "time_nanos", "duration_nano"];

/// The lists of an argument.
pub(super) struct SpanLists {
    lists: ListArray,
    id: StringViewArray,
    parent_id: StringViewArray,
    service: StringViewArray,
    name: StringViewArray,
    kind: StringViewArray,
    status: StringViewArray,
    time: Int64Array,
    time_nanos: Int64Array,
    duration: Int64Array,
}

impl SpanLists {
    /// Reads the argument of a function.
    ///
    /// # Errors
    /// `Execution` for what [`returned`] would not have planned.
    pub(super) fn of(argument: &ArrayRef) -> Result<Self> {
        let Some(lists) = argument.as_list_opt::<i32>() else { return exec_err!("not a list of spans") };
        let Some(spans) = lists.values().as_struct_opt() else { return exec_err!("not a list of structs") };
        let column = |name: &str, to: &DataType| match spans.column_by_name(name) {
            Some(column) => Ok(cast(column, to)?),
            None => exec_err!("the spans have no `{name}`"),
        };
        let text =
            |name: &str| -> Result<StringViewArray> { Ok(column(name, &DataType::Utf8View)?.as_string_view().clone()) };
        let number = |name: &str| -> Result<Int64Array> {
            Ok(column(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        };
        let micros = column("time", &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        Ok(Self {
            id: text("span_id")?,
            parent_id: text("parent_span_id")?,
            service: text("service_name")?,
            name: text("name")?,
            kind: text("kind")?,
            status: text("status_code")?,
            time: cast(&micros, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
            time_nanos: number("time_nanos")?,
            duration: number("duration_nano")?,
            lists: lists.clone(),
        })
    }

    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Where the spans of a list are among all.
    pub(super) fn range(&self, list: usize) -> Range<usize> {
        if self.lists.is_null(list) {
            return 0..0;
        }
        let offsets = self.lists.value_offsets();
        offsets[list] as usize..offsets[list + 1] as usize
    }

    /// The spans of a range.
    ///
    /// # Errors
    /// `Execution` for a span without a time.
    pub(super) fn spans(&self, range: Range<usize>) -> Result<Vec<TraceSpan<'_>>> {
        range
            .map(|at| {
                if self.time.is_null(at) {
                    return exec_err!("a span without a time");
                }
                let nanos = if self.time_nanos.is_valid(at) { self.time_nanos.value(at) } else { 0 };
                Ok(TraceSpan {
                    id: text_at(&self.id, at),
                    parent_id: text_at(&self.parent_id, at),
                    service: text_at(&self.service, at).unwrap_or_default(),
                    kind: text_at(&self.kind, at).unwrap_or_default(),
                    start: self.time.value(at).saturating_mul(1000).saturating_add(nanos),
                    duration: self.duration.is_valid(at).then(|| self.duration.value(at)),
                })
            })
            .collect()
    }

    /// The names of the spans of a range.
    pub(super) fn names(&self, range: Range<usize>) -> Vec<&str> {
        range.map(|at| text_at(&self.name, at).unwrap_or_default()).collect()
    }

    /// Whether the span at a place has status ERROR.
    pub(super) fn failed(&self, at: usize) -> bool {
        text_at(&self.status, at) == Some("ERROR")
    }

    /// Lists of the spans at these places, `lengths` of them a list, each with its `computed` fields.
    pub(super) fn answer(
        &self,
        spans: Vec<u64>,
        lengths: Vec<usize>,
        computed: &[(FieldRef, ArrayRef)],
    ) -> Result<ArrayRef> {
        let spans = UInt64Array::from(spans);
        let given = self.lists.values().as_struct();
        let taken = given.columns().iter().map(|column| Ok(take(column, &spans, None)?));
        let mut columns = taken.collect::<Result<Vec<_>>>()?;
        columns.extend(computed.iter().map(|(_, column)| Arc::clone(column)));
        let fields = widened(given.fields(), computed.iter().map(|(field, _)| field));
        let values = Arc::new(StructArray::try_new(fields.clone(), columns, None)?);
        let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(item, offsets, values, self.lists.nulls().cloned())?))
    }
}

fn text_at(column: &StringViewArray, at: usize) -> Option<&str> {
    column.is_valid(at).then(|| column.value(at))
}

/// The type that [`SpanLists::answer`] has for an argument of these types.
///
/// # Errors
/// `Plan`, saying what `function` takes.
pub(super) fn returned(function: &str, args: &[DataType], computed: &[FieldRef]) -> Result<DataType> {
    let usage = || format!("{function}(array_agg(named_struct('span_id', span_id, ...))) with {}", NEEDED.join(", "));
    let fields = match args {
        [DataType::List(item)] => match item.data_type() {
            DataType::Struct(fields) => fields,
            other => return plan_err!("{function} takes a list of structs, not of {other}: {}", usage()),
        },
        _ => return plan_err!("{function} takes one list of spans: {}", usage()),
    };
    if let Some(missing) = NEEDED.iter().find(|name| fields.find(name).is_none()) {
        return plan_err!("{function}: the spans have no `{missing}`: {}", usage());
    }
    if let Some(twice) = computed.iter().find(|field| fields.find(field.name()).is_some()) {
        return plan_err!("{function} makes the field `{}` itself; leave it out of the spans", twice.name());
    }
    let fields = widened(fields, computed);
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields), true))))
}

fn widened<'a>(given: &Fields, computed: impl IntoIterator<Item = &'a FieldRef>) -> Fields {
    // Any row may be without an answer once DataFusion joins or unnests it.
    let given = given.iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    given.chain(computed.into_iter().cloned()).collect()
}
