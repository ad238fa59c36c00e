//! From a policy to the batches of a round.

use std::collections::BTreeMap;
use std::time::Duration;

use super::template::{TemplateError, UrlTemplate};
use super::wire::{ProbeBatch, ProbeCheck, ProbeResult, ProbeTarget, SCHEMA};
use crate::policy::{ObjectiveKind, Policy, Probe};

/// The pause before the second try, in microseconds.
pub const BACKOFF_BASE: u64 = 1_000_000;
/// The longest pause, in microseconds.
pub const BACKOFF_CAP: u64 = 10_000_000;
/// Over what time first tries are spread, in microseconds.
pub const SPREAD: u64 = 100_000;
/// How many tenants are asked at once where no policy says it.
const IN_FLIGHT: u32 = 100;
/// What starting a batch somewhere may take beyond its tries.
const GRACE: Duration = Duration::from_secs(30);

/// Everything that is asked in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRound {
    /// Whose it is: the execution's id. Containers bear it.
    pub id: String,
    /// The batches, in order; each tenant is in one of every objective.
    pub batches: Vec<ProbeBatch>,
    /// How many tenants are asked at once at most, from 1.
    pub in_flight: u32,
    /// How long all of it may take.
    pub deadline: Duration,
}

impl ProbeRound {
    /// The round of a policy: every tenant that is not exempt, for every objective of kind `probe`.
    ///
    /// `roots` are the contents of the policy's `ca_file`s, by objective. Without a probe the round is empty.
    #[must_use]
    pub fn of(policy: &Policy, id: &str, roots: &BTreeMap<String, String>) -> Self {
        let probing = policy.file.decision.probing;
        let size = usize::try_from(probing.batch_size).unwrap_or(usize::MAX).max(1);
        let in_flight = u32::try_from(probing.max_in_flight).unwrap_or(u32::MAX).max(1);
        let mut batches = Vec::new();
        for (name, objective) in &policy.file.objectives {
            let ObjectiveKind::Probe(probe) = &objective.kind else { continue };
            let empty = ProbeBatch {
                schema: SCHEMA.to_owned(),
                round: id.to_owned(),
                index: 0,
                objective: name.clone(),
                group: probe.url.group(),
                check: check(probe, probing.budget, roots.get(name)),
                in_flight,
                targets: Vec::new(),
            };
            pack(&mut batches, &empty, &targets(policy, name, probe), size);
        }
        let deadline = deadline(&batches, in_flight, probing.budget);
        Self { id: id.to_owned(), batches, in_flight, deadline }
    }

    /// The same question to each of these tenants, in batches of `size`, 100 at once. A good answer may take as long as a try.
    ///
    /// # Errors
    /// A name that does not fit into the template.
    pub fn asking(
        id: &str,
        objective: &str,
        url: &UrlTemplate,
        tenants: &[impl AsRef<str>],
        check: &ProbeCheck,
        size: usize,
    ) -> Result<Self, TemplateError> {
        let target = |tenant: &str| {
            let url = url.endpoint(tenant)?.to_string();
            Ok(ProbeTarget {
                tenant: tenant.to_owned(),
                url,
                limit_us: check.timeout_us,
                addresses: Vec::new(),
            })
        };
        let targets: Vec<_> =
            tenants.iter().map(|tenant| target(tenant.as_ref())).collect::<Result<_, _>>()?;
        let empty = ProbeBatch {
            schema: SCHEMA.to_owned(),
            round: id.to_owned(),
            index: 0,
            objective: objective.to_owned(),
            group: url.group(),
            check: check.clone(),
            in_flight: IN_FLIGHT,
            targets: Vec::new(),
        };
        let mut batches = Vec::new();
        pack(&mut batches, &empty, &targets, size.max(1));
        let deadline = deadline(&batches, IN_FLIGHT, check.budget_us);
        Ok(Self { id: id.to_owned(), batches, in_flight: IN_FLIGHT, deadline })
    }

    /// How many results there will be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.targets.len()).sum()
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.iter().all(|batch| batch.targets.is_empty())
    }

    /// One result for each tenant and objective, in the round's order: those that are there, and unknown ones for the rest.
    #[must_use]
    pub fn complete(&self, results: Vec<ProbeResult>, why: &str) -> Vec<ProbeResult> {
        let mut found: BTreeMap<(String, String), ProbeResult> = results
            .into_iter()
            .map(|result| ((result.objective.clone(), result.tenant.clone()), result))
            .collect();
        let mut all = Vec::with_capacity(self.len());
        for batch in &self.batches {
            for target in &batch.targets {
                let key = (batch.objective.clone(), target.tenant.clone());
                let missing = || ProbeResult::unknown(&batch.objective, &target.tenant, why);
                all.push(found.remove(&key).unwrap_or_else(missing));
            }
        }
        all
    }
}

/// Adds batches of these targets, each otherwise as the empty one.
fn pack(batches: &mut Vec<ProbeBatch>, empty: &ProbeBatch, targets: &[ProbeTarget], size: usize) {
    for targets in targets.chunks(size) {
        let index = u32::try_from(batches.len()).unwrap_or(u32::MAX);
        let in_flight = empty.in_flight.min(u32::try_from(targets.len()).unwrap_or(u32::MAX));
        batches.push(ProbeBatch { index, in_flight, targets: targets.to_vec(), ..empty.clone() });
    }
}

fn check(probe: &Probe, budget: u64, roots: Option<&String>) -> ProbeCheck {
    ProbeCheck {
        expect: probe.expect.clone(),
        body: probe.body.clone(),
        timeout_us: probe.timeout,
        tries: u32::try_from(probe.tries).unwrap_or(1).max(1),
        budget_us: budget,
        base_us: BACKOFF_BASE,
        cap_us: BACKOFF_CAP,
        spread_us: SPREAD,
        ca_pem: roots.cloned(),
    }
}

fn targets(policy: &Policy, objective: &str, probe: &Probe) -> Vec<ProbeTarget> {
    let asked = policy.tenants.iter().filter(|(_, tenant)| tenant.exempt.is_none());
    let targets = asked.filter_map(|(name, tenant)| {
        let limit_us = tenant.objectives.get(objective)?.limit.value;
        // proof: reading the policy refused every listed tenant that does not fit into the template.
        let url = probe.url.endpoint(name).ok()?.to_string();
        Some(ProbeTarget { tenant: name.clone(), url, limit_us, addresses: Vec::new() })
    });
    targets.collect()
}

/// What it takes when everybody uses up the budget, one window after the other.
fn deadline(batches: &[ProbeBatch], in_flight: u32, budget: u64) -> Duration {
    let tenants: usize = batches.iter().map(|batch| batch.targets.len()).sum();
    let windows = u64::try_from(tenants).unwrap_or(u64::MAX).div_ceil(u64::from(in_flight));
    Duration::from_micros(windows.saturating_mul(budget)).saturating_add(GRACE)
}
