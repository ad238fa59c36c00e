//! Whom decisions are told, out of their record: by the command that made them, or by the next one that comes by.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use canary_core::engine::Check;
use canary_core::journal::{Entry, Record};
use canary_core::traits::JournalError;
use canary_notify::{Kind, NotifyConfig, Outbox, OutboxError, Report, RetrySchedule};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::commands::Context;
use crate::decisions::DecisionLog;
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::Screen;
use crate::telling::{config, spooled, targets, warn, warning};

/// What sends the rest.
const NEXT: &str = "`tenants check`, run, resume or `notify flush`";

/// Tries of a delivery in a row: whoever waits for a decision waits for no more, and what is left is sent by the next command.
const TRIES: RetrySchedule = RetrySchedule {
    attempts: 2,
    first: Duration::from_millis(250),
    cap: Duration::from_secs(1),
    timeout: Duration::from_secs(10),
};

/// The receivers of a service's decisions.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    outbox: Outbox,
    log: DecisionLog,
    flush: Duration,
}

impl Announcer {
    /// Those that the settings name; `None` when they name nobody.
    ///
    /// # Errors
    /// A receiver that cannot be used, with its setting.
    pub(crate) fn of(cx: &Context<'_>) -> Result<Option<Self>, CommandError> {
        let targets = targets(&cx.settings, cx)?;
        if targets.is_empty() {
            return Ok(None);
        }
        let log = DecisionLog::of(&cx.settings);
        let config = NotifyConfig { retry: TRIES, ..config(cx) };
        let outbox = Outbox::beside(log.path(), config, targets);
        Ok(Some(Self { outbox, log, flush: cx.settings.notify.flush_timeout }))
    }

    /// Notes where a receiver begins that is new, before there is a decision that it shall hear of.
    pub(crate) fn enrol(&self) {
        self.outbox.enrol();
    }

    /// Sends what receivers lack, for `notify.flush_timeout` at most; decisions from record `own` on are this command's.
    ///
    /// # Errors
    /// [`OutboxError`]: nobody was told anything.
    pub(crate) async fn tell(&self, own: Option<u64>) -> Result<Vec<Report>, OutboxError> {
        self.outbox.send(own, self.flush).await
    }

    /// What `doctor` says of what waits; a log that cannot be read is told by its own check.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let records = self.log.read().map(|journal| journal.records).unwrap_or_default();
        spooled(&self.outbox.waiting(&records), "decision")
    }
}

/// Why nobody was told, for people.
pub(crate) fn untold(error: &OutboxError) -> String {
    format!("decisions are told to nobody now: {}; they are told by the next {NEXT}", chain(error))
}

/// An error as that of a command whose work it is to tell.
pub(crate) fn explain(error: &OutboxError) -> CommandError {
    let (kind, hint) = match error {
        OutboxError::Log(JournalError::Damaged { .. }) => {
            (ErrorKind::Damaged, "`canary-cli log verify --decisions` says more; nothing was sent")
        }
        OutboxError::Busy { .. } => (ErrorKind::Busy, "wait until the other command is done, then ask again"),
        _ => (ErrorKind::Refused, "see that this user may read it, then ask again"),
    };
    CommandError::new(kind, chain(error), hint)
}

/// What became of the telling of one decision, and whether all of it arrived.
pub(crate) fn told(record: &Record, result: &Result<Vec<Report>, OutboxError>) -> (bool, String) {
    let reports = match result {
        Ok(reports) => reports,
        Err(error) => return (false, untold(error)),
    };
    let Entry::Decided(decided) = &record.entry else { return (true, String::new()) };
    let event = Kind::of(decided.ruling.decision).as_str();
    let one = |report: &Report| match (warning(report, NEXT), report.delivered) {
        (Some(warning), _) => warning,
        (None, 0) => format!("{} is not told of it (notify.on)", report.target),
        (None, 1) => format!("{event} to {}", report.target),
        (None, more) => format!("{event} to {}, and {} that waited", report.target, more - 1),
    };
    (reports.iter().all(Report::complete), reports.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// What the telling beside a watch hears.
#[derive(Debug)]
enum Heard {
    /// This is on the record.
    Decided(Box<Record>),
    /// There will be no more.
    End,
}

/// Rings when a decision of a watch is on the record; whoever rings waits for nobody. Clones share the rope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bell(Arc<OnceLock<UnboundedSender<Heard>>>);

impl Bell {
    /// A decision is on the record.
    pub(crate) fn ring(&self, record: &Record) {
        if let Some(rope) = self.0.get() {
            // Nobody listens any more when the command ends: the next one tells it.
            let _ = rope.send(Heard::Decided(Box::new(record.clone())));
        }
    }
}

/// Tells decisions while a watch goes on.
#[derive(Debug)]
pub(crate) struct Telling {
    rope: UnboundedSender<Heard>,
    task: JoinHandle<Vec<String>>,
    flush: Duration,
}

impl Telling {
    /// Begins with what an earlier command left; from now on listens to the bell.
    pub(crate) fn begin(announcer: Announcer, bell: &Bell) -> Self {
        announcer.enrol();
        let (rope, heard) = unbounded_channel();
        let _ = bell.0.set(rope.clone());
        let flush = announcer.flush;
        Self { rope, task: tokio::spawn(attend(announcer, heard)), flush }
    }

    /// Waits until all is told, for `notify.flush_timeout` at most; what could not be is a warning.
    pub(crate) async fn end(self, screen: &Screen) {
        let _ = self.rope.send(Heard::End);
        let (stop, flush) = (self.task.abort_handle(), self.flush);
        let warnings = tokio::time::timeout(flush, self.task).await;
        stop.abort();
        let late = || {
            vec![format!("decisions: time was up (notify.flush_timeout); they are told by the next {NEXT}")]
        };
        for text in warnings.map_or_else(|_| late(), Result::unwrap_or_default) {
            warn(screen, &text);
        }
    }
}

/// Tells at the beginning, at every change of the decision, and again at each probe while something is left.
async fn attend(announcer: Announcer, mut heard: UnboundedReceiver<Heard>) -> Vec<String> {
    let (mut own, mut last) = (None, None);
    let mut left = tell(&announcer, own).await;
    while let Some(Heard::Decided(record)) = heard.recv().await {
        let Entry::Decided(decided) = &record.entry else { continue };
        own = own.or(Some(record.seq));
        if last.replace(decided.ruling.decision) != Some(decided.ruling.decision) || !left.is_empty() {
            left = tell(&announcer, own).await;
        }
    }
    if !left.is_empty() {
        left = tell(&announcer, own).await;
    }
    left
}

/// What a person should know of what was not told.
async fn tell(announcer: &Announcer, own: Option<u64>) -> Vec<String> {
    match announcer.tell(own).await {
        Ok(reports) => reports.iter().filter_map(|report| warning(report, NEXT)).collect(),
        Err(error) => vec![untold(&error)],
    }
}
