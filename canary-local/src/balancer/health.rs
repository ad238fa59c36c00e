//! Whether a server is up: answers counted in a row, and the task that asks.

use std::sync::Arc;

use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Shared;
use super::body::RequestBody;
use super::config::CheckConfig;

/// Up or down, by the answers in a row. Down until the first answer, which decides alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) up: bool,
    /// Answers in a row that contradict `up`.
    against: u32,
    /// Nothing was heard yet.
    fresh: bool,
}

impl Health {
    /// Nothing is known; `up` where nobody will ever ask.
    pub(crate) const fn unknown(checked: bool) -> Self {
        Self { up: !checked, against: 0, fresh: true }
    }

    /// Takes an answer in; true when it made the server go down.
    pub(crate) const fn observe(&mut self, good: bool, rise: u32, fall: u32) -> bool {
        if good == self.up {
            self.against = 0;
            self.fresh = false;
            return false;
        }
        self.against += 1;
        let needed = if self.fresh {
            1
        } else if good {
            rise
        } else {
            fall
        };
        self.fresh = false;
        if self.against < needed {
            return false;
        }
        self.up = good;
        self.against = 0;
        !good
    }
}

/// Checks one server for as long as the balancer lives.
pub(crate) async fn watch(shared: Arc<Shared>, index: usize, config: CheckConfig) {
    loop {
        if shared.pool().wants_checks(index) {
            let good = tokio::time::timeout(config.timeout, good(&shared, index, &config)).await;
            shared.pool().checked(index, good.unwrap_or(false), &config);
        }
        tokio::select! {
            () = tokio::time::sleep(config.interval) => {}
            () = shared.check_now.notified() => {}
        }
    }
}

/// One check, on a connection of its own.
async fn good(shared: &Shared, index: usize, config: &CheckConfig) -> bool {
    let address = shared.pool().address(index);
    let Ok(stream) = TcpStream::connect(address).await else { return false };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else { return false };
    let request = Request::get(config.path.as_str())
        .header(HOST, address.to_string())
        .header(hyper::header::CONNECTION, "close")
        .body(RequestBody::Empty);
    let Ok(request) = request else { return false };
    // Ends when the server closes or the sender is dropped, also by the check's deadline.
    tokio::spawn(connection);
    let response = sender.send_request(request).await;
    response.is_ok_and(|response| response.status().is_success() || response.status().is_redirection())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(health: &mut Health, answers: &str) -> String {
        let mut seen = String::new();
        for answer in answers.chars() {
            health.observe(answer == '+', 2, 3);
            seen.push(if health.up { 'U' } else { 'D' });
        }
        seen
    }

    #[test]
    fn the_first_answer_decides_and_then_rise_and_fall() {
        let cases = [
            ("+", "U"),
            ("-+", "DD"),
            ("-++", "DDU"),
            ("-+-++", "DDDDU"),
            ("+--+---+", "UUUUUUDD"),
            ("+---++", "UUUDDU"),
        ];
        for (answers, expected) in cases {
            assert_eq!(run(&mut Health::unknown(true), answers), expected, "{answers}");
        }
        assert!(Health::unknown(false).up);
    }
}
