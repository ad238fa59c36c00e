//! The event sink: events become notices, notices wait in a queue for each receiver, a task for each delivers them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use canary_core::engine::Outcome;
use canary_core::journal::{Record, RolloutId};
use canary_core::traits::{Event, EventSink};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::NotifyConfig;
use crate::delivery::{DeliveryError, Report, attempt_once, deliver};
use crate::ledger::Ledger;
use crate::notice::{Importance, Notice};
use crate::queue::Queue;
use crate::story::Story;
use crate::target::Target;

/// How many ends of earlier commands are sent at most.
const LATE: usize = 10;

/// Tells receivers what happens. [`EventSink::emit`] returns at once; [`Self::close`] waits for what is on its way.
pub struct Notifier {
    config: NotifyConfig,
    story: Mutex<Story>,
    lanes: Mutex<Vec<Lane>>,
    queues: Vec<(&'static str, String, Arc<Queue>)>,
}

/// A receiver's task.
struct Lane {
    task: JoinHandle<()>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Notifier {
    /// Starts a task for each receiver. `records` is what the journal holds already: it tells the rollout at hand, and
    /// ends that an earlier command did not deliver are sent now, marked as late.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn start(config: NotifyConfig, targets: Vec<Target>, records: &[Record]) -> Self {
        let names: Vec<_> = targets.iter().map(Target::name).collect();
        let last = records.last();
        let log = last.map_or("", |record| record.log.as_str());
        let ledger = Ledger::open(config.ledger.clone(), log, last.map_or(0, |record| record.seq), &names);
        let ledger = Arc::new(ledger);
        let mut story = Story::new(config.about.clone(), config.hold_after);
        let past = ends(&mut story, records);
        story.was_before();
        let (mut lanes, mut queues) = (Vec::new(), Vec::new());
        for target in targets {
            let queue = Arc::new(Queue::new(config.queue));
            for (seq, notice) in past.iter().filter(|(seq, _)| *seq > ledger.cursor(target.name())) {
                if config.choice.wants(notice) {
                    queue.push(Arc::new(Notice { late: true, ..notice.clone() }));
                } else {
                    ledger.advance(target.name(), *seq);
                }
            }
            queues.push((target.name(), target.to_string(), Arc::clone(&queue)));
            lanes.push(Lane { task: tokio::spawn(work(target, queue, config.retry, Arc::clone(&ledger))) });
        }
        Self { config, story: Mutex::new(story), lanes: Mutex::new(lanes), queues }
    }

    /// Says that a rollout was asked for, before its first record: whatever ends the command now is told.
    pub fn begin(&self, rollout: RolloutId, actor: String, reason: Option<String>) {
        self.story().begin(rollout, actor, reason);
    }

    /// The command ends without the engine's last word. Told once, and not when the end was told already.
    pub fn abandon(&self, outcome: Outcome, summary: String) {
        let notice = self.story().abandoned(SystemTime::now().into(), outcome, summary);
        self.tell(notice);
    }

    /// Takes nothing more and waits until all is delivered, at most for `deadline`; gives how each receiver fared.
    pub async fn close(&self, deadline: Duration) -> Vec<Report> {
        let until = Instant::now() + deadline;
        for (_, _, queue) in &self.queues {
            queue.close();
        }
        let lanes = std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        for mut lane in lanes {
            // What is not delivered by then is counted below; the lane's drop ends its task.
            let _ = tokio::time::timeout_at(until, &mut lane.task).await;
        }
        self.reports()
    }

    /// How each receiver fares.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let report = |(name, target, queue): &(&'static str, String, Arc<Queue>)| {
            let state = queue.state();
            Report {
                name,
                target: target.clone(),
                delivered: state.delivered,
                failed: state.failed,
                dropped: state.dropped,
                left: state.left(),
                error: state.error.clone(),
            }
        };
        self.queues.iter().map(report).collect()
    }

    /// Sends one marked test notice to a receiver, once.
    ///
    /// # Errors
    /// [`DeliveryError`] when it does not arrive.
    pub async fn test(target: &Target, config: &NotifyConfig) -> Result<(), DeliveryError> {
        let story = Story::new(config.about.clone(), config.hold_after);
        let notice = story.test(SystemTime::now().into());
        attempt_once(target, &notice, config.retry.timeout).await
    }

    fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, notice: Option<Notice>) {
        let Some(notice) = notice.filter(|notice| self.config.choice.wants(notice)) else { return };
        let notice = Arc::new(notice);
        for (_, _, queue) in &self.queues {
            queue.push(Arc::clone(&notice));
        }
    }
}

impl EventSink for Notifier {
    fn emit(&self, event: &Event<'_>) {
        let notice = match event {
            Event::Recorded(record) => self.story().recorded(record),
            Event::Waiting(progress) => self.story().waiting(SystemTime::now().into(), progress),
            Event::Unrecorded { entry, why } => self.story().unrecorded(SystemTime::now().into(), entry, why),
        };
        self.tell(notice);
    }
}

impl fmt::Display for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.queues.iter().map(|(name, ..)| *name).collect();
        write!(f, "notifications to {}", names.join(", "))
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("queues", &self.queues).finish_non_exhaustive()
    }
}

/// The last ends of a journal, each with its record's number.
fn ends(story: &mut Story, records: &[Record]) -> Vec<(u64, Notice)> {
    let mut ends: Vec<_> = records
        .iter()
        .filter_map(|record| Some((record.seq, story.recorded(record)?)))
        .filter(|(_, notice)| notice.importance() == Importance::End)
        .collect();
    ends.split_off(ends.len().saturating_sub(LATE))
}

/// Delivers one receiver's notices, in order.
async fn work(
    target: Target,
    queue: Arc<Queue>,
    schedule: crate::config::RetrySchedule,
    ledger: Arc<Ledger>,
) {
    while let Some(notice) = queue.next().await {
        let result = deliver(&target, &notice, &schedule).await;
        // What can never arrive is not sent again by the next command either.
        let settled = result.as_ref().err().is_none_or(|error| !error.again);
        if let (true, Some(seq)) = (settled, seq_of(&notice)) {
            ledger.advance(target.name(), seq);
        }
        queue.done(result.map_err(|error| error.to_string()));
    }
}

/// The record a notice is about: the number at the end of its id.
fn seq_of(notice: &Notice) -> Option<u64> {
    if !notice.recorded {
        return None;
    }
    notice.id.rsplit_once('-').and_then(|(_, seq)| seq.parse().ok())
}
