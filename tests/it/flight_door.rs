//! Arrow Flight SQL with its real clients: ADBC's driver, Polars, pandas, DuckDB and PyArrow's Flight
//! (`tests/clients/python/flight`, where each check says what it asks), and arrow-flight's own.

use crate::readers::{FLUSH_BY_HAND, store_batch};
use crate::support::python::python;
use crate::support::server::{Home, Server};

/// Runs the checks of a topic.
async fn check(topic: &str, server: &Server) {
    let mut command = python();
    command.args(["-m", "flight", topic, &server.flight(), &server.http()]).env("TZ", "Asia/Kathmandu");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{topic}: {}\n{}", said(&output.stdout), said(&output.stderr));
    print!("{}", said(&output.stdout));
}

/// A server with some of everything.
async fn server_with_data(config: &str) -> (Home, Server) {
    let home = Home::new(&format!("{config}{FLUSH_BY_HAND}"));
    let server = home.serve();
    store_batch(&server, "first", 0).await;
    store_batch(&server, "second", 1).await;
    (home, server)
}

#[rstest::rstest]
#[case::answers("answers")]
#[case::catalogue("catalogue")]
#[case::frames("frames")]
#[case::parameters("parameters")]
#[case::refusals("refusals")]
#[tokio::test(flavor = "multi_thread")]
async fn python_clients_get_what_they_ask_for(#[case] topic: &str) {
    let (_home, server) = server_with_data("").await;
    check(topic, &server).await;
}

/// The most memory that a process has had, in bytes.
fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Six hundred megabytes through a limit of sixty-four.
#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_in_memory_and_end_when_they_are_cancelled() {
    let (_home, server) = server_with_data("memory_limit = \"64 MiB\"\n").await;
    let before = peak_memory(&server);
    check("streams", &server).await;
    let grown = peak_memory(&server) - before;
    assert!(grown < 200 << 20, "the server grew by {} MiB", grown >> 20);
}
