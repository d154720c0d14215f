//! The OTLP messages as they are read, whichever the encoding.
//!
//! Each struct is filled by one `read` function over a [`Wire`](super::wire::Wire), cleared, and filled again: text
//! stays in the request, attributes in one list, so a record costs no allocation. They say what was sent; what
//! becomes of it is decided in `rows/`.

mod attributes;
mod log;
mod metric;
mod point;
mod resource;
mod span;

pub(crate) use attributes::{Attribute, AttributeList, AttributeReader};
pub(crate) use log::LogRecord;
pub(crate) use metric::{Metric, MetricKind};
pub(crate) use point::{Exemplar, Number, Point};
pub(crate) use resource::{Resource, Scope};
pub(crate) use span::{Event, Link, Span};
