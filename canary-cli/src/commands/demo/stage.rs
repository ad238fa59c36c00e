//! The demo's fleet: a sandbox of processes, and a journal that outlives it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use canary_core::analysis::Ratio;
use canary_core::control::Control;
use canary_core::engine::{Backends, Order, Outcome, WayBackSearch, roll_out};
use canary_core::fleet::{Artifact, MetricName, ServiceName};
use canary_core::journal::{FileJournal, RolloutId, Writer};
use canary_core::plan;
use canary_core::spec::{
    Bound, Judging, OnInconclusive, RolloutSpec, Sli, SliJudging, WatchPolicy, WatchSubject,
};
use canary_core::traits::{Clock, EventSink, Release, SliKind, SystemClock};
use canary_demo::service::stamp;
use canary_local::{Sandbox, SandboxConfig};
use canary_postgres::{GateConfig, MigrationFilesGate};

use super::failed;
use super::fault::Fault;
use crate::commands::looking::look_on;
use crate::commands::random;
use crate::environment::Environment;
use crate::error::CommandError;
use crate::render::{Screen, ScreenSink};

/// The demo's service.
const SERVICE: &str = "demo";

/// A fleet of processes with its journal.
pub(super) struct Stage {
    sandbox: Sandbox,
    journal: Arc<FileJournal>,
    clock: Arc<dyn Clock>,
    state: PathBuf,
    actor: String,
}

impl Stage {
    /// Brings three nodes of release v1 up.
    pub(super) async fn set(environment: &Environment) -> Result<Self, CommandError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let scratch = tempfile::Builder::new().prefix("canary-demo-").tempdir();
        let scratch = scratch.map_err(|e| failed("create a temporary directory", &e))?;
        let first = scratch.path().join("v1");
        make("v1", Fault::None, &first).await?;
        let service = ServiceName::new(SERVICE).map_err(|e| failed("name the service", &e))?;
        let config = SandboxConfig::new(service, &first, &["demo-service", "--listen", "{address}"]);
        let sandbox = Sandbox::start(config).await.map_err(|e| failed("start the nodes", &e))?;
        // Every node has its own copy by now.
        std::fs::remove_file(&first).map_err(|e| failed("remove a temporary file", &e))?;
        let state = scratch.keep();
        let actor = environment.actor();
        let writer = Writer {
            pid: std::process::id(),
            host: environment.host.clone(),
            actor: actor.clone(),
            engine: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let path = state.join(SERVICE).join("journal.jsonl");
        let journal = FileJournal::open(path, &writer, random::<16>()?, Arc::clone(&clock));
        let journal = Arc::new(journal.map_err(|e| failed("open the journal", &e))?);
        Ok(Self { sandbox, journal, clock, state, actor })
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.sandbox.names().len()
    }

    /// Where clients come in.
    pub(super) fn url(&self) -> String {
        self.sandbox.url()
    }

    /// Makes a release and ships it.
    pub(super) async fn ship(
        &self,
        version: &str,
        fault: Fault,
        control: &Control,
        screen: &Screen,
    ) -> Result<Outcome, CommandError> {
        let path = self.sandbox.dir().join(version);
        make(version, fault, &path).await?;
        let artifact = Artifact::read(&path).map_err(|e| failed("read the release", &e))?;
        let mut spec = self.sandbox.spec();
        spec.watch = Some(watch().ok_or_else(|| CommandError::bug("the demo's watch is not valid"))?);
        let sink: Arc<dyn EventSink> = Arc::new(ScreenSink::new(screen.clone()));
        let backends =
            self.sandbox.backends(Arc::clone(&self.journal) as _, vec![sink], Arc::clone(&self.clock));
        let _looking = look_on(screen, &backends.lb);
        self.roll(&backends, spec, artifact, control).await
    }

