//! Work on a lake beside taking and asking.

mod check;

pub use check::{
    Application, Check, CheckReport, Code, Finding, Severity, TableReport, WalReport, check, compare_configuration,
};
