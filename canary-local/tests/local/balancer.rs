//! The balancer on the wire, in front of servers that the tests write byte by byte.

use std::sync::Arc;
use std::time::Duration;

use canary_core::fleet::{HttpPath, NodeId, PoolName};
use canary_core::traits::{AdminState, ErrorKind, HealthCheck, LoadBalancer, Operational, Weight};
use canary_local::{CheckConfig, LocalBalancer, LocalBalancerConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{DEADLINE, node, until};

/// A server that a test plays: connections as they come in.
struct Server {
    listener: TcpListener,
    config: ServerConfig,
}

impl Server {
    async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = ServerConfig::new(node(name), listener.local_addr().unwrap());
        Self { listener, config }
    }

    async fn accept(&self) -> Wire {
        Wire(tokio::time::timeout(DEADLINE, self.listener.accept()).await.unwrap().unwrap().0)
    }

    /// Answers every request of every connection with its name, until it is dropped.
    fn answering(self) -> (ServerConfig, mpsc::UnboundedReceiver<String>, tokio::task::JoinHandle<()>) {
        let (seen, requests) = mpsc::unbounded_channel();
        let config = self.config.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                let (seen, name) = (seen.clone(), self.config.node.to_string());
                connections.spawn(async move {
                    let mut wire = Wire(stream);
                    while let Some(head) = wire.try_head().await {
                        // The test may have seen enough.
                        let _ = seen.send(head);
                        wire.say(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()))
                            .await;
                    }
                });
            }
        });
        (config, requests, task)
    }
}

/// One end of a connection.
struct Wire(TcpStream);

impl Wire {
    async fn connect(balancer: &LocalBalancer) -> Self {
        Self(TcpStream::connect(balancer.address()).await.unwrap())
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until this text has come.
    async fn hear(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let reading = async {
            while !all.ends_with(end.as_bytes()) {
                let byte = self.0.read_u8().await;
                all.push(byte.unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&all))));
            }
        };
        tokio::time::timeout(DEADLINE, reading).await.unwrap();
        String::from_utf8(all).unwrap()
    }

    async fn head(&mut self) -> String {
        self.hear("\r\n\r\n").await.to_ascii_lowercase()
    }

    async fn try_head(&mut self) -> Option<String> {
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n\r\n") {
            all.push(self.0.read_u8().await.ok()?);
        }
        Some(String::from_utf8(all).unwrap().to_ascii_lowercase())
    }

    /// Everything until the other end closes.
    async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        // A reset is an end as well.
        let _ = tokio::time::timeout(DEADLINE, self.0.read_to_end(&mut all)).await.unwrap();
        String::from_utf8(all).unwrap()
    }
}

async fn balancer(servers: Vec<ServerConfig>) -> LocalBalancer {
    LocalBalancer::start(LocalBalancerConfig::new(PoolName::new("p").unwrap(), servers)).await.unwrap()
}

/// One request on a connection of its own: status line and body.
async fn fetch(balancer: &LocalBalancer) -> String {
    let mut wire = Wire::connect(balancer).await;
    wire.say("GET /x HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n").await;
    let all = wire.rest().await;
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    format!("{} {body}", head.split(' ').nth(1).unwrap())
}

async fn sessions(balancer: &LocalBalancer, name: &NodeId) -> u64 {
    balancer.servers().await.unwrap().server(name).unwrap().sessions
}

