//! The node's role, played by Incus instances with systemd in them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::fleet::{Artifact, FileFacts, NodeId, RemotePath};
use canary_core::traits::{
    BackendError, CallOutcome, ErrorKind, HealthCheck, HealthReport, InstallReport, Installed, NodeRuntime,
    RemoteFile, ServiceState,
};
use canary_http::{HttpClient, Method};

use crate::client::IncusClient;
use crate::config::ServiceConfig;
use crate::error::{BACKEND, RETRY_AFTER, clean, quote, unchanged, unknown};
use crate::exec::{ExecOutput, whole_seconds};
use crate::files::{self, Lies};
use crate::health;
use crate::install::{script_failed, unreadable};
use crate::scripts;
use crate::systemd::{self, Unit};

/// The characters of a log line that are kept.
const LINE: usize = 400;

/// Runs one service, the same path and unit on every node, in the instances of one Incus project.
///
/// Node names are instance names. Needs in each instance: systemd, `sh` and GNU coreutils; for health checks one of
/// `curl`, `wget`, `python3` and `bash`, or an address of the instance that can be reached from here. Each call returns
/// within its [`Timeouts`](crate::Timeouts): `exec` and half a minute for the short ones, `restart` likewise, `transfer`
/// for copies.
///
/// Shows itself as `Incus at /var/lib/incus/unix.socket, project default`.
#[derive(Debug, Clone)]
pub struct IncusNodeRuntime {
    client: IncusClient,
    service: ServiceConfig,
}

impl IncusNodeRuntime {
    /// A runtime of `service` on the instances that `client` reaches.
    #[must_use]
    pub const fn new(client: IncusClient, service: ServiceConfig) -> Self {
        Self { client, service }
    }

    /// The client it works with.
    #[must_use]
    pub const fn client(&self) -> &IncusClient {
        &self.client
    }

    /// What lies at `paths`, in their order.
    async fn lies(
        &self,
        node: &NodeId,
        operation: &str,
        paths: &[&RemotePath],
    ) -> Result<Vec<Lies>, BackendError> {
        let arguments: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
        let output = self.read(node, operation, scripts::FACTS, &arguments).await?;
        if output.code != 0 {
            return Err(reading(script_failed(operation, node, &output)));
        }
        files::facts(&output.stdout_text(), paths.len())
            .ok_or_else(|| reading(unreadable(operation, node, &output)))
    }

    /// Runs a script that changes nothing.
    async fn read(
        &self,
        node: &NodeId,
        operation: &str,
        script: scripts::Script,
        arguments: &[&str],
    ) -> Result<ExecOutput, BackendError> {
        self.client
            .script(node, operation, script, arguments, self.client.timeouts().exec)
            .await
            .map_err(reading)
    }

    /// Reads the unit from the output of `service.sh`.
    fn unit(&self, node: &NodeId, operation: &str, output: &ExecOutput) -> Result<Unit, BackendError> {
        if output.code != 0 {
            return Err(self.systemd_failed(node, operation, output));
        }
        let unit = systemd::parse(&output.stdout_text())
            .map_err(|error| unreadable(operation, node, output).caused_by(error))?;
        if unit.load == "not-found" { Err(self.no_unit(node, operation)) } else { Ok(unit) }
    }

    fn no_unit(&self, node: &NodeId, operation: &str) -> BackendError {
        unchanged(ErrorKind::NotFound, operation, format!("there is no unit {}", self.service.unit))
            .with("node", node)
    }

    /// `systemctl` itself failed, before it looked at any unit.
    fn systemd_failed(&self, node: &NodeId, operation: &str, output: &ExecOutput) -> BackendError {
        let words = output.stderr_text();
        if words.contains("not been booted with systemd") || words.contains("systemctl: not found") {
            let text = format!("the instance does not run systemd: {}", quote(&words));
            return unchanged(ErrorKind::Unsupported, operation, text).with("node", node);
        }
        if words.contains("Failed to connect to bus") {
            let text = format!("systemd does not answer (yet): {}", quote(&words));
            return unchanged(ErrorKind::Unreachable, operation, text)
                .transient(RETRY_AFTER)
                .with("node", node);
        }
        script_failed(operation, node, output)
    }

    /// Asks the service from here, for instances without any HTTP tool.
    async fn check_from_here(
        &self,
        node: &NodeId,
        check: &HealthCheck,
    ) -> Result<HealthReport, BackendError> {
        const OPERATION: &str = "check the service's health";
        let state = self.client.state(node).await?;
        let Some(address) = state.address().filter(|_| state.runs()) else {
            let text = format!(
                "there is none of curl, wget, python3 and bash in the instance, and it has no address to ask from here (it is {})",
                clean(&state.status, 40)
            );
            return Err(unchanged(ErrorKind::Unsupported, OPERATION, text).with("node", node));
        };
        let base = format!("http://{}", std::net::SocketAddr::new(address, check.port));
        let via = format!("{base} from here");
        let http = HttpClient::builder(BACKEND)
            .base_url(&base)
            .timeout(check.attempt_timeout)
            .connect_timeout(check.attempt_timeout)
            .max_body(1024 * 1024)
            .build()
            .map_err(|error| unchanged(ErrorKind::Other, OPERATION, "no HTTP client").caused_by(error))?;
        match http.send(OPERATION, http.request(Method::GET, check.path.as_str())).await {
            Ok(reply) => Ok(health::report(reply.status.as_u16(), &reply.text(), false, via)),
            Err(error) => {
                let detail = match error.kind() {
                    ErrorKind::TimedOut => "no answer in time".to_owned(),
                    _ if error.chain().contains("refused") => "connection refused".to_owned(),
                    _ => clean(&error.chain(), 199),
                };
                Ok(HealthReport { healthy: false, status: None, detail, via })
            }
        }
    }
}

