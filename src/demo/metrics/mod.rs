//! One instance's metrics: what it measures of its spans (`meter`, by the forms of `aggregate`), what its process reports
//! about itself (`process`), and the OTLP they are collected into (`points`).

mod aggregate;
mod exponential;
mod meter;
mod points;
mod process;

pub(super) use meter::Meter;
pub(super) use points::data_point_count;
