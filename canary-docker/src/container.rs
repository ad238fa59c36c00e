//! One container: made, fed, started, heard, waited for, removed.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, InspectContainerOptions, KillContainerOptions,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder,
};
use canary_tenants::probe::{ProbeBatch, ProbeResult, read_lines};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::engine::{CALL, missing, told, within};
use crate::image::PROGRAM;
use crate::orphans::{OWNER, ROUND, UNTIL, now_ms};
use crate::owner;
use crate::settings::DockerSettings;

/// The most that is heard of a container.
const LOUDEST: usize = 8 * 1024 * 1024;
/// The most processes and threads in a container: the program has one.
const PIDS: i64 = 16;

/// What containers of a round share.
#[derive(Debug)]
pub(crate) struct Containers<'r> {
    pub(crate) docker: &'r Docker,
    pub(crate) settings: &'r DockerSettings,
    pub(crate) image: &'r str,
    /// How long the round may take.
    pub(crate) deadline: Duration,
}

impl Containers<'_> {
    /// Runs one batch; whatever stands in the way makes its tenants unknown.
    pub(crate) async fn run(&self, batch: &ProbeBatch) -> Vec<ProbeResult> {
        match self.whole(batch).await {
            Ok(text) => read_lines(batch, &text, "its container left no result of it"),
            Err(why) => batch.all_unknown(&format!("its container: {why}")),
        }
    }

    async fn whole(&self, batch: &ProbeBatch) -> Result<String, String> {
        let created = self.docker.create_container(None::<CreateContainerOptions>, self.body(batch));
        let id = within(CALL, "creating it", created).await?.id;
        let text = self.started(&id, batch).await;
        // Whatever came of it, it goes; what cannot be removed now is removed at the next start.
        let removed = remove(self.docker, &id).await;
        let text = text?;
        removed?;
        Ok(text)
    }

    async fn started(&self, id: &str, batch: &ProbeBatch) -> Result<String, String> {
        let options =
            AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true);
        let attached = self.docker.attach_container(id, Some(options.build()));
        let mut attached = within(CALL, "attaching to it", attached).await?;
        within(CALL, "starting it", self.docker.start_container(id, None::<StartContainerOptions>)).await?;
        // proof: text, integers and lists of them.
        let mut line = serde_json::to_vec(batch).unwrap_or_default();
        line.push(b'\n');
        let mut input = attached.input;
        // A container that ends before it has read all has said why, or its exit code does.
        let feeding = async {
            let _ = input.write_all(&line).await;
            let _ = input.flush().await;
            std::future::pending::<()>().await;
        };
        let allowed = own_deadline(batch);
        let exchange = async {
            tokio::select! {
                heard = hear(&mut attached.output) => heard,
                () = feeding => (String::new(), String::new()),
            }
        };
        let heard = timeout(allowed, exchange).await;
        let Ok((text, errors)) = heard else {
            // It is removed by force next; killing it first keeps that short.
            let _ = timeout(CALL, self.docker.kill_container(id, None::<KillContainerOptions>)).await;
            return Err(format!("it was not done within {} s", allowed.as_secs()));
        };
        match self.exit_code(id).await? {
            0 | 1 => Ok(text),
            code => Err(self.ended(id, code, &errors).await),
        }
    }

    /// How it ended. Asked for after it was started and as "not running": a wait that is sent before the start can miss the end.
    async fn exit_code(&self, id: &str) -> Result<i64, String> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let waited = async {
            let mut waiting = std::pin::pin!(self.docker.wait_container(id, Some(options)));
            match waiting.next().await {
                Some(Ok(answer)) => Ok(answer.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
                Some(Err(error)) => Err(error),
                None => Ok(-1),
            }
        };
        within(CALL, "waiting for its end", waited).await
    }

    async fn ended(&self, id: &str, code: i64, errors: &str) -> String {
        let inspected =
            timeout(CALL, self.docker.inspect_container(id, None::<InspectContainerOptions>)).await;
        let state = inspected.ok().and_then(Result::ok).and_then(|container| container.state);
        if state.is_some_and(|state| state.oom_killed == Some(true)) {
            return format!("it was killed for want of memory (exit code {code})");
        }
        let words: String = errors.trim().chars().take(200).collect();
        if words.is_empty() { format!("exit code {code}") } else { format!("exit code {code}: {words}") }
    }

    fn body(&self, batch: &ProbeBatch) -> ContainerCreateBody {
        let until = now_ms().saturating_add(u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX));
        let mut labels = HashMap::from([
            (ROUND.to_owned(), batch.round.clone()),
            (UNTIL.to_owned(), until.to_string()),
            ("canary.probe.batch".to_owned(), batch.index.to_string()),
        ]);
        labels.extend(owner::this().map(|owner| (OWNER.to_owned(), owner)));
        let memory = Some(self.settings.memory);
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            entrypoint: Some(vec![PROGRAM.to_owned()]),
            cmd: Some(vec!["-".to_owned()]),
            user: Some("65534:65534".to_owned()),
            labels: Some(labels),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            open_stdin: Some(true),
            stdin_once: Some(true),
            host_config: Some(HostConfig {
                memory,
                // The same as the memory: no swap.
                memory_swap: memory,
                pids_limit: Some(PIDS),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                network_mode: Some(self.settings.network.clone()),
                // What it says is heard as it says it; nothing is left on the engine's disk.
                log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

/// Removes a container by force; one that is not there is removed.
pub(crate) async fn remove(docker: &Docker, id: &str) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match timeout(CALL, docker.remove_container(id, Some(options))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if missing(&error) => Ok(()),
        Ok(Err(error)) => Err(format!("removing it: {}", told(&error))),
        Err(_) => Err(format!("removing it: no answer of the engine within {} s", CALL.as_secs())),
    }
}

/// What the program itself may take, and a little more.
fn own_deadline(batch: &ProbeBatch) -> Duration {
    let windows = (batch.targets.len() as u64).div_ceil(u64::from(batch.in_flight.max(1)));
    let micros = windows.saturating_mul(batch.check.budget_us).saturating_add(batch.check.spread_us);
    Duration::from_micros(micros).saturating_add(CALL)
}

/// All that it says, up to a bound, until it ends.
async fn hear<S>(output: &mut S) -> (String, String)
where
    S: futures_util::Stream<Item = Result<LogOutput, Error>> + Unpin,
{
    let (mut text, mut errors) = (Vec::new(), Vec::new());
    while let Some(Ok(piece)) = output.next().await {
        let (to, message) = match piece {
            LogOutput::StdErr { message } => (&mut errors, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut text, message),
            LogOutput::StdIn { .. } => continue,
        };
        if to.len() + message.len() <= LOUDEST {
            to.extend_from_slice(&message);
        }
    }
    let words = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (words(text), words(errors))
}
