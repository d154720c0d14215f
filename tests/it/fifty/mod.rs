//! The same fifty queries through every door give the same names, types and rows; and each door, in its own words, the
//! same errors, bounded memory and a stop.
//!
//! `queries/` has a file each: what it is for, its parameters, its SQL. Each door is asked by a client of its own
//! (`tests/clients/python/doors`), whose answers are brought into one form; HTTP's Arrow stream is the reference. What a
//! door can't say is in a table of docs/clients.md (`types.rs`) and in [`doors::exceptions`].

mod answer;
mod cancelled;
mod doors;
mod errors;
mod large;
mod types;

use serde_json::{Value, json};

use self::answer::{Answer, Query, differences};
use self::doors::DOORS;
use self::types::Types;
use crate::readers::fixture::requests;
use crate::support::server::{Home, Server};

/// A lake with rows in files and rows in memory.
async fn serve(config: &str) -> (Home, Server) {
    let home = Home::new(&format!("[flush]\nage = '1h'\n{config}"));
    let server = home.serve();
    for (batch, number) in [("cold", 1), ("hot", 2)] {
        for (path, body) in requests(batch, number) {
            send(&server, path, &body).await;
        }
        if batch == "cold" {
            server.flush().await;
        }
    }
    (home, server)
}

async fn send(server: &Server, path: &str, body: &Value) {
    let request = reqwest::Client::new().post(format!("{}{path}", server.otlp_http())).json(body);
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_gives_the_same_names_types_and_rows() {
    let (_home, server) = serve("").await;
    let mut queries = Query::all();
    let types = Types::documented();
    let reference = tokio::task::block_in_place(|| doors::reference(&server, &queries));
    let failed: Vec<_> = reference.iter().filter(|answer| answer.error.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    check_that_it_proves_something(&reference);
    for (query, answer) in queries.iter_mut().zip(&reference) {
        query.types = answer.types();
    }
    let mut wrong = Vec::new();
    let answers = tokio::task::block_in_place(|| doors::ask_all(&server, &queries));
    for (door, answers) in DOORS.iter().zip(answers) {
        wrong.extend(differences(door, &types, &queries, &reference, &answers));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    server.terminate();
}

/// Queries whose answers are empty or all of one kind would agree everywhere.
fn check_that_it_proves_something(reference: &[Answer]) {
    assert!(reference.len() >= 50);
    let of = |name: &str| reference.iter().find(|answer| answer.name.ends_with(name)).unwrap();
    for answer in reference {
        assert_eq!(answer.rows.is_empty(), answer.name.contains("_no_rows_"), "{}", answer.name);
    }
    assert_eq!(of("_wide").types().len(), 200);
    assert!(of("_long_text").rows[0][0].as_str().unwrap().len() > 2_000_000);
    assert_eq!(of("_hot_and_flushed").rows.len(), 2);
    assert_eq!(of("_doubles").rows[0][3], json!("-0.0"));
    let all: std::collections::BTreeSet<String> = reference.iter().flat_map(Answer::types).collect();
    assert!(all.len() > 30, "few types: {all:?}");
}
