//! The engine: carries a plan out step by step, every step recorded before its effect.
//!
//! [`roll_out`] needs a [`DeployPermit`], which only a gate's review gives; [`roll_back`] and [`resume`] need none.
//! All three are one loop around [`next()`], the pure decision.

mod answer;
mod cx;
mod next;
mod observe;
mod outcome;
mod preflight;
mod recorder;
mod replay;
mod spans;
mod steps;
mod suppose;
mod way_back;

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub use next::{Next, next};
pub use outcome::{AfterHold, FailureClass, Outcome};
pub use preflight::{Check, CheckStatus, Preflight};
pub use replay::{Divergence, Replayed, replay};
pub use suppose::{Supposed, WatchEnd, WatchVerdict, suppose};
pub use way_back::{WayBackError, WayBackSearch};

use crate::control::Control;
use crate::fleet::Digest;
use crate::journal::{Entry, History, NodeReport, Request, RolloutId, RolloutView, StepResult};
use crate::plan::{Direction, Plan, Step};
use crate::traits::{
    CheckReport, Clock, DeployPermit, EventSink, Journal, JournalError, LoadBalancer, MigrationGate,
    NodeRuntime, Release, ReleaseCheck, Review, SliSource,
};
use answer::{Answer, Effect, answer, effect};
use cx::{Evidence, StepCx, StepOutcome};
use humantime::format_duration;
use recorder::Recorder;
use tracing::Instrument as _;

/// Everything a rollout works with.
#[derive(Debug, Clone)]
pub struct Backends {
    /// The balancer.
    pub lb: Arc<dyn LoadBalancer>,
    /// The nodes.
    pub nodes: Arc<dyn NodeRuntime>,
    /// The metrics store; `None` when nothing is watched.
    pub sli: Option<Arc<dyn SliSource>>,
    /// Checks of one's own, asked before a rollout and at every probe of a watch.
    pub checks: Vec<Arc<dyn ReleaseCheck>>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Listeners.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// How long a gate may take. It keeps its own limits, one for each binary that runs and each kind of schema; this one ends what
/// keeps none.
pub const GATE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Who wants it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The rollout's id.
    pub rollout: RolloutId,
    /// The person or job.
    pub actor: String,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// How a rollout ended, and what is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The rollout.
    pub rollout: RolloutId,
    /// How it ended.
    pub outcome: Outcome,
    /// What is where, as read back after the last step.
    pub nodes: Vec<NodeReport>,
}

impl Backends {
    /// Asks a gate, and records its answer.
    ///
    /// # Errors
    /// [`JournalError`] when the answer cannot be recorded. A gate that cannot answer, or has not after [`GATE_LIMIT`], is an
    /// undecided review.
    pub async fn review(
        &self,
        gate: &dyn MigrationGate,
        release: &Release,
        order: &Order,
    ) -> Result<Review, JournalError> {
        let late = || format!("{gate}: no answer within {}; it was cut off", format_duration(GATE_LIMIT));
        // The timer is made when the gate has not answered at once: programs that run the engine on a clock of their own may have none.
        let review = tokio::select! {
            biased;
            review = gate.review(release) => review.unwrap_or_else(|error| Review::undecided(error.chain())),
            () = async { tokio::time::sleep(GATE_LIMIT).await } => Review::undecided(late()),
        };
        self.append(Entry::GateReviewed {
            rollout: order.rollout.clone(),
            actor: order.actor.clone(),
            review: review.clone(),
        })
        .await?;
        Ok(review)
    }

    /// Records what checks of one's own answered before a rollout; nothing when there are none.
    ///
    /// # Errors
    /// [`JournalError`] when that cannot be recorded.
    pub async fn record_checks(&self, order: &Order, reports: &[CheckReport]) -> Result<(), JournalError> {
        if reports.is_empty() {
            return Ok(());
        }
        let (rollout, actor) = (order.rollout.clone(), order.actor.clone());
        self.append(Entry::Checked { rollout, actor, reports: reports.to_vec() }).await
    }

    /// Records that a rollout was refused before anything was changed.
    ///
    /// # Errors
    /// [`JournalError`] when that cannot be recorded.
    pub async fn refuse(&self, order: &Order, reasons: Vec<String>) -> Result<(), JournalError> {
        let (rollout, actor) = (order.rollout.clone(), order.actor.clone());
        self.append(Entry::Refused { rollout, actor, reasons }).await
    }

    async fn append(&self, entry: Entry) -> Result<(), JournalError> {
        let record = self.journal.append(entry).await?;
        for sink in &self.sinks {
            sink.emit(&crate::traits::Event::Recorded(&record));
        }
        Ok(())
    }
}

/// Carries a release out.
///
/// # Errors
/// [`JournalError`] when its beginning cannot be recorded: then nothing was changed.
pub async fn roll_out(
    backends: &Backends,
    plan: Plan,
    permit: DeployPermit,
    order: Order,
    control: &Control,
) -> Result<Report, JournalError> {
    start(backends, plan, Some(permit.review()), order, control).await
}

/// Carries a rollback by order out.
///
/// # Errors
/// As [`roll_out`].
pub async fn roll_back(
    backends: &Backends,
    plan: Plan,
    order: Order,
    control: &Control,
) -> Result<Report, JournalError> {
    start(backends, plan, None, order, control).await
}

async fn start(
    backends: &Backends,
    plan: Plan,
    permit: Option<Digest>,
    order: Order,
    control: &Control,
) -> Result<Report, JournalError> {
    let entry = Entry::Started {
        rollout: order.rollout.clone(),
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        permit,
        plan: Box::new(plan.clone()),
    };
    backends.append(entry).await?;
    Ok(carry_on(backends, &plan, &order, History::default(), control).await)
}

