//! A server that answers by the last part of the path, badly where that is asked of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

#[derive(Default)]
pub(crate) struct Seen {
    /// How often each path was asked for.
    pub(crate) paths: Mutex<BTreeMap<String, usize>>,
    /// How many requests are being answered, and how many were at most.
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
    /// How many connections were opened.
    pub(crate) connections: AtomicUsize,
    /// What lets `/held` answer.
    pub(crate) release: Notify,
}

impl Seen {
    pub(crate) fn of(&self, path: &str) -> usize {
        self.paths.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

pub(crate) const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}";

/// Starts one; it ends with the test's runtime. `certificate` makes it speak TLS.
pub(crate) async fn start(certificate: Option<&'static str>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let acceptor = certificate.map(acceptor);
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, acceptor) = (Arc::clone(&shared), acceptor.clone());
            seen.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                match acceptor {
                    None => serve(stream, &seen).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, &seen).await;
                        }
                    }
                }
            });
        }
    });
    Server { address, seen }
}

fn acceptor(pem: &str) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("data/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen) {
    for nth in 0.. {
        let Some(path) = asked(&mut stream).await else { return };
        let before = {
            let mut paths = seen.paths.lock().unwrap();
            let count = paths.entry(path.clone()).or_default();
            *count += 1;
            *count - 1
        };
        match path.rsplit('/').next().unwrap() {
            // No more than one request a connection, and no word of it.
            "fickle" if nth > 0 => return,
            "mute" if nth > 0 => {
                let _ = stream.read_u8().await;
                return;
            }
            _ => {}
        }
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        answer(&mut stream, seen, &path, before).await;
        seen.now.fetch_sub(1, Ordering::SeqCst);
        if !["keep", "fickle", "mute"].iter().any(|kept| path.ends_with(kept)) {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The path of the next request; `None` where none comes.
async fn asked(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    Some(head.split(' ').nth(1).unwrap().to_owned())
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), seen: &Seen, path: &str, before: usize) {
    let text = match path.rsplit('/').next().unwrap() {
        "held" => {
            seen.release.notified().await;
            GOOD.to_owned()
        }
        "slow" => {
            tokio::time::sleep(Duration::from_millis(120)).await;
            GOOD.to_owned()
        }
        "hang" => {
            // Until the other side gives up.
            let _ = stream.read_u8().await;
            return;
        }
        "drip" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"st").await;
            let _ = stream.read_u8().await;
            return;
        }
        "garbage" => "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "nothing" => return,
        "cut" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":".to_owned(),
        "huge" => format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{}", "x".repeat(200_000)),
        "heads" => format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(200_000)),
        "redirect" => "HTTP/1.1 302 Found\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "wrong" => GOOD.replace("\"ok\"", "\"no\""),
        "text" => GOOD.replace("{\"status\":\"ok\"}", "all systems go!"),
        "down" => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "flaky" if before < 2 => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned(),
        _ => GOOD.to_owned(),
    };
    let _ = stream.write_all(text.as_bytes()).await;
}
