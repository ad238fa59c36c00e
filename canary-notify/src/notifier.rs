//! The event sink: events become notices, notices wait in a queue for each receiver, a task for each delivers them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use canary_core::engine::Outcome;
use canary_core::journal::{Record, RolloutId};
use canary_core::traits::{Event, EventSink};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::{NotifyConfig, RetrySchedule};
use crate::delivery::{DeliveryError, Report, attempt_once, deliver};
use crate::ledger::Ledger;
use crate::notice::Notice;
use crate::queue::Queue;
use crate::story::Story;
use crate::target::Target;

/// Tells receivers what happens. [`EventSink::emit`] returns at once; [`Self::close`] waits for what is on its way.
pub struct Notifier {
    config: NotifyConfig,
    story: Mutex<Story>,
    lanes: Mutex<Vec<Lane>>,
    queues: Vec<(Arc<Target>, Arc<Queue>)>,
    ledger: Arc<Ledger>,
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
    /// what an earlier command did not deliver is sent now, in order, marked as late.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn start(config: NotifyConfig, targets: Vec<Target>, records: &[Record]) -> Self {
        Self::resume(config, targets, records, records.len())
    }

    /// As [`Self::start`], where the records from index `own` on are of this command: they are not late, and a receiver that is
    /// new hears of them.
    pub(crate) fn resume(config: NotifyConfig, targets: Vec<Target>, records: &[Record], own: usize) -> Self {
        let own = own.min(records.len());
        let ledger = Arc::new(ledger(&config, &targets, records, own, false));
        let (earlier, ours) = records.split_at(own);
        let (mut story, past) = past(&config, &targets, earlier, &ledger);
        story.was_before();
        let (mut lanes, mut queues) = (Vec::new(), Vec::new());
        for target in targets.into_iter().map(Arc::new) {
            let queue = Arc::new(Queue::new(config.queue));
            for notice in spool(&target, &past, &ledger) {
                queue.push(Arc::new(Notice { late: true, ..notice }));
            }
            let work = work(Arc::clone(&target), Arc::clone(&queue), config.retry, Arc::clone(&ledger));
            lanes.push(Lane { task: tokio::spawn(work) });
            queues.push((target, queue));
        }
        let notifier = Self { config, story: Mutex::new(story), lanes: Mutex::new(lanes), queues, ledger };
        for record in ours {
            notifier.emit(&Event::Recorded(record));
        }
        notifier
    }

    /// What waits in the spool for each receiver, as a report in which nothing is delivered; sends and changes nothing.
    #[must_use]
    pub fn spooled(config: &NotifyConfig, targets: &[Target], records: &[Record]) -> Vec<Report> {
        let ledger = ledger(config, targets, records, records.len(), true);
        let (_, past) = past(config, targets, records, &ledger);
        let report = |target: &Target| {
            let queue = Queue::new(usize::MAX);
            for notice in spool(target, &past, &ledger) {
                queue.push(Arc::new(notice));
            }
            report(target, &queue)
        };
        targets.iter().map(report).collect()
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
        for (_, queue) in &self.queues {
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
        self.queues.iter().map(|(target, queue)| report(target, queue)).collect()
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
        // What another command has delivered meanwhile is settled.
        let lacks = |target: &Target| {
            notice.seq().is_none_or(|seq| seq >= self.ledger.cursor(target.name())) && target.takes(&notice)
        };
        let told: Vec<_> = self.queues.iter().filter(|(target, _)| lacks(target)).collect();
        if !notice.recorded {
            self.ledger.hold(told.iter().map(|(target, _)| target.name().to_owned()).collect(), &notice);
        }
        for (_, queue) in told {
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
        let names: Vec<_> = self.queues.iter().map(|(target, _)| target.name()).collect();
        write!(f, "notifications to {}", names.join(", "))
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("queues", &self.queues).finish_non_exhaustive()
    }
}

fn report(target: &Target, queue: &Queue) -> Report {
    let state = queue.state();
    Report {
        name: target.name(),
        target: target.to_string(),
        delivered: state.delivered,
        failed: state.failed,
        dropped: state.dropped,
        left: state.left(),
        oldest: state.oldest(),
        error: state.error.clone(),
    }
}

/// The cursors in the journal of these records, of which those from index `own` on are new to everybody.
fn ledger(config: &NotifyConfig, targets: &[Target], records: &[Record], own: usize, look: bool) -> Ledger {
    let names: Vec<_> = targets.iter().map(Target::name).collect();
    let log = records.last().map_or("", |record| record.log.as_str());
    let end = records.last().map_or(0, |record| record.seq + 1);
    let next = records.get(own).map_or(end, |record| record.seq);
    if look {
        return Ledger::look(config.ledger.as_deref(), log, next, &names);
    }
    Ledger::open(config.ledger.clone(), log, next, &names)
}

/// Everything that records tell, as far back as any receiver may lack it, and the story up to their end.
fn past(
    config: &NotifyConfig,
    targets: &[Target],
    records: &[Record],
    ledger: &Ledger,
) -> (Story, Vec<(u64, Notice)>) {
    let from = targets.iter().map(|target| ledger.cursor(target.name())).min().unwrap_or(u64::MAX);
    let mut story = Story::new(config.about.clone(), config.hold_after);
    let told = records.iter().filter_map(|record| Some((record.seq, story.recorded(record)?)));
    let past = told.filter(|(seq, notice)| *seq >= from && config.choice.wants(notice)).collect();
    (story, past)
}

/// What a receiver may lack, in order.
fn spool(target: &Target, past: &[(u64, Notice)], ledger: &Ledger) -> Vec<Notice> {
    let cursor = ledger.cursor(target.name());
    let recorded = past.iter().filter(|(seq, _)| *seq >= cursor).map(|(_, notice)| notice.clone());
    let mut all = in_order(recorded.collect(), ledger.held(target.name()));
    all.retain(|notice| target.takes(notice));
    all
}

/// What records tell in their order, and what none tells where its time puts it.
fn in_order(mut recorded: Vec<Notice>, held: Vec<Notice>) -> Vec<Notice> {
    for notice in held {
        let at = recorded.iter().position(|other| other.time > notice.time).unwrap_or(recorded.len());
        recorded.insert(at, notice);
    }
    recorded
}

/// Delivers one receiver's notices, in order: one that may still arrive is not overtaken, however long that takes.
async fn work(target: Arc<Target>, queue: Arc<Queue>, schedule: RetrySchedule, ledger: Arc<Ledger>) {
    while let Some(notice) = queue.next().await {
        let result = deliver(&target, &notice, &schedule).await;
        if let Some(error) = result.as_ref().err().filter(|error| error.again) {
            if queue.pause(schedule.cap, error.to_string()).await {
                return;
            }
            continue;
        }
        // What can never arrive is not sent again by the next command either.
        ledger.settled(target.name(), &notice);
        queue.done(result.map_err(|error| error.to_string()));
    }
}
