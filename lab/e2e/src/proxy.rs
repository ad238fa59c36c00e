use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// What happens to a file on its way to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// The connection breaks in the middle of it.
    CutOff,
    /// The second half is missing, and the daemon is told that this was all: it answers that all is well.
    Shorten,
}

/// A socket between the program and the Incus daemon that harms every upload of more than a few bytes.
#[derive(Debug)]
pub struct TamperingProxy {
    path: PathBuf,
    harmed: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Drop for TamperingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TamperingProxy {
    /// Listens in `directory` for what is meant for `daemon`.
    ///
    /// # Errors
    /// The socket could not be made.
    pub fn start(directory: &Path, daemon: &Path, tamper: Tamper) -> anyhow::Result<Self> {
        let path = directory.join("tampered.socket");
        let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
        let harmed = Arc::new(AtomicU32::new(0));
        let (daemon, count) = (daemon.to_owned(), Arc::clone(&harmed));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (daemon, count) = (daemon.clone(), Arc::clone(&count));
                // A connection that breaks is this proxy's purpose.
                tokio::spawn(async move { connection(client, &daemon, tamper, &count).await.ok() });
            }
        });
        Ok(Self { path, harmed, task })
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many uploads were harmed.
    #[must_use]
    pub fn harmed(&self) -> u32 {
        self.harmed.load(Ordering::Relaxed)
    }
}

async fn connection(
    client: UnixStream,
    daemon: &Path,
    tamper: Tamper,
    harmed: &AtomicU32,
) -> std::io::Result<()> {
    let daemon = UnixStream::connect(daemon).await?;
    let ((from_client, mut to_client), (mut from_daemon, to_daemon)) =
        (client.into_split(), daemon.into_split());
    let answers = tokio::spawn(async move { copy(&mut from_daemon, &mut to_client).await });
    let result = requests(BufReader::new(from_client), to_daemon, tamper, harmed).await;
    if result.is_err() {
        answers.abort();
    } else {
        let _ = answers.await;
    }
    result
}

/// Passes requests on one by one; HTTP/1.1 with bodies of a known length, as the program sends files.
async fn requests(
    mut client: BufReader<OwnedReadHalf>,
    mut daemon: OwnedWriteHalf,
    tamper: Tamper,
    harmed: &AtomicU32,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if client.read_until(b'\n', &mut head).await? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let length: u64 = header("content-length:").and_then(|value| value.parse().ok()).unwrap_or(0);
        if !(text.starts_with("POST") && text.contains("/files?") && length > 1024) {
            daemon.write_all(&head).await?;
            let mut body = (&mut client).take(length);
            copy(&mut body, &mut daemon).await?;
            continue;
        }
        harmed.fetch_add(1, Ordering::Relaxed);
        let half = length / 2;
        match tamper {
            Tamper::CutOff => daemon.write_all(&head).await?,
            Tamper::Shorten => {
                let shorter = text.lines().map(|line| match line.split_once(':') {
                    Some((name, _)) if name.eq_ignore_ascii_case("content-length") => {
                        format!("{name}: {half}\r\n")
                    }
                    _ => format!("{line}\r\n"),
                });
                daemon.write_all(shorter.collect::<String>().as_bytes()).await?;
            }
        }
        copy(&mut (&mut client).take(half), &mut daemon).await?;
        if tamper == Tamper::CutOff {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        copy(&mut (&mut client).take(length - half), &mut tokio::io::sink()).await?;
    }
}
