//! Bodies on their way through: piece by piece, each within a deadline, and the session ends with the last.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::Session;
use super::pool::Sender;

type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body whose pieces must come within a deadline.
pub(crate) struct Timed {
    inner: Incoming,
    limit: Duration,
    /// Armed when a piece is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Timed {
    pub(crate) const fn new(inner: Incoming, limit: Duration) -> Self {
        Self { inner, limit, timer: None, ended: false }
    }

    /// Whether everything was handed on.
    fn complete(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(piece) => {
                self.timer = None;
                self.ended = piece.is_none();
                Poll::Ready(piece.map(|piece| piece.map_err(Into::into)))
            }
            Poll::Pending => {
                let limit = self.limit;
                let timer = self
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
                match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(cut("the body did not go on in time")))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

fn cut(why: &'static str) -> BodyError {
    io::Error::new(io::ErrorKind::TimedOut, why).into()
}

/// A request's body on its way to a server.
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// The client's.
    Client(Timed),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => body.poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.inner.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Client(_) => "the client's",
        })
    }
}

/// A server's answer on its way to the client; while it is under way the session is in progress.
pub(crate) struct Relayed {
    body: Timed,
    session: Session,
    /// Given back when the answer was read whole.
    sender: Option<Sender>,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Relayed {
    pub(crate) fn new(body: Incoming, limit: Duration, session: Session, sender: Sender) -> Self {
        let closed = Box::pin(session.closed());
        Self { body: Timed::new(body, limit), session, sender: Some(sender), closed }
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take()
            && self.body.complete()
        {
            self.session.keep(sender);
        }
    }
}

/// What a client is sent.
pub(crate) enum ResponseBody {
    /// The balancer's own words.
    Own(Option<Bytes>),
    /// A server's answer.
    Relayed(Box<Relayed>),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Relayed(relayed) => {
                if relayed.closed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(cut("the session was closed"))));
                }
                relayed.body.poll_piece(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(text) => text.is_none(),
            Self::Relayed(relayed) => relayed.body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Relayed(relayed) => relayed.body.inner.size_hint(),
        }
    }
}
