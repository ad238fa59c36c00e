//! Records, plans and outcomes as lines for people.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::analysis::{Observation, SliVerdict, Verdict, round};
use canary_core::engine::{AfterHold, Outcome};
use canary_core::fleet::Digest;
use canary_core::journal::{Entry, NodeReport, StepResult, StopHow};
use canary_core::plan::{Action, Direction, Plan, Purpose, Step, Work};
use canary_core::spec::{OnDrainTimeout, WatchPolicy, WatchSubject};
use canary_core::time::Timestamp;
use canary_core::traits::{GateVerdict, Review, Severity};

use super::paint::Paint;
use super::{table, words};

/// Turns records into lines, one after the other; remembers when steps began and what the plan was.
#[derive(Debug)]
pub struct Lines {
    paint: Paint,
    plan: Option<Plan>,
    begun: BTreeMap<Step, Timestamp>,
    probes: u64,
    /// The hold that was shown last, and when.
    held: Option<(String, Timestamp)>,
}

/// A hold that goes on is shown again after this long.
const STILL_HELD: Duration = Duration::from_secs(60);

impl Lines {
    /// Lines in these colours.
    #[must_use]
    pub const fn new(paint: Paint) -> Self {
        Self { paint, plan: None, begun: BTreeMap::new(), probes: 0, held: None }
    }

    /// The same, for a rollout that began earlier.
    #[must_use]
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// The lines of one record; none for what is not worth one.
    pub fn of(&mut self, time: Timestamp, entry: &Entry) -> Vec<String> {
        match entry {
            Entry::Genesis { .. } | Entry::Opened { .. } => Vec::new(),
            Entry::Recovered { moved_to, .. } => {
                vec![self.paint.careful(&format!(
                    "note: the journal's last line was incomplete; it is in {moved_to} now"
                ))]
            }
            Entry::GateReviewed { review, .. } => gate_lines(review, self.paint),
            Entry::Refused { reasons, .. } => refused_lines(reasons, self.paint),
            Entry::Started { plan, .. } => {
                self.plan = Some((**plan).clone());
                self.begun.clear();
                self.probes = 0;
                plan_lines(plan, self.paint)
            }
            Entry::Resumed { actor, .. } => {
                vec![format!("{}  resumed by {actor}", self.paint.quiet(&words::clock(time)))]
            }
            Entry::StepStarted { step, .. } => {
                self.begun.insert(step.clone(), time);
                Vec::new()
            }
            Entry::Retried { step, error, attempt, delay, .. } => {
                let text = format!("try {attempt} failed, again in {}: {error}", words::time(*delay));
                vec![self.row(time, step, "", &self.paint.quiet(&text))]
            }
            Entry::Observed { step, observation, .. } => {
                self.probes += 1;
                let text = probe(observation, self.paint);
                if self.still_held(time, observation, &text) {
                    return Vec::new();
                }
                vec![self.row(time, step, "", &format!("probe {}: {text}", self.probes))]
            }
            Entry::StepFinished { step, result, facts, logs, .. } => {
                self.finished(time, step, result, facts, logs)
            }
            Entry::StopRequested { actor, how, .. } => {
                let how = match how {
                    StopHow::Safely => "stopping at the next safe point",
                    StopHow::GoBack => "going back",
                };
                vec![format!("{}  {how}, as {actor} asked", self.paint.quiet(&words::clock(time)))]
            }
            Entry::Finished { outcome, nodes, .. } => {
                outcome_lines(outcome, nodes, self.plan.as_ref(), self.paint)
            }
        }
    }

    /// Whether a probe says what was said a moment ago: that it holds, for the same reason.
    fn still_held(&mut self, time: Timestamp, observation: &Observation, text: &str) -> bool {
        if observation.verdict != Verdict::Hold {
            self.held = None;
            return false;
        }
        let shown = self.held.as_ref();
        if shown.is_some_and(|(said, at)| said == text && time.since(*at) < STILL_HELD) {
            return true;
        }
        self.held = Some((text.to_owned(), time));
        false
    }

