//! Serves pages on loopback: what a path answers may depend on how often it was asked for.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer: status line, content type, body.
pub(crate) type Page = (&'static str, String, Vec<u8>);

/// A page of the text format.
pub(crate) fn text(body: impl Into<Vec<u8>>) -> Page {
    ("200 OK", "text/plain; version=0.0.4".to_owned(), body.into())
}

/// Starts a server; `answer` gets the path and how many requests for it came before. Gives `host:port`.
pub(crate) async fn serve(answer: impl Fn(&str, u64) -> Page + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        let mut counts: HashMap<String, u64> = HashMap::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(path) = requested(&mut stream).await else { continue };
            let count = counts.entry(path.clone()).or_default();
            let (status, content_type, body) = answer(&path, *count);
            *count += 1;
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n"
            );
            tokio::spawn(async move {
                stream.write_all(head.as_bytes()).await.ok();
                stream.write_all(&body).await.ok();
                stream.shutdown().await.ok();
            });
        }
    });
    address
}

/// Reads a request whole (its body by `content-length`) and gives its path.
async fn requested(stream: &mut TcpStream) -> Option<String> {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if all.len() >= end + 4 + length.parse::<usize>().ok()? {
                return head.split(' ').nth(1).map(str::to_owned);
            }
        }
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => all.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}
