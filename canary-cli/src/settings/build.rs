//! From layered values to what the commands work with.

use std::sync::Arc;
use std::time::Duration;

use canary_core::analysis::{Number, Ratio};
use canary_core::fleet::{ArtifactError, NodeId, Provenance, RemotePath, ServiceName};
use canary_core::spec::{
    Bound, DrainPolicy, EnablePolicy, HealthPolicy, OnDrainTimeout, OnInconclusive, PausePolicy,
    ProgressiveWeights, RetryPolicy, RolloutSpec, Sli, SliJudging, WatchPolicy, WatchSubject,
};
use canary_core::traits::{HealthCheck, SliKind};

use super::address::HaproxyAddress;
use super::file::Measured;
use super::layers::Layers;
use super::table::Key;
use super::values::Given as _;
use super::{
    DatadogSettings, IncusEndpoint, IncusSettings, MigrationSettings, NotifySettings, Settings,
    SourceSettings, TelemetrySettings, TenantsSettings,
};
use crate::backend::{OwnSettings, Registry, haproxy_incus};
use crate::environment::Environment;

mod database;
mod judging;
mod local;

/// Builds the settings from layers that have no problems.
pub(super) fn build(layers: Layers, environment: &Environment, registry: &Registry) -> Settings {
    let path = |key| layers.path(key).map(|path| environment.directory.join(path));
    let name = layers.text(Key::Backend).given();
    // proof: a contradiction's rule has refused a name that is not known.
    let backend = Arc::clone(registry.get(&name).unwrap_or_else(|| registry.first()));
    let spec = spec(&layers);
    let state_dir = path(Key::StateDir).given();
    let service_dir = state_dir.join(spec.service.as_str());
    let nodes = spec.nodes().count();
    let (file, directory) = (layers.source.clone(), environment.directory.clone());
    Settings {
        local: local::build(&layers, environment, &service_dir),
        own: OwnSettings::new(&name, file, environment.variables.clone(), directory),
        backend,
        spec,
        artifact: path(Key::Artifact),
        rollback_binary: path(Key::RollbackBinary),
        // proof: a contradiction's rule has refused the path if it cannot be used.
        target: target(&layers).ok().given(),
        unit: layers.unit(Key::Unit).given(),
        haproxy: haproxy(&layers),
        lb_url: layers.text(Key::HaproxyUrl).given(),
        incus: incus(&layers, environment),
        source: source(&layers, environment),
        database: database::build(&layers, environment, nodes),
        tenants: TenantsSettings {
            policy: path(Key::TenantsPolicy),
            version: layers.text(Key::TenantsVersion),
            decision_log: path(Key::TenantsDecisionLog)
                .unwrap_or_else(|| service_dir.join("decisions.jsonl")),
            host: environment.host.clone(),
            variables: environment.kept(),
            probing: super::probing::build(&layers, environment, &state_dir),
        },
        migrations: MigrationSettings {
            dir: path(Key::MigrationsDir).given(),
            dir_named: layers.is_written(Key::MigrationsDir),
            base: layers.text(Key::MigrationsBase).given(),
            convention: layers.text(Key::MigrationsConvention).given(),
            force: layers.flag(Key::ForceMigrate).given(),
            locks_only_warn: layers.text(Key::MigrationsLocks).as_deref() == Some("warn"),
            limit: layers.time(Key::MigrationsLimit).given(),
            allow: Vec::new(),
            shadow: database::shadow(&layers, environment),
            shadow_of_live: layers.text(Key::MigrationsShadowBase).as_deref() == Some("auto"),
            shadow_role: layers.text(Key::MigrationsShadowRole),
            accepts_proof: layers.text(Key::MigrationsProof).as_deref() == Some("accept"),
        },
        head_copies: path(Key::HeadCopies),
        keep_rollouts: usize::try_from(layers.count(Key::KeepRollouts).given()).unwrap_or(usize::MAX),
        signing_key_file: path(Key::SigningKeyFile).unwrap_or_else(|| service_dir.join("signing.key")),
        state_dir,
        actor: layers.text(Key::Actor).given(),
        reason: layers.text(Key::Reason),
        notify: notify(&layers, environment),
        telemetry: TelemetrySettings {
            textfile: path(Key::MetricsTextfile),
            listen: layers.loopback(Key::MetricsListen),
            log: layers.text(Key::Log).given(),
            otlp_endpoint: layers.text(Key::OtlpEndpoint),
        },
        layers,
    }
}

/// The binary's path, if it is not too long.
pub(super) fn target(layers: &Layers) -> Result<RemotePath, ArtifactError> {
    RemotePath::new(format!(
        "{}/{}",
        layers.remote_path(Key::InstallDir).given(),
        layers.text(Key::BinaryName).given()
    ))
}

