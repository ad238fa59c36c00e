//! Settings that are fine alone and contradict each other; each named with the places it was written at.

use canary_core::spec::WatchSubject;

use super::file::{Measured, WrittenSli};
use super::kind::Value;
use super::layers::Layers;
use super::suggest::nearest;
use super::table::Key;
use super::values::Given as _;
use crate::backend::Registry;
use crate::error::Problem;

mod judges;
mod local;

pub(super) use judges::idle;

/// All contradictions. Settings that could not be read are left out of it.
pub(super) fn contradictions(layers: &Layers, registry: &Registry) -> Vec<Problem> {
    let rules: [fn(&Layers) -> Option<Problem>; 24] = [
        target_fits,
        canary_is_no_peer,
        pauses_follow_nodes,
        window_holds_two_probes,
        weights_are_watched,
        weights_hold_two_probes,
        health_holds_an_attempt,
        retries_fit,
        something_is_watched,
        judges::something_decides,
        judges::built_in_ones_are_there,
        judges::scores_are_in_order,
        judges::warm_up_fits,
        judges::something_is_compared,
        judges::counters_are_compared,
        judges::common_faults_are_seen,
        subject_needs_a_label,
        expressions_need_prometheus,
        certificates_come_together,
        shadow_server_is_named,
        pods_have_an_image,
        local::nodes_are_named,
        local::nodes_have_addresses,
        local::addresses_differ,
    ];
    let unknown = backend_is_known(layers, registry);
    unknown.into_iter().chain(rules.iter().filter_map(|rule| rule(layers))).collect()
}

fn backend_is_known(layers: &Layers, registry: &Registry) -> Option<Problem> {
    if !sound(layers, &[Key::Backend]) {
        return None;
    }
    let name = layers.text(Key::Backend).given();
    if registry.get(&name).is_some() {
        return None;
    }
    let known = registry.names().collect::<Vec<_>>().join(", ");
    let hint = match nearest(&name, registry.names()) {
        Some(near) => format!("did you mean {near:?}? This program knows {known}"),
        None => format!("this program knows {known}"),
    };
    Some(Problem::new(format!("{}: there is no such kind of fleet", said(layers, Key::Backend)), hint))
}

/// Whether all these could be read.
fn sound(layers: &Layers, keys: &[Key]) -> bool {
    keys.iter().all(|key| !layers.broken.contains(key))
}

/// `drain.timeout = 30s (canary.toml:3:1)`.
fn said(layers: &Layers, key: Key) -> String {
    let resolved = layers.resolved(key);
    let value = resolved.value.as_ref().map_or_else(|| "unset".to_owned(), Value::to_string);
    format!("{} = {value} ({})", key.setting().key, resolved.origin)
}

fn pair(layers: &Layers, a: Key, b: Key) -> String {
    format!("{} and {}", said(layers, a), said(layers, b))
}

fn target_fits(layers: &Layers) -> Option<Problem> {
    if !sound(layers, &[Key::InstallDir, Key::BinaryName]) {
        return None;
    }
    let error = super::build::target(layers).err()?;
    Some(Problem::new(error.to_string(), "shorten service.install_dir or service.binary_name"))
}

fn canary_is_no_peer(layers: &Layers) -> Option<Problem> {
    let keys = [Key::Canary, Key::Peers];
    if !sound(layers, &keys) || !layers.nodes(Key::Peers).given().contains(&layers.node(Key::Canary).given())
    {
        return None;
    }
    let hint = if layers.is_written(Key::Peers) {
        "name every node once: the canary alone in CANARY_NODE, the others in PEER_NODES"
    } else {
        "PEER_NODES was left at its default; name the other nodes there, or set it to nothing if there are none"
    };
    let message = format!("{}: the canary is a peer, too", pair(layers, Key::Canary, Key::Peers));
    Some(Problem::new(message, hint))
}

