//! The simulator: a seed becomes a fleet, a release and its troubles; the engine runs on a virtual clock; invariants judge.
//!
//! Everything the engine asks of the world goes through [`Faulty`](crate::faults::Faulty) layers whose calls are counted: faults, deaths
//! of the engine and the operator's keys strike by call number. After a death the rollout is resumed from its journal,
//! as a person would do it. Balancers restart with their configured states, acknowledge
//! what takes effect later, lose a server for a while; nodes go unscraped. What is not simulated: the copying of artifacts on
//! the deploying host (it runs on real files), reads that are older than the call (the contracts forbid them).

mod journal;
mod mutant;
mod rng;
mod run;
mod scenario;
mod strikes;

use std::path::PathBuf;

use canary_core::engine::Outcome;
use canary_core::fleet::{Artifact, Digest};
use canary_core::journal::Record;
use canary_core::plan::Plan;

pub use mutant::Mutant;
pub use scenario::{Absence, ERROR_BOUND, Scenario};

use crate::world::{NodeState, ServerState, Traced};

/// The binary that every node runs before.
const OLD: &[u8] = b"the old binary";
/// The release.
const NEW: &[u8] = b"the new binary";

/// Where artifacts are kept by digest, below the simulator's directory.
const STORE: &str = "store";

/// What came of a scenario.
#[derive(Debug)]
pub struct Run {
    /// The scenario.
    pub scenario: Scenario,
    /// The plan that was carried out.
    pub plan: Plan,
    /// How the last life of the engine ended; `None` when it died before anything was recorded.
    pub outcome: Option<Outcome>,
    /// The journal.
    pub records: Vec<Record>,
    /// What truly happened.
    pub trace: Vec<Traced>,
    /// The nodes at the end, as they truly are.
    pub nodes: Vec<NodeState>,
    /// The balancer's servers at the end, as they truly are.
    pub servers: Vec<ServerState>,
    /// Whether a record could not be written in the last of the lives.
    pub journal_failed: bool,
    /// How many calls were made.
    pub calls: u64,
    /// How often the engine waited.
    pub sleeps: u64,
    /// Operations that a fault struck, with the number of the call.
    pub struck: Vec<(u64, &'static str)>,
}

impl Run {
    /// The release's digest.
    #[must_use]
    pub fn new_digest(&self) -> Digest {
        self.plan.artifact.facts.sha256
    }

    /// The digest of what ran before.
    #[must_use]
    pub fn old_digest(&self) -> Digest {
        Digest::of(OLD)
    }

    /// The nodes that the rollout names, as they are at the end.
    pub fn planned(&self) -> impl Iterator<Item = (&NodeState, &ServerState)> {
        self.nodes.iter().zip(&self.servers).filter(|(node, _)| self.plan.node(&node.name).is_some())
    }
}

/// Runs scenarios, one at a time. Holds a runtime and a directory of artifacts.
#[derive(Debug)]
pub struct Simulator {
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    artifact: Artifact,
}

impl Simulator {
    /// A simulator of its own; one a thread.
    ///
    /// # Errors
    /// When no temporary directory or runtime can be had.
    pub fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("new");
        std::fs::write(&path, NEW)?;
        let artifact = Artifact::read(path).map_err(std::io::Error::other)?;
        // Both binaries are staged: what a run does must not depend on the runs before it.
        let store = dir.path().join(STORE);
        std::fs::create_dir(&store)?;
        for bytes in [OLD, NEW] {
            std::fs::write(store.join(Digest::of(bytes).to_string()), bytes)?;
        }
        Ok(Self { runtime, dir, artifact })
    }

    /// Runs a scenario; `None` when the plan was refused.
    #[must_use]
    pub fn run(&self, scenario: &Scenario) -> Option<Run> {
        self.run_mutated(scenario, None)
    }

    /// Runs a scenario with an engine that omits something, or does it wrong.
    #[must_use]
    pub fn run_mutated(&self, scenario: &Scenario, mutant: Option<Mutant>) -> Option<Run> {
        self.runtime.block_on(run::run(self, scenario, mutant))
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join(STORE)
    }
}
