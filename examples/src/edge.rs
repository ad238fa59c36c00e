//! A small HTTP balancer with an admin port: the product that `edge_backend` speaks to. It knows nothing of canary.
//!
//! The admin port takes one command a connection, a line of words, and answers with lines of which the last is `end`:
//!
//! ```text
//! pool                             pool api epoch 1763700000000
//!                                  server api-1 127.0.0.1:8081 ready up 1 1 0 57    (a line a server; see below)
//! admin SERVER ready|drain|maint
//! weight SERVER 0..256
//! window FROM TO SERVER…           requests 57 errors 0 since 1763700000000         (milliseconds since 1970)
//! ```
//!
//! A server's line: name, address, what is wanted of it, what its checks find (`up`, `down`), weight, configured weight,
//! requests in progress, requests served. A command that cannot be carried out is answered with `error not-found …` or
//! `error refused …` and changes nothing.
//!
//! Each request takes a connection of its own to the server; a server that cannot be connected to is passed over.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The time between checks of a server.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a connection to a server, a command, and a whole exchange with a server may take.
const CONNECT: Duration = Duration::from_millis(500);
const COMMAND: Duration = Duration::from_secs(2);
const EXCHANGE: Duration = Duration::from_secs(30);
/// The longest answer that is passed on, in bytes.
const ANSWER: usize = 4 * 1024 * 1024;
/// Requests are counted in slots of this many milliseconds, and the last ten minutes are kept.
const SLOT: u64 = 100;
const SLOTS: usize = 6000;

#[derive(Debug)]
struct Slot {
    start: u64,
    requests: u64,
    errors: u64,
}

#[derive(Debug)]
struct Server {
    name: String,
    address: SocketAddr,
    admin: &'static str,
    up: bool,
    weight: u16,
    /// How far it is from its next turn (smooth weighted round robin).
    current: i64,
    sessions: u64,
    served: u64,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Shared {
    pool: String,
    started: u64,
    servers: Mutex<Vec<Server>>,
}

/// A running balancer; dropping it closes its ports and cuts its connections.
#[derive(Debug)]
pub struct Edge {
    address: SocketAddr,
    admin: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Edge {
    /// Balances over `servers` on two free loopback ports.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(pool: &str, servers: &[(String, SocketAddr)]) -> io::Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_on(pool, servers, any, any).await
    }

