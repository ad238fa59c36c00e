//! A real HTTP server behind a real balancer, that says its name, counts, holds requests and ails when it is told to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The header in which a server says its name.
const NAME: &str = "x-node";

/// An HTTP server on loopback: 200 to everything, its name in the header `x-node`.
///
/// `/check` is for health checks and not counted; `/hold` is answered when [`Self::release`] was called. Dropping it
/// ends it.
#[derive(Debug)]
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _accepts: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicU64,
    held: AtomicU64,
    release: Notify,
    ailing: AtomicBool,
}

impl TestServer {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(name: &'static str) -> Self {
        let listening = async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            io::Result::Ok((listener, address))
        };
        #[expect(clippy::expect_used, reason = "documented; a test cannot go on without")]
        let (listener, address) = listening.await.expect("a free port on loopback");
        let shared = Arc::<Shared>::default();
        let mut accepts = JoinSet::new();
        accepts.spawn(accept(name, listener, Arc::clone(&shared)));
        Self { address, shared, _accepts: accepts }
    }

    /// Requests of clients so far; health checks do not count.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Requests that came for `/hold` so far.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// Lets the requests end that are held.
    pub fn release(&self) {
        self.shared.release.notify_waiters();
    }

    /// While it ails, it closes connections without an answer.
    pub fn ail(&self, ailing: bool) {
        self.shared.ailing.store(ailing, Ordering::SeqCst);
    }
}

async fn accept(name: &'static str, listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        if !shared.ailing.load(Ordering::SeqCst) {
            let shared = Arc::clone(&shared);
            // A client that went away is no failure of the server.
            connections.spawn(async move { drop(answer(name, stream, &shared).await) });
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(name: &str, mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if !head.starts_with("GET /check ") {
        shared.requests.fetch_add(1, Ordering::SeqCst);
    }
    if head.starts_with("GET /hold ") {
        let released = shared.release.notified();
        shared.held.fetch_add(1, Ordering::SeqCst);
        released.await;
    }
    let reply =
        format!("HTTP/1.1 200 OK\r\n{NAME}: {name}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    stream.write_all(reply.as_bytes()).await
}

/// One GET on a connection of its own: the name of the [`TestServer`] that answered.
///
/// # Errors
/// The status line of another answer, or why there was none.
pub async fn ask(address: SocketAddr, path: &str) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let text = format!("GET {path} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        io::Result::Ok(reply)
    };
    let reply = exchange.await.map_err(|error| error.to_string())?;
    let name = reply.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(NAME).then(|| value.to_owned())
    });
    name.ok_or_else(|| reply.lines().next().unwrap_or_default().to_owned())
}
