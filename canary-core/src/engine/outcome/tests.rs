use std::path::PathBuf;

use super::*;
use crate::fleet::{Artifact, Digest, FileFacts, NodeId, PoolName, ServiceName};
use crate::plan::Purpose;
use crate::spec::RolloutSpec;

fn plan() -> Plan {
    let (service, pool) = (ServiceName::new("app").unwrap(), PoolName::new("api_pool").unwrap());
    let facts = FileFacts { sha256: Digest::of(b"new"), size: 3 };
    Plan {
        purpose: Purpose::RollOut,
        spec: RolloutSpec::new(service, pool, NodeId::new("a").unwrap(), Vec::new()),
        artifact: Artifact { path: PathBuf::from("/tmp/new"), facts },
        way_back: None,
        store: PathBuf::from("/store"),
        nodes: Vec::new(),
        steps: Vec::new(),
        weights: None,
        warnings: Vec::new(),
    }
}

fn found(name: &str, installed: Option<&[u8]>, admin: Option<AdminState>) -> NodeReport {
    NodeReport {
        node: NodeId::new(name).unwrap(),
        installed: installed.map(Digest::of),
        service: None,
        admin,
        operational: None,
        problems: Vec::new(),
    }
}

#[test]
fn an_outcome_that_the_fleet_contradicts_is_stuck() {
    let (new, old, ready): (Option<&[u8]>, Option<&[u8]>, _) =
        (Some(b"new"), Some(b"old"), Some(AdminState::Ready));
    let completed = Outcome::Completed { changed: true };
    let back = Outcome::RolledBack { reason: "why".to_owned() };
    let halted = Outcome::Halted { reason: "why".to_owned() };
    let stuck = |text: &str| Outcome::Stuck { reason: text.to_owned() };
    let table = [
        (&completed, found("a", new, ready), completed.clone()),
        (&completed, found("a", None, None), completed.clone()),
        (
            &completed,
            found("a", old, ready),
            stuck("the steps ended completed, but a does not have the binary that says so"),
        ),
        (
            &completed,
            found("a", new, Some(AdminState::Drain)),
            stuck("the steps ended completed, but a is out of rotation"),
        ),
        (
            &completed,
            found("a", old, Some(AdminState::Maint)),
            stuck(
                "the steps ended completed, but a does not have the binary that says so; a is out of rotation",
            ),
        ),
        (&back, found("a", old, ready), back.clone()),
        (&back, found("a", None, ready), back.clone()),
        (&back, found("a", old, Some(AdminState::Drain)), back.clone()),
        (
            &back,
            found("a", new, ready),
            stuck("the steps ended rolled back: why, but a does not have the binary that says so"),
        ),
        (&halted, found("a", old, Some(AdminState::Drain)), halted.clone()),
    ];
    for (outcome, a, expected) in table {
        let nodes = [found("b", None, ready), a];
        assert_eq!(borne_out(outcome.clone(), &plan(), &nodes), expected, "{nodes:?}");
    }
}
