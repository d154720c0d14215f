//! The PostgreSQL door, with the clients that people have.

mod clients;
mod limits;
mod login;
mod protocol;
mod psql;

use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, Server};

/// The second of the first log.
const DAY: u64 = 1_700_000_000;

/// A server with a thousand logs.
async fn server() -> (Home, Server) {
    server_with("").await
}

async fn server_with(config: &str) -> (Home, Server) {
    let home = Home::new(config);
    let server = tokio::task::block_in_place(|| home.serve());
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("door", 0..1000, DAY)).await.unwrap();
    (home, server)
}

/// A connection of tokio-postgres, as nobody in particular.
async fn connect(server: &Server) -> Client {
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let (client, connection) =
        tokio_postgres::connect(&format!("host={host} port={port} user=ann dbname=telestrata"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until a metric has a value.
async fn until_metric(server: &Server, name: &str, labels: &str, value: f64) {
    let asking = async {
        while server.metric(name, labels).await != value {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("what was waited for did not come");
}
