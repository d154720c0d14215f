//! A query sent and read as Grafana does: one `Query` message, whose answer is text (pgx's `PgConn.Exec`, and lib/pq
//! for a query without parameters), and each value converted by its column's type.
//!
//! A client library would hide what Grafana goes by: the type of each column in the answer to a `Query`, and that the
//! answer's tag begins with SELECT. So this writes the messages of "Frontend/Backend Protocol" of PostgreSQL's manual.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::DateTime;

/// A value as Grafana has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Number(f64),
    Bool(bool),
    /// Microseconds since 1970.
    Time(i64),
    Text(String),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Frame {
    pub columns: Vec<String>,
    /// The OID of each column's type.
    pub types: Vec<u32>,
    pub rows: Vec<Vec<Cell>>,
}

impl Frame {
    /// The same of an answer over HTTP, to compare with.
    pub fn of(batches: &[RecordBatch]) -> Self {
        let columns =
            batches.first().map(|batch| batch.schema().fields().iter().map(|field| field.name().clone()).collect());
        let rows = batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| cell(column, row)).collect())
        });
        Self { columns: columns.unwrap_or_default(), types: Vec::new(), rows: rows.collect() }
    }

    pub fn column(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|column| column == name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.columns))
    }

    /// A column's values, NULL as an empty text.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let at = self.column(name);
        self.rows.iter().map(|row| row[at].to_string()).collect()
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Time(micros) => write!(f, "{}", DateTime::from_timestamp_micros(*micros).unwrap().to_rfc3339()),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A connection of Grafana's.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects as a user without a password, to a database.
    pub fn open(address: &str, user: &str, database: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut connection = Self { stream: BufReader::new(stream) };
        let parameters = format!("\0\u{3}\0\0user\0{user}\0database\0{database}\0\0");
        connection.send(None, parameters.as_bytes());
        loop {
            let (kind, body) = connection.message();
            match kind {
                b'R' => assert_eq!(body, [0; 4], "asked for a password"),
                b'Z' => return connection,
                b'E' => panic!("{}", error_text(&body)),
                _ => {}
            }
        }
    }

    /// The answer to a query, or the error's text.
    pub fn ask(&mut self, sql: &str) -> Result<Frame, String> {
        self.send(Some(b'Q'), format!("{sql}\0").as_bytes());
        let mut frame = Frame { columns: Vec::new(), types: Vec::new(), rows: Vec::new() };
        let (mut tag, mut error) = (String::new(), None);
        loop {
            let (kind, body) = self.message();
            match kind {
                b'T' => (frame.columns, frame.types) = columns(&body),
                b'D' => {
                    let texts = values(&body);
                    let row = texts.into_iter().zip(&frame.types).map(|(text, of)| convert(text, *of)).collect();
                    frame.rows.push(row);
                }
                b'C' => tag = String::from_utf8_lossy(&body).trim_end_matches('\0').to_owned(),
                // Of an empty query, as `-- ping` is.
                b'I' => tag = "SELECT".to_owned(),
                b'E' => error = Some(error_text(&body)),
                b'Z' => break,
                _ => {}
            }
        }
        match error {
            Some(error) => Err(error),
            // What has another tag Grafana takes for an answer without rows.
            None => {
                assert!(tag.starts_with("SELECT") || tag.starts_with("EXPLAIN"), "{tag}: {sql}");
                Ok(frame)
            }
        }
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) {
        let mut bytes = Vec::from_iter(kind);
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        self.stream.get_mut().write_all(&bytes).unwrap();
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body).unwrap();
        (head[0], body)
    }
}

/// Takes so many bytes off the front, as a number.
fn take(bytes: &mut &[u8], count: usize) -> u32 {
    let (number, rest) = bytes.split_at(count);
    *bytes = rest;
    number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn columns(mut body: &[u8]) -> (Vec<String>, Vec<u32>) {
    let count = take(&mut body, 2);
    (0..count)
        .map(|_| {
            let end = body.iter().position(|byte| *byte == 0).unwrap();
            let name = String::from_utf8(body[..end].to_vec()).unwrap();
            body = &body[end + 1..];
            take(&mut body, 4);
            take(&mut body, 2);
            let of = take(&mut body, 4);
            take(&mut body, 2);
            take(&mut body, 4);
            assert_eq!(take(&mut body, 2), 0, "{name} is not text");
            (name, of)
        })
        .unzip()
}

fn values(mut body: &[u8]) -> Vec<Option<String>> {
    let count = take(&mut body, 2);
    (0..count)
        .map(|_| {
            let length = take(&mut body, 4);
            (length != u32::MAX).then(|| {
                let (text, rest) = body.split_at(length as usize);
                body = rest;
                String::from_utf8(text.to_vec()).unwrap()
            })
        })
        .collect()
}

/// As Grafana's `convertPostgresValue` does, by the OIDs of `pg_type`.
fn convert(text: Option<String>, of: u32) -> Cell {
    let Some(text) = text else { return Cell::Null };
    match of {
        16 => Cell::Bool(text == "t"),
        20 | 21 | 23 => Cell::Number(text.parse::<i64>().unwrap() as f64),
        700 | 701 | 1700 => Cell::Number(text.parse().unwrap()),
        1114 => Cell::Time(DateTime::parse_from_str(&format!("{text}+00"), TIME).unwrap().timestamp_micros()),
        1184 => Cell::Time(DateTime::parse_from_str(&text, TIME).unwrap().timestamp_micros()),
        _ => Cell::Text(text),
    }
}

fn cell(column: &dyn Array, row: usize) -> Cell {
    let to = |of| arrow::compute::cast(column, &of).unwrap();
    match column.data_type() {
        _ if column.is_null(row) => Cell::Null,
        DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
        DataType::Timestamp(_, zone) => {
            let micros = to(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()));
            Cell::Time(micros.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        of if of.is_numeric() => Cell::Number(to(DataType::Float64).as_primitive::<Float64Type>().value(row)),
        _ => Cell::Text(ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap().value(row).to_string()),
    }
}

const TIME: &str = "%Y-%m-%d %H:%M:%S%.f%#z";

/// The fields of an error, a letter before each.
fn error_text(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    fields.map(|field| String::from_utf8_lossy(field).into_owned()).collect::<Vec<_>>().join(" | ")
}
