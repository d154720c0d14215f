//! The catalogue can be read, and nothing else.

use tokio_postgres::NoTls;

use super::server;

const REFUSED: &[&str] = &[
    // Nothing reads files.
    "SELECT * FROM pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd'), version()",
    "SELECT pg_ls_dir('/'), version()",
    "SELECT c.oid, f.* FROM pg_class c, read_parquet('/etc/passwd') f",
    "SELECT c.oid FROM pg_class c, '/etc/passwd' f",
    "SELECT c.oid FROM pg_class c, \"/etc/passwd\" f",
    "SELECT c.oid FROM pg_class c, \"file:///etc/passwd\".x f",
    "SELECT lo_import('/etc/passwd'), version()",
    "SELECT * FROM pg_class, dblink('host=elsewhere', 'select 1')",
    // Nothing writes.
    "INSERT INTO pg_catalog.pg_class SELECT * FROM pg_catalog.pg_class",
    "UPDATE pg_catalog.pg_class SET relname = 'x'",
    "DELETE FROM pg_catalog.pg_class",
    "SELECT * INTO copied FROM pg_catalog.pg_class",
    "CREATE TABLE copied AS SELECT * FROM pg_catalog.pg_class",
    "CREATE EXTERNAL TABLE pg_catalog.x STORED AS CSV LOCATION '/etc/passwd'",
    "COPY (SELECT * FROM pg_class) TO '/tmp/telestrata-copied'",
    "WITH gone AS (DELETE FROM pg_class RETURNING oid) SELECT * FROM gone",
    // The lake has no rows here, and says so.
    "SELECT count(*) FROM logs, pg_class",
    "SELECT (SELECT count(*) FROM logs) FROM pg_class",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_catalogue_can_be_read() {
    let (_home, server) = server().await;
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let config = format!("host={host} port={port} user=ann dbname=telestrata");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    for sql in REFUSED {
        let answer = client.simple_query(sql).await;
        assert!(answer.as_ref().is_err_and(|error| error.as_db_error().is_some()), "{sql}: {answer:?}");
        // And the session goes on.
        assert_eq!(client.query_one("SELECT count(*) FROM pg_namespace", &[]).await.unwrap().get::<_, i64>(0), 4);
    }
}
