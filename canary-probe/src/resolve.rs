//! From hosts' names to addresses.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use canary_tenants::probe::{Endpoint, ProbeRound};

/// Finds the addresses of a host.
#[async_trait]
pub trait Resolve: Debug + Send + Sync {
    /// All addresses of a host; the caller sets the deadline.
    ///
    /// # Errors
    /// The name cannot be resolved.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Names as the system resolves them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

#[async_trait]
impl Resolve for SystemNames {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// No names: targets are addresses, or bring theirs with them.
///
/// A static program with glibc cannot ask the system, whose resolver loads libraries that a container may not have, or have in
/// another version.
#[derive(Debug, Clone, Copy, Default)]
pub struct GivenAddresses;

#[async_trait]
impl Resolve for GivenAddresses {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other(format!("{host:?} came without addresses")))
    }
}

/// The addresses of a target, with its port: given ones, a literal, or what the name resolves to.
pub(crate) async fn addresses(
    endpoint: &Endpoint,
    given: &[IpAddr],
    names: &dyn Resolve,
) -> io::Result<Vec<SocketAddr>> {
    let found = match endpoint.host.parse::<IpAddr>() {
        _ if !given.is_empty() => given.to_vec(),
        Ok(literal) => vec![literal],
        Err(_) => names.resolve(&endpoint.host).await?,
    };
    if found.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, endpoint.port)).collect())
}

/// Gives every target of a round the addresses of its host, for a runner that resolves no names; each host is asked for once.
///
/// A host that has none within `limit` is left without: its tenants are then unknown, and say why.
pub async fn resolve_round(round: &mut ProbeRound, names: &dyn Resolve, limit: Duration) {
    let deadline = tokio::time::Instant::now() + limit;
    let mut known: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for target in round.batches.iter_mut().flat_map(|batch| &mut batch.targets) {
        let Ok(Endpoint { host, .. }) = target.url.parse() else { continue };
        if host.parse::<IpAddr>().is_ok() || !target.addresses.is_empty() {
            continue;
        }
        if !known.contains_key(&host) {
            let found = tokio::time::timeout_at(deadline, names.resolve(&host)).await;
            known.insert(host.clone(), found.ok().and_then(Result::ok).unwrap_or_default());
        }
        target.addresses = known.get(&host).cloned().unwrap_or_default();
    }
}