fn pauses_follow_nodes(layers: &Layers) -> Option<Problem> {
    let keys = [Key::PauseAfter, Key::Canary, Key::Peers];
    if !sound(layers, &keys) {
        return None;
    }
    let (canary, peers) = (layers.node(Key::Canary).given(), layers.nodes(Key::Peers).given());
    let strange = super::build::pauses(layers).into_iter().find(|n| *n != canary && !peers.contains(n))?;
    let message = format!("{}: {strange} is neither the canary nor a peer", said(layers, Key::PauseAfter));
    Some(Problem::new(message, "name nodes of the fleet, or write canary for the canary"))
}

fn window_holds_two_probes(layers: &Layers) -> Option<Problem> {
    if !sound(layers, &[Key::Window, Key::Interval]) {
        return None;
    }
    let (window, interval) = (layers.time(Key::Window).given(), layers.time(Key::Interval).given());
    if window.is_zero() || window >= interval * 2 {
        return None;
    }
    Some(Problem::new(
        format!("{}: the window is shorter than two probes", pair(layers, Key::Window, Key::Interval)),
        "lengthen the window, probe more often, or set the window to 0 for no watch",
    ))
}

fn weights_are_watched(layers: &Layers) -> Option<Problem> {
    let keys = [Key::WeightSteps, Key::Window];
    if !sound(layers, &keys) || super::build::weights(layers).is_none() || watched(layers) {
        return None;
    }
    let message = format!("{}: nothing is watched at any step", pair(layers, keys[0], keys[1]));
    Some(Problem::new(message, "set a watch window, or leave the steps out"))
}

fn weights_hold_two_probes(layers: &Layers) -> Option<Problem> {
    let keys = [Key::WeightSteps, Key::WeightWindow, Key::Window, Key::Interval];
    if !sound(layers, &keys) || !watched(layers) {
        return None;
    }
    let weights = super::build::weights(layers)?;
    let steps = u32::try_from(weights.steps.len()).unwrap_or(u32::MAX).max(1);
    let (whole, interval) = (layers.time(Key::Window).given(), layers.time(Key::Interval).given());
    let window = weights.window.unwrap_or(whole / steps);
    // A whole watch that is too short is told by itself.
    if window >= interval * 2 || (weights.window.is_none() && whole < interval * 2) {
        return None;
    }
    let which = if weights.window.is_some() { Key::WeightWindow } else { Key::WeightSteps };
    Some(Problem::new(
        format!("{}: a step's window is shorter than two probes", pair(layers, which, Key::Interval)),
        "lengthen weights.window, probe more often, or name fewer steps",
    ))
}

fn health_holds_an_attempt(layers: &Layers) -> Option<Problem> {
    let keys = [Key::HealthTimeout, Key::HealthAttempt];
    if !sound(layers, &keys) || layers.time(keys[0]).given() >= layers.time(keys[1]).given() {
        return None;
    }
    let message = format!("{}: one attempt may take longer than all of them", pair(layers, keys[0], keys[1]));
    Some(Problem::new(message, "lengthen health.timeout or shorten health.attempt_timeout"))
}

fn retries_fit(layers: &Layers) -> Option<Problem> {
    let keys = [Key::RetryFirst, Key::RetryCap];
    if !sound(layers, &keys) || layers.time(keys[0]).given() <= layers.time(keys[1]).given() {
        return None;
    }
    let message = format!("{}: the first delay is longer than the longest", pair(layers, keys[0], keys[1]));
    Some(Problem::new(message, "shorten retry.first or lengthen retry.cap"))
}

/// Whether there is a watch at all, as far as can be told.
fn watched(layers: &Layers) -> bool {
    sound(layers, &[Key::Window]) && !layers.time(Key::Window).given().is_zero()
}

fn something_is_watched(layers: &Layers) -> Option<Problem> {
    if !watched(layers) || !sound(layers, &[Key::BuiltinSlis]) {
        return None;
    }
    if layers.flag(Key::BuiltinSlis).given() || layers.slis.iter().any(|sli| sli.own.is_some()) {
        return None;
    }
    Some(Problem::new(
        format!("{}: nothing is watched, since there is no [[sli]] either", said(layers, Key::BuiltinSlis)),
        "write an [[sli]], leave watch.builtin_slis at true, or set the window to 0 for no watch",
    ))
}