#[tokio::test]
async fn connections_are_kept_on_both_sides_and_headers_changed() {
    let server = Server::start("a").await;
    let balancer = balancer(vec![server.config.clone()]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("POST /x?y=1 HTTP/1.1\r\nhost: api\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\ncontent-length: 3\r\n\r\nabc").await;
    let mut behind = server.accept().await;
    let head = behind.head().await;
    assert!(head.starts_with("post /x?y=1 http/1.1\r\n"), "{head}");
    for there in ["\r\nhost: api\r\n", "\r\nx-forwarded-for: 127.0.0.1\r\n", "\r\ncontent-length: 3\r\n"] {
        assert!(head.contains(there), "{there:?} in {head}");
    }
    assert!(!head.contains("x-hop") && !head.contains("connection"), "{head}");
    assert_eq!(behind.hear("abc").await, "abc");
    behind.say("HTTP/1.1 201 Created\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nok").await;
    let answer = client.hear("ok").await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 201 created\r\n") && !answer.contains("keep-alive"), "{answer}");

    // Both connections serve the next request; a HEAD's length is passed on without a body.
    until("an idle connection", async || (sessions(&balancer, &node("a")).await == 0).then_some(())).await;
    client.say("HEAD / HTTP/1.1\r\nhost: api\r\n\r\n").await;
    assert!(behind.head().await.starts_with("head / http/1.1\r\n"));
    behind.say("HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n").await;
    assert!(client.head().await.contains("content-length: 70"));
    assert_eq!(balancer.servers().await.unwrap().servers[0].served, 2);

    // A server that is about to restart must not close a connection that a request is sent on.
    until("an idle connection", async || (sessions(&balancer, &node("a")).await == 0).then_some(())).await;
    balancer.set_admin(&node("a"), AdminState::Drain).await.unwrap();
    assert_eq!(behind.rest().await, "");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_session() {
    let server = Server::start("a").await;
    let balancer = balancer(vec![server.config.clone()]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("GET / HTTP/1.1\r\nhost: api\r\n\r\n").await;
    let mut behind = server.accept().await;
    behind.head().await;
    assert_eq!(sessions(&balancer, &node("a")).await, 1);
    drop(client);
    until("the session's end", async || (sessions(&balancer, &node("a")).await == 0).then_some(())).await;
    assert_eq!(behind.rest().await, "");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_a_body_it_can_read() {
    let server = Server::start("a").await;
    let balancer = balancer(vec![server.config.clone()]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("GET / HTTP/1.0\r\n\r\n").await;
    let mut behind = server.accept().await;
    let head = behind.head().await;
    assert!(head.starts_with("get / http/1.1\r\n") && head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    behind.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\none"), "{answer}");
}

#[tokio::test]
async fn bodies_stream_both_ways_piece_by_piece() {
    let server = Server::start("a").await;
    let balancer = balancer(vec![server.config.clone()]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("PUT / HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let mut behind = server.accept().await;
    assert!(behind.head().await.contains("transfer-encoding: chunked"));
    behind.hear("first\r\n").await;
    // The answer begins while the request still goes on.
    behind.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
    client.hear("one\r\n").await;
    client.say("6\r\nsecond\r\n0\r\n\r\n").await;
    behind.hear("second\r\n0\r\n\r\n").await;
    assert_eq!(sessions(&balancer, &node("a")).await, 1);
    behind.say("3\r\ntwo\r\n0\r\n\r\n").await;
    client.hear("two\r\n0\r\n\r\n").await;
    until("the session's end", async || (sessions(&balancer, &node("a")).await == 0).then_some(())).await;
}

#[tokio::test]
async fn an_upgrade_is_a_session_until_it_is_closed() {
    let server = Server::start("a").await;
    let balancer = balancer(vec![server.config.clone()]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("GET /ws HTTP/1.1\r\nhost: api\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n").await;
    let mut behind = server.accept().await;
    let head = behind.head().await;
    assert!(head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: echo\r\n"), "{head}");
    behind.say("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 101") && head.contains("\r\nupgrade: echo\r\n"), "{head}");
    assert_eq!(client.hear("hello").await, "hello");
    client.say("to you").await;
    assert_eq!(behind.hear("to you").await, "to you");
    let a = node("a");
    let drained = balancer.set_admin(&a, AdminState::Drain).await.unwrap();
    assert_eq!((drained.servers[0].admin, drained.servers[0].sessions), (AdminState::Drain, 1));
    balancer.close_sessions(&a).await.unwrap();
    assert_eq!((client.rest().await, behind.rest().await), (String::new(), String::new()));
    until("the session's end", async || (sessions(&balancer, &a).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_drain_lets_a_long_request_end_and_closing_cuts_it() {
    let server = Server::start("a").await;
    let other = Server::start("b").await;
    let a = node("a");
    let balancer = balancer(vec![server.config.clone(), other.config.clone()]).await;
    let mut clients = Vec::new();
    let mut behind = Vec::new();
    balancer.set_admin(&node("b"), AdminState::Maint).await.unwrap();
    for _ in 0..2 {
        let mut client = Wire::connect(&balancer).await;
        client.say("GET / HTTP/1.1\r\nhost: api\r\n\r\n").await;
        let mut wire = server.accept().await;
        wire.head().await;
        clients.push(client);
        behind.push(wire);
    }
    behind[0].say("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await;
    clients[0].hear("half").await;
    balancer.set_admin(&a, AdminState::Drain).await.unwrap();
    assert_eq!(sessions(&balancer, &a).await, 2);
    let answer = fetch(&balancer).await;
    assert_eq!(answer, "503 no server is up\n");
    behind[0].say("done").await;
    clients[0].hear("done").await;
    until("one session", async || (sessions(&balancer, &a).await == 1).then_some(())).await;
    balancer.close_sessions(&a).await.unwrap();
    assert!(clients[1].hear("the session was closed\n").await.starts_with("HTTP/1.1 502"));
    until("no session", async || (sessions(&balancer, &a).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_request_of_which_nothing_was_sent_goes_to_another_server() {
    let (up, mut seen, _task) = Server::start("up").await.answering();
    let gone = Server::start("gone").await;
    let balancer = balancer(vec![gone.config.clone(), up]).await;
    drop(gone);
    for _ in 0..4 {
        assert_eq!(fetch(&balancer).await, "200 up");
    }
    let totals = balancer.totals();
    assert_eq!((totals.requests, totals.redispatched, totals.own_answers), (4, 2, 0));
    seen.recv().await.unwrap();
}

#[tokio::test]
async fn what_a_server_may_have_carried_out_is_not_sent_twice() {
    let server = Server::start("a").await;
    let (up, _seen, _task) = Server::start("up").await.answering();
    let balancer = balancer(vec![server.config.clone(), up]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 2\r\n\r\nab").await;
    let mut behind = server.accept().await;
    behind.hear("ab").await;
    drop(behind);
    assert!(client.hear("the server broke off\n").await.starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_a_safe_request_nothing() {
    let server = Server::start("a").await;
    let balancer = balancer(vec![server.config.clone()]).await;
    let mut client = Wire::connect(&balancer).await;
    client.say("GET /1 HTTP/1.1\r\nhost: api\r\n\r\n").await;
    let mut first = server.accept().await;
    first.head().await;
    first.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst").await;
    client.hear("first").await;
    until("an idle connection", async || (sessions(&balancer, &node("a")).await == 0).then_some(())).await;
    client.say("GET /2 HTTP/1.1\r\nhost: api\r\n\r\n").await;
    // The request meets the end of the connection: it was read, and not answered.
    first.head().await;
    drop(first);
    let mut second = server.accept().await;
    assert!(second.head().await.starts_with("get /2 "));
    second.say("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond").await;
    assert!(client.hear("second").await.starts_with("HTTP/1.1 200"));

    // One that is not safe may have been carried out: it fails, and is not sent again.
    until("an idle connection", async || (sessions(&balancer, &node("a")).await == 0).then_some(())).await;
    client.say("POST /3 HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\n\r\n").await;
    assert!(second.head().await.starts_with("post /3 "));
    drop(second);
    assert!(client.hear("the server broke off\n").await.starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn deadlines_end_what_does_not_go_on() {
    let server = Server::start("a").await;
    let mut config = LocalBalancerConfig::new(PoolName::new("p").unwrap(), vec![server.config.clone()]);
    config.deadlines.response = Duration::from_millis(30);
    config.deadlines.body = Duration::from_millis(30);
    config.deadlines.client = Duration::from_millis(100);
    let balancer = LocalBalancer::start(config).await.unwrap();
    let mut silent = Wire::connect(&balancer).await;
    silent.say("GET / HTTP/1.1\r\nhost: api\r\n\r\n").await;
    assert!(silent.hear("in time\n").await.starts_with("HTTP/1.1 504"));
    server.accept().await;

    let mut stalled = Wire::connect(&balancer).await;
    stalled.say("GET / HTTP/1.1\r\nhost: api\r\n\r\n").await;
    let mut behind = server.accept().await;
    behind.head().await;
    behind.say("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await;
    assert!(stalled.rest().await.ends_with("half"));

    let mut slow = Wire::connect(&balancer).await;
    slow.say("GET / HTTP/1.1\r\nho").await;
    slow.rest().await;
}

#[tokio::test]
async fn checks_find_servers_up_and_down() {
    let (first, _seen, task) = Server::start("a").await.answering();
    let (second, _also, _other) = Server::start("b").await.answering();
    let mut config = LocalBalancerConfig::new(PoolName::new("p").unwrap(), vec![first, second]);
    let mut checks = CheckConfig::new(HttpPath::new("/health").unwrap());
    checks.interval = Duration::from_millis(20);
    config.checks = Some(checks);
    let balancer = Arc::new(LocalBalancer::start(config).await.unwrap());
    let a = node("a");
    let is = async |operational| {
        until("the state", async || {
            let state = balancer.servers().await.unwrap();
            (state.server(&a).unwrap().operational == operational).then_some(())
        })
        .await;
    };
    is(Operational::Up).await;
    until("both up", async || (balancer.servers().await.unwrap().serving_besides(&a) == 1).then_some(()))
        .await;
    let check = HealthCheck { port: 1, path: HttpPath::new("/").unwrap(), attempt_timeout: DEADLINE };
    assert!(balancer.check_through(&check).await.unwrap().healthy);
    task.abort();
    is(Operational::Down).await;
    for _ in 0..4 {
        assert_eq!(fetch(&balancer).await, "200 b");
    }
    balancer.set_admin(&node("b"), AdminState::Maint).await.unwrap();
    let through = balancer.check_through(&check).await.unwrap();
    assert_eq!((through.healthy, through.status), (false, Some(503)));
    let back = balancer.set_admin(&node("b"), AdminState::Ready).await.unwrap();
    assert_eq!(back.server(&node("b")).unwrap().operational, Operational::Down, "not before a good check");
    until("b up again", async || (balancer.servers().await.unwrap().serving_besides(&a) == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn weights_steer_and_unknown_servers_are_named() {
    let (first, _seen, _task) = Server::start("a").await.answering();
    let (second, _also, _other) = Server::start("b").await.answering();
    let balancer = balancer(vec![first, second]).await;
    balancer.set_weight(&node("b"), Weight::new(25).unwrap()).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(fetch(&balancer).await);
    }
    assert_eq!(answers.iter().filter(|answer| *answer == "200 b").count(), 2);
    let pool = balancer.servers().await.unwrap();
    assert_eq!((pool.servers[0].served, pool.servers[1].served), (8, 2));
    assert_eq!((pool.servers[1].weight.value(), pool.servers[1].configured_weight.value()), (25, 100));
    let error = balancer.set_admin(&node("c"), AdminState::Drain).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "local: set the admin state: not found: there is no node c");
    let epoch = pool.epoch;
    balancer.shutdown().await;
    assert!(TcpStream::connect(balancer.address()).await.is_err());
    let (third, _seen, _task) = Server::start("a").await.answering();
    assert_ne!(self::balancer(vec![third]).await.servers().await.unwrap().epoch, epoch);
}

#[tokio::test]
async fn what_is_in_progress_ends_before_a_shutdown_does() {
    let server = Server::start("a").await;
    let balancer = Arc::new(balancer(vec![server.config.clone()]).await);
    let mut client = Wire::connect(&balancer).await;
    client.say("GET / HTTP/1.1\r\nhost: api\r\n\r\n").await;
    let mut behind = server.accept().await;
    behind.head().await;
    let ending = tokio::spawn({
        let balancer = Arc::clone(&balancer);
        async move { balancer.shutdown().await }
    });
    until("the port to close", async || TcpStream::connect(balancer.address()).await.is_err().then_some(()))
        .await;
    assert!(!ending.is_finished());
    behind.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    assert!(client.rest().await.ends_with("ok"));
    tokio::time::timeout(DEADLINE, ending).await.unwrap().unwrap();
}
