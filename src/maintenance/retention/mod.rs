//! Retention: what goes with age, by rules in SQL.
//!
//! Guarantees: what a run takes is what its plan shows, since both ask `fates.rs` of each row; a trace's spans and logs are
//! decided together, once and for ever, before the first of its rows goes; rows that chance kept are weighted in the very
//! commit that says so, so never twice; every commit is a compare-and-swap with its proof and ledger entry. A run that is
//! stopped leaves the tables right, and the next one goes on from there. A date that fails leaves the others to be done.
//!
//! ```text
//! rules.rs      the rules, and where a date stands with them; a file's mark says by which rules it was judged
//! judge.rs      whole traces --> the rule's condition (judge.sql, over the view traces) --> kept or dropped, weight
//! decisions.rs  --> trace_decisions, an open table: committed before the first rewrite
//! fates.rs      a row --> goes, stays, stays for now; the sieve of a rewrite
//! survey.rs     a file --> nothing to do, removed whole, copied under a new mark, rewritten
//! run.rs        date by date: judge, survey, act
//! act.rs        removed, copied, rewritten
//! caps.rs       max_bytes: the oldest dates go
//! report.rs     what goes and stays, by rule and reason
//! ```
//! Memory: the traces of a date, some 50 bytes each, and what a rewrite takes.

mod act;
mod caps;
mod decisions;
mod fates;
mod judge;
mod report;
mod rules;
mod run;
mod survey;

pub use decisions::DECISIONS;
pub use report::{RetentionCommit, RetentionFailure, RetentionLine, RetentionReport};
pub use rules::{Age, Condition, RetentionRules, TRACES, TableRule, TraceCondition, TraceRule};
pub use run::Retention;

/// Rows of one trace id whose dates lie further apart than this many days are two traces.
const REACH_DAYS: u64 = 7;
