//! A proxy between client and daemon that spoils chosen requests.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use canary_incus::{Endpoint, IncusClient, IncusConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};

/// What becomes of a request.
pub(crate) enum Fate {
    /// It passes.
    Pass,
    /// It passes without its body's last bytes, and says that it is as short.
    Shorten(usize),
    /// The connection breaks after so many bytes of its body.
    Cut(usize),
    /// The daemon gets it whole, and its answer is lost.
    LoseReply,
}

type Decision = Pin<Box<dyn Future<Output = Fate> + Send>>;

/// A running proxy; stops when dropped.
pub(crate) struct Meddler {
    pub(crate) client: IncusClient,
    /// The connections accepted.
    pub(crate) accepted: Arc<AtomicUsize>,
    /// The request lines seen.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a proxy to `daemon`; `decide` is given each request's first line.
pub(crate) fn meddle(daemon: &Path, decide: impl Fn(String) -> Decision + Send + Sync + 'static) -> Meddler {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let (daemon, decide) = (daemon.to_owned(), Arc::new(decide));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let task = tokio::spawn(async move {
        loop {
            let (from, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (daemon, decide, log) = (daemon.clone(), Arc::clone(&decide), Arc::clone(&log));
            tokio::spawn(async move {
                // A broken connection is what some of these tests are for.
                let _ = relay(from, daemon, &*decide, &log).await;
            });
        }
    });
    let client = IncusClient::new(&IncusConfig::new(Endpoint::Unix(socket))).unwrap();
    Meddler { client, accepted, seen, task, _dir: dir }
}

/// Passes one request and its answer on; connections are not kept.
async fn relay(
    mut from: UnixStream,
    daemon: PathBuf,
    decide: &(dyn Fn(String) -> Decision + Send + Sync),
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    log.lock().unwrap().push(line.clone());
    let fate = decide(line).await;
    let mut to = UnixStream::connect(daemon).await?;
    let length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let old = head.lines().find(length).map(str::to_owned);
    let size: usize = old.as_deref().map_or(0, |line| line[15..].trim().parse().unwrap());
    let mut head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    if let (Fate::Shorten(by), Some(old)) = (&fate, &old) {
        head = head.replace(old, &format!("content-length: {}", size - by));
    }
    to.write_all(head.as_bytes()).await?;
    let mut body = vec![0; size];
    match fate {
        Fate::Pass => {
            copy_bidirectional(&mut from, &mut to).await?;
        }
        Fate::Shorten(by) => {
            from.read_exact(&mut body).await?;
            to.write_all(&body[..size - by]).await?;
            copy_bidirectional(&mut from, &mut to).await?;
        }
        Fate::Cut(after) => {
            from.read_exact(&mut body[..after]).await?;
            to.write_all(&body[..after]).await?;
        }
        Fate::LoseReply => {
            from.read_exact(&mut body).await?;
            to.write_all(&body).await?;
            to.read_to_end(&mut Vec::new()).await?;
        }
    }
    Ok(())
}