/// Continues an interrupted rollout from its journal and the live fleet.
///
/// # Errors
/// As [`roll_out`].
pub async fn resume(
    backends: &Backends,
    view: RolloutView,
    actor: String,
    control: &Control,
) -> Result<Report, JournalError> {
    let nodes = backends.report(&view.plan).await;
    let entry = Entry::Resumed { rollout: view.id.clone(), actor: actor.clone(), nodes };
    let record = backends.journal.append(entry).await?;
    let mut history = view.history;
    history.apply(record.time, &record.entry);
    for sink in &backends.sinks {
        sink.emit(&crate::traits::Event::Recorded(&record));
    }
    let order = Order { rollout: view.id, actor, reason: view.reason };
    Ok(carry_on(backends, &view.plan, &order, history, control).await)
}

/// The loop: decide, record, act, record.
async fn carry_on(
    backends: &Backends,
    plan: &Plan,
    order: &Order,
    history: History,
    control: &Control,
) -> Report {
    let span = spans::rollout(plan, order);
    let report = advance(backends, plan, order, history, control).instrument(span.clone()).await;
    span.record("outcome", report.outcome.as_str());
    report
}

async fn advance(
    backends: &Backends,
    plan: &Plan,
    order: &Order,
    history: History,
    control: &Control,
) -> Report {
    let recorder = Recorder::new(
        order.rollout.clone(),
        Arc::clone(&backends.journal),
        backends.sinks.clone(),
        Arc::clone(&backends.clock),
        history,
    );
    loop {
        while let Some(request) = control.take() {
            heed(plan, &recorder, control, request).await;
        }
        let decided = next(plan, &recorder.history());
        match decided {
            Next::Do(step) => {
                let span = spans::step(order, &step);
                run_step(backends, plan, &recorder, &step, control).instrument(span).await;
            }
            Next::Finish(outcome) => {
                let nodes = backends.report(plan).await;
                let outcome = outcome::borne_out(outcome, plan, &nodes);
                let rollout = order.rollout.clone();
                let entry = Entry::Finished { rollout, outcome: outcome.clone(), nodes: nodes.clone() };
                // The listeners have heard that it could not be written; the outcome stands all the same.
                let _ = recorder.record(entry).await;
                return Report { rollout: order.rollout.clone(), outcome, nodes };
            }
        }
    }
}

/// Answers a request and records the answer; true when it was granted.
async fn heed(plan: &Plan, recorder: &Recorder, control: &Control, request: Request) -> bool {
    let answer = answer(plan, &recorder.history(), &request);
    let id = request.id.clone();
    let granted = answer == Answer::Granted;
    let refused = match answer {
        Answer::Granted => Some(None),
        Answer::Refused(why) => Some(Some(why)),
        Answer::Known => None,
    };
    if let Some(refused) = refused {
        let entry = Entry::Asked { rollout: recorder.rollout.clone(), request, refused };
        // A record that cannot be written is noticed by the next decision.
        let _ = recorder.record(entry).await;
    }
    if let Some(id) = id {
        control.answered(&id);
    }
    granted
}

/// Runs one step, recorded before and after; a person may cut it short, and then it leaves no result.
async fn run_step(backends: &Backends, plan: &Plan, recorder: &Recorder, step: &Step, control: &Control) {
    let rollout = recorder.rollout.clone();
    let begun = recorder.record(Entry::StepStarted { rollout: rollout.clone(), step: step.clone() }).await;
    if begun.is_err() && step.direction == Direction::Forward {
        return;
    }
    let cx = StepCx::new(backends, plan, step, recorder);
    let Some(result) = attended(&cx, control).await else {
        spans::step_stopped();
        return;
    };
    let result = match result {
        Ok(changed) => StepResult::Done { changed },
        Err(failure) => StepResult::Failed { class: failure.class, message: failure.message },
    };
    spans::step_ended(&result);
    let Evidence { facts, logs } = cx.into_evidence();
    // A record that cannot be written is noticed by the next decision.
    let _ = recorder.record(Entry::StepFinished { rollout, step: step.clone(), result, facts, logs }).await;
}

/// Runs a step while requests are answered; `None` when one of them cut it short.
async fn attended(cx: &StepCx<'_>, control: &Control) -> Option<StepOutcome> {
    let mut running = pin!(steps::run(cx));
    let mut attending = pin!(attend(cx, control));
    // Whichever ends first, a record that the other is writing is written whole: it may be in the journal already.
    let effect = tokio::select! {
        biased;
        result = &mut running => {
            tokio::select! { biased; _ = &mut attending => {}, () = cx.recorder.quiet() => {} }
            return Some(result);
        }
        effect = &mut attending => effect,
    };
    tokio::select! {
        biased;
        result = &mut running => Some(result),
        () = cx.recorder.quiet() => (effect == Effect::Done).then_some(Ok(false)),
    }
}

/// Answers requests until one of them ends the step.
async fn attend(cx: &StepCx<'_>, control: &Control) -> Effect {
    loop {
        let request = control.next().await;
        let (wish, actor) = (request.wish, request.actor.clone());
        let paused = cx.history().paused().is_some();
        if !heed(cx.plan, cx.recorder, control, request).await {
            continue;
        }
        match effect(cx.step, wish, paused) {
            Effect::Later => {}
            Effect::Cut => return Effect::Cut,
            Effect::Done => {
                cx.fact("promoted_by", actor);
                return Effect::Done;
            }
        }
    }
}
