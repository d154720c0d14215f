//! One connection's bytes: whole messages in, bytes out.
//!
//! Guarantees: a message is bounded before it is read; what is written waits for the client, and not for ever; while
//! rows are awaited the connection is watched, so that a client's departure is seen.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use super::errors::Failure;
use super::message::violated;

/// The largest message of a client that was let in.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The largest message of one that was not (PostgreSQL, `MAX_STARTUP_PACKET_LENGTH`).
pub(super) const MAX_FIRST_MESSAGE: usize = 10_000;

/// Bytes that are read ahead while the client is watched.
const READ_AHEAD: usize = 1024 * 1024;

/// How long a client may take nothing while bytes wait for it.
const STALL: Duration = Duration::from_secs(300);

/// How long the rest of what a refused client sends is read.
const LINGER: Duration = Duration::from_secs(1);

/// A connection, with TLS or without.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One connection.
pub(super) struct Wire {
    reader: ReadHalf<Box<dyn Duplex>>,
    writer: WriteHalf<Box<dyn Duplex>>,
    read: BytesMut,
    max_message: usize,
    /// Bytes to be sent.
    pub(super) out: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Duplex>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, read: BytesMut::new(), max_message: MAX_FIRST_MESSAGE, out: Vec::new() }
    }

    /// The client was let in and may send long messages.
    pub(super) fn trust(&mut self) {
        self.max_message = MAX_MESSAGE;
    }

    /// The next message's kind and body; `None` where the client has gone.
    ///
    /// # Errors
    /// 08P01 for a message that is too long.
    pub(super) async fn message(&mut self) -> Result<Option<(u8, Bytes)>, Failure> {
        loop {
            if let Some(message) = self.whole_message()? {
                return Ok(Some(message));
            }
            if self.reader.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn whole_message(&mut self) -> Result<Option<(u8, Bytes)>, Failure> {
        let Some((head, rest)) = self.read.split_first_chunk::<5>() else { return Ok(None) };
        let [kind, length @ ..] = *head;
        // It counts itself.
        let length = usize::try_from(i32::from_be_bytes(length)).ok().and_then(|length| length.checked_sub(4));
        let length = length
            .filter(|length| *length <= self.max_message)
            .ok_or_else(|| violated(&format!("a message is longer than {} bytes", self.max_message)))?;
        if rest.len() < length {
            self.read.reserve(length - rest.len());
            return Ok(None);
        }
        self.read.advance(5);
        Ok(Some((kind, self.read.split_to(length).freeze())))
    }

    /// Waits until the client goes away; reads on meanwhile, up to a bound.
    pub(super) async fn gone(&mut self) -> io::Error {
        while self.read.len() < READ_AHEAD {
            match self.reader.read_buf(&mut self.read).await {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        std::future::pending().await
    }

    /// Adds a message to those to be sent.
    pub(super) fn put(&mut self, message: &impl pgwire::messages::Message) -> Result<(), Failure> {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes).map_err(io::Error::other)?;
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Sends what is to be sent.
    ///
    /// # Errors
    /// `Gone` where the client has gone, or takes nothing.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        if self.out.is_empty() {
            return Ok(());
        }
        let sending = async {
            self.writer.write_all(&self.out).await?;
            self.writer.flush().await
        };
        tokio::time::timeout(STALL, sending).await.map_err(io::Error::from)??;
        self.out.clear();
        Ok(())
    }

    /// Ends the connection, and throws away what still comes for a moment.
    pub(super) async fn drain(mut self) {
        let draining = async {
            self.writer.shutdown().await?;
            loop {
                self.read.clear();
                if self.reader.read_buf(&mut self.read).await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        if !matches!(tokio::time::timeout(LINGER, draining).await, Ok(Ok(()))) {
            tracing::debug!("a client had more to say");
        }
    }

    /// Sends what is to be sent and ends the connection.
    pub(super) async fn close(mut self) {
        let closing = async {
            self.flush().await?;
            self.writer.shutdown().await.map_err(Failure::from)
        };
        if let Err(error) = closing.await {
            tracing::debug!(?error, "a connection broke off as it was closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_that_would_be_too_long_is_refused_before_it_is_read() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut wire = Wire::new(Box::new(server));
        client.write_all(b"Q\0\0\0\x06a\0Q\x7f\xff\xff\xff").await.unwrap();
        assert_eq!(wire.message().await.unwrap(), Some((b'Q', Bytes::from_static(b"a\0"))));
        assert!(matches!(wire.message().await, Err(Failure::Refused(_))));
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_seen_behind_messages_it_sent_before() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut wire = Wire::new(Box::new(server));
        client.write_all(b"S\0\0\0\x04").await.unwrap();
        drop(client);
        assert_eq!(wire.gone().await.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(wire.message().await.unwrap(), Some((b'S', Bytes::new())));
        assert_eq!(wire.message().await.unwrap(), None);
    }
}
