//! The view of a rollout that is under way: a fold of its records, and what is seen meanwhile.
//!
//! Pure: [`View::rows`] makes lines of it for any size of terminal; where and when they are drawn is not its matter.

mod frame;
mod track;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use canary_core::analysis::{Observation, WatchNext};
use canary_core::engine::{Next, Outcome, next};
use canary_core::fleet::{Digest, NodeId};
use canary_core::journal::{Entry, History, Record, RolloutId, StepResult, StepStatus};
use canary_core::plan::{Action, Direction, Plan, PlannedWeights, Step};
use canary_core::spec::WatchPolicy;
use canary_core::time::Timestamp;
use canary_core::traits::{AdminState, Operational, PoolState, Progress};

use track::Track;

/// The characters that the view is drawn with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyphs {
    levels: [char; 8],
    /// Stands for every red cell, where height alone does not tell.
    alarm: Option<char>,
    gap: char,
    done: char,
    in_hand: char,
    to_come: char,
    failed: char,
    back: char,
    /// Stands at the end of what was cut.
    pub(super) mark: &'static str,
}

impl Glyphs {
    pub(super) const UNICODE: Self = Self {
        levels: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        alarm: None,
        gap: '·',
        done: '✓',
        in_hand: '▸',
        to_come: '·',
        failed: '✗',
        back: '↩',
        mark: "…",
    };
    pub(super) const ASCII: Self = Self {
        levels: ['_', '.', '-', '~', '=', '+', '*', '#'],
        alarm: Some('!'),
        gap: ' ',
        done: '+',
        in_hand: '>',
        to_come: '.',
        failed: '!',
        back: '<',
        mark: "...",
    };

    const fn green(&self, height: usize) -> char {
        self.levels[height]
    }

    fn red(&self, height: usize) -> char {
        self.alarm.unwrap_or(self.levels[height])
    }
}

/// What is known of a node.
#[derive(Debug, Clone, Default)]
struct Seen {
    binary: Option<Digest>,
    balancer: Option<(AdminState, Operational)>,
    /// Requests in progress, where the balancer was asked lately.
    sessions: Option<u64>,
}

/// A step that was begun and has not ended.
#[derive(Debug, Clone)]
struct InHand {
    step: Step,
    begun: Timestamp,
    /// What it told last of its wait.
    wait: Option<Progress>,
}

/// A rollout that is under way.
#[derive(Debug, Clone)]
pub(super) struct View {
    rollout: RolloutId,
    plan: Plan,
    started: Timestamp,
    history: History,
    nodes: BTreeMap<NodeId, Seen>,
    tracks: Vec<Track>,
    /// The last probe.
    latest: Option<Observation>,
    in_hand: Option<InHand>,
    /// Steps of the node in hand that are done, and that follow when all goes well.
    before: Vec<Step>,
    after: Vec<Step>,
}

impl View {
    /// The view of a rollout that begins.
    fn new(rollout: RolloutId, plan: Plan, started: Timestamp) -> Self {
        let seen = |binary| Seen { binary, ..Seen::default() };
        let nodes = plan.nodes.iter().map(|planned| (planned.node.clone(), seen(planned.before))).collect();
        let slis = plan.spec.watch.iter().flat_map(|policy| &policy.slis);
        let tracks = slis.map(|sli| Track::new(sli.bound)).collect();
        let history = History::default();
        let (before, after) = (Vec::new(), Vec::new());
        Self { rollout, plan, started, history, nodes, tracks, latest: None, in_hand: None, before, after }
    }

