//! `serve`: holds a fleet of processes of this host, until a signal ends it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::traits::{ActiveState, LoadBalancer as _, NodeRuntime as _, Server, ServiceState};
use canary_local::{
    CheckConfig, Holder, HolderConfig, LocalBalancerConfig, LocalError, LocalNodesConfig, NodeConfig, OnStop,
    ServerConfig,
};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Context;
use crate::backend::local;
use crate::error::{CommandError, ErrorKind, chain};
use crate::render::line;
use crate::settings::{Key, Settings, assignment};

/// How often nodes and servers are looked at, to tell what changes.
const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn serve(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let settings = &cx.settings;
    if settings.backend.name() != local::NAME {
        let origin = settings.layers.origin(Key::Backend);
        return Err(CommandError::usage(
            format!(
                "fleet.backend = {} ({origin}): only a local fleet is held by this program",
                settings.backend.name()
            ),
            "set fleet.backend = \"local\" (--backend local)",
        ));
    }
    // Before anything is started: from here on a signal ends this program in order.
    let mut signals = Signals::listen()?;
    let holder = Holder::start(config(settings)?).await.map_err(|error| explain(settings, &error))?;
    let mut told = Told::default();
    told.changes(cx, &holder).await;
    let (url, socket) = (holder.balancer().url(), holder.socket().display().to_string());
    if cx.screen.json() {
        let pid = std::process::id();
        cx.screen.line(line("serving", json!({ "url": url, "socket": socket, "pid": pid })));
    } else {
        cx.screen.line(format!("{} balances {} at {url}", settings.spec.service, settings.spec.pool));
        cx.screen.line(format!("control socket: {socket}"));
    }
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = tokio::time::sleep(LOOK) => told.changes(cx, &holder).await,
        }
    }
    stop(cx, holder, &mut signals).await;
    Ok(0)
}

/// Ends it in order, or at once when a second signal comes.
async fn stop(cx: &Context<'_>, holder: Holder, signals: &mut Signals) {
    let keep = cx.settings.local.on_stop == OnStop::Keep;
    let what = if keep { "the processes go on" } else { "then ends the processes" };
    let limit = crate::render::words::exact(cx.settings.local.close_timeout);
    say(
        cx,
        "stopping",
        &format!("stopping: requests in progress may take {limit}, {what}; once more to end at once"),
    );
    let at_once = holder.at_once();
    tokio::select! {
        () = holder.shutdown() => say(cx, "stopped", "stopped"),
        () = signals.next() => {
            at_once.end();
            say(cx, "stopped", "stopped at once");
        }
    }
}

fn say(cx: &Context<'_>, event: &str, text: &str) {
    if cx.screen.json() {
        cx.screen.line(line(event, json!({ "message": text })));
    } else {
        cx.screen.line(text);
    }
}

/// What the settings say, as the library has it.
fn config(settings: &Settings) -> Result<HolderConfig, CommandError> {
    let local = &settings.local;
    let nodes = local.nodes.iter().map(|(node, address)| NodeConfig::new(node.clone(), *address));
    let mut nodes = LocalNodesConfig::new(&local.dir, settings.spec.service.as_str(), nodes.collect());
    nodes.args.clone_from(&local.args);
    nodes.env = local.env.0.clone();
    if let Some(path) = &local.env_file {
        nodes.env.extend(environment(settings, path)?);
    }
    nodes.stop_timeout = local.stop_timeout;
    let servers = local.nodes.iter().map(|(node, address)| ServerConfig::new(node.clone(), *address));
    let mut balancer = LocalBalancerConfig::new(settings.spec.pool.clone(), servers.collect());
    balancer.listen = local.listen;
    balancer.deadlines.shutdown = local.close_timeout;
    let mut checks = CheckConfig::new(settings.spec.health.check.path.clone());
    checks.interval = local.check_interval;
    balancer.checks = Some(checks);
    let mut config = HolderConfig::new(nodes, balancer, &local.socket);
    config.first.clone_from(&local.first);
    config.on_stop = local.on_stop;
    Ok(config)
}

