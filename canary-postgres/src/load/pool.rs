//! A bounded pool that says how long its callers waited.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::live::{Connection, DatabaseUrl, Failure, Session, bounded};

/// Connections made at the same time when the pool opens.
const OPENING: usize = 8;

/// A pool of a fixed size.
pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
    busy_nanos: AtomicU64,
    size: usize,
}

impl Pool {
    /// Opens all connections.
    pub(super) async fn open(url: &DatabaseUrl, session: &Session, size: usize) -> Result<Self, Failure> {
        let opened = bounded(vec![(); size], OPENING, |()| {
            let (url, session) = (url.clone(), session.clone());
            async move { Connection::open(&url, &session).await }
        })
        .await;
        let mut idle = Vec::with_capacity(size);
        for connection in opened.into_iter().flatten() {
            idle.push(connection?);
        }
        let size = idle.len();
        Ok(Self { idle: Mutex::new(idle), free: Semaphore::new(size), busy_nanos: AtomicU64::new(0), size })
    }

    /// Runs `work` on a connection and says how long it took to get one; `None` when none was free in time.
    pub(super) async fn with<T>(
        &self,
        patience: Duration,
        work: impl AsyncFnOnce(&Connection) -> T,
    ) -> Option<(Duration, T)> {
        let asked = Instant::now();
        let _permit = timeout(patience, self.free.acquire()).await.ok()?.ok()?;
        let waited = asked.elapsed();
        let taken = self.idle.lock().ok()?.pop()?;
        let began = Instant::now();
        let answer = work(&taken).await;
        let busy = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy_nanos.fetch_add(busy, Ordering::Relaxed);
        // A broken one stays out: the pool shrinks, as a service's does until it has connected again.
        if taken.is_broken() {
            self.free.forget_permits(1);
        } else if let Ok(mut idle) = self.idle.lock() {
            idle.push(taken);
        }
        Some((waited, answer))
    }

    /// The share of the pool's time in use since it was opened, over `span`.
    pub(super) fn utilisation(&self, span: Duration) -> f64 {
        let busy = Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)).as_secs_f64();
        if span.is_zero() || self.size == 0 { 0.0 } else { busy / (span.as_secs_f64() * self.size as f64) }
    }

    /// Counts use from now on.
    pub(super) fn begin(&self) {
        self.busy_nanos.store(0, Ordering::Relaxed);
    }
}
