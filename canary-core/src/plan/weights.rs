//! From percentages to the balancer's whole numbers, and what speaks against them.

use serde::{Deserialize, Serialize};

use super::Lint;
use crate::analysis::{Number, Ratio};
use crate::fleet::Snapshot;
use crate::spec::{Percent, ProgressiveWeights, RolloutSpec};
use crate::traits::{Server, Weight};

/// One step of the canary's way to its whole weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// The part of its configured weight that was asked for.
    pub percent: Percent,
    /// The weight it gets.
    pub weight: Weight,
    /// The part of the pool's requests that this weight gives it, while the same servers serve as when the plan was made.
    pub share: Ratio,
    /// The requests it can expect while the step is watched, where the pool's traffic is known.
    pub requests: Option<u64>,
}

/// The canary's way to its whole weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWeights {
    /// Its whole weight: the configured one.
    pub configured: Weight,
    /// The steps before it; the first is stage 1.
    pub stages: Vec<PlannedStage>,
    /// Requests a second that the pool gets, where known.
    pub rate: Option<Number>,
}

impl PlannedWeights {
    /// The stage of that number, from 1.
    #[must_use]
    pub fn stage(&self, number: u32) -> Option<&PlannedStage> {
        self.stages.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// How many stages there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.stages.len()).unwrap_or(u32::MAX)
    }
}

/// The stages that a spec's steps come to on the live pool; `None` where the pool does not know the canary.
pub(super) fn planned(
    spec: &RolloutSpec,
    wanted: &ProgressiveWeights,
    snapshot: &Snapshot,
) -> Option<PlannedWeights> {
    let canary = snapshot.pool.server(&spec.canary)?;
    let window = spec.watch.as_ref().map_or(0.0, |watch| wanted.window(watch).as_secs_f64());
    let others = others(canary, snapshot);
    let stage = |percent: &Percent| {
        let weight = percent.of(canary.configured_weight)?;
        let share = f64::from(weight.value()) / (f64::from(weight.value()) + others);
        let requests = snapshot.rate.map(|rate| (rate.value() * share * window) as u64);
        Some(PlannedStage { percent: *percent, weight, share: Ratio::new(share)?, requests })
    };
    let stages = wanted.steps.iter().filter_map(stage).collect();
    Some(PlannedWeights { configured: canary.configured_weight, stages, rate: snapshot.rate })
}

/// The weight of the others that serve; of all that are no backups where none does.
fn others(canary: &Server, snapshot: &Snapshot) -> f64 {
    let others = || snapshot.pool.servers.iter().filter(|s| s.node != canary.node && !s.backup);
    let sum = |server: &Server| f64::from(server.weight.value());
    let serving: f64 = others().filter(|s| s.serving()).map(sum).sum();
    if serving > 0.0 { serving } else { others().map(sum).sum() }
}

/// Everything that can be said against the steps.
pub(super) fn lint(spec: &RolloutSpec, wanted: &ProgressiveWeights, snapshot: &Snapshot) -> Vec<Lint> {
    let (pool, Some(canary)) = (&snapshot.pool, snapshot.pool.server(&spec.canary)) else {
        return Vec::new();
    };
    let name = format!("{}/{}", pool.pool, canary.node);
    let mut found = Vec::new();
    if snapshot.capabilities.is_some_and(|can| !can.weights) {
        let text = "the balancer cannot change weights at run time: leave the weight steps out";
        found.push(Lint::Refuse(text.to_owned()));
    }
    found.extend(pool.algorithm.as_deref().and_then(algorithm));
    if let Some(binds) = &pool.sticky {
        found.push(Lint::Warn(format!(
            "pool {} binds clients to servers by a {binds}: those that are bound do not follow the weight, and the canary's \
             share can stay behind each step",
            pool.pool
        )));
    }
    if canary.weight != canary.configured_weight {
        found.push(Lint::Warn(format!(
            "{name} has weight {} in force, {} is configured: the rollout will leave it at {}",
            canary.weight.value(),
            canary.configured_weight.value(),
            canary.configured_weight.value()
        )));
    }
    found.extend(whole_numbers(&name, wanted, canary.configured_weight));
    found.extend(traffic(spec, wanted, snapshot));
    found
}

