//! A bounded queue for one receiver; when full, the least important notice goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canary_core::time::Timestamp;
use tokio::sync::Notify;

use crate::notice::Notice;

/// A queue and its counts.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: usize,
    state: Mutex<State>,
    changed: Notify,
}

/// What is in it.
#[derive(Debug, Default)]
pub(crate) struct State {
    waiting: VecDeque<Arc<Notice>>,
    /// Whether the first one is being delivered: it is not dropped any more.
    in_hand: bool,
    closed: bool,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    pub(crate) error: Option<String>,
}

impl State {
    /// How many are waiting, that in hand included.
    pub(crate) fn left(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Since when the oldest of them waits.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|notice| notice.time).min()
    }
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), state: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a notice. When there is no room, the least important goes, the oldest of them first; it may be this one.
    pub(crate) fn push(&self, notice: Arc<Notice>) {
        let mut state = self.state();
        if state.closed {
            state.dropped += 1;
            return;
        }
        state.waiting.push_back(notice);
        if state.waiting.len() > self.limit {
            let skip = usize::from(state.in_hand);
            let candidates = state.waiting.iter().enumerate().skip(skip);
            let least = candidates.min_by_key(|(_, notice)| notice.importance()).map(|(at, _)| at);
            if let Some(at) = least {
                state.waiting.remove(at);
                state.dropped += 1;
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next notice, which stays in the queue until [`Self::done`]; `None` when the queue is closed and empty.
    pub(crate) async fn next(&self) -> Option<Arc<Notice>> {
        loop {
            {
                let mut state = self.state();
                if let Some(notice) = state.waiting.front().cloned() {
                    state.in_hand = true;
                    return Some(notice);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Counts what became of the notice in hand.
    pub(crate) fn done(&self, result: Result<(), String>) {
        let mut state = self.state();
        state.waiting.pop_front();
        state.in_hand = false;
        match result {
            Ok(()) => state.delivered += 1,
            Err(why) => {
                state.failed += 1;
                state.error = Some(why);
            }
        }
    }

    /// Leaves the notice in hand where it is, since its receiver does not take it now, and waits: until the queue is closed or
    /// `pause` is over. Nothing overtakes it. Whether the queue was closed.
    pub(crate) async fn pause(&self, pause: Duration, why: String) -> bool {
        self.state().error = Some(why);
        let until = tokio::time::Instant::now() + pause;
        while !self.state().closed {
            if tokio::time::timeout_at(until, self.changed.notified()).await.is_err() {
                return self.state().closed;
            }
        }
        true
    }

    /// Takes nothing more; what is in it is still delivered.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Kind;
    use crate::testing;

    fn notice(kind: Kind, id: &str) -> Arc<Notice> {
        Arc::new(Notice { kind, id: id.to_owned(), ..testing::ended() })
    }

    fn ids(queue: &Queue) -> Vec<String> {
        queue.state().waiting.iter().map(|notice| notice.id.clone()).collect()
    }

    #[tokio::test]
    async fn the_least_important_goes_first_and_order_stays() {
        let queue = Queue::new(3);
        queue.push(notice(Kind::Started, "in hand"));
        queue.next().await.unwrap();
        queue.push(notice(Kind::CanaryRed, "problem 1"));
        queue.push(notice(Kind::Resumed, "info"));
        queue.push(notice(Kind::Ended, "end"));
        assert_eq!(ids(&queue), ["in hand", "problem 1", "end"]);
        queue.push(notice(Kind::CanaryRed, "problem 2"));
        assert_eq!(ids(&queue), ["in hand", "end", "problem 2"]);
        queue.push(notice(Kind::Started, "late info"));
        assert_eq!(ids(&queue), ["in hand", "end", "problem 2"]);
        assert_eq!(queue.state().dropped, 3);
    }

    #[tokio::test]
    async fn a_pause_keeps_the_first_first_and_ends_with_the_queue() {
        let queue = Queue::new(1);
        queue.push(notice(Kind::Started, "in hand"));
        queue.next().await.unwrap();
        assert!(!queue.pause(Duration::from_millis(1), "away".to_owned()).await);
        queue.push(notice(Kind::Ended, "no room"));
        assert_eq!(ids(&queue), ["in hand"]);
        queue.close();
        assert!(queue.pause(Duration::from_secs(3600), "away".to_owned()).await);
        let state = queue.state();
        assert_eq!((state.left(), state.failed, state.error.as_deref()), (1, 0, Some("away")));
    }

    #[tokio::test]
    async fn a_closed_queue_is_emptied_and_then_ends() {
        let queue = Queue::new(3);
        queue.push(notice(Kind::Ended, "end"));
        queue.close();
        queue.push(notice(Kind::Ended, "too late"));
        assert_eq!(queue.next().await.unwrap().id, "end");
        queue.done(Ok(()));
        assert!(queue.next().await.is_none());
        let state = queue.state();
        assert_eq!((state.delivered, state.dropped), (1, 1));
    }
}
