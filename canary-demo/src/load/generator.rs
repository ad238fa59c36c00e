use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Uri;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::Client;
use super::target::{LAB_SUBNET, Target, TargetError, checked_path};
use super::{Failure, Summary};

const MAX_CONNECTIONS: usize = 1024;
const MAX_RATE: u32 = 20_000;
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// What load to send.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Keep-alive connections, 1 to 1024; each has one request in flight at most.
    pub connections: usize,
    /// Requests a second over all connections, 1 to 20 000; `None` sends the next when the last is answered.
    pub rate_per_second: Option<u32>,
    /// Paths with their queries, taken in turn.
    pub paths: Vec<String>,
    /// The load ends by itself after this time, one hour at most.
    pub max_duration: Duration,
    /// A request without a whole answer after this time has failed.
    pub request_timeout: Duration,
    /// The first three numbers of the lab's network.
    pub lab_subnet: [u8; 3],
}

impl Default for LoadOptions {
    /// 500 requests a second to `/` over 16 connections, ten minutes at most.
    fn default() -> Self {
        Self {
            connections: 16,
            rate_per_second: Some(500),
            paths: vec!["/".to_owned()],
            max_duration: Duration::from_secs(600),
            request_timeout: Duration::from_secs(30),
            lab_subnet: LAB_SUBNET,
        }
    }
}

impl LoadOptions {
    fn check(&self) -> Result<Vec<Uri>, TargetError> {
        let out = |what, value, range| Err(TargetError::Option { what, value, range });
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return out("connections", self.connections as u64, "1 to 1024");
        }
        if let Some(rate) = self.rate_per_second
            && !(1..=MAX_RATE).contains(&rate)
        {
            return out("rate_per_second", rate.into(), "1 to 20000");
        }
        if self.paths.is_empty() {
            return out("number of paths", 0, "1 or more");
        }
        if self.max_duration > MAX_DURATION {
            return out("max_duration", self.max_duration.as_secs(), "3600 s or less");
        }
        self.paths.iter().map(|path| checked_path(path)).collect()
    }
}

/// A condition did not come true in time; what the load saw until then is kept.
#[derive(Debug, thiserror::Error)]
#[error("the condition did not come true within {waited:?}; until then:\n{summary}")]
pub struct WaitError {
    /// How long was waited.
    pub waited: Duration,
    /// What the load saw until then.
    pub summary: Box<Summary>,
}

/// A running load; dropping it cuts its connections.
#[derive(Debug)]
pub struct Load {
    started: Instant,
    summary: Arc<Mutex<Summary>>,
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
}

impl Load {
    /// Starts sending to `url` (`http://HOST[:PORT]`, found once) until [`Load::stop`] or the options' `max_duration`.
    ///
    /// # Errors
    /// The target is neither loopback nor the lab's, or an option is out of its range. That nobody listens there is no error
    /// here: it is counted.
    pub async fn start(url: &str, options: LoadOptions) -> Result<Self, TargetError> {
        let paths: Arc<[Uri]> = options.check()?.into();
        let target = Arc::new(Target::resolve(url, options.lab_subnet).await?);
        let (stop, stopped) = watch::channel(false);
        let started = Instant::now();
        let summary = Arc::default();
        let mut workers = JoinSet::new();
        for index in 0..options.connections {
            let worker = Worker {
                client: Client::new(Arc::clone(&target)),
                paths: Arc::clone(&paths),
                turn: index,
                schedule: Schedule::new(&options, index),
                started,
                end: started + options.max_duration,
                timeout: options.request_timeout,
                summary: Arc::clone(&summary),
                stopped: stopped.clone(),
            };
            workers.spawn(worker.run());
        }
        Ok(Self { started, summary, stop, workers })
    }

    /// When the load started: what [`Failure::at`] counts from.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// What was seen so far.
    pub fn snapshot(&self) -> Summary {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone();
        summary.elapsed = self.started.elapsed();
        summary
    }

    /// Waits until what was seen meets a condition.
    ///
    /// # Errors
    /// It did not within `deadline`.
    pub async fn wait_for(
        &self,
        mut condition: impl FnMut(&Summary) -> bool,
        deadline: Duration,
    ) -> Result<Summary, WaitError> {
        let waiting = Instant::now();
        loop {
            let summary = self.snapshot();
            if condition(&summary) {
                return Ok(summary);
            }
            if waiting.elapsed() >= deadline {
                return Err(WaitError { waited: deadline, summary: Box::new(summary) });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the options' `max_duration` is over and every request has ended.
    pub async fn finish(mut self) -> Summary {
        while self.workers.join_next().await.is_some() {}
        self.snapshot()
    }

    /// Sends no more, lets the requests in flight end (each within `request_timeout`), and says what was seen.
    pub async fn stop(self) -> Summary {
        // No receiver means that every worker has ended already.
        let _ = self.stop.send(true);
        self.finish().await
    }
}

/// When a worker's requests are due: every `period`, shifted by its share, so that all together make the rate.
struct Schedule {
    first: Duration,
    period: Option<Duration>,
}

impl Schedule {
    fn new(options: &LoadOptions, index: usize) -> Self {
        let slot = options.rate_per_second.map(|rate| Duration::from_secs(1) / rate);
        Self {
            first: slot.map_or(Duration::ZERO, |slot| slot * index as u32),
            period: slot.map(|slot| slot * options.connections as u32),
        }
    }
}

struct Worker {
    client: Client,
    paths: Arc<[Uri]>,
    turn: usize,
    schedule: Schedule,
    started: Instant,
    end: Instant,
    timeout: Duration,
    summary: Arc<Mutex<Summary>>,
    stopped: watch::Receiver<bool>,
}

impl Worker {
    async fn run(mut self) {
        let mut due = self.started + self.schedule.first;
        while self.wait_until(due).await {
            let path = self.paths[self.turn % self.paths.len()].clone();
            self.turn += 1;
            let sent = Instant::now();
            let exchange = self.client.request(&path, self.timeout).await;
            let failed = exchange.result.is_err();
            let skipped = self.next_due(&mut due);
            {
                let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
                summary.retried_idle_close += u64::from(exchange.retried);
                summary.skipped += skipped;
                summary.add(self.started.elapsed(), sent.elapsed(), &path.to_string(), exchange.result);
            }
            if failed && self.schedule.period.is_none() {
                // A refused connection costs nothing: without a pause a closed loop would spin on it.
                due = Instant::now() + Duration::from_millis(10);
            }
        }
    }

    /// Moves to the next time in the future; says how many were missed.
    fn next_due(&self, due: &mut Instant) -> u64 {
        let Some(period) = self.schedule.period else { return 0 };
        *due += period;
        let late = Instant::now().saturating_duration_since(*due);
        let missed = late.as_nanos() / period.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        *due += period * missed;
        missed.into()
    }

    /// Waits for a time; false when the load is over before it.
    async fn wait_until(&mut self, due: Instant) -> bool {
        if *self.stopped.borrow() || due >= self.end || Instant::now() >= self.end {
            return false;
        }
        tokio::select! {
            biased;
            // An error means that the load was dropped.
            _ = self.stopped.wait_for(|stopped| *stopped) => false,
            () = tokio::time::sleep_until(due.into()) => true,
        }
    }
}

impl Failure {
    /// Whether it failed between two moments of the load's own clock.
    pub fn is_between(&self, load_started: Instant, from: Instant, to: Instant) -> bool {
        let at = load_started + self.at;
        from <= at && at <= to
    }
}