    fn finished(
        &self,
        time: Timestamp,
        step: &Step,
        result: &StepResult,
        facts: &BTreeMap<String, String>,
        logs: &[String],
    ) -> Vec<String> {
        let took = self.begun.get(step).map(|begun| words::time(time.since(*begun))).unwrap_or_default();
        match result {
            StepResult::Done { changed } => {
                let mut lines = vec![self.row(time, step, &took, &done(step.action, *changed, facts))];
                if let Some(why) = facts.get("sessions_closed") {
                    lines
                        .push(self.paint.careful(&format!("          requests in progress were cut: {why}")));
                }
                lines
            }
            StepResult::Failed { message, .. } => {
                let mut lines =
                    vec![self.row(time, step, &took, &self.paint.bad(&format!("failed: {message}")))];
                lines.extend(logs.iter().map(|line| self.paint.quiet(&format!("          | {line}"))));
                lines
            }
        }
    }

    /// `14:32:10  backend-api-2  install        0.21s  …`.
    fn row(&self, time: Timestamp, step: &Step, took: &str, text: &str) -> String {
        let names = self.plan.iter().flat_map(|plan| &plan.nodes).map(|planned| planned.node.as_str().len());
        let width = names.max().unwrap_or(0);
        let node = step.node.as_ref().map_or("-", |node| node.as_str());
        let action = match step.direction {
            Direction::Forward => step.action.as_str().to_owned(),
            Direction::Back => format!("back: {}", step.action.as_str()),
        };
        let back = self.begun.keys().any(|step| step.direction == Direction::Back);
        let column = if back { 19 } else { 13 };
        let clock = self.paint.quiet(&words::clock(time));
        let line = format!("{clock}  {node:<width$}  {action:<column$}  {took:>7}  {text}");
        line.trim_end().to_owned()
    }
}

