//! psql. Its backslash commands are in the tests of the catalogue.

use std::io::Write;
use std::process::Stdio;

use super::server;
use crate::support::psql::psql;
use crate::support::server::Server;

/// What psql prints for a script: its output and its errors.
fn psql_says(server: &Server, options: &[&str], script: &str) -> (String, String) {
    psql_as("user=ann", &[], server, options, script)
}

/// The same with a connection string and an environment.
pub(super) fn psql_as(
    who: &str,
    env: &[(&str, &str)],
    server: &Server,
    options: &[&str],
    script: &str,
) -> (String, String) {
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut child = psql()
        .arg(format!("host={host} port={port} dbname=telestrata {who}"))
        .args(options)
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_answered() {
    let (_home, server) = server().await;
    let script = "SELECT 1 AS one, NULL AS nothing;\nBEGIN;\nSELECT count(*) FROM logs;\nCOMMIT;\n\
                  SET application_name = 'x';\nSHOW application_name;\nSELECT body FROM logs WHERE body = 'log 5';\n";
    let (out, errors) = psql_says(&server, &["--no-align", "--tuples-only"], script);
    assert_eq!((out.as_str(), errors.as_str()), ("1|\nBEGIN\n1000\nCOMMIT\nSET\nx\nlog 5\n", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_points_at_its_place_and_a_script_goes_on() {
    let (_home, server) = server().await;
    let (out, errors) =
        psql_says(&server, &["--no-align", "--tuples-only"], "SELECT body,\n  nmae FROM logs;\nSELECT 2;\n");
    assert_eq!(out, "2\n");
    assert!(
        errors.contains("there is no column nmae") && errors.contains("LINE 2:   nmae FROM logs;\n          ^"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_to_a_file_and_fetched_in_parts() {
    let (home, server) = server().await;
    let file = home.path().join("copied.csv");
    let script = format!(
        "\\copy (SELECT body, time FROM logs ORDER BY time, body LIMIT 2) TO '{}' WITH CSV HEADER\n",
        file.display()
    );
    let (out, errors) = psql_says(&server, &[], &script);
    assert_eq!((out.as_str(), errors.as_str()), ("COPY 2\n", ""));
    let copied = std::fs::read_to_string(file).unwrap();
    assert_eq!(copied, "body,time\nlog 0,2023-11-14 22:13:20+00\nlog 1,2023-11-14 22:13:21+00\n");
    let script = "\\set FETCH_COUNT 100\nSELECT value FROM generate_series(1, 1050);\n";
    let (out, errors) = psql_says(&server, &["--no-align", "--tuples-only"], script);
    assert_eq!((out.lines().count(), errors.as_str()), (1050, ""));
    let (out, errors) = psql_says(&server, &["--no-align", "--tuples-only"], "\\conninfo\n");
    assert!(out.contains("as user \"ann\""), "{out}{errors}");
}
