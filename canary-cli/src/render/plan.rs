//! Plans as lines for people.

use canary_core::analysis::{Number, ThresholdOptions, round};
use canary_core::engine::{Check, CheckStatus};
use canary_core::plan::{Action, Plan, PlannedStage, PlannedWeights, Purpose, Step, Work};
use canary_core::spec::{Judging, OnDrainTimeout, WatchPolicy, WatchSubject};

use super::paint::Paint;
use super::{table, words};

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
        lines.extend(plan.weights.as_ref().map(|weights| weighed(plan, weights)));
        lines.push(format!("  watch: {}", plan.spec.watch.as_ref().map_or_else(|| "none".to_owned(), watch)));
    }
    lines.extend(plan.warnings.iter().map(|warning| paint.careful(&format!("  warning: {warning}"))));
    lines
}

/// The steps to the canary's whole weight, in one line.
fn weighed(plan: &Plan, weights: &PlannedWeights) -> String {
    let stages: Vec<_> =
        weights.stages.iter().map(|stage| format!("{} ({})", stage.percent, share(stage))).collect();
    let each = plan
        .watch(1)
        .map_or_else(String::new, |watch| format!(", each watched for {}", words::exact(watch.window)));
    format!("  weight: {}, then the configured {}{each}", stages.join(", "), weights.configured.value())
}

/// What a stage's weight comes to: `weight 5, 4.762% of the pool's requests, about 312`.
fn share(stage: &PlannedStage) -> String {
    let percent = Number::new(stage.share.value() * 100.0).map(round).unwrap_or_default();
    let requests = stage.requests.map_or_else(String::new, |requests| format!(", about {requests}"));
    format!("weight {}, {percent}% of the pool's requests{requests}", stage.weight.value())
}

fn watch(policy: &WatchPolicy) -> String {
    let slis: Vec<_> = policy.slis.iter().map(|sli| format!("{} {}", sli.name, sli.bound)).collect();
    let subject = match policy.subject {
        WatchSubject::Pool => "of the whole pool",
        WatchSubject::Canary => "of the canary alone",
    };
    let judges = judges(&policy.judging);
    format!(
        "{} with a probe every {}, {subject}: {}{judges}",
        words::exact(policy.window),
        words::exact(policy.interval),
        slis.join(", ")
    )
}

/// Who judges, where it is not the runbook's rule alone.
fn judges(judging: &Judging) -> String {
    let mut judges = Vec::new();
    match &judging.threshold {
        Some(options) if *options == ThresholdOptions::default() => judges.push("the bounds".to_owned()),
        Some(options) => judges.push(format!("the bounds ({})", patience(options))),
        None => {}
    }
    if let Some(rules) = &judging.odds {
        let percent = 100.0 * rules.alpha.value();
        judges.push(format!("comparison with the baseline (at most {percent} % false rollbacks)"));
    }
    if let Some(score) = &judging.score {
        judges.push(format!("score (green from {}, red below {})", score.pass, score.fail));
    }
    match judges.as_slice() {
        [one] if one == "the bounds" => String::new(),
        _ => format!("; judged by {}", judges.join(", ")),
    }
}

fn patience(options: &ThresholdOptions) -> String {
    let mut parts = Vec::new();
    parts.extend(options.consecutive.map(|needed| format!("{needed} red in a row")));
    parts.extend(options.budget.map(|budget| {
        let heals = budget.heal_after.map_or_else(String::new, |n| format!(", {n} green make up for one"));
        format!("more than {} red{heals}", budget.failures)
    }));
    if options.min_samples > 0 {
        parts.push(format!("not before {} probes", options.min_samples));
    }
    parts.join("; ")
}

/// What the pre-flight says of the comparison with the baseline.
#[must_use]
pub fn comparison_lines(checks: &[Check], paint: Paint) -> Vec<String> {
    let told = checks.iter().filter(|check| check.name.starts_with("comparison"));
    told.map(|check| {
        let line = format!("  {}: {}", check.name, check.detail);
        if check.status == CheckStatus::Ok { line } else { paint.careful(&line) }
    })
    .collect()
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
        vec![number(at), node.to_owned(), words::step(step), explain(plan, step)]
    };
    table::aligned(&plan.steps.iter().enumerate().map(row).collect::<Vec<_>>())
}

fn explain(plan: &Plan, step: &Step) -> String {
    let spec = &plan.spec;
    let at_most = words::exact;
    match step.action {
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
            // A fleet whose nodes have a port each names none here.
            let port = match spec.health.check.port {
                0 => String::new(),
                port => format!(" on port {port}"),
            };
            format!("{}{port} within {}", spec.health.check.path, at_most(spec.health.timeout))
        }
        Action::Enable => format!("put it back into rotation; up within {}", at_most(spec.enable.up_timeout)),
        Action::ProveTraffic => {
            format!("a request through the balancer within {}", at_most(spec.enable.traffic_timeout))
        }
        Action::Weigh => match plan.weights.as_ref().and_then(|weights| weights.stage(step.stage)) {
            Some(stage) => share(stage),
            None => "the configured weight, read back".to_owned(),
        },
        Action::Watch => plan.watch(step.stage).map_or_else(String::new, |policy| watch(&policy)),
        Action::Pause => {
            let watched = if spec.watch.is_some() { ", watched on meanwhile" } else { "" };
            format!("wait for `canary-cli promote`, at most {}{watched}", at_most(spec.pause.limit))
        }
    }
}
