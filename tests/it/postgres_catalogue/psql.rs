//! psql's backslash commands.

use std::io::Write;
use std::process::Stdio;

use super::{COLUMNS, server};
use crate::support::psql::psql;
use crate::support::server::Server;

/// What psql writes where others write errors when there is nothing of a kind, and all that it may.
const NOTHING_OF_IT: [&str; 2] = ["", "Did not find any relations.\n"];

/// What psql prints, by both of its outputs.
fn psql_says(server: &Server, script: &str) -> String {
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut child = psql()
        .args(["--host", host, "--port", port, "--username", "ann", "--dbname", "telestrata", "--no-align"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && NOTHING_OF_IT.contains(&errors.as_str()), "{script}{errors}");
    format!("{}{errors}", String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_described() {
    let (_home, server) = server().await;
    for command in [r"\d logs", r"\d public.logs"] {
        let said = psql_says(&server, &format!("{command}\n"));
        assert!(said.starts_with("Table \"public.logs\"\nColumn|Type|Collation|Nullable|Default\n"), "{said}");
        for (column, data_type) in COLUMNS {
            assert!(said.contains(&format!("\n{column}|{data_type}||")), "{column} {data_type}\n{said}");
        }
    }
    let said = psql_says(&server, "\\d+ logs\n");
    assert!(said.contains("service_name|text||||extended|"), "{said}");
    let described = said.lines().filter(|line| line.starts_with("time|")).all(|line| !line.ends_with('|'));
    assert!(described, "every column of the contract is described: {said}");
    let said = psql_says(&server, "\\d+ errors\n");
    assert!(said.contains("View \"public.errors\"") && said.contains("View definition:"), "{said}");
    assert!(said.contains("first_seen|timestamp with time zone|"), "{said}");
}

/// A command, and what it says among other things.
const COMMANDS: &[(&str, &str)] = &[
    (r"\d", "public|logs|table|telestrata"),
    (r"\dt", "public|spans|table|telestrata"),
    (r"\dt+", "public|metrics|table|telestrata"),
    (r"\dt l*", "public|logs|table|telestrata"),
    (r"\dv", "public|span_logs|view|telestrata"),
    (r"\dv+ errors", "One row a distinct error"),
    (r"\d system.files", "size_bytes|bigint"),
    (r"\dn", "public|telestrata"),
    (r"\dn+", "system|telestrata"),
    (r"\df trace_tree", "public|trace_tree|"),
    (r"\df+ time_bucket", "public|time_bucket|"),
    (r"\l", "telestrata|telestrata|UTF8"),
    (r"\du", "telestrata|"),
    (r"\dT json", "pg_catalog|json|"),
    (r"\dp logs", "public|logs|table|"),
    (r"\sv errors", "CREATE OR REPLACE VIEW public.errors"),
    (r"\di", "Did not find any relations."),
    (r"\dx", "(0 rows)"),
    (r"\dS pg_class", "relname"),
];

#[tokio::test(flavor = "multi_thread")]
async fn commands_list_what_there_is() {
    let (_home, server) = server().await;
    for (command, expected) in COMMANDS {
        let said = psql_says(&server, &format!("{command}\n"));
        assert!(said.contains(expected), "{command}\n{said}");
    }
}
