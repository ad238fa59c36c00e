//! One connection: the request, who may ask, what is answered.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{API_KEY, APP_KEY, Exchange, State, Whim, events, queries};

/// The longest body: what is longer is 413.
const LONGEST: usize = 512 * 1024;

/// An answer that is still to be sent.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn refused(status: u16, why: impl Into<String>) -> Self {
        let why: String = why.into();
        Self { status, body: json!({ "errors": [why] }) }
    }
}

struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    too_long: bool,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

pub(super) fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = read(&mut stream)?;
    let path = request.line.split(' ').nth(1).unwrap_or_default().to_owned();
    let whim = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.limited_until.is_some_and(|until| Instant::now() < until) {
            None
        } else {
            state.whims.pop_front()
        }
    };
    let parsed = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    if whim == Some(Whim::Silence) {
        let unanswered = Exchange { path, request: parsed, status: 0, reply: Value::Null };
        state.lock().unwrap_or_else(PoisonError::into_inner).exchanges.push(unanswered);
        // Holds the connection until the other side gives up.
        stream.set_read_timeout(None)?;
        return stream.read(&mut [0]).map(drop);
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (answer, limit) = answer(&request, &path, &parsed, whim, &mut state);
    let text = answer.body.to_string();
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{limit}\r\n",
        answer.status,
        text.len()
    );
    state.exchanges.push(Exchange { path, request: parsed, status: answer.status, reply: answer.body });
    drop(state);
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

fn answer(
    request: &Request,
    path: &str,
    body: &Value,
    whim: Option<Whim>,
    state: &mut State,
) -> (Answer, String) {
    let limits = |remaining: u64, reset: u64| {
        format!(
            "x-ratelimit-limit: 100\r\nx-ratelimit-period: 60\r\nx-ratelimit-remaining: {remaining}\r\n\
             x-ratelimit-reset: {reset}\r\nx-ratelimit-name: canary_test\r\n"
        )
    };
    if state.away {
        return (Answer::refused(503, "away"), String::new());
    }
    if let Some(until) = state.limited_until {
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            let reset = left.as_secs() + 1;
            return (
                Answer::refused(429, "Rate limit of 100 requests in 60 seconds reached."),
                limits(0, reset),
            );
        }
        state.limited_until = None;
    }
    match whim {
        Some(Whim::Status(status)) => return (Answer::refused(status, "as told"), String::new()),
        Some(Whim::RateLimit { reset }) => {
            state.limited_until = Some(Instant::now() + Duration::from_secs(reset));
            return (
                Answer::refused(429, "Rate limit of 100 requests in 60 seconds reached."),
                limits(0, reset),
            );
        }
        _ => {}
    }
    let mut answer = routed(request, path, body, state);
    if let (200, Some(whim)) = (answer.status, whim) {
        queries::spoil(&mut answer.body, &whim);
    }
    (answer, limits(99, 60))
}

fn routed(request: &Request, path: &str, body: &Value, state: &State) -> Answer {
    if request.header("dd-api-key") != API_KEY {
        return Answer::refused(403, "Forbidden");
    }
    if !request.line.starts_with("POST ") {
        return Answer::refused(404, "Not found");
    }
    if request.too_long {
        return Answer::refused(413, "Request entity too large");
    }
    if !request.header("content-type").starts_with("application/json") || body.is_null() {
        return Answer::refused(400, "Invalid JSON");
    }
    match path {
        "/api/v2/events" if !state.no_events_v2 => events::v2(body),
        "/api/v1/events" => events::v1(body),
        "/api/v2/query/scalar" | "/api/v2/query/timeseries"
            if request.header("dd-application-key") != APP_KEY =>
        {
            Answer::refused(403, "Forbidden")
        }
        "/api/v2/query/scalar" => queries::scalar(body, state),
        "/api/v2/query/timeseries" => queries::timeseries(body, state),
        _ => Answer::refused(404, "Not found"),
    }
}

fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let (mut all, mut chunk) = (Vec::new(), vec![0; 65_536]);
    let end = loop {
        if let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        all.extend_from_slice(&chunk[..count]);
    };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = all.split_off(end + 4);
    while body.len() < length {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        body.extend_from_slice(&chunk[..count]);
    }
    Ok(Request { line, headers, body, too_long: length > LONGEST })
}
