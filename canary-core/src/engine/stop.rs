//! How a person's wish to stop reaches a running rollout.

use std::sync::Arc;

use tokio::sync::watch;

use crate::journal::StopHow;

/// A wish to stop; clones share it. It can only grow stronger.
#[derive(Debug, Clone)]
pub struct Stop {
    wish: Arc<watch::Sender<Option<StopHow>>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { wish: Arc::new(watch::Sender::new(None)) }
    }
}

impl Stop {
    /// Asks the rollout to stop.
    pub fn ask(&self, how: StopHow) {
        self.wish.send_if_modified(|wish| {
            let stronger = !matches!(
                (*wish, how),
                (Some(StopHow::GoBack), _) | (Some(StopHow::Safely), StopHow::Safely)
            );
            if stronger {
                *wish = Some(how);
            }
            stronger
        });
    }

    /// The wish so far.
    #[must_use]
    pub fn asked(&self) -> Option<StopHow> {
        *self.wish.borrow()
    }

    /// Returns once any of `wishes` is the wish. Never returns when it never is.
    pub(super) async fn wait_for(&self, wishes: &[StopHow]) {
        let mut receiver = self.wish.subscribe();
        // The sender lives as long as `self`, so the channel cannot close here.
        if receiver.wait_for(|wish| wish.is_some_and(|wish| wishes.contains(&wish))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
