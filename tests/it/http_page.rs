//! The examples of docs/http-api.md do what they say.

use std::process::Command;

use super::server_support::TestServer;

/// Each command, and what it prints up to a `...`.
fn examples(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .flat_map(|block| block.split("$ ").skip(1))
        .map(|example| example.split_once('\n').map(|(command, said)| (command.to_owned(), said.to_owned())).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_page_do_what_they_say() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http-api.md")).unwrap();
    let server = TestServer::start().await;
    let address = server.api("");
    let examples = examples(&page);
    assert!(examples.len() > 8, "few examples");
    for (command, expected) in examples {
        let run = command.replace("http://127.0.0.1:8710", &address);
        let output = tokio::task::block_in_place(|| Command::new("sh").args(["-c", &run]).output().unwrap());
        let said = String::from_utf8(output.stdout).unwrap();
        let (said, expected) = (said.trim_end(), expected.trim_end());
        match expected.split_once("...") {
            Some((start, _)) => assert!(said.starts_with(start), "{command}\n{said}"),
            None => assert_eq!(said, expected, "{command}"),
        }
    }
}
