//! How people reach a running rollout: [`Control`] in the same program, [`Inbox`] from another one.

mod inbox;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use inbox::{Inbox, InboxError};

use crate::journal::{Request, Wish};

/// The way in for a person's wishes; clones share it.
///
/// Whatever is asked is answered by the engine: accepted or refused, and recorded as [`Entry::Asked`] either way.
///
/// [`Entry::Asked`]: crate::journal::Entry::Asked
#[derive(Debug, Clone, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Request>,
    /// The strongest wish to end that was ever asked for.
    end: Option<Wish>,
    /// Ids whose answer is recorded, for the inbox to clear away.
    answered: Vec<String>,
}

impl Control {
    /// Asks for something. The engine takes note of it at once, also in the middle of a step.
    pub fn ask(&self, request: Request) {
        let mut state = self.state();
        if let end @ (Wish::Stop | Wish::Abort) = request.wish
            && state.end != Some(Wish::Abort)
        {
            state.end = Some(end);
        }
        state.waiting.push_back(request);
        drop(state);
        self.shared.arrived.notify_one();
    }

    /// Whether somebody asked to stop or to go back, and the stronger of the two; accepted or not.
    #[must_use]
    pub fn end_asked(&self) -> Option<Wish> {
        self.state().end
    }

    /// The oldest request that waits, if any.
    pub(crate) fn take(&self) -> Option<Request> {
        self.state().waiting.pop_front()
    }

    /// The oldest request, once there is one. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&self) -> Request {
        loop {
            let arrived = self.shared.arrived.notified();
            if let Some(request) = self.take() {
                return request;
            }
            arrived.await;
        }
    }

    /// Notes that a request's answer is recorded.
    pub(crate) fn answered(&self, id: &str) {
        self.state().answered.push(id.to_owned());
    }

    fn take_answered(&self) -> Vec<String> {
        std::mem::take(&mut self.state().answered)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
