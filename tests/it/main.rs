//! The program as its users and operators meet it: real processes, real clients, real files.

#![allow(unreachable_pub, clippy::clone_on_ref_ptr, reason = "a test binary has no public surface to keep small")]

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod crash;
mod durability;
mod export;
mod handoff;
mod http_api;
mod otlp_decode;
mod otlp_doors;
mod otlp_rules;
mod roundtrip;
mod server_support;
mod views;
