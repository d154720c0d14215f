//! The protocol itself, by tokio-postgres and by hand.

use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::types::Type;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::{connect, server, until_metric};

const RUNNING: &str = "telestrata_running_queries";
const QUERIES: &str = "telestrata_queries_total";
const ENDLESS: &str = "SELECT value FROM generate_series(1, 9000000000000000)";
const SILENT: &str = "SELECT max(value) FROM generate_series(1, 9000000000000000)";

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_results_are_binary() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let row = client
        .query_one(
            "SELECT count(*) AS n, max(body) AS body FROM logs WHERE body = $1 AND severity_number < $2 AND time >= $3",
            &[&"log 7", &10_i32, &SystemTime::UNIX_EPOCH],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>("n"), row.get::<_, &str>("body")), (1, "log 7"));

    let row = client
        .query_one(
            "SELECT true AS b, 1::smallint AS i2, 2::int AS i4, 3::bigint AS i8, 1.5::real AS f4, 0.1::double AS f8, \
             'ü' AS t, x'00ff' AS bytes, NULL AS nothing, time, trace_id, attributes FROM logs WHERE body = $1",
            &[&"log 999"],
        )
        .await
        .unwrap();
    let types: Vec<&Type> = row.columns().iter().map(|column| column.type_()).collect();
    let expected = [
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::TEXT,
        Type::BYTEA,
        Type::TEXT,
        Type::TIMESTAMPTZ,
        Type::TEXT,
        Type::JSON,
    ];
    assert_eq!(types, expected.iter().collect::<Vec<_>>());
    assert!(row.get::<_, bool>("b"));
    assert_eq!((row.get::<_, i16>("i2"), row.get::<_, i32>("i4"), row.get::<_, i64>("i8")), (1, 2, 3));
    assert_eq!((row.get::<_, f32>("f4"), row.get::<_, f64>("f8")), (1.5, 0.1));
    assert_eq!((row.get::<_, &str>("t"), row.get::<_, &[u8]>("bytes")), ("ü", &[0_u8, 255][..]));
    assert_eq!((row.get::<_, Option<&str>>("nothing"), row.get::<_, Option<&str>>("trace_id")), (None, None));
    let time: SystemTime = row.get("time");
    assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(super::DAY + 999));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_as_postgresql_writes_it() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let sql = "SELECT true, 1.50::decimal(10,2), 1e300::double, 'NaN'::double, date '2024-02-29', \
               timestamp '2024-01-31 12:00:00.5', time, interval '1 month 2 days', x'00ff', attributes['number'], \
               make_array(1, NULL), 18446744073709551615::bigint unsigned, attributes \
               FROM logs WHERE body = 'log 3'";
    let messages = client.simple_query(sql).await.unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.unwrap();
    let texts: Vec<&str> = (0..row.len()).map(|index| row.get(index).unwrap()).collect();
    let expected = [
        "t",
        "1.50",
        "1e+300",
        "NaN",
        "2024-02-29",
        "2024-01-31 12:00:00.5",
        "2023-11-14 22:13:23+00",
        "1 mon 2 days",
        "\\x00ff",
        "3",
        "[1,null]",
        "18446744073709551615",
        r#"{"number":"3"}"#,
    ];
    assert_eq!(texts, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_one_text_are_answered_in_turn_and_transactions_have_a_state() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let messages = client.simple_query("BEGIN; SELECT 1 AS one; SELECT 2 AS two; SAVEPOINT a; COMMIT").await.unwrap();
    let rows: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    assert_eq!(rows, ["1", "2"]);

    client.batch_execute("BEGIN").await.unwrap();
    let wrong = client.simple_query("SELECT nmae FROM logs").await.unwrap_err();
    assert_eq!(wrong.code(), Some(&SqlState::UNDEFINED_COLUMN));
    let failed = client.simple_query("SELECT 1").await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    let failed = client.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    client.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute("BEGIN; SAVEPOINT a").await.unwrap();
    client.batch_execute("SELECT nmae FROM logs").await.unwrap_err();
    client.batch_execute("ROLLBACK TO SAVEPOINT a; SELECT 1; COMMIT").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_has_its_code_and_place() {
    let cases = [
        ("SELECT nmae FROM logs", "42703", Some(8)),
        ("SELECT 1;\n SELEC 2", "42601", Some(12)),
        ("SELECT * FROM lgos", "42P01", Some(15)),
        ("SELECT frobnicate(1)", "42883", Some(8)),
        ("INSERT INTO logs VALUES (1)", "42501", None),
        ("CREATE TABLE t (a int)", "42501", None),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "42501", None),
        ("COPY logs FROM STDIN", "42501", None),
        ("COPY logs TO '/tmp/telestrata-copy'", "42501", None),
        ("COPY (SELECT 1) TO PROGRAM 'sh'", "42501", None),
        ("SET TimeZone = 'Europe/Berlin'", "22023", None),
        ("SET client_encoding = 'LATIN1'", "22023", None),
        ("SET datafusion.execution.batch_size = 1; SELECT x", "42703", None),
        ("SHOW nonsense", "42704", None),
        ("FETCH 1 FROM nothing", "34000", None),
        ("DECLARE c CURSOR FOR SELECT 1", "25P01", None),
        ("EXECUTE nothing", "26000", None),
    ];
    let (_home, server) = server().await;
    let client = connect(&server).await;
    for (sql, code, place) in cases {
        let error = client.simple_query(sql).await.unwrap_err();
        let refused = error.as_db_error().unwrap();
        assert_eq!(refused.code().code(), code, "{sql}: {refused:?}");
        if let Some(place) = place {
            assert_eq!(refused.position(), Some(&ErrorPosition::Original(place)), "{sql}: {refused:?}");
        }
        // The session goes on.
        assert_eq!(client.query_one("SELECT 1::int", &[]).await.unwrap().get::<_, i32>(0), 1);
    }
}

