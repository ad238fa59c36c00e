//! The engine: carries a plan out step by step, every step recorded before its effect.
//!
//! [`roll_out`] needs a [`DeployPermit`], which only a gate's review gives; [`roll_back`] and [`resume`] need none.
//! All three are one loop around [`next()`], the pure decision.

mod cx;
mod next;
mod observe;
mod outcome;
mod preflight;
mod recorder;
mod steps;
mod stop;
mod way_back;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use next::{Next, next};
pub use outcome::{AfterHold, FailureClass, Outcome};
pub use preflight::{Check, CheckStatus};
pub use stop::Stop;
pub use way_back::{WayBackError, WayBackSearch};

use crate::fleet::Digest;
use crate::journal::{Entry, History, NodeReport, RolloutId, RolloutView, StepResult, StopHow};
use crate::plan::{Action, Direction, Plan, Step};
use crate::traits::{
    Clock, DeployPermit, EventSink, Journal, JournalError, LoadBalancer, MigrationGate, NodeRuntime, Release,
    Review, SliSource,
};
use cx::StepCx;
use recorder::Recorder;

/// Everything a rollout works with.
#[derive(Debug, Clone)]
pub struct Backends {
    /// The balancer.
    pub lb: Arc<dyn LoadBalancer>,
    /// The nodes.
    pub nodes: Arc<dyn NodeRuntime>,
    /// The metrics store; `None` when nothing is watched.
    pub sli: Option<Arc<dyn SliSource>>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Listeners.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

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
    /// [`JournalError`] when the answer cannot be recorded. A gate that cannot answer is an undecided review.
    pub async fn review(
        &self,
        gate: &dyn MigrationGate,
        release: &Release,
        order: &Order,
    ) -> Result<Review, JournalError> {
        let review = match gate.review(release).await {
            Ok(review) => review,
            Err(error) => Review {
                verdict: crate::traits::GateVerdict::Undecided { why: error.chain() },
                findings: Vec::new(),
                evidence: Vec::new(),
                digest: Digest::of(&[]),
            },
        };
        self.append(Entry::GateReviewed {
            rollout: order.rollout.clone(),
            actor: order.actor.clone(),
            review: review.clone(),
        })
        .await?;
        Ok(review)
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
    stop: &Stop,
) -> Result<Report, JournalError> {
    start(backends, plan, Some(permit.review()), order, stop).await
}

/// Carries a rollback by order out.
///
/// # Errors
/// As [`roll_out`].
pub async fn roll_back(
    backends: &Backends,
    plan: Plan,
    order: Order,
    stop: &Stop,
) -> Result<Report, JournalError> {
    start(backends, plan, None, order, stop).await
}

async fn start(
    backends: &Backends,
    plan: Plan,
    permit: Option<Digest>,
    order: Order,
    stop: &Stop,
) -> Result<Report, JournalError> {
    let entry = Entry::Started {
        rollout: order.rollout.clone(),
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        permit,
        plan: Box::new(plan.clone()),
    };
    backends.append(entry).await?;
    Ok(carry_on(backends, &plan, &order, History::default(), stop).await)
}

/// Continues an interrupted rollout from its journal and the live fleet.
///
/// # Errors
/// As [`roll_out`].
pub async fn resume(
    backends: &Backends,
    view: RolloutView,
    actor: String,
    stop: &Stop,
) -> Result<Report, JournalError> {
    let entry = Entry::Resumed { rollout: view.id.clone(), actor: actor.clone() };
    let record = backends.journal.append(entry).await?;
    let mut history = view.history;
    history.apply(record.time, &record.entry);
    for sink in &backends.sinks {
        sink.emit(&crate::traits::Event::Recorded(&record));
    }
    let order = Order { rollout: view.id, actor, reason: view.reason };
    Ok(carry_on(backends, &view.plan, &order, history, stop).await)
}

/// The loop: decide, record, act, record.
async fn carry_on(backends: &Backends, plan: &Plan, order: &Order, history: History, stop: &Stop) -> Report {
    let recorder = Recorder::new(
        order.rollout.clone(),
        Arc::clone(&backends.journal),
        backends.sinks.clone(),
        Arc::clone(&backends.clock),
        history,
    );
    loop {
        note_stop(&recorder, order, stop).await;
        match next(plan, &recorder.history()) {
            Next::Do(step) => run_step(backends, plan, &recorder, &step, stop).await,
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

/// Records a wish to stop once; a record that cannot be written is noticed by the next decision.
async fn note_stop(recorder: &Recorder, order: &Order, stop: &Stop) {
    let Some(how) = stop.asked() else { return };
    let known = recorder.history().stop();
    if known == Some(how) || known == Some(StopHow::GoBack) {
        return;
    }
    let (rollout, actor) = (order.rollout.clone(), order.actor.clone());
    let _ = recorder.record(Entry::StopRequested { rollout, actor, how }).await;
}

/// Runs one step, recorded before and after; a wish to stop may end it early, without a result.
async fn run_step(backends: &Backends, plan: &Plan, recorder: &Recorder, step: &Step, stop: &Stop) {
    let rollout = recorder.rollout.clone();
    let begun = recorder.record(Entry::StepStarted { rollout: rollout.clone(), step: step.clone() }).await;
    if begun.is_err() && step.direction == Direction::Forward {
        return;
    }
    let cx = StepCx::new(backends, plan, step, recorder);
    let result = tokio::select! {
        result = steps::run(&cx) => result,
        () = ended_early(step, stop) => return,
    };
    let result = match result {
        Ok(changed) => StepResult::Done { changed },
        Err(failure) => StepResult::Failed { class: failure.class, message: failure.message },
    };
    let cx::Evidence { facts, logs } = cx.into_evidence();
    // A record that cannot be written is noticed by the next decision.
    let _ = recorder.record(Entry::StepFinished { rollout, step: step.clone(), result, facts, logs }).await;
}

/// Returns when `stop` asks for something that ends `step` at once: a watch ends for any wish, another step forward
/// only for going back, a step back never.
async fn ended_early(step: &Step, stop: &Stop) {
    match (step.direction, step.action) {
        (Direction::Back, _) => std::future::pending().await,
        (Direction::Forward, Action::Watch) => stop.wait_for(&[StopHow::Safely, StopHow::GoBack]).await,
        (Direction::Forward, _) => stop.wait_for(&[StopHow::GoBack]).await,
    }
}
