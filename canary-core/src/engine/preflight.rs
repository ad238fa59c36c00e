//! The runbook's check-list: everything is looked at, nothing is changed, all findings come at once.

mod comparison;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::Backends;
use super::observe::look;
use crate::analysis::Foresight;
use crate::fleet::{NodeId, NodeSnapshot};
use crate::plan::Lint;
use crate::spec::{RolloutSpec, Sli, WatchPolicy, WatchSubject};
use crate::traits::{
    ActiveState, CheckAsk, CheckReport, CheckStage, CheckVerdict, PoolState, ReleaseCheck, RunningBinary,
    Severity, SliQuery, SliSource, Subject,
};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Worth a look; does not stop a rollout.
    Warn,
    /// Stops a rollout.
    Failed,
}

/// One check of the pre-flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked (`node backend-api-2`).
    pub name: String,
    /// How it came out.
    pub status: CheckStatus,
    /// What was seen.
    pub detail: String,
}

impl Check {
    /// A check that is as it should be.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: CheckStatus::Ok, detail: detail.into() }
    }

    /// A check worth a look.
    pub fn warn(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: CheckStatus::Warn, detail: detail.into() }
    }

    /// A check that stops a rollout.
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: CheckStatus::Failed, detail: detail.into() }
    }
}

/// What the pre-flight found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preflight {
    /// Every check.
    pub checks: Vec<Check>,
    /// What the comparison with the baseline will be able to see, for each SLI where that is known.
    pub foresight: Vec<Foresight>,
    /// What checks of one's own found; each finding is one of `checks` as well.
    pub reports: Vec<CheckReport>,
}

/// How long a check may take before a rollout.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// How long after its limit a check is waited for: one that ends by itself tells what it found until then.
const CHECK_GRACE: Duration = Duration::from_secs(2);

/// Asks every check, all at the same time; the answers come in their order. One that keeps none of its limit is cut off.
pub(super) async fn ask_checks(checks: &[Arc<dyn ReleaseCheck>], ask: CheckAsk) -> Vec<CheckReport> {
    if checks.is_empty() {
        // Without a timer: programs that run the engine on a clock of their own may have none.
        return Vec::new();
    }
    // A task each: a check that panics, or never gives its thread back, costs its own answer alone.
    let mut tasks = JoinSet::new();
    let asked: Vec<_> = checks
        .iter()
        .map(|check| {
            let (check, ask) = (Arc::clone(check), ask.clone());
            let name = check.name().to_owned();
            let answer = async move {
                let answer = check.check(&ask).await;
                answer.unwrap_or_else(|error| CheckReport::unknown(check.name(), error.chain())).listed()
            };
            (tasks.spawn(answer).id(), name)
        })
        .collect();
    let mut answers = HashMap::new();
    let all = async {
        while let Some(done) = tasks.join_next_with_id().await {
            match done {
                Ok((id, report)) => answers.insert(id, Ok(report)),
                Err(error) => answers.insert(error.id(), Err(format!("the check ended early: {error}"))),
            };
        }
    };
    // Whether all have answered is seen below.
    let _in_time = tokio::time::timeout(ask.limit + CHECK_GRACE, all).await;
    tasks.abort_all();
    let late = || Err(format!("no answer within {}; it was cut off", humantime::format_duration(ask.limit)));
    let answers = asked.into_iter().map(|(id, name)| {
        let answer = answers.remove(&id).unwrap_or_else(late);
        answer.unwrap_or_else(|why| CheckReport::unknown(name, why))
    });
    answers.collect()
}

impl Backends {
    /// Checks the balancer, every node, every SLI and what they are compared by. Changes nothing.
    pub async fn preflight(&self, spec: &RolloutSpec) -> Preflight {
        let ask = CheckAsk {
            service: spec.service.clone(),
            canary: spec.canary.clone(),
            stage: CheckStage::Before,
            release: None,
            at: self.clock.now(),
            limit: CHECK_LIMIT,
        };
        let (mut checks, reports) = tokio::join!(self.checks(spec), ask_checks(&self.checks, ask));
        checks.extend(reports.iter().flat_map(rows));
        let mut told = Preflight { checks, foresight: Vec::new(), reports };
        if let (Some(watch), Some(source)) = (&spec.watch, &self.sli) {
            self.comparison(source, spec, watch, &mut told).await;
        }
        told
    }

    async fn checks(&self, spec: &RolloutSpec) -> Vec<Check> {
        let mut checks: Vec<_> =
            spec.problems().into_iter().map(|problem| Check::failed("settings", problem)).collect();
        match look(self.clock.as_ref(), || self.lb.servers()).await {
            Ok(pool) => checks.extend(balancer(&self.lb.to_string(), spec, &pool)),
            Err(e) => checks.push(Check::failed("balancer", e.chain())),
        }
        checks.extend(self.through(spec).await);
        let healths = self.healths(spec);
        for ((name, seen), health) in super::observe::nodes(self, spec.nodes()).await.into_iter().zip(healths)
        {
            let label = format!("node {name}");
            match seen {
                Ok(seen) => checks.push(node(&label, &seen)),
                Err(e) => {
                    checks.push(Check::failed(label, e));
                    health.abort();
                    continue;
                }
            }
            // A task that was broken off has nothing to say about the node.
            checks.extend(health.await.ok());
        }
        if let Some(watch) = &spec.watch {
            match &self.sli {
                Some(source) => checks.extend(self.slis(source.as_ref(), spec, watch).await),
                None => {
                    checks.push(Check::failed("metrics", "SLIs are watched, but no source is configured"));
                }
            }
        }
        checks
    }