    async fn roll(
        &self,
        backends: &Backends,
        spec: RolloutSpec,
        artifact: Artifact,
        control: &Control,
    ) -> Result<Outcome, CommandError> {
        let order = Order {
            rollout: RolloutId::new(self.clock.now(), u32::from_ne_bytes(random::<4>()?)),
            actor: self.actor.clone(),
            reason: None,
        };
        let release = Release::new(spec.service.clone(), artifact.facts.sha256);
        let gate = MigrationFilesGate::new(GateConfig::new(self.sandbox.dir(), "migrations"));
        let review = backends.review(&gate, &release, &order).await;
        let review = review.map_err(|e| failed("write the journal", &e))?;
        let permit = review.permit().ok_or_else(|| CommandError::bug("the demo's gate said no"))?;
        let snapshot = backends.observe(spec.nodes()).await;
        let snapshot = snapshot.map_err(|all| failed("look at the nodes", &all.join("; ")))?;
        let search = WayBackSearch {
            named: None,
            on_host: None,
            release: Some(artifact.facts.sha256),
            nodes: spec.nodes().cloned().collect(),
        };
        let way_back = backends.find_way_back(&search, &snapshot).await;
        let way_back = way_back.map_err(|e| failed("find the running release", &e))?;
        let plan = plan::roll_out(spec, artifact, way_back, self.sandbox.store(), &snapshot);
        let plan = plan.map_err(|e| failed("plan", &e))?;
        let report = roll_out(backends, plan, permit, order, control).await;
        Ok(report.map_err(|e| failed("write the journal", &e))?.outcome)
    }

    /// Where the journal is.
    pub(super) fn journal(&self) -> PathBuf {
        self.state.join(SERVICE).join("journal.jsonl")
    }

    /// Ends the nodes and removes their directory; gives the file with the settings that read the journal.
    pub(super) async fn clear(self) -> Result<PathBuf, CommandError> {
        let file = self.state.join("canary.toml");
        let written = std::fs::write(&file, self.settings());
        // Dropping the sandbox does the same; what this adds is time for requests in flight.
        let _ = self.sandbox.shutdown().await;
        written.map_err(|e| failed("write the settings of the journal", &e))?;
        Ok(file)
    }

    /// What `canary.toml` says of this fleet.
    fn settings(&self) -> String {
        let text = |text: &str| toml::Value::from(text).to_string();
        let texts = |all: Vec<String>| toml::Value::from(all).to_string();
        let (names, nodes) = (self.sandbox.names(), self.sandbox.nodes());
        let places = names.iter().filter_map(|name| Some(format!("{name}={}", nodes.address(name)?)));
        let canary = names.first().map(ToString::to_string).unwrap_or_default();
        format!(
            "[service]\nname = {}\n\n[fleet]\nbackend = \"local\"\npool = {}\ncanary = {}\npeers = {}\n\n[local]\nnodes = {}\n\n[state]\ndir = {}\n",
            text(SERVICE),
            text(SERVICE),
            text(&canary),
            texts(names.iter().skip(1).map(ToString::to_string).collect()),
            texts(places.collect()),
            text(&self.state.display().to_string()),
        )
    }
}

/// Makes a release: a copy of this program with another last line.
async fn make(version: &str, fault: Fault, path: &std::path::Path) -> Result<(), CommandError> {
    let program = std::env::current_exe().map_err(|e| failed("find this program's own file", &e))?;
    let (trailer, target) = (fault.trailer(version), path.to_owned());
    let made = tokio::task::spawn_blocking(move || stamp(&program, &target, &trailer)).await;
    made.map_err(|e| failed("make a release", &e))?.map_err(|e| failed("make a release", &e))
}

/// Six seconds, the canary alone, by its own metrics page.
fn watch() -> Option<WatchPolicy> {
    let latency = MetricName::new("veza_gin_http_request_duration_seconds").ok()?;
    let requests = MetricName::new("veza_gin_http_requests_total").ok()?;
    let status_label = MetricName::new("status").ok()?;
    let sli = |name: &str, kind, bound: &str| {
        Some(Sli {
            name: name.to_owned(),
            kind,
            bound: Bound::Below(bound.parse().ok()?),
            min_requests: 20,
            judging: SliJudging::default(),
        })
    };
    let p95 = SliKind::Quantile { metric: latency, quantile: Ratio::new(0.95)? };
    let errors = SliKind::ErrorRatio { metric: requests, status_label };
    Some(WatchPolicy {
        window: Duration::from_secs(6),
        interval: Duration::from_secs(1),
        rate_window: Duration::from_secs(2),
        subject: WatchSubject::Canary,
        slis: vec![sli("p95", p95, "0.5")?, sli("error_ratio", errors, "0.005")?],
        hold_budget: Duration::from_secs(20),
        on_inconclusive: OnInconclusive::RollBack,
        judging: Judging::default(),
    })
}
