//! Asks the balancer every few seconds how the servers stand, for the view alone: nothing depends on the answers.

use std::sync::Arc;
use std::time::Duration;

use canary_core::traits::LoadBalancer;
use tokio::task::JoinHandle;

use crate::render::Screen;

/// The pause between two questions.
const PAUSE: Duration = Duration::from_secs(3);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often is looked whether there is a view yet.
const NOT_YET: Duration = Duration::from_millis(50);

/// Ends the looking when dropped.
#[derive(Debug)]
pub(super) struct Looking(Option<JoinHandle<()>>);

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Looks as long as the result lives; not at all where no view is shown.
pub(super) fn look_on(screen: &Screen, balancer: &Arc<dyn LoadBalancer>) -> Looking {
    if !screen.live() {
        return Looking(None);
    }
    let (screen, balancer) = (screen.clone(), Arc::clone(balancer));
    Looking(Some(tokio::spawn(async move {
        loop {
            if !screen.viewing() {
                tokio::time::sleep(NOT_YET).await;
                continue;
            }
            let answer = tokio::time::timeout(PATIENCE, balancer.servers()).await;
            screen.pool(answer.ok().and_then(Result::ok).as_ref());
            tokio::time::sleep(PAUSE).await;
        }
    })))
}
