//! A wire that can be cut: TCP between a sender and a server, at an address that outlives the server.
//!
//! ```text
//! sender --> proxy --> server        as it is, bytes counted
//! sender --> proxy --> server        the reply is lost: the request arrives, the connection breaks instead of a reply
//!        <-x
//! sender --x proxy                   cut: connections are refused, as where no server listens
//! sender --> proxy                   unavailable: the proxy answers HTTP/1 requests by itself, with 503
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// HTTP/2: how a connection begins, a frame's head, the place of its type there, and the type that begins a reply.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
const FRAME_HEAD: usize = 9;
const FRAME_TYPE: usize = 3;
const HEADERS: u8 = 1;

/// Dropped, it is cut for good.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Wire,
    state: Arc<State>,
}

#[derive(Debug)]
enum Wire {
    /// The port is held, and nobody listens.
    Cut(TcpSocket),
    Whole(JoinHandle<()>),
    Between,
}

#[derive(Debug, Default)]
struct State {
    losing: AtomicBool,
    connections: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
    unavailable: AtomicBool,
    refused: AtomicU64,
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

impl Proxy {
    /// A wire that is cut.
    pub fn new() -> Self {
        let socket = bound(SocketAddr::from(([127, 0, 0, 1], 0)));
        Self { address: socket.local_addr().unwrap(), wire: Wire::Cut(socket), state: Arc::default() }
    }

    /// A wire to a server.
    pub fn to(url: &str) -> Self {
        let mut proxy = Self::new();
        proxy.connect(url);
        proxy
    }

    /// Where to send.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Mends a cut wire.
    pub fn connect(&mut self, url: &str) {
        let server = url.strip_prefix("http://").unwrap().parse().unwrap();
        let Wire::Cut(socket) = std::mem::replace(&mut self.wire, Wire::Between) else { panic!("the wire is not cut") };
        let listener = socket.listen(64).unwrap();
        self.wire = Wire::Whole(tokio::spawn(accept(listener, server, Arc::clone(&self.state))));
    }

    /// Breaks every connection, and refuses others.
    pub async fn cut(&mut self) {
        let Wire::Whole(task) = std::mem::replace(&mut self.wire, Wire::Between) else { panic!("the wire is cut") };
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        self.wire = Wire::Cut(bound(self.address));
    }

    /// Whether every second new connection, beginning with the first, breaks before its first reply.
    pub fn lose_replies(&self, losing: bool) {
        self.state.losing.store(losing, Ordering::SeqCst);
    }

    /// Bytes from senders to servers.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Whether new connections get 503 instead of the server. For requests without a body.
    pub fn unavailable(&self, unavailable: bool) {
        self.state.unavailable.store(unavailable, Ordering::SeqCst);
    }

    /// Requests that got 503.
    pub fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::SeqCst)
    }

    /// Replies that were lost.
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Wire::Whole(task) = &self.wire {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: Arc<State>) {
    // Aborted with the task that owns them.
    let mut connections = JoinSet::new();
    loop {
        let (sender, _) = listener.accept().await.unwrap();
        connections.spawn(carry(sender, server, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either end, or the wire, breaks.
async fn carry(mut sender: TcpStream, server: SocketAddr, state: Arc<State>) {
    let number = state.connections.fetch_add(1, Ordering::SeqCst);
    let losing = state.losing.load(Ordering::SeqCst) && number.is_multiple_of(2);
    if state.unavailable.load(Ordering::SeqCst) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Ok(1..) = sender.read_buf(&mut request).await else { return };
        }
        state.refused.fetch_add(1, Ordering::SeqCst);
        let reply = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        // A sender that has gone has seen enough.
        let _ = sender.write_all(reply).await;
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let mut first = vec![0; 64 * 1024];
    let Ok(read @ 1..) = sender.read(&mut first).await else { return };
    first.truncate(read);
    if server.write_all(&first).await.is_err() {
        return;
    }
    state.sent.fetch_add(read as u64, Ordering::SeqCst);
    let ((from_sender, to_sender), (from_server, to_server)) = (sender.into_split(), server.into_split());
    let http2 = first.starts_with(PREFACE);
    tokio::select! {
        () = requests(from_sender, to_server, &state) => {}
        () = replies(from_server, to_sender, &state, losing, http2) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        state.sent.fetch_add(read as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, losing: bool, http2: bool) {
    let mut buffer = vec![0; 64 * 1024];
    let mut waiting = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        waiting.extend_from_slice(&buffer[..read]);
        let carried = match (losing, http2) {
            (false, _) => Some(waiting.len()),
            (true, true) => frames_before_a_reply(&waiting),
            (true, false) => None,
        };
        let Some(carried) = carried else {
            state.lost.fetch_add(1, Ordering::SeqCst);
            return;
        };
        if to.write_all(&waiting[..carried]).await.is_err() {
            return;
        }
        waiting.drain(..carried);
    }
}

/// Bytes of whole frames that are no reply, `None` where a reply begins.
fn frames_before_a_reply(bytes: &[u8]) -> Option<usize> {
    let mut whole = 0;
    while let Some(head) = bytes.get(whole..whole + FRAME_HEAD) {
        if head[FRAME_TYPE] == HEADERS {
            return None;
        }
        let end = whole + FRAME_HEAD + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if end > bytes.len() {
            break;
        }
        whole = end;
    }
    Some(whole)
}
