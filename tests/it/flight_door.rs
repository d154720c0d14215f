//! Arrow Flight SQL with its real clients: ADBC's driver, Polars, pandas, DuckDB and PyArrow's Flight
//! (`tests/clients/python/flight`, where each check says what it asks), and arrow-flight's own.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::CommandGetTables;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use tonic::transport::Channel;

use crate::readers::{FLUSH_BY_HAND, store_batch};
use crate::support::people::everyone;
use crate::support::python::python;
use crate::support::server::{Home, Server};

type Client = FlightSqlServiceClient<Channel>;

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

#[tokio::test(flavor = "multi_thread")]
async fn users_and_tokens_come_in_and_do_what_they_may() {
    let home = Home::new(&everyone());
    check("credentials", &home.serve()).await;
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

/// The rows of a ticket.
async fn read(client: &mut Client, info: FlightInfo) -> Result<RecordBatch, FlightError> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let stream = client.do_get(ticket).await?;
    let told = Arc::new(info.try_decode_schema()?);
    let batches: Vec<_> = stream.try_collect().await?;
    Ok(concat_batches(&told, &batches)?)
}

/// What gRPC allows a message by default is what this client takes.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_arrow_flight_reads_what_is_larger_than_a_message() {
    let (_home, server) = server_with_data("").await;
    let channel = Channel::from_shared(format!("http://{}", server.flight())).unwrap().connect().await.unwrap();
    let mut client = Client::new(channel);
    client.handshake("ann", "secret").await.unwrap();
    assert!(client.token().is_some());

    let large = "SELECT value, repeat('x', CAST(value % 5000 AS int)) AS text FROM generate_series(1, 20000)";
    let info = client.execute(large.to_owned(), None).await.unwrap();
    let rows = read(&mut client, info).await.unwrap();
    assert_eq!(rows.num_rows(), 20_000);
    assert!(rows.get_array_memory_size() > 40 << 20);

    let mut statement = client.prepare("SELECT $1 + 1 AS n, $2 AS t".to_owned(), None).await.unwrap();
    assert_eq!(statement.parameter_schema().unwrap().fields().len(), 2);
    for number in [Some(41), None] {
        let columns = [
            ("any", Arc::new(Int64Array::from(vec![number])) as ArrayRef),
            ("name", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ];
        statement.set_parameters(RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        let info = statement.execute().await.unwrap();
        let row = read(&mut client, info).await.unwrap();
        let expected = [Arc::new(Int64Array::from(vec![number.map(|n| n + 1)])) as ArrayRef];
        assert_eq!(row.columns()[..1], expected);
    }
    statement.close().await.unwrap();

    let tables =
        CommandGetTables { table_name_filter_pattern: Some("sp_ns".to_owned()), ..CommandGetTables::default() };
    let info = client.get_tables(tables).await.unwrap();
    assert_eq!(read(&mut client, info).await.unwrap().num_rows(), 1);
    let refused = client.execute_update("DELETE FROM spans".to_owned(), None).await.unwrap_err();
    assert!(refused.to_string().contains("only queries are answered here"), "{refused}");
}
