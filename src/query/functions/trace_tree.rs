//! `trace_tree_of(spans)`: the spans of a trace in the order of its tree, each with its place in it.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::span_list::{SpanLists, returned};
use crate::query::trace::{Forest, call_paths, self_times};

const NAME: &str = "trace_tree_of";

/// Of a list of spans, each a struct with the fields of table `spans`, the same spans in pre-order, each with the
/// fields of [`computed`]. Fields that it does not know are kept.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TraceTreeOf {
    signature: Signature,
}

impl Default for TraceTreeOf {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

fn computed() -> [FieldRef; 10] {
    let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    [
        field("ordinal", DataType::Int64),
        field("depth", DataType::Int32),
        field("path", DataType::Utf8),
        field("orphan", DataType::Boolean),
        field("offset_ms", DataType::Float64),
        field("duration_ms", DataType::Float64),
        field("self_ms", DataType::Float64),
        field("share", DataType::Float64),
        field("child_count", DataType::Int64),
        field("subtree_errors", DataType::Int64),
    ]
}

#[derive(Default)]
struct Columns {
    spans: Vec<u64>,
    ordinal: Int64Builder,
    depth: Int32Builder,
    path: StringBuilder,
    orphan: BooleanBuilder,
    offset_ms: Float64Builder,
    duration_ms: Float64Builder,
    self_ms: Float64Builder,
    share: Float64Builder,
    child_count: Int64Builder,
    subtree_errors: Int64Builder,
}

impl Columns {
    fn finish(mut self) -> (Vec<u64>, Vec<(FieldRef, ArrayRef)>) {
        let columns: [ArrayRef; 10] = [
            Arc::new(self.ordinal.finish()),
            Arc::new(self.depth.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.orphan.finish()),
            Arc::new(self.offset_ms.finish()),
            Arc::new(self.duration_ms.finish()),
            Arc::new(self.self_ms.finish()),
            Arc::new(self.share.finish()),
            Arc::new(self.child_count.finish()),
            Arc::new(self.subtree_errors.finish()),
        ];
        (self.spans, computed().into_iter().zip(columns).collect())
    }

    fn add(&mut self, lists: &SpanLists, list: usize) -> Result<usize> {
        let range = lists.range(list);
        let spans = lists.spans(range.clone())?;
        let forest = Forest::new(&spans);
        let paths = call_paths(&spans, &lists.names(range.clone()), &forest);
        let selves = self_times(&spans, &forest);
        let all: f64 = selves.iter().flatten().map(|nanos| *nanos as f64).sum();
        let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
        let errors = subtree_errors(&forest, |span| lists.failed(range.start + span));
        for (place, span) in forest.preorder().iter().copied().enumerate() {
            let of = &spans[span];
            self.spans.push((range.start + span) as u64);
            self.ordinal.append_value(place as i64 + 1);
            self.depth.append_value(i32::try_from(forest.depth(span)).unwrap_or(i32::MAX));
            self.path.append_value(&paths[span]);
            self.orphan.append_value(of.parent_id.is_some() && forest.parent(span).is_none());
            self.offset_ms.append_value(millis(of.start.saturating_sub(first)));
            self.duration_ms.append_option(of.duration.map(millis));
            self.self_ms.append_option(selves[span].map(millis));
            self.share.append_option(selves[span].filter(|_| all > 0.0).map(|nanos| nanos as f64 / all));
            self.child_count.append_value(forest.children(span).len() as i64);
            self.subtree_errors.append_value(errors[span]);
        }
        Ok(spans.len())
    }
}

/// The spans of status ERROR at and below each.
fn subtree_errors(forest: &Forest, failed: impl Fn(usize) -> bool) -> Vec<i64> {
    let mut errors: Vec<i64> = (0..forest.preorder().len()).map(|span| i64::from(failed(span))).collect();
    for span in forest.preorder().iter().rev() {
        if let Some(parent) = forest.parent(*span) {
            errors[parent] += errors[*span];
        }
    }
    errors
}

fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

impl ScalarUDFImpl for TraceTreeOf {
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
            let what = "Of a list of spans, structs with the columns of table spans that it needs, the same spans in the order \
                        of their trees, each with ordinal, depth, path, orphan, offset_ms, duration_ms, self_ms, share, \
                        child_count and subtree_errors as in the macro trace_tree.";
            let usage = "trace_tree_of(array_agg(named_struct('span_id', span_id, ...)))";
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
