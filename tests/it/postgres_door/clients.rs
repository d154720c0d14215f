//! Clients of Python and Node, each by a script in `tests/clients` that checks what it gets.

use std::process::Command;

use super::{server, until_metric};
use crate::support::clients::node;
use crate::support::python::python;
use crate::support::server::Server;

fn passes(mut command: Command, server: &Server, what: &str) {
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    command.args([what, host, port, &server.http()]).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}{errors}", output.status);
    assert!(out.ends_with("passed\n"), "{what}: {out}{errors}");
}

fn python_script() -> Command {
    let mut command = tokio::task::block_in_place(python);
    command.arg("postgres");
    command
}

#[rstest::rstest]
#[case("psycopg_values")]
#[case("psycopg_cursors")]
#[case("psycopg_copy")]
#[case("psycopg_cancel")]
#[case("sqlalchemy_core")]
#[tokio::test(flavor = "multi_thread")]
async fn python_is_answered(#[case] what: &str) {
    let (_home, server) = server().await;
    passes(python_script(), &server, what);
    until_metric(&server, "telestrata_running_queries", "", 0.0).await;
}

#[rstest::rstest]
#[case("values")]
#[case("cursor")]
#[tokio::test(flavor = "multi_thread")]
async fn node_is_answered(#[case] what: &str) {
    let (_home, server) = server().await;
    let command = tokio::task::block_in_place(|| node("postgres.js"));
    passes(command, &server, what);
    until_metric(&server, "telestrata_running_queries", "", 0.0).await;
}

/// DuckDB reads the door's answers as a table.
#[tokio::test(flavor = "multi_thread")]
async fn duckdb_is_answered() {
    let (_home, server) = server().await;
    passes(python_script(), &server, "duckdb_query");
    until_metric(&server, "telestrata_running_queries", "", 0.0).await;
}
