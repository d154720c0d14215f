//! Queries of the lake as PostgreSQL's clients write them.

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::server;

/// A query, and its first row.
const QUERIES: &[(&str, &str)] = &[
    (r#"SELECT count(*) FROM "public"."logs""#, "10"),
    ("SELECT count(*) FROM telestrata.public.logs", "10"),
    (r#"SELECT "body" FROM "logs" AS "l" WHERE "l"."body" = 'log 3'"#, "log 3"),
    ("SELECT body::text, severity_number::varchar FROM logs WHERE body = 'log 3'", "log 3|9"),
    ("SELECT body::pg_catalog.text FROM logs WHERE body = 'log 3'", "log 3"),
    (r"SELECT E'a\tb' FROM logs LIMIT 1", "a\tb"),
    ("SELECT current_schema(), count(*) FROM logs", "public|10"),
    ("SELECT current_database(), current_user IS NOT NULL, count(*) FROM logs GROUP BY 1, 2", "telestrata|t|10"),
    ("SELECT pg_catalog.upper(body) FROM logs WHERE body = 'log 3'", "LOG 3"),
    ("SELECT count(*) FROM (SELECT time FROM logs LIMIT ALL OFFSET 4) l", "6"),
    ("SELECT count(*) FROM logs WHERE time > now() - interval '100 years'", "10"),
    ("SELECT count(*) FROM logs WHERE time < localtimestamp", "10"),
    ("SELECT count(*) FROM logs WHERE body ~ '[35]$'", "2"),
    ("SELECT count(*) FROM logs WHERE body ~* 'LOG' AND body !~ '0'", "9"),
    // As DuckDB sends the conditions on an attached table.
    (r#"SELECT count(*) FROM logs WHERE body = 'log 3' COLLATE "C""#, "1"),
    (r#"SELECT body FROM logs ORDER BY body COLLATE pg_catalog."default" DESC LIMIT 1"#, "log 9"),
    ("SELECT count(*) FROM logs WHERE body ILIKE 'LOG %'", "10"),
    ("SELECT extract(epoch FROM time)::bigint FROM logs WHERE body = 'log 3'", "1700000003"),
    ("SELECT date_trunc('minute', time) FROM logs WHERE body = 'log 3'", "2023-11-14 22:13:00+00"),
    ("SELECT count(*) FROM logs WHERE time >= to_timestamp(1700000005)", "5"),
    ("SELECT count(*) FROM generate_series('2024-01-01'::timestamp, '2024-01-02'::timestamp, interval '6 hours')", "5"),
    ("SELECT count(*) FILTER (WHERE body = 'log 3') FROM logs", "1"),
    ("SELECT to_char(time, 'YYYY-MM-DD HH24:MI:SS') FROM logs WHERE body = 'log 3'", "2023-11-14 22:13:23"),
    ("SELECT extract(epoch FROM age(max(time), min(time)))::bigint FROM logs", "9"),
    ("SELECT timezone('UTC', min(time)) IS NOT NULL FROM logs", "t"),
    ("SELECT count(*) FROM logs WHERE severity_number = ANY(ARRAY[8, 9])", "10"),
    ("SELECT string_agg(body, ',' ORDER BY body) FROM logs WHERE body < 'log 2'", "log 0,log 1"),
    ("SELECT DISTINCT ON (severity_number) body FROM logs ORDER BY severity_number, time DESC", "log 9"),
    ("SELECT 1", "1"),
    // Of no table, and so the catalogue's.
    ("SELECT current_schema()", "public"),
    ("SELECT 'logs'::regclass", "logs"),
    ("SELECT 'public.logs'::regclass::oid = to_regclass('\"logs\"')", "t"),
    ("SELECT pg_catalog.format_type(1184, NULL)", "timestamp with time zone"),
    ("SELECT current_setting('server_version_num')::int / 10000", "16"),
    ("SELECT current_schemas(true)", "{pg_catalog,public}"),
];

fn first_row(messages: &[SimpleQueryMessage]) -> Option<String> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let values = (0..row.len()).map(|place| row.get(place).unwrap_or("NULL"));
            Some(values.collect::<Vec<_>>().join("|"))
        }
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_answered() {
    let (_home, server) = server().await;
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let config = format!("host={host} port={port} user=ann dbname=telestrata");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut failures = Vec::new();
    for (sql, expected) in QUERIES {
        match client.simple_query(sql).await {
            Ok(messages) if first_row(&messages).as_deref() == Some(expected) => {}
            Ok(messages) => failures.push(format!("{sql}\n  {:?}, not {expected:?}", first_row(&messages))),
            Err(error) => failures.push(format!("{sql}\n  {error:?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let error = client.simple_query("SELECT body FROM logs ORDER BY body COLLATE \"de_DE\"").await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("COLLATE"), "{error:?}");
    // The server is one version, wherever it is asked.
    let mut said = Vec::new();
    for sql in ["SHOW server_version", "SELECT current_setting('server_version')", "SELECT substr(version(), 12)"] {
        said.push(first_row(&client.simple_query(sql).await.unwrap()).unwrap());
    }
    assert!(said[0].starts_with("16.0 (telestrata ") && said.iter().all(|one| *one == said[0]), "{said:?}");
    // Its columns are called what PostgreSQL calls them.
    let statement = client.prepare("SELECT version(), count(*), relname FROM pg_class GROUP BY relname").await.unwrap();
    let names: Vec<_> = statement.columns().iter().map(tokio_postgres::Column::name).collect();
    assert_eq!(names, ["version", "count", "relname"]);
    // A parameter is a text that is compared with whatever it is compared with.
    let rows = client.query("SELECT relname FROM pg_class WHERE relname = $1", &[&"logs"]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "logs");
}
