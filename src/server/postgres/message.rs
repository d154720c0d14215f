//! A client's messages (PostgreSQL, "Message Formats").
//!
//! Read here, since pgwire's own decoders panic on a message that is shorter than it says.

use bytes::{Buf, Bytes};

use super::errors::Refusal;

/// A message of a client that was let in.
#[derive(Debug)]
pub(super) enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Named),
    Execute {
        portal: String,
        max_rows: u64,
    },
    Close(Named),
    Flush,
    Sync,
    Terminate,
    /// A part of a COPY that has failed before.
    Stale,
}

/// Values for a statement.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    pub(super) value_formats: Vec<i16>,
    pub(super) values: Vec<Option<Bytes>>,
    pub(super) result_formats: Vec<i16>,
}

/// A statement or a portal.
#[derive(Debug)]
pub(super) enum Named {
    Statement(String),
    Portal(String),
}

impl Message {
    /// Reads a message of a kind.
    ///
    /// # Errors
    /// 08P01 for what is no message, which ends the connection; 22021 for text that is not UTF-8.
    pub(super) fn read(kind: u8, body: Bytes) -> Result<Self, Refusal> {
        let mut body = Body(body);
        let message = match kind {
            b'Q' => Self::Query(body.text()?),
            b'P' => Self::Parse { name: body.text()?, sql: body.text()?, types: body.many(Body::u32)? },
            b'B' => Self::Bind(Bind {
                portal: body.text()?,
                statement: body.text()?,
                value_formats: body.many(Body::i16)?,
                values: body.many(Body::value)?,
                result_formats: body.many(Body::i16)?,
            }),
            b'D' => Self::Describe(body.named()?),
            b'C' => Self::Close(body.named()?),
            // 0 and below are all rows.
            b'E' => Self::Execute { portal: body.text()?, max_rows: u64::try_from(body.i32()?).unwrap_or(0) },
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'd' | b'c' | b'f' => return Ok(Self::Stale),
            other => return Err(violated(&format!("there is no message of the kind {:?}", char::from(other)))),
        };
        if body.0.has_remaining() {
            return Err(violated("a message is longer than what it says"));
        }
        Ok(message)
    }

    /// Whether an error in it is skipped from to the next Sync.
    pub(super) const fn is_extended(&self) -> bool {
        !matches!(self, Self::Query(_) | Self::Terminate | Self::Stale)
    }
}

/// The mechanism that a client chose, and what it says first (`SASLInitialResponse`).
pub(super) fn first_of_sasl(body: Bytes) -> Result<(String, Bytes), Refusal> {
    let mut body = Body(body);
    let mechanism = body.text()?;
    let said = body.value()?.ok_or_else(|| violated("a login says nothing"))?;
    Ok((mechanism, said))
}

/// The settings of a startup packet.
pub(super) fn startup_settings(body: Bytes) -> Result<Vec<(String, String)>, Refusal> {
    let mut body = Body(body);
    let mut settings = Vec::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            return Ok(settings);
        }
        settings.push((name, body.text()?));
    }
}

pub(super) fn violated(what: &str) -> Refusal {
    Refusal::new("08P01", format!("{what}; this is no PostgreSQL client, or one with an error"))
}

/// What is left of a message.
struct Body(Bytes);

impl Body {
    fn short() -> Refusal {
        violated("a message is shorter than what it says")
    }

    fn i16(&mut self) -> Result<i16, Refusal> {
        self.0.try_get_i16().map_err(|_| Self::short())
    }

    fn i32(&mut self) -> Result<i32, Refusal> {
        self.0.try_get_i32().map_err(|_| Self::short())
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        self.0.try_get_u32().map_err(|_| Self::short())
    }

    /// A text, which ends with a zero byte.
    fn text(&mut self) -> Result<String, Refusal> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(Self::short)?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(text.into()).map_err(|_| Refusal::new("22021", "a text is not UTF-8"))
    }

    /// Bytes with their length before them; -1 is none.
    fn value(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Ok(length) = usize::try_from(self.i32()?) else { return Ok(None) };
        if length > self.0.len() {
            return Err(Self::short());
        }
        Ok(Some(self.0.split_to(length)))
    }

    /// Several of a kind, with their number before them.
    fn many<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
        let count = self.0.try_get_u16().map_err(|_| Self::short())?;
        (0..count).map(|_| read(self)).collect()
    }

    fn named(&mut self) -> Result<Named, Refusal> {
        let kind = self.0.try_get_u8().map_err(|_| Self::short())?;
        let name = self.text()?;
        match kind {
            b'S' => Ok(Named::Statement(name)),
            b'P' => Ok(Named::Portal(name)),
            _ => Err(violated("a message is about neither a statement nor a portal")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(kind: u8, body: Vec<u8>) {
            let _ = Message::read(kind, body.clone().into());
            let _ = first_of_sasl(body.clone().into());
            let _ = startup_settings(body.into());
        }
    }

    #[test]
    fn a_bind_is_read_and_a_cut_one_refused() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0".as_slice();
        let Message::Bind(bind) = Message::read(b'B', Bytes::from_static(body)).unwrap() else { panic!() };
        assert_eq!((bind.portal.as_str(), bind.statement.as_str()), ("p", "s"));
        assert_eq!(bind.values, [Some(Bytes::from_static(b"x")), None]);
        for end in 0..body.len() {
            assert!(Message::read(b'B', Bytes::copy_from_slice(&body[..end])).is_err(), "{end}");
        }
    }
}
