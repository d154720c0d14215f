//! `critical_path_of(spans)`: the segments of a trace's critical path.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Builder, Int16Builder, Int32Builder, Int64Builder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::span_list::{SpanLists, returned};
use crate::query::trace::{Forest, critical_path};

const NAME: &str = "critical_path_of";

/// Of a list of spans, each a struct with the fields of table `spans`, an item a segment in order of time: the span that
/// was waited for, with the fields of [`computed`]. Fields that it does not know are kept.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CriticalPathOf {
    signature: Signature,
}

impl Default for CriticalPathOf {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

fn computed() -> [FieldRef; 7] {
    let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    [
        field("ordinal", DataType::Int64),
        field("depth", DataType::Int32),
        field("segment_time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        field("segment_time_nanos", DataType::Int16),
        field("offset_ms", DataType::Float64),
        field("segment_ms", DataType::Float64),
        field("share", DataType::Float64),
    ]
}

#[derive(Default)]
struct Columns {
    spans: Vec<u64>,
    ordinal: Int64Builder,
    depth: Int32Builder,
    time: TimestampMicrosecondBuilder,
    time_nanos: Int16Builder,
    offset_ms: Float64Builder,
    segment_ms: Float64Builder,
    share: Float64Builder,
}

impl Columns {
    fn finish(mut self) -> (Vec<u64>, Vec<(FieldRef, ArrayRef)>) {
        let columns: [ArrayRef; 7] = [
            Arc::new(self.ordinal.finish()),
            Arc::new(self.depth.finish()),
            Arc::new(self.time.finish().with_timezone("UTC")),
            Arc::new(self.time_nanos.finish()),
            Arc::new(self.offset_ms.finish()),
            Arc::new(self.segment_ms.finish()),
            Arc::new(self.share.finish()),
        ];
        (self.spans, computed().into_iter().zip(columns).collect())
    }

    fn add(&mut self, lists: &SpanLists, list: usize) -> Result<usize> {
        let range = lists.range(list);
        let spans = lists.spans(range.clone())?;
        let forest = Forest::new(&spans);
        let path = critical_path(&spans, &forest);
        let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
        let whole: i64 =
            path.iter().fold(0, |sum, segment| segment.end.saturating_sub(segment.start).saturating_add(sum));
        for (place, segment) in path.iter().enumerate() {
            let nanos = segment.end.saturating_sub(segment.start);
            self.spans.push((range.start + segment.span) as u64);
            self.ordinal.append_value(place as i64 + 1);
            self.depth.append_value(i32::try_from(forest.depth(segment.span)).unwrap_or(i32::MAX));
            self.time.append_value(segment.start.div_euclid(1000));
            // Below 1000.
            self.time_nanos.append_value(segment.start.rem_euclid(1000) as i16);
            self.offset_ms.append_value(segment.start.saturating_sub(first) as f64 / 1e6);
            self.segment_ms.append_value(nanos as f64 / 1e6);
            // No segment is empty.
            self.share.append_value(nanos as f64 / whole as f64);
        }
        Ok(path.len())
    }
}

impl ScalarUDFImpl for CriticalPathOf {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        returned(NAME, args, &computed())
    }

    fn documentation(&self) -> Option<&Documentation> {
        static SAID: LazyLock<Documentation> = LazyLock::new(|| {
            let what = "Of a list of spans, structs with the columns of table spans that it needs, the segments of their \
                        critical path in order of time, each the span with ordinal, depth, segment_time, \
                        segment_time_nanos, offset_ms, segment_ms and share as in the macro critical_path.";
            let usage = "critical_path_of(array_agg(named_struct('span_id', span_id, ...)))";
            Documentation::builder(DocSection::default(), what, usage).build()
        });
        Some(&SAID)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [argument] = arrays.as_slice() else { return exec_err!("{NAME} takes one list of spans") };
        let lists = SpanLists::of(argument)?;
        let mut columns = Columns::default();
        let lengths = (0..lists.len()).map(|list| columns.add(&lists, list)).collect::<Result<Vec<_>>>()?;
        let (spans, computed) = columns.finish();
        Ok(ColumnarValue::Array(lists.answer(spans, lengths, &computed)?))
    }
}
