//! Who is let in, with psql and tokio-postgres: passwords, roles, TLS.

use tokio::io::AsyncWriteExt;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::psql::psql_as;
use crate::support::certificates::Authority;
use crate::support::people::{everyone, password};
use crate::support::server::{Home, Server};

const PLAIN: [&str; 2] = ["--no-align", "--tuples-only"];

async fn log_in(server: &Server, user: &str, password: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let config = format!("host={host} port={port} user={user} password={password} sslmode=disable");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_lets_its_user_do_what_its_role_allows() {
    let home = Home::new(&everyone());
    let server = tokio::task::block_in_place(|| home.serve());
    for role in ["query", "admin"] {
        let client = log_in(&server, &format!("{role}-user"), &password(role)).await.unwrap();
        assert_eq!(client.query_one("SELECT 1::int", &[]).await.unwrap().get::<_, i32>(0), 1);
    }
    for role in ["ingest", "maintain", "nothing"] {
        let Err(error) = log_in(&server, &format!("{role}-user"), &password(role)).await else {
            panic!("{role} was let in")
        };
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}");
    }
    let mut said = Vec::new();
    for (user, password) in [("query-user", "wrong"), ("query-user", &*password("admin")), ("nobody", "wrong")] {
        let Err(error) = log_in(&server, user, password).await else { panic!("{user} was let in") };
        assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD));
        said.push(error.as_db_error().unwrap().message().replace(user, "NAME"));
    }
    assert!(said.iter().all(|message| *message == said[0]), "{said:?}");
    let request = reqwest::Client::new().get(format!("{}/metrics", server.http()));
    let metrics = request.basic_auth("admin-user", Some(password("admin"))).send().await.unwrap().text().await.unwrap();
    for reason in ["forbidden", "unauthenticated"] {
        let counted = format!("telestrata_refused_callers_total{{door=\"postgres\",reason=\"{reason}\"}} 3\n");
        assert!(metrics.contains(&counted), "{counted}: {metrics}");
    }
}

/// Peers that begin to log in and fall silent, more than there may be sessions.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_log_in_keeps_nobody_out() {
    let home = Home::new(&everyone());
    let server = tokio::task::block_in_place(|| home.serve());
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut peer = tokio::net::TcpStream::connect(server.postgres()).await.unwrap();
        if number % 2 == 0 {
            peer.write_all(b"\0\0\0\x15\0\x03\0\0user\0nobody\0\0").await.unwrap();
        }
        silent.push(peer);
    }
    let client = log_in(&server, "query-user", &password("query")).await.unwrap();
    assert_eq!(client.query_one("SELECT 1::int", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_psql_is_let_in_and_in_plaintext_nobody_is() {
    let mut home = Home::new("");
    let authority = Authority::new(home.path());
    home.reconfigure(&(authority.certify(&["127.0.0.1", "localhost"], false) + &everyone()));
    let server = tokio::task::block_in_place(|| home.serve());
    let trusted = authority.file();
    let secret = password("query");
    let env = [("PGPASSWORD", &*secret), ("PGSSLROOTCERT", trusted.to_str().unwrap())];
    let ask = |who: &str| psql_as(who, &env, &server, &PLAIN, "SELECT 1\n;\n");
    let (out, errors) = ask("user=query-user sslmode=verify-full");
    assert_eq!((out.as_str(), errors.as_str()), ("1\n", ""));
    let (out, errors) = ask("user=admin-user sslmode=verify-full");
    assert!(out.is_empty() && errors.contains("the password of user \"admin-user\" is wrong"), "{errors}");
    let (out, errors) = ask("user=query-user sslmode=disable");
    assert!(out.is_empty() && errors.contains("over TLS only") && errors.contains("sslmode=require"), "{errors}");
    assert!(!errors.contains(&secret));
}