    /// As [`Self::start`], with clients at `clients` and the admin port at `admin`.
    ///
    /// # Errors
    /// When a port cannot be listened on.
    pub async fn start_on(
        pool: &str,
        servers: &[(String, SocketAddr)],
        clients: SocketAddr,
        admin: SocketAddr,
    ) -> io::Result<Self> {
        let server = |(name, address): &(String, SocketAddr)| Server {
            name: name.clone(),
            address: *address,
            admin: "ready",
            up: false,
            weight: 1,
            current: 0,
            sessions: 0,
            served: 0,
            slots: VecDeque::new(),
        };
        let servers: Vec<_> = servers.iter().map(server).collect();
        let count = servers.len();
        let shared = Arc::new(Shared { pool: pool.to_owned(), started: now(), servers: Mutex::new(servers) });
        let clients = TcpListener::bind(clients).await?;
        let commands = TcpListener::bind(admin).await?;
        let (address, admin) = (clients.local_addr()?, commands.local_addr()?);
        let mut tasks = JoinSet::new();
        for index in 0..count {
            tasks.spawn(check(Arc::clone(&shared), index));
        }
        tasks.spawn(accept(clients, Arc::clone(&shared), |shared, stream| async move {
            let service = service_fn(move |request| pass_on(Arc::clone(&shared), request));
            // A client that goes away in the middle is its own affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }));
        tasks.spawn(accept(commands, shared, |shared, stream| async move {
            let _ = timeout(COMMAND, command(&shared, stream)).await;
        }));
        Ok(Self { address, admin, _tasks: tasks })
    }

    /// Where clients come in.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port of the clients.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin port.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }
}

async fn accept<F>(listener: TcpListener, shared: Arc<Shared>, serve: fn(Arc<Shared>, TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                connections.spawn(serve(Arc::clone(&shared), stream));
            }
            // Of one connection, or of a moment without descriptors: accepting goes on.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Finds a server up while it takes connections; one in maintenance is not looked at.
async fn check(shared: Arc<Shared>, index: usize) {
    loop {
        let (address, looked_at) = shared.with(index, |server| (server.address, server.admin != "maint"));
        if looked_at {
            let up = matches!(timeout(CONNECT, TcpStream::connect(address)).await, Ok(Ok(_)));
            shared.with(index, |server| server.up = up);
        }
        sleep(CHECK_INTERVAL).await;
    }
}

impl Shared {
    fn servers(&self) -> MutexGuard<'_, Vec<Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Indices come from the list itself, which never changes its length.
    fn with<T>(&self, index: usize, act: impl FnOnce(&mut Server) -> T) -> T {
        act(&mut self.servers()[index])
    }

    /// Chooses the next server and counts the session, in one step: a drained server without sessions stays so.
    fn choose(self: &Arc<Self>, passed_over: &[usize]) -> Option<Session> {
        let mut servers = self.servers();
        let serving = |(index, server): &(usize, &mut Server)| {
            server.admin == "ready" && server.up && server.weight > 0 && !passed_over.contains(index)
        };
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (index, server) in servers.iter_mut().enumerate().filter(serving) {
            total += i64::from(server.weight);
            server.current += i64::from(server.weight);
            if best.is_none_or(|(_, current)| server.current > current) {
                best = Some((index, server.current));
            }
        }
        let (index, _) = best?;
        let server = &mut servers[index];
        server.current -= total;
        server.sessions += 1;
        let address = server.address;
        drop(servers);
        Some(Session { shared: Arc::clone(self), index, address, status: None })
    }
}

/// A request in progress on a server.
struct Session {
    shared: Arc<Shared>,
    index: usize,
    address: SocketAddr,
    /// What came of it; `None` when the server was not reached.
    status: Option<StatusCode>,
}

impl Drop for Session {
    fn drop(&mut self) {
        let status = self.status;
        self.shared.with(self.index, |server| {
            server.sessions -= 1;
            let Some(status) = status else { return };
            server.served += 1;
            let start = now() / SLOT * SLOT;
            if server.slots.back().is_none_or(|slot| slot.start < start) {
                server.slots.push_back(Slot { start, requests: 0, errors: 0 });
                if server.slots.len() > SLOTS {
                    server.slots.pop_front();
                }
            }
            if let Some(slot) = server.slots.back_mut() {
                slot.requests += 1;
                slot.errors += u64::from(status.is_server_error());
            }
        });
    }
}

async fn pass_on(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut passed_over = Vec::new();
    while let Some(mut session) = shared.choose(&passed_over) {
        match timeout(CONNECT, TcpStream::connect(session.address)).await {
            Ok(Ok(stream)) => {
                // From here on the server may have acted on the request: it is never sent twice.
                session.status = Some(StatusCode::BAD_GATEWAY);
                let answer = timeout(EXCHANGE, exchange(stream, request)).await;
                let answer = answer.ok().flatten().unwrap_or_else(|| own(StatusCode::BAD_GATEWAY));
                session.status = Some(answer.status());
                return Ok(answer);
            }
            _ => passed_over.push(session.index),
        }
    }
    Ok(own(StatusCode::SERVICE_UNAVAILABLE))
}

async fn exchange(stream: TcpStream, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let send = async {
        let (mut head, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = Limited::new(body, ANSWER).collect().await.ok()?.to_bytes();
        head.headers.remove(hyper::header::TRANSFER_ENCODING);
        head.headers.remove(hyper::header::CONNECTION);
        Some(Response::from_parts(head, Full::new(body)))
    };
    let mut send = std::pin::pin!(send);
    tokio::select! {
        answer = &mut send => return answer,
        _ = connection => {}
    }
    // The connection is over; what it brought may still be read.
    send.await
}

fn own(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"edge\n")));
    *response.status_mut() = status;
    response
}

async fn command(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    BufReader::new(reader.take(4096)).read_line(&mut line).await?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let answer = match words.as_slice() {
        ["pool"] => Ok(pool(shared)),
        ["admin", name, state] => {
            match ["ready", "drain", "maint"].into_iter().find(|known| known == state) {
                Some(state) => change(shared, name, |server| server.admin = state),
                None => Err(format!("refused no state {state}")),
            }
        }
        ["weight", name, weight] => match weight.parse::<u16>() {
            Ok(weight @ 0..=256) => change(shared, name, |server| server.weight = weight),
            _ => Err(format!("refused no weight {weight}")),
        },
        ["window", from, to, names @ ..] => window(shared, from, to, names),
        _ => Err("refused no such command".to_owned()),
    };
    let answer = answer.unwrap_or_else(|why| format!("error {why}\n"));
    writer.write_all(format!("{answer}end\n").as_bytes()).await?;
    writer.shutdown().await
}

fn pool(shared: &Shared) -> String {
    let mut text = format!("pool {} epoch {}\n", shared.pool, shared.started);
    for server in shared.servers().iter() {
        let (name, address, admin, weight) = (&server.name, server.address, server.admin, server.weight);
        let found = if server.up { "up" } else { "down" };
        let (sessions, served) = (server.sessions, server.served);
        text.push_str(&format!("server {name} {address} {admin} {found} {weight} 1 {sessions} {served}\n"));
    }
    text
}

fn change(shared: &Shared, name: &str, act: impl FnOnce(&mut Server)) -> Result<String, String> {
    let mut servers = shared.servers();
    let server = servers.iter_mut().find(|server| server.name == name);
    act(server.ok_or_else(|| format!("not-found no server {name}"))?);
    Ok(String::new())
}

fn window(shared: &Shared, from: &str, to: &str, names: &[&str]) -> Result<String, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("refused no time {text}"));
    let (from, to) = (number(from)?, number(to)?);
    let (mut requests, mut errors) = (0, 0);
    let mut since = shared.started;
    let servers = shared.servers();
    for name in names {
        let server = servers.iter().find(|server| server.name == *name);
        let server = server.ok_or_else(|| format!("not-found no server {name}"))?;
        if server.slots.len() == SLOTS {
            since = since.max(server.slots[0].start);
        }
        for slot in server.slots.iter().filter(|slot| (from..to).contains(&slot.start)) {
            requests += slot.requests;
            errors += slot.errors;
        }
    }
    Ok(format!("requests {requests} errors {errors} since {since}\n"))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