/// What a step that is done did.
fn done(action: Action, changed: bool, facts: &BTreeMap<String, String>) -> String {
    let fact = |name: &str| facts.get(name).map_or("?", String::as_str);
    let number = |name: &str| facts.get(name).and_then(|text| text.parse::<u64>().ok());
    match (action, changed) {
        (Action::Stage, true) => "release and way back are in the store".to_owned(),
        (Action::Stage, false) => "release and way back were in the store".to_owned(),
        (Action::Drain, true) => match facts.get("others_serving") {
            Some(others) => format!("out of rotation and idle, {others} other(s) serving"),
            None => "out of rotation and idle".to_owned(),
        },
        (Action::Drain, false) => "was out of rotation, idle".to_owned(),
        (Action::Install, true) => {
            let size = number("bytes").map(words::bytes).unwrap_or_default();
            format!("{} in place, {size}", short(fact("digest")))
        }
        (Action::Install, false) => format!("{} was in place", short(fact("digest"))),
        (Action::Restart, true) => format!("runs it, pid {}", fact("pid")),
        (Action::Restart, false) => format!("was running it, pid {}", fact("pid")),
        (Action::CheckHealth, _) => format!("healthy ({})", fact("via")),
        (Action::Enable, true) => format!("ready and up, weight {}", fact("weight")),
        (Action::Enable, false) => format!("was ready and up, weight {}", fact("weight")),
        (Action::ProveTraffic, _) => {
            format!("{} request(s) served since, 200 through the balancer", fact("served"))
        }
        (Action::Watch, _) => {
            let millis = |name| number(name).map(Duration::from_millis).map(words::time).unwrap_or_default();
            format!(
                "green: {} probes over {}, held {}",
                fact("probes"),
                millis("watched_ms"),
                millis("held_ms")
            )
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// `green, p95 0.012 (< 0.5), error_ratio 0 (< 0.005)`.
fn probe(observation: &Observation, paint: Paint) -> String {
    let verdict = match observation.verdict {
        Verdict::Green => paint.good("green"),
        Verdict::Red => paint.bad("red"),
        Verdict::Hold => paint.careful("hold"),
    };
    let slis = observation.slis.iter().map(|judged| {
        let value = judged.value.map_or_else(|| "?".to_owned(), round);
        let text = format!("{} {value} ({})", judged.sli, judged.bound);
        match &judged.verdict {
            SliVerdict::Green => text,
            SliVerdict::Red => paint.bad(&format!("{text} red")),
            SliVerdict::Hold { why } => format!("{} held ({why})", judged.sli),
        }
    });
    std::iter::once(verdict).chain(slis).collect::<Vec<_>>().join(", ")
}

/// What a gate found.
#[must_use]
pub fn gate_lines(review: &Review, paint: Paint) -> Vec<String> {
    let verdict = match &review.verdict {
        GateVerdict::Pass => paint.good("pass"),
        GateVerdict::NothingNew { why } => format!("nothing new: {why}"),
        GateVerdict::Bypassed { grants } => {
            let by: Vec<_> =
                grants.iter().map(|g| format!("{} by {}: {}", g.rule, g.actor, g.reason)).collect();
            paint.careful(&format!("bypassed: {}", by.join("; ")))
        }
        GateVerdict::Refused => paint.bad("refused"),
        GateVerdict::Undecided { why } => paint.bad(&format!("undecided: {why}")),
    };
    let mut lines = vec![format!("gate      {verdict}")];
    for finding in &review.findings {
        let place = match (finding.line, finding.column) {
            (0, _) => finding.file.clone(),
            (line, 0) => format!("{}:{line}", finding.file),
            (line, column) => format!("{}:{line}:{column}", finding.file),
        };
        let word = match finding.severity {
            Severity::Refuse => paint.bad("refused"),
            Severity::Warn => paint.careful("warning"),
        };
        lines.push(format!("  {place}: {word}: {}: {}", finding.rule, finding.reason));
        if !finding.statement.is_empty() {
            lines.push(paint.quiet(&format!(
                "    {}",
                finding.statement.split_whitespace().collect::<Vec<_>>().join(" ")
            )));
        }
        lines.push(format!("    instead: {}", finding.remedy));
    }
    lines
}

/// Everything that stood against a rollout.
#[must_use]
pub fn refused_lines(reasons: &[String], paint: Paint) -> Vec<String> {
    let mut lines = vec![String::new(), paint.bad("refused: nothing was changed")];
    lines.extend(reasons.iter().map(|reason| format!("  - {reason}")));
    lines.push(
        "next: remove what stands against it and run again; `canary-cli doctor` looks at everything"
            .to_owned(),
    );
    lines
}

/// A plan in short: what goes where, the way back, the watch, the warnings.
#[must_use]
pub fn plan_lines(plan: &Plan, paint: Paint) -> Vec<String> {
    let facts = &plan.artifact.facts;
    let what = match plan.purpose {
        Purpose::RollOut => "roll out",
        Purpose::RollBack => "roll back to",
    };
    let title = format!(
        "{what} {} ({}, {}) in pool {}",
        facts.sha256.short(),
        plan.artifact.path.display(),
        words::bytes(facts.size),
        plan.spec.pool
    );
    let mut lines = vec![paint.strong(&title)];
    let mut rows = Vec::new();
    for planned in &plan.nodes {
        let before = planned
            .before
            .map_or_else(|| "nothing installed".to_owned(), |digest| format!("now {}", digest.short()));
        let work = match planned.work {
            Work::Replace => "replace",
            Work::Prove => "has it; prove that it serves",
            Work::Nothing => "has it and serves",
        };
        let role = if plan.purpose == Purpose::RollOut && planned.node == plan.spec.canary {
            ", canary"
        } else {
            ""
        };
        rows.push(vec![format!("  {}", planned.node), before, format!("{work}{role}")]);
    }
    lines.extend(table::aligned(&rows));
    if plan.purpose == Purpose::RollOut && !plan.is_empty() {
        let back = plan.way_back.as_ref();
        let text = back.map_or_else(
            || "none".to_owned(),
            |back| format!("{} ({})", back.facts.sha256.short(), back.origin),
        );
        lines.push(format!("  way back: {text}"));
        lines.push(format!("  watch: {}", plan.spec.watch.as_ref().map_or_else(|| "none".to_owned(), watch)));
    }
    lines.extend(plan.warnings.iter().map(|warning| paint.careful(&format!("  warning: {warning}"))));
    lines
}

fn watch(policy: &WatchPolicy) -> String {
    let slis: Vec<_> = policy.slis.iter().map(|sli| format!("{} {}", sli.name, sli.bound)).collect();
    let subject = match policy.subject {
        WatchSubject::Pool => "of the whole pool",
        WatchSubject::Canary => "of the canary alone",
    };
    format!(
        "{} with a probe every {}, {subject}: {}",
        words::exact(policy.window),
        words::exact(policy.interval),
        slis.join(", ")
    )
}

/// Every step of a plan, numbered, with its deadline.
#[must_use]
pub fn step_lines(plan: &Plan) -> Vec<String> {
    if plan.is_empty() {
        return vec!["nothing to do: every node has it and serves".to_owned()];
    }
    let number = |at: usize| format!("{:>3}.", at + 1);
    let row = |(at, step): (usize, &Step)| {
        let node = step.node.as_ref().map_or("-", |node| node.as_str());
        vec![number(at), node.to_owned(), step.action.as_str().to_owned(), explain(plan, step.action)]
    };
    table::aligned(&plan.steps.iter().enumerate().map(row).collect::<Vec<_>>())
}

fn explain(plan: &Plan, action: Action) -> String {
    let spec = &plan.spec;
    let at_most = words::exact;
    match action {
        Action::Stage => format!("copy the binaries to {}", plan.store.display()),
        Action::Drain => {
            let then = match spec.drain.on_timeout {
                OnDrainTimeout::GiveUp => "then put it back and stop",
                OnDrainTimeout::CloseSessions => "then close what is left",
            };
            format!(
                "once {} other(s) serve, take it out of rotation; until idle, at most {}, {then}",
                spec.min_available,
                at_most(spec.drain.timeout)
            )
        }
        Action::Install => format!("put {} in place", plan.artifact.facts.sha256.short()),
        Action::Restart => "restart the service".to_owned(),
        Action::CheckHealth => {
            format!(
                "{} on port {} within {}",
                spec.health.check.path,
                spec.health.check.port,
                at_most(spec.health.timeout)
            )
        }
        Action::Enable => format!("put it back into rotation; up within {}", at_most(spec.enable.up_timeout)),
        Action::ProveTraffic => {
            format!("a request through the balancer within {}", at_most(spec.enable.traffic_timeout))
        }
        Action::Watch => spec.watch.as_ref().map_or_else(String::new, watch),
    }
}

/// How a rollout ended, what is where, and what to do next.
#[must_use]
pub fn outcome_lines(
    outcome: &Outcome,
    nodes: &[NodeReport],
    plan: Option<&Plan>,
    paint: Paint,
) -> Vec<String> {
    let text = outcome.to_string();
    let text = match outcome {
        Outcome::Completed { .. } => paint.good(&text),
        Outcome::Stuck { .. } | Outcome::Refused { .. } => paint.bad(&text),
        _ => paint.careful(&text),
    };
    let mut lines = vec![String::new(), text];
    lines.extend(node_lines(nodes, plan));
    if let Some(next) = next_command(outcome) {
        lines.push(format!("next: {next}"));
    }
    lines
}

/// A table of what is where.
#[must_use]
pub fn node_lines(nodes: &[NodeReport], plan: Option<&Plan>) -> Vec<String> {
    let mut rows = Vec::new();
    for node in nodes {
        let known = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
        let binary = node.installed.map(|digest| format!("{}{}", digest.short(), meaning(digest, plan)));
        let balancer =
            node.admin.zip(node.operational).map(|(admin, operational)| format!("{admin}, {operational}"));
        rows.push(vec![
            format!("  {}", node.node),
            known(binary),
            format!("service {}", known(node.service.map(|service| service.to_string()))),
            format!("balancer {}", known(balancer)),
        ]);
    }
    let mut lines = table::aligned(&rows);
    for node in nodes {
        lines.extend(node.problems.iter().map(|problem| format!("  {}: {problem}", node.node)));
    }
    lines
}

fn meaning(digest: Digest, plan: Option<&Plan>) -> &'static str {
    match plan {
        Some(plan) if digest == plan.artifact.facts.sha256 => match plan.purpose {
            Purpose::RollOut => " (the release)",
            Purpose::RollBack => " (rolled back to)",
        },
        Some(plan) if plan.digest(Direction::Back) == Some(digest) => " (the way back)",
        _ => "",
    }
}

fn next_command(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Completed { .. } => None,
        Outcome::Refused { .. } => {
            Some("remove what stands against it and run again; `canary-cli doctor` looks at everything")
        }
        Outcome::RolledBack { .. } => Some("`canary-cli log show` has the evidence; ship a corrected binary"),
        Outcome::Halted { .. } => Some(
            "remove the cause and run the same command again, or take everything back with `canary-cli rollback`",
        ),
        Outcome::Inconclusive { then: AfterHold::Kept, .. } => Some(
            "bring the numbers back and run the same command again, or take it back with `canary-cli rollback`",
        ),
        Outcome::Inconclusive { then: AfterHold::RolledBack, .. } => {
            Some("bring the numbers back and run the same command again")
        }
        Outcome::Stuck { .. } => Some(
            "a person is needed: the lines above say what is where; `canary-cli log show` has the evidence",
        ),
        Outcome::Interrupted { .. } => {
            Some("`canary-cli resume` goes on, `canary-cli resume --back` goes back")
        }
    }
}
