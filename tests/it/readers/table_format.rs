//! What a lake says of itself: the protocol, a comment on every column, a README that can be followed.

use serde_json::{Value, json};

use super::answers::{FLUSH_BY_HAND, PROMOTE, store_batch};
use super::reader::Reader;
use crate::support::server::Home;

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_explains_itself_to_a_reader() {
    let mut home = Home::new(FLUSH_BY_HAND);
    let server = home.serve();
    store_batch(&server, "old", 0).await;
    server.terminate();
    home.reconfigure(&format!("{FLUSH_BY_HAND}{PROMOTE}"));
    let server = home.serve();
    store_batch(&server, "new", 1).await;

    let lake = home.lake();
    let mut deltalake = Reader::start("deltalake");
    let mut ask = |question: &str, table: &str| deltalake.ask(&lake, &json!([question, table])).unwrap();
    for table in ["logs", "spans", "metrics"] {
        assert_eq!(ask("protocol", table), [json!([1, 2, []])], "{table}");
        assert_eq!(ask("partitions", table), [json!(["date"])], "{table}");
        let comments = ask("comments", table);
        let columns = server.sql(&format!("describe {table}")).await;
        assert!(comments.len() >= columns.len(), "{table}: {comments:?}");
        for column in &comments {
            assert!(column[1].as_str().is_some_and(|comment| comment.len() > 3), "{table}: no comment: {column}");
        }
        let tenant = "attributes['tenant.id'], else resource_attributes['tenant.id']";
        assert!(comments.contains(&json!(["tenant", tenant])), "{table}: {comments:?}");
        // A promotion changes the schema; the files that are there stay as they are.
        let with_column = |file: &Value| file[1].as_array().unwrap().contains(&json!("tenant"));
        let (new, old): (Vec<_>, Vec<_>) = ask("files", table).into_iter().partition(with_column);
        assert!(!new.is_empty() && !old.is_empty(), "{table}: {new:?} {old:?}");
    }

    let readme = std::fs::read_to_string(lake.join("README.md")).unwrap();
    for reader in ["scan_delta", "to_pandas", "delta_scan", "deltaLakeLocal", "telestrata sql", "by a glob", "coalesce"]
    {
        assert!(readme.contains(reader), "the README says nothing of {reader}:\n{readme}");
    }
}