impl fmt::Display for IncusNodeRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

#[async_trait]
impl NodeRuntime for IncusNodeRuntime {
    async fn installed(&self, node: &NodeId) -> Result<Installed, BackendError> {
        const OPERATION: &str = "read what is installed";
        let target = &self.service.target;
        let previous = target.with_suffix(".previous").map_err(|error| {
            unchanged(ErrorKind::Refused, OPERATION, "the path is too long").caused_by(error)
        })?;
        let mut lies = self.lies(node, OPERATION, &[target, &previous]).await?.into_iter();
        let mut next = |path: &RemotePath| match lies.next() {
            Some(lies) => lies.facts().map_err(|what| not_regular(OPERATION, node, path, &what)),
            None => Ok(None),
        };
        let current = next(target)?;
        let previous = next(&previous)?.map(|facts| RemoteFile { path: previous, facts });
        Ok(Installed { path: target.clone(), current, previous })
    }

    async fn inspect(&self, node: &NodeId, path: &RemotePath) -> Result<Option<FileFacts>, BackendError> {
        const OPERATION: &str = "inspect the file";
        let lies = self.lies(node, OPERATION, &[path]).await?;
        let lies = lies.first().unwrap_or(&Lies::Absent);
        lies.facts().map_err(|what| not_regular(OPERATION, node, path, &what))
    }

    async fn install(&self, node: &NodeId, artifact: &Artifact) -> Result<InstallReport, BackendError> {
        self.client.install(node, &self.service.target, artifact).await
    }

    async fn fetch(&self, node: &NodeId, path: &RemotePath, into: &Path) -> Result<FileFacts, BackendError> {
        let Some(expected) = self.inspect(node, path).await? else {
            let text = "there is no such file in the instance";
            return Err(unchanged(ErrorKind::NotFound, "fetch the file", text)
                .with("node", node)
                .with("path", path));
        };
        self.client.fetch(node, path, expected, into).await
    }

    async fn restart(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        const OPERATION: &str = "restart the service";
        let limit = self.client.timeouts().restart;
        let seconds = whole_seconds(limit).to_string();
        let arguments = [self.service.unit.as_str(), self.service.target.as_str(), &seconds];
        let output = self
            .client
            .script(node, OPERATION, scripts::RESTART, &arguments, limit + Duration::from_secs(10))
            .await?;
        let unit = self.unit(node, OPERATION, &output)?;
        match unit.restart {
            Some(0) => Ok(unit.state),
            Some(124 | 137) => {
                let text = format!(
                    "systemctl restart was not done after {seconds} s; the unit is {} ({})",
                    unit.state.active, unit.state.detail
                );
                Err(unknown(ErrorKind::TimedOut, OPERATION, text).with("node", node))
            }
            Some(_) => {
                let words = quote(&output.stderr_text());
                let text = format!("{words} (the unit is {}, {})", unit.state.active, unit.result);
                Err(unknown(ErrorKind::Refused, OPERATION, text)
                    .outcome_is(CallOutcome::Applied)
                    .with("node", node)
                    .with("unit", &self.service.unit))
            }
            None => Err(unreadable(OPERATION, node, &output)),
        }
    }

    async fn service(&self, node: &NodeId) -> Result<ServiceState, BackendError> {
        const OPERATION: &str = "read the service's state";
        let arguments = [self.service.unit.as_str(), self.service.target.as_str()];
        let output = self.read(node, OPERATION, scripts::SERVICE, &arguments).await?;
        self.unit(node, OPERATION, &output).map(|unit| unit.state).map_err(reading)
    }

    async fn check(&self, node: &NodeId, check: &HealthCheck) -> Result<HealthReport, BackendError> {
        const OPERATION: &str = "check the service's health";
        let fraction = format!("{:.3}", check.attempt_timeout.as_secs_f64().max(0.001));
        let whole = whole_seconds(check.attempt_timeout).to_string();
        let arguments = [&check.port.to_string(), check.path.as_str(), &fraction, &whole];
        let limit = check.attempt_timeout + Duration::from_secs(5);
        let output =
            self.client.script(node, OPERATION, scripts::CHECK, &arguments, limit).await.map_err(reading)?;
        if output.code == scripts::NO_TOOL {
            return self.check_from_here(node, check).await;
        }
        health::parse(&output.stdout_text(), &output.stderr_text())
            .ok_or_else(|| reading(unreadable(OPERATION, node, &output)))
    }

    async fn logs(&self, node: &NodeId, lines: u16) -> Result<Vec<String>, BackendError> {
        const OPERATION: &str = "read the service's log";
        let arguments = [self.service.unit.as_str(), &lines.to_string()];
        let output = self.read(node, OPERATION, scripts::LOGS, &arguments).await?;
        if output.code != 0 {
            return Err(reading(self.systemd_failed(node, OPERATION, &output)));
        }
        let text = output.stdout_text();
        let mut all = text.lines();
        match all.next() {
            Some("LoadState=not-found") => Err(self.no_unit(node, OPERATION)),
            Some(first) if first.starts_with("LoadState=") => {
                let all: Vec<String> = all.map(|line| clean(line, LINE)).collect();
                let skip = all.len().saturating_sub(usize::from(lines));
                Ok(all.into_iter().skip(skip).collect())
            }
            _ => Err(reading(unreadable(OPERATION, node, &output))),
        }
    }
}

/// An error of a call that only reads.
fn reading(error: BackendError) -> BackendError {
    error.outcome_is(CallOutcome::NotApplied)
}

fn not_regular(operation: &str, node: &NodeId, path: &RemotePath, what: &str) -> BackendError {
    unchanged(ErrorKind::Refused, operation, format!("what lies there is {what}"))
        .with("node", node)
        .with("path", path)
}