fn notify(layers: &Layers, environment: &Environment) -> NotifySettings {
    let path = |key| layers.path(key).map(|path| environment.directory.join(path));
    let pool = || layers.pool(Key::Pool).given().to_string();
    NotifySettings {
        webhook_url: layers.text(Key::NotifyWebhookUrl),
        webhook_secret_file: path(Key::NotifyWebhookSecretFile),
        slack_url_file: path(Key::NotifySlackUrlFile),
        cdevents_url: layers.text(Key::NotifyCdeventsUrl),
        cdevents_token_file: path(Key::NotifyCdeventsTokenFile),
        datadog_site: layers.text(Key::NotifyDatadogSite),
        datadog_key_file: path(Key::NotifyDatadogKeyFile),
        alertmanager_url: layers.text(Key::NotifyAlertmanagerUrl),
        alertmanager_token_file: path(Key::NotifyAlertmanagerTokenFile),
        on: layers.text(Key::NotifyOn).given(),
        environment: layers.text(Key::NotifyEnvironment).unwrap_or_else(pool),
        hold_after: layers.time(Key::NotifyHoldAfter).given(),
        flush_timeout: layers.time(Key::NotifyFlushTimeout).given(),
    }
}

fn haproxy(layers: &Layers) -> HaproxyAddress {
    layers.address(Key::HaproxyAddress).unwrap_or_else(|| HaproxyAddress::Instance {
        name: layers.node(Key::HaproxyInstance).given(),
        socket: layers.remote_path(Key::HaproxySocket).given(),
    })
}

fn incus(layers: &Layers, environment: &Environment) -> IncusSettings {
    let path = |key| environment.directory.join(layers.path(key).given());
    let endpoint = match layers.text(Key::IncusUrl) {
        Some(url) => IncusEndpoint::Https {
            url,
            client_cert: path(Key::IncusClientCert),
            client_key: path(Key::IncusClientKey),
            server_cert: path(Key::IncusServerCert),
        },
        None => IncusEndpoint::Socket(path(Key::IncusSocket)),
    };
    IncusSettings { endpoint, project: layers.text(Key::IncusProject).given() }
}

fn source(layers: &Layers, environment: &Environment) -> SourceSettings {
    if layers.text(Key::WatchSource).given() == "prometheus" {
        return SourceSettings::Prometheus {
            url: layers.text(Key::PrometheusUrl).given(),
            node_label: layers.metric(Key::NodeLabel),
            bearer_token_file: layers.path(Key::BearerTokenFile).map(|path| environment.directory.join(path)),
        };
    }
    if layers.text(Key::WatchSource).given() == "datadog" {
        return SourceSettings::Datadog(datadog(layers, environment));
    }
    let port = layers.count(Key::MetricsPort).and_then(|port| u16::try_from(port).ok());
    let shared = layers.text(Key::Backend).given() == haproxy_incus::NAME;
    SourceSettings::Metrics {
        port: port.or_else(|| shared.then(|| health_port(layers))),
        path: layers.http_path(Key::MetricsPath).given(),
    }
}

fn datadog(layers: &Layers, environment: &Environment) -> DatadogSettings {
    let named = [(Key::RequestsMetric, Key::DatadogRequests), (Key::LatencyMetric, Key::DatadogLatency)];
    let named =
        named.into_iter().filter_map(|(name, key)| Some((layers.metric(name)?, key, layers.text(key)?)));
    DatadogSettings {
        site: layers.text(Key::DatadogSite).given(),
        key_file: layers.path(Key::DatadogKeyFile).map(|path| environment.directory.join(path)),
        variables: environment.kept(),
        node_tag: layers.metric(Key::DatadogNodeTag),
        metrics: named.collect(),
        latency_unit: layers.text(Key::DatadogLatencyUnit).given(),
    }
}

fn health_port(layers: &Layers) -> u16 {
    u16::try_from(layers.count(Key::HealthPort).given()).unwrap_or(u16::MAX)
}

