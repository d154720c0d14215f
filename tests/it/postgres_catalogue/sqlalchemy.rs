//! SQLAlchemy's reflection.

use super::server;
use crate::support::python::python;

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_views_are_reflected() {
    let (_home, server) = server().await;
    let mut command = tokio::task::block_in_place(python);
    command.args(["postgres_catalogue.py", &server.postgres()]).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("passed\n"), "{out}{errors}");
}
