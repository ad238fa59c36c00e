//! Work on many things, a few at a time.

use std::future::Future;

use tokio::task::JoinSet;

/// Runs `work` on every item, at most `limit` at a time; answers in the order of the items. A piece of work that panics is `None`.
pub(crate) async fn bounded<I, T, F>(items: Vec<I>, limit: usize, work: impl Fn(I) -> F) -> Vec<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut answers: Vec<Option<T>> = (0..items.len()).map(|_| None).collect();
    let mut running = JoinSet::new();
    let mut take = |joined: Option<Result<(usize, T), tokio::task::JoinError>>| {
        if let Some(Ok((i, answer))) = joined {
            answers[i] = Some(answer);
        }
    };
    for (i, item) in items.into_iter().enumerate() {
        if running.len() >= limit.max(1) {
            let joined = running.join_next().await;
            take(joined);
        }
        let work = work(item);
        running.spawn(async move { (i, work.await) });
    }
    while let Some(joined) = running.join_next().await {
        take(Some(joined));
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn keeps_the_order_and_the_limit() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = |i: usize| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                assert!(i != 7, "one panics");
                i * 2
            }
        };
        let answers = bounded((0..20).collect(), 3, work).await;
        let wanted: Vec<_> = (0..20).map(|i| (i != 7).then_some(i * 2)).collect();
        assert_eq!(answers, wanted);
        assert!(most.load(Ordering::SeqCst) <= 3);
    }
}