/// Reads the file of variables; its values are never shown.
fn environment(settings: &Settings, path: &Path) -> Result<BTreeMap<String, String>, CommandError> {
    let text = crate::wiring::secret_file(settings, Key::LocalEnvFile, path)?;
    let mut all = BTreeMap::new();
    for (number, written) in text.lines().enumerate() {
        if written.trim().is_empty() || written.trim_start().starts_with('#') {
            continue;
        }
        let (name, value) = assignment(written.trim_start()).map_err(|reason| {
            let place = format!("{}:{}", path.display(), number + 1);
            CommandError::usage(format!("{place}: {}", reason.why), reason.remedy)
        })?;
        all.insert(name, value);
    }
    Ok(all)
}

fn explain(settings: &Settings, error: &LocalError) -> CommandError {
    let local = &settings.local;
    let hint = match error {
        LocalError::InUse(_) => {
            "another `canary-cli serve` holds this fleet; stop it first, or name another local.dir and local.socket"
        }
        LocalError::Listen { .. } => "free the address, or name another in local.listen",
        LocalError::Config(_) if local.first.is_none() => {
            "name the binary to begin with in local.first_binary (--local-first-binary)"
        }
        LocalError::Config(_) => "correct the settings under [local]",
        LocalError::Io { path, .. } if path.ends_with("balancer.json") => {
            "it says which nodes were drained; remove it only if all of them may take requests"
        }
        LocalError::Io { .. } => {
            "name a place that this user may write to in local.dir, local.socket or state.dir"
        }
        LocalError::Backend(_) => {
            "the binary to begin with is named in local.first_binary (--local-first-binary)"
        }
        _ => "",
    };
    CommandError::new(ErrorKind::Refused, chain(error), hint)
}

/// The signals that end it.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> Result<Self, CommandError> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(|kind| {
            signal(kind).map_err(|error| {
                CommandError::new(ErrorKind::Refused, format!("cannot listen for signals: {error}"), "")
            })
        });
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// What was told of each node last.
#[derive(Default)]
struct Told(BTreeMap<NodeId, (ServiceState, Option<Server>)>);

impl Told {
    /// Tells what is new of every node: its process, and how the balancer has it.
    async fn changes(&mut self, cx: &Context<'_>, holder: &Holder) {
        let pool = holder.balancer().servers().await.ok();
        for node in holder.names() {
            let Ok(service) = holder.nodes().service(&node).await else { continue };
            let server = pool.as_ref().and_then(|pool| pool.server(&node).cloned());
            let now = (service, server);
            if self.0.get(&node).is_none_or(|before| differ(before, &now)) {
                let ended = now.0.pid.is_none() && now.0.active != ActiveState::Inactive;
                let logs =
                    if ended { holder.nodes().logs(&node, 1).await.unwrap_or_default() } else { Vec::new() };
                tell(cx, &node, &now, logs.first());
                self.0.insert(node, now);
            }
        }
    }
}

type Seen = (ServiceState, Option<Server>);

/// Whether anything differs that a person wants to know; counters do not count.
fn differ(before: &Seen, now: &Seen) -> bool {
    let service = |seen: &Seen| (seen.0.active, seen.0.detail.clone(), seen.0.pid);
    let server = |seen: &Seen| seen.1.as_ref().map(|s| (s.admin, s.operational, s.weight));
    service(before) != service(now) || server(before) != server(now)
}

fn tell(cx: &Context<'_>, node: &NodeId, (service, server): &Seen, log: Option<&String>) {
    if cx.screen.json() {
        cx.screen
            .line(line("node", json!({ "node": node, "service": service, "server": server, "log": log })));
        return;
    }
    let process = service.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
    let in_pool = server.as_ref().map_or_else(String::new, |server| {
        let weight = if server.weight == server.configured_weight {
            String::new()
        } else {
            format!(", weight {}", server.weight.value())
        };
        format!("; {}, {}{weight}", server.admin, server.operational)
    });
    let log = log.map_or_else(String::new, |last| format!("; its log ends: {last}"));
    cx.screen.line(format!("{node}: {} ({}){process}{in_pool}{log}", service.active, service.detail));
}
