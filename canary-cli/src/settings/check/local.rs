//! What a fleet of processes needs, and what contradicts itself in it.

use super::{said, sound};
use crate::error::Problem;
use crate::settings::Key;
use crate::settings::layers::Layers;
use crate::settings::values::Given as _;

fn is_local(layers: &Layers, keys: &[Key]) -> bool {
    sound(layers, &[Key::Backend]) && sound(layers, keys) && layers.is_local()
}

pub(super) fn nodes_are_named(layers: &Layers) -> Option<Problem> {
    if !is_local(layers, &[Key::LocalNodes])
        || layers.places(Key::LocalNodes).is_some_and(|all| !all.is_empty())
    {
        return None;
    }
    Some(Problem::new(
        format!("{}: local.nodes names no nodes", said(layers, Key::Backend)),
        "write [local] nodes = [\"api-1=127.0.0.1:8081\", \"api-2=127.0.0.1:8082\"], or --local-nodes \"api-1=127.0.0.1:8081 api-2=127.0.0.1:8082\"",
    ))
}

pub(super) fn nodes_have_addresses(layers: &Layers) -> Option<Problem> {
    let keys = [Key::LocalNodes, Key::Canary, Key::Peers];
    if layers.without_nodes || !is_local(layers, &keys) {
        return None;
    }
    let places = layers.places(Key::LocalNodes)?;
    let named = |key, node| (key, node);
    let canary = named(Key::Canary, layers.node(Key::Canary).given());
    let peers = layers.nodes(Key::Peers).given().into_iter().map(|peer| named(Key::Peers, peer));
    let (key, node) =
        std::iter::once(canary).chain(peers).find(|(_, node)| !places.iter().any(|p| p.0 == *node))?;
    let known: Vec<_> = places.iter().map(|(node, _)| node.as_str()).collect();
    Some(Problem::new(
        format!("{}: {node} has no address in local.nodes", said(layers, key)),
        format!("name nodes of local.nodes ({}), or add {node}=127.0.0.1:PORT there", known.join(", ")),
    ))
}

pub(super) fn addresses_differ(layers: &Layers) -> Option<Problem> {
    if !is_local(layers, &[Key::LocalNodes, Key::LocalListen]) {
        return None;
    }
    let listen = layers.loopback(Key::LocalListen).given();
    let (node, _) = layers.places(Key::LocalNodes)?.into_iter().find(|(_, at)| *at == listen)?;
    Some(Problem::new(
        format!("{}: {node} listens there, too", said(layers, Key::LocalListen)),
        "give the balancer a port of its own",
    ))
}