/// Types that the client does not give follow from the query.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_the_types_that_their_places_tell() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let sql =
        "SELECT $1::bigint + 1 AS sum, count(*) AS n FROM logs WHERE body = ANY($2) AND severity_number <> ALL($3)";
    let statement = client.prepare(sql).await.unwrap();
    assert_eq!(statement.params(), [Type::INT8, Type::TEXT_ARRAY, Type::INT4_ARRAY]);
    let row = client.query_one(&statement, &[&41_i64, &vec!["log 1", "log 2", "none"], &vec![1_i32]]).await.unwrap();
    assert_eq!((row.get::<_, i64>("sum"), row.get::<_, i64>("n")), (42, 2));
    let none: Vec<&str> = Vec::new();
    let row = client.query_one(&statement, &[&41_i64, &none, &vec![1_i32]]).await.unwrap();
    assert_eq!(row.get::<_, i64>("n"), 0);
    let rows = client.query("SELECT body FROM logs ORDER BY time, body LIMIT $1 OFFSET $2", &[&3_i64, &1_i64]).await;
    assert_eq!(rows.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_names_its_parameter() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let statement = client.prepare_typed("SELECT $1::int", &[Type::TEXT]).await.unwrap();
    assert_eq!(client.query_one(&statement, &[&"12"]).await.unwrap().get::<_, i32>(0), 12);
    let statement = client.prepare("SELECT body FROM logs WHERE severity_number = $1 LIMIT 1").await.unwrap();
    assert_eq!(statement.params(), [Type::INT4]);
    let statement = client.prepare_typed("SELECT $1", &[Type::POINT]).await;
    assert_eq!(statement.unwrap_err().code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
}

/// A portal gives as many rows as it is asked for, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_portal_is_fetched_in_parts() {
    let (_home, server) = server().await;
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT value FROM generate_series(1, 25000)", &[]).await.unwrap();
    let mut next = 1_i64;
    loop {
        let rows = transaction.query_portal(&portal, 10_000).await.unwrap();
        for row in &rows {
            assert_eq!(row.get::<_, i64>(0), next);
            next += 1;
        }
        if rows.len() < 10_000 {
            break;
        }
    }
    assert_eq!(next, 25_001);
    // An endless one stops with its transaction.
    let portal = transaction.bind(ENDLESS, &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&portal, 5).await.unwrap().len(), 5);
    assert_eq!(server.metric(RUNNING, "").await, 1.0);
    transaction.rollback().await.unwrap();
    until_metric(&server, RUNNING, "", 0.0).await;
}

/// Before the first row, while rows stream to a client that reads, to one that does not, and of a suspended portal.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_stops_the_work() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let cancel = client.cancel_token();
    let silent = tokio::spawn(async move {
        let error = client.simple_query(SILENT).await.unwrap_err();
        (client, error)
    });
    until_metric(&server, RUNNING, "", 1.0).await;
    cancel.cancel_query(NoTls).await.unwrap();
    let (client, error) = silent.await.unwrap();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    until_metric(&server, RUNNING, "", 0.0).await;

    let rows = client.query_raw(ENDLESS, Vec::<String>::new()).await.unwrap();
    pin_mut!(rows);
    assert!(rows.next().await.unwrap().is_ok());
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    // Nothing is read, and it stops all the same.
    until_metric(&server, RUNNING, "", 0.0).await;
    let ended = loop {
        if let Err(error) = rows.next().await.expect("a part of a result passed for the whole") {
            break error;
        }
    };
    assert_eq!(ended.code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(server.metric(QUERIES, "cancelled").await, 2.0);
    assert_eq!(client.query_one("SELECT 1::int", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_query_along() {
    let (_home, server) = server().await;
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    for query in [SILENT, ENDLESS] {
        let (client, connection) =
            tokio_postgres::connect(&format!("host={host} port={port} user=ann"), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let asking = tokio::spawn(async move { client.simple_query(query).await.map(drop) });
        until_metric(&server, RUNNING, "", 1.0).await;
        // The socket is closed, without a word.
        connection.abort();
        asking.abort();
        until_metric(&server, RUNNING, "", 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_may_take_as_long_as_its_timeout() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
    assert_eq!(client.simple_query(SILENT).await.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    until_metric(&server, RUNNING, "", 0.0).await;
    client.batch_execute("RESET statement_timeout; SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_out_in_every_format() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    let copied = async |sql: &str| {
        let stream = client.copy_out(sql).await.unwrap();
        let parts: Vec<_> = stream.try_collect().await.unwrap();
        parts
    };
    let text = copied("COPY (SELECT body, trace_id FROM logs WHERE body = 'log 1') TO STDOUT").await;
    assert_eq!(text, ["log 1\t\\N\n"]);
    let csv = copied(
        "COPY (SELECT body, NULL AS n, 'a,\"b\"' AS q FROM logs ORDER BY time LIMIT 1) TO STDOUT (FORMAT csv, HEADER)",
    )
    .await;
    assert_eq!(csv, ["body,n,q\n", "log 0,,\"a,\"\"b\"\"\"\n"]);
    let binary = copied("COPY logs (body) TO STDOUT (FORMAT binary)").await;
    assert_eq!(binary.len(), 1001, "a message a row and one for the end");
    assert!(binary[0].starts_with(b"PGCOPY\n\xff\r\n\0"));
    assert_eq!(binary[1000][..], [0xff, 0xff]);
}
