//! At most one node is in hand, and the release comes to a node only when all before it in the plan have it: never two
//! artifacts beyond the plan's step.
//!
//! Allowed is a node that an engine had in hand at its end, after it was told that records cannot be written: the next one
//! cannot know of it before its turn comes. The capacity guard counts it all the same.

use std::collections::BTreeMap;

use canary_core::fleet::{Digest, NodeId};
use canary_core::traits::AdminState;

use crate::sim::Run;
use crate::world::Happening;

#[derive(Clone, Copy)]
struct Node {
    installed: Digest,
    running: Digest,
    out: bool,
    /// In hand, and no record says so.
    forgotten: bool,
}

impl Node {
    fn in_hand(&self) -> bool {
        !self.forgotten && (self.out || self.installed != self.running)
    }
}

pub(super) fn check(run: &Run) -> Result<(), String> {
    let old = run.old_digest();
    let fresh = Node { installed: old, running: old, out: false, forgotten: false };
    let mut nodes: BTreeMap<&NodeId, Node> = run.plan.nodes.iter().map(|n| (&n.node, fresh)).collect();
    let mut unwritten = false;
    for happened in &run.trace {
        let (name, at) = match &happened.what {
            Happening::Installed { node, digest, .. } => {
                if *digest == run.new_digest() {
                    before_have_it(run, node, &nodes, happened.at_ms)?;
                }
                let Some(it) = nodes.get_mut(node) else { continue };
                it.installed = *digest;
                (node, happened.at_ms)
            }
            Happening::Restarted { node, digest, .. } => {
                let Some(it) = nodes.get_mut(node) else { continue };
                it.running = digest.unwrap_or(it.running);
                (node, happened.at_ms)
            }
            Happening::Admin { node, to, .. } => {
                let Some(it) = nodes.get_mut(node) else {
                    return Err(format!(
                        "at {} ms {node} was set {to}, and is not in the plan",
                        happened.at_ms
                    ));
                };
                it.out = *to != AdminState::Ready;
                (node, happened.at_ms)
            }
            Happening::BalancerRestarted => {
                nodes.values_mut().for_each(|it| it.out = false);
                continue;
            }
            Happening::JournalFailed => {
                unwritten = true;
                continue;
            }
            Happening::EngineBegan => {
                nodes.values_mut().for_each(|it| it.forgotten |= unwritten && it.in_hand());
                unwritten = false;
                continue;
            }
            _ => continue,
        };
        nodes.entry(name).and_modify(|it| it.forgotten = false);
        let others = nodes.iter().filter(|(other, it)| **other != name && it.in_hand());
        let others: Vec<_> = others.map(|(other, _)| other.as_str()).collect();
        if !others.is_empty() {
            return Err(format!("at {at} ms {name} was changed while {} was in hand", others.join(", ")));
        }
    }
    Ok(())
}

fn before_have_it(
    run: &Run,
    node: &NodeId,
    nodes: &BTreeMap<&NodeId, Node>,
    at_ms: u64,
) -> Result<(), String> {
    let new = run.new_digest();
    let mut before = run.plan.nodes.iter().map(|planned| &planned.node).take_while(|other| *other != node);
    match before.find(|other| nodes.get(other).is_some_and(|it| it.running != new)) {
        Some(other) => Err(format!("at {at_ms} ms {node} got the release before {other} ran it")),
        None => Ok(()),
    }
}
