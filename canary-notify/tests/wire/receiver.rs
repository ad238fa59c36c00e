//! A receiver that answers as a script says and keeps what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary_core::engine::Outcome;
use canary_core::journal::{Chain, Entry, Record, RolloutId};
use canary_core::time::Timestamp;
use canary_notify::{About, NotifyConfig, RetrySchedule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the next request gets; the last one stays.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status line, headers and a body, as they are.
    Raw(String),
    /// Nothing, and the connection stays open.
    Hang,
    /// Nothing, and the connection is closed.
    Close,
    /// A status and a body that never ends.
    Endless(&'static str),
}

impl Answer {
    pub(crate) fn status(status: &str) -> Self {
        Self::with(status, "")
    }

    pub(crate) fn with(status: &str, headers: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n"))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    pub(crate) async fn answering(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut script = script.into_iter().peekable();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                shared.lock().unwrap().push(request);
                let answer = script.next().unwrap();
                if script.peek().is_none() {
                    script = vec![answer.clone()].into_iter().peekable();
                }
                tokio::spawn(play(stream, answer));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub(crate) async fn has_seen(&self, count: usize) -> Vec<Request> {
        let until = tokio::time::Instant::now() + Duration::from_secs(30);
        while self.seen().len() < count {
            assert!(tokio::time::Instant::now() < until, "{} of {count} requests came", self.seen().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.seen()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut all, mut chunk) = (Vec::new(), vec![0; 65_536]);
    loop {
        if let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").parse().unwrap();
            if all.len() >= end + 4 + length {
                return Some(Request { head, body: String::from_utf8(all[end + 4..].to_vec()).unwrap() });
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => all.extend_from_slice(&chunk[..count]),
        }
    }
}

async fn play(mut stream: TcpStream, answer: Answer) {
    match answer {
        Answer::Raw(text) => {
            stream.write_all(text.as_bytes()).await.ok();
        }
        Answer::Hang => std::future::pending::<()>().await,
        Answer::Close => {}
        Answer::Endless(status) => {
            let head = format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n");
            let mut result = stream.write_all(head.as_bytes()).await;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            // Ends when the other side has heard enough.
            while result.is_ok() {
                result = stream.write_all(chunk.as_bytes()).await;
            }
        }
    }
}

/// A configuration with short delays.
pub(crate) fn config() -> NotifyConfig {
    let about = About {
        service: "api".to_owned(),
        pool: "api_pool".to_owned(),
        environment: "test".to_owned(),
        host: "deploy".to_owned(),
    };
    let retry = RetrySchedule {
        attempts: 4,
        first: Duration::from_millis(5),
        cap: Duration::from_millis(50),
        timeout: Duration::from_secs(20),
    };
    NotifyConfig { retry, ..NotifyConfig::new(about) }
}

pub(crate) fn rollout() -> RolloutId {
    RolloutId::new(Timestamp::from_millis(1_705_329_130_000), 7)
}

/// A journal that ends with so many refusals.
pub(crate) fn refusals(count: u64) -> Vec<Record> {
    let mut chain = Chain::new([7; 16]);
    (0..count)
        .map(|i| {
            let time = Timestamp::from_millis(1_705_329_130_000 + i * 1000);
            let rollout = RolloutId::new(time, u32::try_from(i).unwrap());
            let entry = Entry::Refused { rollout, actor: "ada".to_owned(), reasons: vec![format!("no {i}")] };
            let (record, _) = chain.record(time, entry).unwrap();
            chain = Chain::after(&record);
            record
        })
        .collect()
}

/// The end of the rollout, as its record number `seq`.
pub(crate) fn ended(outcome: Outcome) -> Record {
    let entry = Entry::Finished { rollout: rollout(), outcome, nodes: Vec::new() };
    Chain::new([7; 16]).record(Timestamp::from_millis(1_705_329_130_000), entry).unwrap().0
}
