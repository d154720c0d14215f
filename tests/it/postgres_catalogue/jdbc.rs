//! JDBC's DatabaseMetaData.

use super::server;
use crate::support::jdbc::jdbc;

#[tokio::test(flavor = "multi_thread")]
async fn its_metadata_is_answered() {
    let Some(mut command) = tokio::task::block_in_place(|| jdbc("Metadata.java")) else {
        eprintln!("skipped: this machine has no Java that compiles (Debian: openjdk-17-jdk-headless)");
        return;
    };
    let (_home, server) = server().await;
    command.args([format!("jdbc:postgresql://{}/telestrata", server.postgres()), "ann".to_owned()]);
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    let has = |text: &str| assert!(out.contains(text), "{text}\n{out}");
    has("product: PostgreSQL 16\n");
    has("schema: telestrata.public\n");
    has("schemas: table_schem=public|");
    has("|TABLE_SCHEM=public|TABLE_NAME=logs|TABLE_TYPE=TABLE|REMARKS=One row a log record.|");
    has("views: TABLE_CAT=null|TABLE_SCHEM=public|TABLE_NAME=span_logs|TABLE_TYPE=VIEW|");
    for (column, data_type) in [
        ("time", "93|TYPE_NAME=timestamptz"),
        ("attributes", "1111|TYPE_NAME=json"),
        ("severity_number", "4|TYPE_NAME=int4"),
        ("body", "12|TYPE_NAME=text"),
    ] {
        has(&format!("|TABLE_NAME=logs|COLUMN_NAME={column}|DATA_TYPE={data_type}|"));
    }
    for nothing in ["primary keys", "imported keys", "exported keys", "cross reference", "indexes", "user types"] {
        has(&format!("\n{nothing} has 0\n"));
    }
    has("types: TYPE_NAME=json|");
    has("|FUNCTION_NAME=trace_tree|");
    has("|TABLE_NAME=logs|GRANTOR=telestrata|GRANTEE=PUBLIC|PRIVILEGE=SELECT|");
    has("\ntable privileges has 1\n");
    has("keywords: true 63\n");
    has("column: attributes json\n");
    has("body: log 3\n");
}
