//! Refuses plans that cannot work, before anything is touched.

use std::time::Duration;

use super::{Plan, Purpose, Work};
use crate::fleet::{NodeId, Snapshot};
use crate::spec::{Bound, Sli, WatchPolicy};
use crate::traits::{AdminState, Server, SliFacts, SliKind};

/// Something a plan's reader must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lint {
    /// It cannot work.
    Refuse(String),
    /// It can, but look.
    Warn(String),
}

/// Everything that can be said against a plan, given what was observed.
#[must_use]
pub fn lint(plan: &Plan, snapshot: &Snapshot) -> Vec<Lint> {
    let mut found = Vec::new();
    for planned in &plan.nodes {
        match snapshot.pool.server(&planned.node) {
            None => found.push(unknown_server(&planned.node, snapshot)),
            Some(server) => found.extend(server_state(server, snapshot)),
        }
        if planned.work == Work::Replace {
            found.extend(capacity(plan, &planned.node, snapshot));
        }
    }
    found.extend(unnamed_servers(plan, snapshot));
    if plan.purpose == Purpose::RollOut && !plan.is_empty() {
        found.extend(way_back(plan));
    }
    found.extend(weights(plan, snapshot));
    found
}

/// What speaks against the canary's way to its whole weight, or against a weight that was left behind.
fn weights(plan: &Plan, snapshot: &Snapshot) -> Vec<Lint> {
    match (&plan.spec.weights, &plan.weights) {
        (Some(wanted), Some(_)) => super::weights::lint(&plan.spec, wanted, snapshot),
        (Some(_), None) if plan.purpose == Purpose::RollOut && !plan.is_empty() => {
            vec![Lint::Warn(format!(
                "{} serves the release already: its weight steps are left out",
                plan.spec.canary
            ))]
        }
        _ => snapshot
            .pool
            .server(&plan.spec.canary)
            .and_then(|canary| light(plan, canary))
            .into_iter()
            .collect(),
    }
}

/// A canary that some rollout, or somebody, has left with another weight than the configured one.
fn light(plan: &Plan, canary: &Server) -> Option<Lint> {
    let (now, configured) = (canary.weight.value(), canary.configured_weight.value());
    let then = match plan.purpose {
        Purpose::RollOut => "and keeps it",
        Purpose::RollBack => "and gets that back",
    };
    let text = format!(
        "{}/{} has weight {now} in force, {configured} is configured, {then}",
        plan.spec.pool, canary.node
    );
    (now != configured && now > 0 && !plan.is_empty()).then_some(Lint::Warn(text))
}

fn unknown_server(node: &NodeId, snapshot: &Snapshot) -> Lint {
    let servers: Vec<_> = snapshot.pool.servers.iter().map(|s| s.node.as_str()).collect();
    Lint::Refuse(format!(
        "pool {} has no server {node}; it has {}",
        snapshot.pool.pool,
        if servers.is_empty() { "none".to_owned() } else { servers.join(", ") }
    ))
}

fn server_state(server: &Server, snapshot: &Snapshot) -> Option<Lint> {
    let name = format!("{}/{}", snapshot.pool.pool, server.node);
    if server.admin == AdminState::Maint {
        return Some(Lint::Refuse(format!(
            "{name} is in maintenance; set it ready, or leave it out of the rollout"
        )));
    }
    if server.backup {
        return Some(Lint::Refuse(format!(
            "{name} is a backup server: it gets no requests while others are up"
        )));
    }
    if server.weight.value() == 0 {
        return Some(Lint::Refuse(format!(
            "{name} has weight 0: it can never be sent a request; set its weight"
        )));
    }
    if server.admin == AdminState::Drain {
        return Some(Lint::Warn(format!("{name} is drained already; the rollout will put it back")));
    }
    (!server.checked).then(|| {
        Lint::Warn(format!("{name} has no health check in the balancer: it counts as up whatever its state"))
    })
}

