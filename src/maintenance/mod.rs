//! Jobs over a lake. In this version: [`check_files`], which holds the Delta log against what is stored.

mod check;

pub use check::{FileCheck, check_files};
