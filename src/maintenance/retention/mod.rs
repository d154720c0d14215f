//! Retention.

mod rules;

pub use rules::{Age, Condition, RetentionRules, TRACES, TableRule, TraceCondition, TraceRule};