fn subject_needs_a_label(layers: &Layers) -> Option<Problem> {
    let keys = [Key::WatchSubject, Key::WatchSource, Key::NodeLabel, Key::DatadogNodeTag];
    if !watched(layers) || !sound(layers, &keys) || layers.tells_nodes_apart() {
        return None;
    }
    let canary = |sli: &&WrittenSli| sli.judging.subject == Some(WatchSubject::Canary);
    let asked = if layers.text(keys[0]).given() == "canary" {
        said(layers, Key::WatchSubject)
    } else {
        let sli = layers.slis.iter().find(canary)?;
        format!("{}: the subject of the indicator {} is the canary", sli.origin, sli.name)
    };
    let (store, hint) = match layers.text(keys[1]).given().as_str() {
        "datadog" => {
            ("Datadog", "name the tag that holds the node's name in datadog.node_tag, or watch the pool")
        }
        _ => (
            "Prometheus",
            "name the label that holds the node's name in prometheus.node_label (PROM_NODE_LABEL), or watch the pool",
        ),
    };
    Some(Problem::new(format!("{asked}: {store} cannot tell the canary's series from the others"), hint))
}

fn expressions_need_prometheus(layers: &Layers) -> Option<Problem> {
    let expression = |sli: &WrittenSli| matches!(sli.own, Some((Measured::Expression(_), _)));
    if !watched(layers) || !sound(layers, &[Key::WatchSource]) || !layers.slis.iter().any(expression) {
        return None;
    }
    if layers.text(Key::WatchSource).given() == "prometheus" {
        return None;
    }
    Some(Problem::new(
        format!(
            "{}: there are [[sli]] entries with PromQL, which only a Prometheus server can answer",
            said(layers, Key::WatchSource)
        ),
        "remove those [[sli]] entries, or set watch.source to \"prometheus\"",
    ))
}

fn shadow_server_is_named(layers: &Layers) -> Option<Problem> {
    let keys = [Key::MigrationsShadow, Key::MigrationsShadowUrlFile, Key::MigrationsShadowUrlVariable];
    let named = keys[1..].iter().any(|key| layers.resolved(*key).value.is_some());
    if !sound(layers, &keys) || named || layers.text(keys[0]).given() != "server" {
        return None;
    }
    let message = format!("{}: nothing says which server", said(layers, keys[0]));
    Some(Problem::new(message, "name the file with its address by migrations.shadow_url_file"))
}

fn pods_have_an_image(layers: &Layers) -> Option<Problem> {
    let keys = [Key::ProbesRunner, Key::ProbesImage];
    if !sound(layers, &keys) || layers.text(keys[0]).given() != "kubernetes" {
        return None;
    }
    if layers.text(keys[1]).is_some() {
        return None;
    }
    let message = format!("{}: nothing says which image pods run", said(layers, keys[0]));
    Some(Problem::new(
        message,
        "name one with canary-probe as its entry point by probes.image (--probe-image)",
    ))
}

fn certificates_come_together(layers: &Layers) -> Option<Problem> {
    let files = [Key::IncusClientCert, Key::IncusClientKey, Key::IncusServerCert];
    if !sound(layers, &files) || !sound(layers, &[Key::IncusUrl]) {
        return None;
    }
    let names = |keys: Vec<Key>| keys.iter().map(|key| key.setting().key).collect::<Vec<_>>().join(", ");
    let (there, missing): (Vec<_>, Vec<_>) = files.into_iter().partition(|key| layers.path(*key).is_some());
    match (layers.text(Key::IncusUrl).is_some(), there.is_empty(), missing.is_empty()) {
        (true, _, false) => Some(Problem::new(
            format!(
                "{}: without {} nobody can tell who is talking to whom",
                said(layers, Key::IncusUrl),
                names(missing)
            ),
            "name the files of the client's certificate and key and of the daemon's certificate",
        )),
        (false, false, _) => Some(Problem::new(
            format!("{}: certificates are of no use without incus.url", said(layers, there[0])),
            "set incus.url, or remove the certificates to use the daemon's socket",
        )),
        _ => None,
    }
}