    /// The view that records add up to; `None` when no rollout among them is under way.
    pub(super) fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let mut view = None;
        for record in records {
            Self::fold(&mut view, record.time, &record.entry);
        }
        view
    }

    /// Takes an entry into account: a rollout begins, goes on or ends.
    pub(super) fn fold(view: &mut Option<Self>, time: Timestamp, entry: &Entry) {
        match entry {
            Entry::Started { rollout, plan, .. } => {
                *view = Some(Self::new(rollout.clone(), (**plan).clone(), time));
            }
            Entry::Finished { outcome, .. } if !matches!(outcome, Outcome::Interrupted { .. }) => {
                *view = None;
            }
            _ => {
                if let Some(view) = view {
                    view.apply(time, entry);
                }
            }
        }
    }

    /// Whether the rollout's records say that it ended, for now at least.
    pub(super) const fn ended(&self) -> bool {
        self.history.finished().is_some()
    }

    fn apply(&mut self, time: Timestamp, entry: &Entry) {
        self.history.apply(time, entry);
        match entry {
            Entry::StepStarted { step, .. } => self.begin(time, step),
            Entry::Observed { observation, .. } => self.observe(observation),
            Entry::StepFinished { step, result, .. } => {
                if matches!(result, StepResult::Done { .. }) {
                    self.effect(step);
                    self.before.push(step.clone());
                }
                self.in_hand = None;
            }
            Entry::Resumed { .. } | Entry::Finished { .. } => self.in_hand = None,
            _ => {}
        }
    }

    fn begin(&mut self, time: Timestamp, step: &Step) {
        let same = |other: &Step| other.node == step.node && other.direction == step.direction;
        self.before.retain(|other| same(other) && other != step);
        self.after = self.ahead(time, step);
        self.in_hand = Some(InHand { step: step.clone(), begun: time, wait: None });
    }

    /// The steps of the same node that follow `step` when all goes well, by the engine's own decision.
    fn ahead(&self, time: Timestamp, step: &Step) -> Vec<Step> {
        let mut history = self.history.clone();
        let mut steps = Vec::new();
        while let Next::Do(next) = next(&self.plan, &history) {
            // A pause that was asked for comes again until it is promoted.
            if next.node != step.node || next.direction != step.direction || steps.contains(&next) {
                break;
            }
            let done = Entry::StepFinished {
                rollout: self.rollout.clone(),
                step: next.clone(),
                result: StepResult::Done { changed: true },
                facts: BTreeMap::new(),
                logs: Vec::new(),
            };
            history.apply(time, &done);
            steps.push(next);
        }
        steps.retain(|other| other != step);
        steps
    }

    fn observe(&mut self, observation: &Observation) {
        for (judged, track) in observation.slis.iter().zip(&mut self.tracks) {
            track.add(judged);
        }
        self.latest = Some(observation.clone());
    }

    fn is_done(&self, step: &Step) -> bool {
        matches!(self.history.status(step), Some(StepStatus::Done { .. }))
    }

    /// Whether steps back are under way.
    fn going_back(&self) -> bool {
        let latest = self.in_hand.as_ref().map(|in_hand| &in_hand.step).or_else(|| self.before.last());
        latest.is_some_and(|step| step.direction == Direction::Back)
    }

    /// Whether the step in hand is this one.
    fn at(&self, action: Action) -> bool {
        self.in_hand.as_ref().is_some_and(|in_hand| in_hand.step.action == action)
    }

    /// Whether SLIs are asked for now: a pause goes on watching.
    fn probing(&self) -> bool {
        self.at(Action::Watch) || (self.at(Action::Pause) && self.latest.is_some())
    }

    /// What a step that is done says of its node.
    fn effect(&mut self, step: &Step) {
        let digest = self.plan.digest(step.direction);
        let Some(seen) = step.node.as_ref().and_then(|node| self.nodes.get_mut(node)) else { return };
        let up = seen.balancer.map_or(Operational::Up, |(_, operational)| operational);
        match step.action {
            Action::Drain => seen.balancer = Some((AdminState::Drain, up)),
            Action::Install => seen.binary = digest,
            Action::Enable => seen.balancer = Some((AdminState::Ready, Operational::Up)),
            _ => {}
        }
    }

    /// Takes note of a wait of the step in hand.
    pub(super) fn waiting(&mut self, progress: &Progress) {
        if let Some(in_hand) = &mut self.in_hand {
            in_hand.wait = Some(progress.clone());
        }
    }

    /// Takes note of what the balancer says, or of its silence: what it said before is then not known any more, but
    /// what the steps did is.
    pub(super) fn look(&mut self, pool: Option<&PoolState>) {
        for (node, seen) in &mut self.nodes {
            let server = pool.and_then(|pool| pool.server(node));
            if server.is_some() || seen.sessions.is_some() {
                seen.balancer = server.map(|server| (server.admin, server.operational));
            }
            seen.sessions = server.map(|server| server.sessions);
        }
    }

    /// How the watch that was begun last watches.
    fn policy(&self) -> Option<Cow<'_, WatchPolicy>> {
        self.plan.watch(self.history.watched_stage())
    }

    /// When the watch asks next, if it is under way.
    fn next_probe(&self) -> Option<Timestamp> {
        let (state, policy) = (self.history.watch()?, self.policy()?);
        match state.next(&policy) {
            WatchNext::Probe(at) => Some(at),
            _ => None,
        }
    }

    /// How a node stands in the rollout.
    fn stand(&self, node: &NodeId) -> Stand {
        if let Some(in_hand) =
            self.in_hand.as_ref().filter(|in_hand| in_hand.step.node.as_ref() == Some(node))
        {
            return Stand::InHand(in_hand.step.action, in_hand.step.direction);
        }
        let status = |direction, action, stage| {
            self.history.status(&Step { node: Some(node.clone()), action, direction, stage })
        };
        let stages = self.plan.weights.as_ref().map_or(0, PlannedWeights::count);
        let failed = |direction| {
            let is_failed =
                |action, stage| matches!(status(direction, action, stage), Some(StepStatus::Failed { .. }));
            ACTIONS.into_iter().find(|action| (0..=stages).any(|stage| is_failed(*action, stage)))
        };
        let proven =
            |direction| matches!(status(direction, Action::ProveTraffic, 0), Some(StepStatus::Done { .. }));
        if proven(Direction::Back) {
            return Stand::Back;
        }
        for direction in [Direction::Back, Direction::Forward] {
            if let Some(action) = failed(direction) {
                return Stand::Failed(action, direction);
            }
        }
        let mut planned = self.plan.steps.iter().filter(|step| step.node.as_ref() == Some(node)).peekable();
        if planned.peek().is_none() {
            return Stand::Nothing;
        }
        let not_done = planned.find(|step| !self.is_done(step));
        match not_done {
            None => Stand::Done,
            Some(step) if self.before.iter().any(|before| before.node == step.node) => {
                Stand::InHand(step.action, Direction::Forward)
            }
            Some(_) if self.going_back() => Stand::Untouched,
            Some(_) => Stand::ToCome,
        }
    }
}

/// Every action on a node.
const ACTIONS: [Action; 9] = [
    Action::Drain,
    Action::Install,
    Action::Restart,
    Action::CheckHealth,
    Action::Weigh,
    Action::Enable,
    Action::ProveTraffic,
    Action::Watch,
    Action::Pause,
];

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    ToCome,
    /// Its turn will not come.
    Untouched,
    InHand(Action, Direction),
    Done,
    /// It has the previous binary again and serves.
    Back,
    Failed(Action, Direction),
    /// It needs no step.
    Nothing,
}