/// Whether enough others could ever serve, and will when the node's turn comes: those that serve now, and those that
/// the plan brings back before. A node that serves nobody can be drained in any case.
fn capacity(plan: &Plan, node: &NodeId, snapshot: &Snapshot) -> Option<Lint> {
    if !snapshot.pool.server(node).is_some_and(Server::serving) {
        return None;
    }
    let needed = usize::try_from(plan.spec.min_available).unwrap_or(usize::MAX);
    let brought_back: Vec<_> =
        plan.nodes.iter().map(|planned| &planned.node).take_while(|n| *n != node).collect();
    let others: Vec<_> = snapshot.pool.servers.iter().filter(|s| s.node != *node && !s.backup).collect();
    let serving = others.iter().filter(|s| s.serving() || brought_back.contains(&&s.node)).count();
    let others = others.len();
    if others < needed {
        return Some(Lint::Refuse(format!(
            "draining {node} would leave {others} other server(s) in pool {}, {needed} must stay: add servers or \
             lower min_available",
            snapshot.pool.pool
        )));
    }
    (serving < needed).then(|| {
        Lint::Refuse(format!(
            "only {serving} other server(s) of pool {} are ready and up besides {node}, {needed} must stay: bring \
             them back first",
            snapshot.pool.pool
        ))
    })
}

fn unnamed_servers(plan: &Plan, snapshot: &Snapshot) -> Option<Lint> {
    let unnamed: Vec<_> = snapshot
        .pool
        .servers
        .iter()
        .filter(|server| plan.node(&server.node).is_none())
        .map(|server| server.node.as_str())
        .collect();
    (!unnamed.is_empty()).then(|| {
        Lint::Warn(format!(
            "pool {} also has {}, which the rollout does not name: they keep what they run",
            snapshot.pool.pool,
            unnamed.join(", ")
        ))
    })
}

fn way_back(plan: &Plan) -> Vec<Lint> {
    let Some(back) = &plan.way_back else {
        return vec![Lint::Refuse(
            "there is no last-known-good binary: set ROLLBACK_BINARY, or keep <binary>.previous on the node"
                .to_owned(),
        )];
    };
    let digest = back.facts.sha256;
    if digest == plan.artifact.facts.sha256 {
        return vec![Lint::Refuse(format!(
            "the last-known-good binary ({}) is the release itself ({}): a rollback would change nothing",
            back.origin,
            digest.short()
        ))];
    }
    let mut found = Vec::new();
    for planned in &plan.nodes {
        match planned.before {
            Some(before) if before != digest && before != plan.artifact.facts.sha256 => {
                found.push(Lint::Warn(format!(
                    "{} runs {}, a rollback would give it {} ({})",
                    planned.node,
                    before.short(),
                    digest.short(),
                    back.origin
                )));
            }
            None => found.push(Lint::Warn(format!("{} has no binary installed yet", planned.node))),
            Some(_) => {}
        }
    }
    found
}

impl Lint {
    /// What can be said against an SLI, given what its source has.
    #[must_use]
    pub fn sli(sli: &Sli, watch: &WatchPolicy, facts: &SliFacts) -> Vec<Self> {
        let mut found = Vec::new();
        if let (SliKind::Quantile { .. }, Bound::Below(bound), Some(largest)) =
            (&sli.kind, sli.bound, facts.largest_bound)
            && bound > largest
        {
            found.push(Self::Refuse(format!(
                "SLI {:?} is bounded by {bound}, but the histogram's largest bucket ends at {largest}: the bound can \
                 never trip",
                sli.name
            )));
        }
        if facts.series == 0 {
            found.push(Self::Warn(format!(
                "SLI {:?} has no data now; the watch will hold until it has",
                sli.name
            )));
        }
        if let Some(scrape) = facts.scrape_interval {
            found.extend(Self::window(sli, watch, scrape));
        }
        found
    }

    /// A rate needs two samples in its window, and four to be trusted.
    fn window(sli: &Sli, watch: &WatchPolicy, scrape: Duration) -> Option<Self> {
        let window = watch.rate_window.max(watch.interval);
        let show = humantime::format_duration;
        let text =
            format!("SLI {:?} looks back {} over samples {} apart", sli.name, show(window), show(scrape));
        if window < scrape * 2 {
            return Some(Self::Refuse(format!("{text}: no rate can be computed; lengthen rate_window")));
        }
        (window < scrape * 4).then(|| Self::Warn(format!("{text}: at least four are advisable")))
    }
}