fn spec(layers: &Layers) -> RolloutSpec {
    let pool = layers.pool(Key::Pool).given();
    let time = |key| layers.time(key).given();
    RolloutSpec {
        // proof: both kinds of names have the same rule.
        service: layers.service(Key::Service).or_else(|| ServiceName::new(pool.as_str()).ok()).given(),
        canary: layers.node(Key::Canary).given(),
        peers: layers.nodes(Key::Peers).given(),
        min_available: u32::try_from(layers.count(Key::MinAvailable).given()).unwrap_or(u32::MAX),
        drain: DrainPolicy {
            timeout: time(Key::DrainTimeout),
            on_timeout: match layers.text(Key::DrainOnTimeout).given().as_str() {
                "close_sessions" => OnDrainTimeout::CloseSessions,
                _ => OnDrainTimeout::GiveUp,
            },
            capacity_timeout: time(Key::CapacityTimeout),
        },
        health: HealthPolicy {
            check: HealthCheck {
                // Processes of one host have a port each, which their runtime knows.
                port: if layers.is_local() { 0 } else { health_port(layers) },
                path: layers.http_path(Key::HealthPath).given(),
                attempt_timeout: time(Key::HealthAttempt),
            },
            timeout: time(Key::HealthTimeout),
        },
        enable: EnablePolicy { up_timeout: time(Key::UpTimeout), traffic_timeout: time(Key::TrafficTimeout) },
        watch: watch(layers, time(Key::Window)),
        weights: weights(layers),
        from: Provenance {
            revision: layers.revision(Key::ReleaseRevision),
            // The choices are the phases.
            phase: layers.text(Key::ReleasePhase).and_then(|text| text.parse().ok()),
        },
        pause: PausePolicy { after: pauses(layers), limit: time(Key::PauseLimit) },
        roll_back_peers: layers.flag(Key::RollBackPeers).given(),
        retry: RetryPolicy {
            budget: time(Key::RetryBudget),
            first: time(Key::RetryFirst),
            cap: time(Key::RetryCap),
        },
        pool,
    }
}

/// The nodes that are followed by a pause; `canary` is the canary, unless a node is really called so.
pub(super) fn pauses(layers: &Layers) -> Vec<NodeId> {
    let (canary, peers) = (layers.node(Key::Canary).given(), layers.nodes(Key::Peers).given());
    let named = layers.nodes(Key::PauseAfter).given();
    let meant = |node: NodeId| {
        let alias = node.as_str() == "canary" && !peers.contains(&node);
        if alias { canary.clone() } else { node }
    };
    named.into_iter().map(meant).collect()
}

/// The canary's way to its weight, where steps are named.
pub(super) fn weights(layers: &Layers) -> Option<ProgressiveWeights> {
    let steps = layers.percents(Key::WeightSteps).given();
    (!steps.is_empty()).then(|| ProgressiveWeights { steps, window: layers.time(Key::WeightWindow) })
}

pub(super) fn watch(layers: &Layers, window: Duration) -> Option<WatchPolicy> {
    if window.is_zero() {
        return None;
    }
    Some(WatchPolicy {
        window,
        interval: layers.time(Key::Interval).given(),
        rate_window: layers.time(Key::RateWindow).given(),
        subject: match layers.text(Key::WatchSubject).given().as_str() {
            "canary" => WatchSubject::Canary,
            _ => WatchSubject::Pool,
        },
        slis: slis(layers),
        hold_budget: layers.time(Key::HoldBudget).given(),
        on_inconclusive: match layers.text(Key::OnInconclusive).given().as_str() {
            "roll_back" => OnInconclusive::RollBack,
            _ => OnInconclusive::Keep,
        },
        judging: judging::build(layers),
    })
}

fn slis(layers: &Layers) -> Vec<Sli> {
    let min_requests = layers.count(Key::MinRequests).given();
    let mut slis = Vec::new();
    if layers.flag(Key::BuiltinSlis).given() {
        let quantile = Ratio::new(0.95).given();
        slis.push(Sli {
            name: "p95".to_owned(),
            kind: SliKind::Quantile { metric: layers.metric(Key::LatencyMetric).given(), quantile },
            bound: Bound::Below(layers.number(Key::P95Threshold).given()),
            min_requests,
            judging: SliJudging::default(),
        });
        slis.push(Sli {
            name: "error_ratio".to_owned(),
            kind: SliKind::ErrorRatio {
                metric: layers.metric(Key::RequestsMetric).given(),
                status_label: layers.metric(Key::StatusLabel).given(),
            },
            bound: Bound::Below(Number::new(layers.ratio(Key::ErrorThreshold).given().value()).given()),
            min_requests,
            judging: SliJudging::default(),
        });
    }
    for written in &layers.slis {
        match &written.own {
            Some((measured, bound)) => slis.push(Sli {
                name: written.name.clone(),
                kind: kind(layers, measured),
                bound: *bound,
                min_requests,
                judging: written.judging,
            }),
            None => {
                let built_in = slis.iter_mut().find(|sli| sli.name == written.name);
                built_in.into_iter().for_each(|sli| sli.judging = written.judging);
            }
        }
    }
    slis
}

fn kind(layers: &Layers, measured: &Measured) -> SliKind {
    match measured {
        Measured::Expression(promql) => SliKind::Expression { promql: promql.clone() },
        Measured::Latency { metric, quantile } => {
            SliKind::Quantile { metric: metric.clone(), quantile: *quantile }
        }
        Measured::Errors { metric, status_label } => SliKind::ErrorRatio {
            metric: metric.clone(),
            status_label: status_label.clone().unwrap_or_else(|| layers.metric(Key::StatusLabel).given()),
        },
    }
}
