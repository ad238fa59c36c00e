//! The runner of probes.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use canary_core::time::Timestamp;
use canary_tenants::probe::{
    Breaker, ProbeBatch, ProbeProgress, ProbeResult, ProbeRound, ProbeRunner, read_brief,
};
use kube::config::{KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};

use crate::cluster::Cluster;
use crate::error::{KubeError, Trouble};
use crate::job::Order;
use crate::names::Names;
use crate::round::{Heard, run};
use crate::settings::Settings;
use crate::sweep::sweep;

/// What starting a pod takes where its image is there: the cluster's own goal is 5 s (kubernetes/kubernetes#3954).
const POD_START: Duration = Duration::from_secs(5);
/// How long after its end a round's Job still belongs to somebody who removes it.
const MARGIN: Duration = Duration::from_secs(120);

/// Runs probes in pods, one a batch, as one Indexed Job a round.
pub struct KubeProbes {
    cluster: Cluster,
    settings: Settings,
}

impl KubeProbes {
    /// Probes over a client.
    #[must_use]
    pub fn new(client: Client, settings: Settings) -> Self {
        Self { cluster: Cluster::new(client, &settings.namespace, settings.call_limit), settings }
    }

    /// Probes in the cluster of a kubeconfig's context; without one in that of the current context or, inside of a pod, in its own.
    ///
    /// Makes ring the process's provider of TLS where there is none yet. A kubeconfig may name a program that gives credentials; it is run then.
    ///
    /// # Errors
    ///
    /// No configuration, or one without usable credentials. The API server is not asked.
    pub async fn connect(context: Option<&str>, settings: Settings) -> Result<Self, KubeError> {
        let doing = || match context {
            Some(context) => format!("read the kubeconfig's context {context:?}"),
            None => "find the cluster by kubeconfig or from inside".to_owned(),
        };
        let failed = |error: kube::Error| KubeError { doing: doing(), trouble: Trouble::Credentials(error) };
        let mut config = match context {
            Some(name) => {
                let options =
                    KubeConfigOptions { context: Some(name.to_owned()), ..KubeConfigOptions::default() };
                let read: Result<_, KubeconfigError> = Config::from_kubeconfig(&options).await;
                read.map_err(|error| failed(kube::Error::InferKubeconfig(error)))?
            }
            None => Config::infer().await.map_err(|error| failed(kube::Error::InferConfig(error)))?,
        };
        config.connect_timeout = Some(settings.call_limit);
        config.write_timeout = Some(settings.call_limit);
        // Calls are repeated here, where it is known which may be.
        config.default_retry = false;
        // Another provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self::new(Client::try_from(config).map_err(failed)?, settings))
    }

    fn order(&self, round: &ProbeRound, parallelism: usize) -> Result<Order, String> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        let waves = u32::try_from(round.batches.len().div_ceil(parallelism)).unwrap_or(u32::MAX);
        let active = round.deadline + self.settings.start_limit + POD_START.saturating_mul(waves);
        let until = Timestamp::from(SystemTime::now()).plus(active + MARGIN);
        Ok(Order {
            names: Names::new(&round.id, &self.settings.owner, nonce),
            execution: round.id.clone(),
            completions: round.batches.len(),
            parallelism,
            parcels: 0,
            active,
            until: until.as_millis(),
        })
    }
}

#[async_trait]
impl ProbeRunner for KubeProbes {
    async fn run(&self, round: &ProbeRound, progress: &dyn ProbeProgress) -> Vec<ProbeResult> {
        if round.is_empty() {
            return Vec::new();
        }
        let now = Timestamp::from(SystemTime::now()).as_millis();
        match sweep(&self.cluster, &self.settings.owner, now).await {
            Ok(0) => {}
            Ok(removed) => {
                tracing::warn!("removed {removed} job(s) of probes that an earlier run left behind");
            }
            Err(error) => tracing::warn!("{}", error.told()),
        }
        let ends = match (self.order(round, parallelism(round)), payloads(round)) {
            (Ok(order), Ok(payloads)) => {
                let mut heard = Listener { round, progress, begun: vec![false; round.batches.len()] };
                run(&self.cluster, &self.settings, order, &payloads, &mut heard).await
            }
            (Err(why), _) | (_, Err(why)) => vec![Err(why); round.batches.len()],
        };
        let mut results = Vec::with_capacity(round.len());
        for (batch, end) in round.batches.iter().zip(ends) {
            let read = match end {
                Ok(text) => read(batch, &text),
                Err(why) => {
                    let unknown = batch.all_unknown(&format!("{self}: {why}"));
                    unknown.iter().for_each(|result| progress.done(result));
                    unknown
                }
            };
            results.push(read);
        }
        settle(round, &mut results);
        results.into_iter().flatten().collect()
    }
}

/// Pods that run at once: as many as have the round's tenants in flight.
fn parallelism(round: &ProbeRound) -> usize {
    let largest = round.batches.iter().map(|batch| batch.targets.len()).max().unwrap_or(1).max(1);
    let in_flight = usize::try_from(round.in_flight).unwrap_or(usize::MAX);
    (in_flight / largest).clamp(1, round.batches.len().max(1))
}

fn payloads(round: &ProbeRound) -> Result<Vec<String>, String> {
    let batches = round.batches.iter().map(serde_json::to_string);
    batches.collect::<Result<_, _>>().map_err(|error| format!("a batch cannot be written as JSON: {error}"))
}

fn read(batch: &ProbeBatch, text: &str) -> Vec<ProbeResult> {
    read_brief(batch, text, "the pod left something else than the results of its batch")
}

/// Where the first batch of a group heard nothing at all, the group is down, as it is for every runner.
fn settle(round: &ProbeRound, results: &mut [Vec<ProbeResult>]) {
    let mut breaker = Breaker::default();
    for (batch, results) in round.batches.iter().zip(results.iter()) {
        breaker.start(batch);
        results.iter().for_each(|result| _ = breaker.heard(batch, result));
    }
    for (batch, results) in round.batches.iter().zip(results) {
        results
            .iter_mut()
            .filter(|result| !result.tries.is_empty())
            .for_each(|result| breaker.settle(batch, result));
    }
}

/// Tells progress of batches as progress of tenants.
struct Listener<'r> {
    round: &'r ProbeRound,
    progress: &'r dyn ProbeProgress,
    begun: Vec<bool>,
}

impl Heard for Listener<'_> {
    fn moved(&mut self, index: usize) {
        if let (Some(begun @ false), Some(batch)) = (self.begun.get_mut(index), self.round.batches.get(index))
        {
            *begun = true;
            self.progress.started(batch);
        }
    }

    fn done(&mut self, index: usize, text: &str) {
        self.moved(index);
        if let Some(batch) = self.round.batches.get(index) {
            read(batch, text).iter().for_each(|result| self.progress.done(result));
        }
    }
}

impl fmt::Display for KubeProbes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubernetes namespace {}", self.settings.namespace)
    }
}

impl fmt::Debug for KubeProbes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeProbes").field("settings", &self.settings).finish_non_exhaustive()
    }
}