    async fn through(&self, spec: &RolloutSpec) -> Option<Check> {
        if !self.lb.capabilities().check_through {
            return None;
        }
        let name = "through the balancer";
        Some(match self.lb.check_through(&spec.health.check).await {
            Ok(report) if report.healthy => Check::ok(name, format!("200 ({})", report.via)),
            Ok(report) => Check::failed(name, format!("{} ({})", report.detail, report.via)),
            Err(e) => Check::failed(name, e.chain()),
        })
    }

    /// Asks every node for its health at the same time, in the spec's order.
    fn healths(&self, spec: &RolloutSpec) -> Vec<JoinHandle<Check>> {
        let ask = |name: &NodeId| {
            let (nodes, clock) = (Arc::clone(&self.nodes), Arc::clone(&self.clock));
            let (name, check) = (name.clone(), spec.health.check.clone());
            tokio::spawn(async move {
                let label = format!("health of {name}");
                match look(clock.as_ref(), || nodes.check(&name, &check)).await {
                    Ok(report) if report.healthy => Check::ok(label, format!("200 ({})", report.via)),
                    // A node may be broken because the last release broke it; replacing that is what a rollout is for.
                    Ok(report) => Check::warn(label, format!("{} ({})", report.detail, report.via)),
                    Err(e) => Check::failed(label, e.chain()),
                }
            })
        };
        spec.nodes().map(ask).collect()
    }

    async fn slis(&self, source: &dyn SliSource, spec: &RolloutSpec, watch: &WatchPolicy) -> Vec<Check> {
        let canary = |sli| watch.subject_of(sli) == WatchSubject::Canary;
        if watch.slis.iter().any(canary) && !source.by_node() {
            let detail =
                "the canary alone is to be judged, but the source has no label that tells nodes apart";
            return vec![Check::failed("metrics", detail)];
        }
        let mut checks = Vec::new();
        for sli in &watch.slis {
            checks.extend(self.sli(source, spec, watch, sli).await);
        }
        checks
    }

    async fn sli(
        &self,
        source: &dyn SliSource,
        spec: &RolloutSpec,
        watch: &WatchPolicy,
        sli: &Sli,
    ) -> Vec<Check> {
        let name = format!("SLI {}", sli.name);
        let subject = match watch.subject_of(sli) {
            WatchSubject::Pool => Subject::Pool,
            WatchSubject::Canary => Subject::Nodes(vec![spec.canary.clone()]),
        };
        let query = SliQuery {
            name: sli.name.clone(),
            kind: sli.kind.clone(),
            subject,
            window: watch.rate_window.max(watch.interval),
            at: self.clock.now(),
        };
        let facts = match look(self.clock.as_ref(), || source.describe(&query)).await {
            Ok(facts) => facts,
            Err(e) => return vec![Check::failed(name, e.chain())],
        };
        let found = Lint::sli(sli, watch, &facts);
        if found.is_empty() {
            return vec![Check::ok(name, format!("{} series, {source}", facts.series))];
        }
        found
            .into_iter()
            .map(|lint| match lint {
                Lint::Refuse(text) => Check::failed(name.clone(), text),
                Lint::Warn(text) => Check::warn(name.clone(), text),
            })
            .collect()
    }
}

/// A report as rows of the check-list: what it says as a whole, and each finding.
fn rows(report: &CheckReport) -> Vec<Check> {
    let name = format!("check {}", report.check);
    let mut rows = vec![match &report.verdict {
        CheckVerdict::Pass => Check::ok(&name, &report.summary),
        CheckVerdict::Fail => Check::failed(&name, &report.summary),
        CheckVerdict::Unknown { why } => Check::failed(&name, format!("undecided: {why}")),
    }];
    rows.extend(report.findings.iter().map(|finding| {
        let detail = format!("{finding}; {}", finding.remedy);
        match finding.severity {
            Severity::Refuse => Check::failed(&name, detail),
            Severity::Warn => Check::warn(&name, detail),
        }
    }));
    rows
}

fn balancer(name: &str, spec: &RolloutSpec, pool: &PoolState) -> Vec<Check> {
    let serving = pool.servers.iter().filter(|server| server.serving()).count();
    let detail = format!("{name}: {serving} of {} servers ready and up", pool.servers.len());
    let mut checks =
        vec![if serving == 0 { Check::failed("balancer", detail) } else { Check::ok("balancer", detail) }];
    for node in spec.nodes() {
        let label = format!("server {node}");
        checks.push(match pool.server(node) {
            Some(server) if server.serving() && server.weight != server.configured_weight => {
                let (now, configured) = (server.weight.value(), server.configured_weight.value());
                let why = "left by a rollout that did not end, or set by hand";
                let detail = format!("ready, up, weight {now} in force, {configured} is configured: {why}");
                Check::warn(label, detail)
            }
            Some(server) if server.serving() => {
                Check::ok(label, format!("ready, up, weight {}", server.weight.value()))
            }
            Some(server) => Check::warn(
                label,
                format!("{}, {}, weight {}", server.admin, server.operational, server.weight.value()),
            ),
            None => Check::failed(label, format!("not in pool {}", pool.pool)),
        });
    }
    checks
}

fn node(label: &str, seen: &NodeSnapshot) -> Check {
    let Some(current) = seen.installed.current else {
        return Check::warn(label, format!("nothing is installed at {}", seen.installed.path));
    };
    let text = format!(
        "{} at {}, service {} ({})",
        current.sha256.short(),
        seen.installed.path,
        seen.service.active,
        seen.service.detail
    );
    if seen.service.active != ActiveState::Active {
        return Check::warn(label, text);
    }
    if seen.service.running == RunningBinary::Replaced {
        return Check::warn(
            label,
            format!("{text}; the process still runs a binary that was replaced since"),
        );
    }
    Check::ok(label, text)
}
