//! A server that answers every connection's first request with fixed bytes, then closes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary_http::{Builder, HttpClient};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a server was sent, request by request: head and body in one.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// Reads one request, its body by `Content-Length`.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut chunk = vec![0; 65_536];
    loop {
        if let Some(head) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&all[..head]).to_lowercase();
            let length = text.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap_or("0");
            if all.len() >= head + 4 + length.parse::<usize>().unwrap() {
                break;
            }
        }
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        all.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads a request, answers with `reply`, closes; errors are the client's to notice.
pub(crate) async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, reply: &[u8], seen: &Seen) {
    let request = read_request(&mut stream).await;
    seen.lock().unwrap().push(request);
    stream.write_all(reply).await.ok();
    stream.shutdown().await.ok();
}

/// Starts a plain server on a free port; gives its URL.
pub(crate) async fn serve(reply: impl Into<Vec<u8>>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, reply) = (Seen::default(), reply.into());
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, &reply, &shared).await;
        }
    });
    (url, seen)
}

/// A whole reply with a right length.
pub(crate) fn reply(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

/// A client of `url` with a deadline that no working test reaches.
pub(crate) fn client(url: &str) -> Builder {
    HttpClient::builder("test").base_url(url).timeout(Duration::from_secs(30))
}