/// What an algorithm makes of weights that change (configuration manual, "balance" and "hash-type").
fn algorithm(name: &str) -> Option<Lint> {
    match name {
        "static-rr" => Some(Lint::Refuse(
            "balance static-rr cannot change weights at run time: use roundrobin, or leave the weight steps out".to_owned(),
        )),
        "first" => Some(Lint::Refuse(
            "balance first takes no notice of weights: use roundrobin, or leave the weight steps out".to_owned(),
        )),
        "leastconn" => Some(Lint::Warn(
            "balance leastconn: the canary's share follows how long its requests take, not its weight alone".to_owned(),
        )),
        hash @ ("source" | "uri" | "url_param" | "hdr" | "rdp-cookie" | "hash") => Some(Lint::Warn(format!(
            "balance {hash} can change weights at run time only with \"hash-type consistent\", which cannot be seen from \
             outside: without it the first step fails, and the canary goes back"
        ))),
        _ => None,
    }
}

/// Steps that integer weights cannot give.
fn whole_numbers(name: &str, wanted: &ProgressiveWeights, configured: Weight) -> Vec<Lint> {
    let whole = configured.value();
    if whole == 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut before: Option<(Percent, Weight)> = None;
    for percent in &wanted.steps {
        let Some(weight) = percent.of(configured) else {
            let needs = percent.needs();
            let remedy = if needs > Weight::MAX {
                format!(
                    "the balancer's weights end at {}, so ask for {:.2}% or more",
                    Weight::MAX,
                    100.0 / f64::from(Weight::MAX)
                )
            } else {
                format!(
                    "configure a weight of {needs} or more for it, and the others' in the same proportion, or ask for {:.2}% or \
                     more",
                    100.0 / f64::from(whole)
                )
            };
            found.push(Lint::Refuse(format!(
                "a step of {percent} of {name}'s configured weight {whole} would be less than 1, and weights are whole numbers: \
                 {remedy}"
            )));
            continue;
        };
        if let Some((earlier, same)) = before
            && same == weight
        {
            found.push(Lint::Refuse(format!(
                "the steps {earlier} and {percent} of {name}'s configured weight {whole} are both weight {}: leave one out, or \
                 configure a greater weight",
                weight.value()
            )));
        }
        let part = f64::from(weight.value()) / f64::from(whole);
        if percent.ratio() - part > percent.ratio() / 10.0 {
            found.push(Lint::Warn(format!(
                "a step of {percent} of {name}'s configured weight {whole} can only be weight {}, {:.3}%",
                weight.value(),
                part * 100.0
            )));
        }
        before = Some((*percent, weight));
    }
    found
}

/// Steps for which the pool has too few requests.
fn traffic(spec: &RolloutSpec, wanted: &ProgressiveWeights, snapshot: &Snapshot) -> Vec<Lint> {
    let (Some(watch), Some(stages)) = (&spec.watch, planned(spec, wanted, snapshot)) else {
        return Vec::new();
    };
    let Some(rate) = snapshot.rate else {
        let text =
            "the pool's traffic is not known: whether the weight steps get enough requests cannot be said";
        return vec![Lint::Warn(text.to_owned())];
    };
    let needed = watch.slis.iter().map(|sli| sli.min_requests).max().unwrap_or(0).max(1);
    let window = humantime::format_duration(wanted.window(watch));
    let too_few = |stage: &PlannedStage| {
        let expected = stage.requests?;
        (expected < needed).then(|| {
            Lint::Refuse(format!(
                "the step {} would bring the canary about {expected} request(s) in {window}, {needed} are needed: the pool gets \
                 {:.3} a second; watch each step longer, or begin with a greater one",
                stage.percent,
                rate.value()
            ))
        })
    };
    stages.stages.iter().filter_map(too_few).collect()
}
