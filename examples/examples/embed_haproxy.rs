//! The production-like one: a deploy tool of its own around HAProxy over TCP, Incus, Prometheus and the migration gate.
//!
//! ```sh
//! cargo run -p canary-examples --example embed_haproxy -- 10.83.7.2:9999 http://haproxy.lxd http://prom.lxd:9090 ./new-binary
//! ```
//!
//! It ships `./new-binary` to `backend-api-2`, watches it for 20 seconds, and goes on to `backend-api-1`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use canary_core::analysis::Number;
use canary_core::control::Control;
use canary_core::engine::{self, Backends, Order, Outcome, WayBackSearch};
use canary_core::fleet::{Artifact, MetricName, NodeId, PoolName, RemotePath, ServiceName, UnitName};
use canary_core::journal::{Entry, FileJournal, RolloutId, StepResult, Writer};
use canary_core::plan;
use canary_core::spec::{
    Bound, Judging, OnInconclusive, RolloutSpec, Sli, SliJudging, WatchPolicy, WatchSubject,
};
use canary_core::traits::{Clock as _, Event, EventSink, Release, SliKind, SystemClock};
use canary_haproxy::{HaproxyConfig, HaproxyLoadBalancer, TcpTransport};
use canary_incus::{Endpoint, IncusClient, IncusConfig, IncusNodeRuntime, ServiceConfig};
use canary_postgres::{GateConfig, MigrationFilesGate};
use canary_prom::{PrometheusConfig, PrometheusSource};

/// This tool's own way to show what happens.
#[derive(Debug)]
struct Console;

impl std::fmt::Display for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("console")
    }
}

impl EventSink for Console {
    #[expect(clippy::print_stdout, reason = "a sink that prints is this example's point")]
    fn emit(&self, event: &Event<'_>) {
        let Event::Recorded(record) = event else { return };
        match &record.entry {
            Entry::StepFinished { step, result: StepResult::Done { .. }, .. } => println!("{step}: done"),
            Entry::StepFinished { step, result: StepResult::Failed { message, .. }, .. } => {
                println!("{step}: FAILED: {message}");
            }
            Entry::Observed { observation, .. } => {
                println!("  {:?}: {}", observation.verdict, observation.reason());
            }
            _ => {}
        }
    }
}

/// What this tool watches: the ratio of requests answered 5xx, over the whole pool.
fn watch() -> anyhow::Result<WatchPolicy> {
    let kind = SliKind::ErrorRatio {
        metric: MetricName::new("veza_gin_http_requests_total")?,
        status_label: MetricName::new("status")?,
    };
    let bound = Bound::Below("0.005".parse::<Number>()?);
    Ok(WatchPolicy {
        window: Duration::from_secs(20),
        interval: Duration::from_secs(2),
        rate_window: Duration::from_secs(10),
        subject: WatchSubject::Pool,
        slis: vec![Sli {
            name: "error_ratio".to_owned(),
            kind,
            bound,
            min_requests: 1,
            judging: SliJudging::default(),
        }],
        hold_budget: Duration::from_secs(60),
        on_inconclusive: OnInconclusive::Keep,
        judging: Judging::default(),
    })
}

fn backends(haproxy: &str, url: &str, prometheus: &str, state: &std::path::Path) -> anyhow::Result<Backends> {
    let clock = Arc::new(SystemClock::new());
    let balancer = HaproxyConfig::new(PoolName::new("api_pool")?).edge_url(url)?;
    let incus = IncusClient::new(&IncusConfig::new(Endpoint::Unix("/var/lib/incus/unix.socket".into())))?;
    let service = ServiceConfig {
        target: RemotePath::new("/opt/veza/backend-api/veza-api")?,
        unit: UnitName::new("veza-backend-api")?,
    };
    let writer = Writer {
        pid: std::process::id(),
        host: "deploy-1".to_owned(),
        actor: "embed example".to_owned(),
        engine: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let id = u128::from(clock.now().as_millis()).to_be_bytes();
    Ok(Backends {
        lb: Arc::new(HaproxyLoadBalancer::new(Box::new(TcpTransport::new(haproxy)), balancer)),
        nodes: Arc::new(IncusNodeRuntime::new(incus, service)),
        sli: Some(Arc::new(PrometheusSource::new(PrometheusConfig::new(prometheus))?)),
        checks: Vec::new(),
        journal: Arc::new(FileJournal::open(state.join("journal.jsonl"), &writer, id, clock.clone())?),
        sinks: vec![Arc::new(Console)],
        clock,
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [haproxy, url, prometheus, artifact] = arguments.as_slice() else {
        bail!("usage: embed_haproxy HAPROXY_HOST:PORT BALANCER_URL PROMETHEUS_URL ARTIFACT");
    };
    let state = std::env::temp_dir().join("canary-embed-haproxy");
    let backends = backends(haproxy, url, prometheus, &state)?;

    let mut spec = RolloutSpec::new(
        ServiceName::new("backend-api")?,
        PoolName::new("api_pool")?,
        NodeId::new("backend-api-2")?,
        vec![NodeId::new("backend-api-1")?],
    );
    spec.watch = Some(watch()?);
    let artifact = Artifact::read(PathBuf::from(artifact)).context("reading the artifact")?;
    let release = Release::new(spec.service.clone(), artifact.facts.sha256);
    let clock = &backends.clock;
    let order = Order {
        rollout: RolloutId::new(clock.now(), std::process::id()),
        actor: "embed example".to_owned(),
        reason: None,
    };

    // No permit, no rollout: only a gate's review gives one.
    let gate = MigrationFilesGate::new(GateConfig::new(".", "migrations"));
    let review = backends.review(&gate, &release, &order).await?;
    let Some(permit) = review.permit() else { bail!("the gate says {}", review.verdict) };

    let snapshot = backends.observe(spec.nodes()).await.map_err(|all| anyhow::anyhow!(all.join("; ")))?;
    let search = WayBackSearch {
        named: None,
        on_host: None,
        release: Some(release.artifact),
        nodes: spec.nodes().cloned().collect(),
    };
    let way_back = backends.find_way_back(&search, &snapshot).await?;
    let plan = plan::roll_out(spec, artifact, way_back, state.join("artifacts"), &snapshot)?;
    let report = engine::roll_out(&backends, plan, permit, order, &Control::default()).await?;
    match report.outcome {
        Outcome::Completed { .. } => Ok(()),
        other => bail!("{other}"),
    }
}
