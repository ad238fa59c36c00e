//! Who is told of rollouts: an HTTP server that keeps what came.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its first line and its headers, in the letters they came in.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The requests that came whole.
pub(crate) type Seen = Arc<Mutex<Vec<Request>>>;

/// One that answers 200, or takes every request and never answers.
pub(crate) fn receiver(answers: bool) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let shared = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            shared.lock().unwrap().extend(read(&mut stream));
            if answers {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
            } else {
                open.push(stream);
            }
        }
    });
    (url, seen)
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut all, mut chunk) = (Vec::new(), vec![0; 65_536]);
    loop {
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").parse().unwrap();
            if all.len() >= end + 4 + length {
                return Some(Request { head, body: all[end + 4..].to_vec() });
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => all.extend_from_slice(&chunk[..count]),
        }
    }
}
