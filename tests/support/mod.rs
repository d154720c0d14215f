//! What integration tests share.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod certificates;
pub mod clients;
pub mod each_operation;
pub mod fault_run;
pub mod fault_store;
pub mod jdbc;
pub mod logs;
pub mod otlp_gen;
pub mod otlp_json;
pub mod otlp_rows;
pub mod people;
pub mod proxy;
pub mod psql;
pub mod python;
pub mod s3;
pub mod server;
