//! SQLAlchemy's reflection; DuckDB's ATTACH.

use super::server;
use crate::support::python::python;

#[rstest::rstest]
#[case("reflection")]
#[case("duckdb")]
#[tokio::test(flavor = "multi_thread")]
async fn it_learns_of_the_tables(#[case] what: &str) {
    let (_home, server) = server().await;
    let mut command = tokio::task::block_in_place(python);
    command.args(["postgres_catalogue.py", what, &server.postgres()]).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("passed\n"), "{out}{errors}");
}
