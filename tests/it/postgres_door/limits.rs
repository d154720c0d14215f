//! What a client can't do to the server, and what the server does to clients as it stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use tokio_postgres::error::SqlState;

use super::{connect, server, server_with};

/// A message of the startup phase.
fn startup(settings: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in settings {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.extend(body);
    message
}

fn raw(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Everything that comes until the server ends the connection, which may be before it read all that was sent.
fn to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => all,
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_client_is_told_so_and_closed() {
    let (_home, server) = server().await;
    // Neither an endless message nor a cut one nor one of another protocol is waited for.
    for wrong in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x00\x00\x00\x03", b"\x7f\xff\xff\xff\x00\x03\x00\x00"] {
        let mut stream = raw(&server.postgres());
        stream.write_all(wrong).unwrap();
        assert_eq!(to_the_end(stream), b"");
    }
    let says_nobody = |settings: &[(&str, &str)]| {
        let mut stream = raw(&server.postgres());
        stream.write_all(&startup(settings)).unwrap();
        to_the_end(stream)
    };
    assert!(holds(&says_nobody(&[("database", "x")]), "28000"));
    assert!(holds(&says_nobody(&[("user", "a"), ("replication", "database")]), "0A000"));
    assert!(holds(&says_nobody(&[("user", "a"), ("client_encoding", "LATIN1")]), "22023"));
    for wrong in [&b"B\0\0\0\x05\0"[..], b"Q\x7f\xff\xff\xff", b"?\0\0\0\x04"] {
        let mut stream = raw(&server.postgres());
        stream.write_all(&startup(&[("user", "ann")])).unwrap();
        stream.write_all(wrong).unwrap();
        let said = to_the_end(stream);
        assert!(holds(&said, "FATAL") && holds(&said, "08P01"), "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(server.metric("telestrata_running_queries", "").await, 0.0);
}

/// TLS is not spoken without a certificate, and said so; GSSAPI never.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_encryption_is_told_there_is_none() {
    let (_home, server) = server().await;
    let mut stream = raw(&server.postgres());
    for code in [80_877_104_u32, 80_877_103] {
        stream.write_all(&[8_u32.to_be_bytes(), code.to_be_bytes()].concat()).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"N");
    }
    stream.write_all(&startup(&[("user", "ann")])).unwrap();
    stream.write_all(b"X\0\0\0\x04").unwrap();
    let said = to_the_end(stream);
    assert!(holds(&said, "server_version\x0016.0 (telestrata") && holds(&said, "standard_conforming_strings\0on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_bounded_and_a_place_comes_free() {
    let (_home, server) = server().await;
    let mut sessions: Vec<TcpStream> = (0..256).map(|_| raw(&server.postgres())).collect();
    for session in &mut sessions {
        session.write_all(&startup(&[("user", "ann")])).unwrap();
        let mut first = [0];
        session.read_exact(&mut first).unwrap();
    }
    let mut late = raw(&server.postgres());
    late.write_all(&startup(&[("user", "ann")])).unwrap();
    assert!(holds(&to_the_end(late), "53300"));
    let mut one = sessions.pop().unwrap();
    one.write_all(b"X\0\0\0\x04").unwrap();
    to_the_end(one);
    assert_eq!(connect(&server).await.query_one("SELECT 1::int", &[]).await.unwrap().get::<_, i32>(0), 1);
}

/// A result many times the memory limit, in constant memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_streams() {
    let (_home, server) = server_with("memory_limit = \"64 MiB\"\n").await;
    let client = connect(&server).await;
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    let before = resident();
    let sql = "SELECT value, repeat('x', 1000) AS filler FROM generate_series(1, 600000)";
    let rows = client.query_raw(sql, Vec::<String>::new()).await.unwrap();
    pin_mut!(rows);
    let (mut count, mut bytes) = (0_i64, 0_u64);
    while let Some(row) = rows.next().await {
        let row = row.unwrap();
        count += 1;
        assert_eq!(row.get::<_, i64>(0), count);
        bytes += row.get::<_, &str>(1).len() as u64;
    }
    assert_eq!((count, bytes), (600_000, 600_000_000));
    let grown = resident() - before;
    assert!(grown < 128 << 20, "{bytes} bytes were sent and memory grew by {grown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_sessions_with_a_word() {
    let (_home, server) = server().await;
    let mut idle = raw(&server.postgres());
    idle.write_all(&startup(&[("user", "ann")])).unwrap();
    let mut first = [0];
    idle.read_exact(&mut first).unwrap();
    let client = connect(&server).await;
    client.batch_execute("SELECT 1").await.unwrap();
    tokio::task::block_in_place(|| server.terminate());
    assert!(holds(&to_the_end(idle), "57P01"));
    assert!(client.is_closed() || client.batch_execute("SELECT 1").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_portals_are_bounded() {
    let (_home, server) = server().await;
    let client = connect(&server).await;
    client.batch_execute("BEGIN").await.unwrap();
    for number in 0..64 {
        client.batch_execute(&format!("DECLARE c{number} CURSOR FOR SELECT 1")).await.unwrap();
    }
    let error = client.batch_execute("DECLARE one_more CURSOR FOR SELECT 1").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::CONFIGURATION_LIMIT_EXCEEDED));
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(server.metric("telestrata_running_queries", "").await, 0.0);
    let long = "x".repeat(900 << 10);
    for number in 0..18 {
        client.batch_execute(&format!("PREPARE p{number} AS SELECT '{long}'")).await.unwrap();
    }
    let error = client.batch_execute(&format!("PREPARE p AS SELECT '{long}'")).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::CONFIGURATION_LIMIT_EXCEEDED));
    client.batch_execute(&format!("DEALLOCATE p0; PREPARE p AS SELECT '{long}'; DISCARD ALL")).await.unwrap();
    let error = client.batch_execute(&format!("SELECT '{}'", "x".repeat(1 << 20))).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::PROGRAM_LIMIT_EXCEEDED));
    let error = client.batch_execute(&("PREPARE a AS ".repeat(50_000) + "SELECT 1")).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
}
