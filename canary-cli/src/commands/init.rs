//! `init`: a configuration file for the fleet that HAProxy knows, or that was named.

use std::fs::OpenOptions;
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::Path;

use canary_core::fleet::NodeId;
use canary_core::traits::{BackendError, ErrorKind as BackendErrorKind, LoadBalancer as _, PoolState};
use canary_haproxy::HaproxyLoadBalancer;
use clap::ArgMatches;

use crate::cli::named_file;
use crate::environment::Environment;
use crate::error::{CommandError, ErrorKind};
use crate::render::Screen;
use crate::settings::{Key, NamedNodes, Settings, template};
use crate::wiring;

#[cfg(test)]
mod tests;

pub(crate) fn init(
    matches: &ArgMatches,
    environment: &Environment,
    screen: &Screen,
) -> Result<u8, CommandError> {
    let file = named_file(matches);
    let (settings, named) = Settings::read_apart_from_nodes(file.as_deref(), Some(matches), environment)?;
    named_once(&named)?;
    let to = matches.get_one::<std::path::PathBuf>("to");
    let force = matches.get_flag("force");
    if let Some(path) = to.map(|path| environment.directory.join(path))
        && !force
        && path.symlink_metadata().is_ok()
    {
        return Err(there_already(&path));
    }
    let balancer = wiring::balancer(&settings)?;
    let asked = super::runtime()?.block_on(ask(&balancer, &settings))?;
    let (canary, peers) =
        choose(&named, asked.as_ref().ok()).map_err(|why| refused(&settings, &why, asked.as_ref().err()))?;
    let mut text = head(&balancer, &settings, &asked);
    // Relative paths in a file start at the file's own directory.
    let elsewhere = to.and_then(|path| path.parent()).is_some_and(|parent| !parent.as_os_str().is_empty());
    let start = elsewhere.then_some(environment.directory.as_path());
    text.push_str(&template(&settings, &canary, &peers, start));
    let Some(path) = to else {
        screen.lines(text.lines());
        return Ok(0);
    };
    write(&environment.directory.join(path), &text, force)?;
    if let Err(error) = &asked {
        screen.line(format!("HAProxy could not be asked: {}", error.chain()));
    }
    let others: Vec<_> = peers.iter().map(NodeId::as_str).collect();
    screen.line(format!("{}: canary {canary}, peers {}", path.display(), others.join(" ")));
    screen.line("`canary-cli doctor` checks it");
    Ok(0)
}

fn named_once(named: &NamedNodes) -> Result<(), CommandError> {
    let peers = named.peers.as_deref().unwrap_or_default();
    match &named.canary {
        Some(canary) if peers.contains(canary) => Err(CommandError::usage(
            format!("{canary} is named as the canary and as a peer"),
            "name every node once: the canary alone in --canary, the others in --peers",
        )),
        _ => Ok(()),
    }
}

/// The pool as HAProxy has it, or why HAProxy could not be asked. A pool that it does not have is an error.
async fn ask(
    balancer: &HaproxyLoadBalancer,
    settings: &Settings,
) -> Result<Result<PoolState, BackendError>, CommandError> {
    let error = match balancer.servers().await {
        Ok(pool) => return Ok(Ok(pool)),
        Err(error) => error,
    };
    // On the way to HAProxy, too, something may not exist: an instance, a program in it.
    if error.kind() == BackendErrorKind::NotFound && error.backend() == "haproxy" {
        let origin = settings.layers.origin(Key::Pool);
        let message = format!("fleet.pool = {} ({origin}): {}", settings.spec.pool, error.message());
        return Err(CommandError::usage(message, "name the pool of the service with --pool"));
    }
    Ok(Err(error))
}

/// The canary is the last server that is no backup, the others are its peers, unless they were named.
fn choose(named: &NamedNodes, pool: Option<&PoolState>) -> Result<(NodeId, Vec<NodeId>), String> {
    let servers = pool.map_or(&[][..], |pool| pool.servers.as_slice());
    let peers = named.peers.as_deref().unwrap_or_default();
    let canary = named.canary.clone().or_else(|| {
        let free = servers.iter().rev().filter(|server| !server.backup && !peers.contains(&server.node));
        free.map(|server| server.node.clone()).next()
    });
    let Some(canary) = canary else {
        return Err(if pool.is_some() {
            "the pool has no server that could be the canary".to_owned()
        } else {
            "HAProxy cannot be asked for the servers".to_owned()
        });
    };
    let others = servers.iter().map(|server| &server.node).filter(|node| **node != canary);
    let peers = named.peers.clone().unwrap_or_else(|| others.cloned().collect());
    Ok((canary, peers))
}

fn refused(settings: &Settings, why: &str, error: Option<&BackendError>) -> CommandError {
    let hint = "name the nodes with --canary NODE and --peers \"NODE NODE\"";
    match error {
        None => CommandError::usage(format!("pool {}: {why}", settings.spec.pool), hint),
        Some(error) => {
            let hint = format!("correct the way to HAProxy (--haproxy-address), or {hint}");
            CommandError::new(ErrorKind::Refused, format!("{why}: {}", error.chain()), hint)
        }
    }
}

/// Where the file comes from.
fn head(
    balancer: &HaproxyLoadBalancer,
    settings: &Settings,
    asked: &Result<PoolState, BackendError>,
) -> String {
    let origin = match asked {
        Ok(pool) => format!("The nodes are the servers of the pool {} in {balancer}.", pool.pool),
        Err(error) => format!("HAProxy could not be asked, the nodes are as named: {}.", error.chain()),
    };
    // A comment ends with its line, whatever the answer was.
    let origin: String = origin.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!(
        "# The settings of canary-cli for {}; what is commented out stands at its default.\n# {origin}\n\n",
        settings.spec.pool
    )
}

fn there_already(path: &Path) -> CommandError {
    CommandError::usage(
        format!("{} is there already", path.display()),
        "name another file, or write over it with --force",
    )
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), CommandError> {
    let mut options = OpenOptions::new();
    options.write(true);
    let file = if force { options.create(true).truncate(true) } else { options.create_new(true) }.open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        IoErrorKind::AlreadyExists => there_already(path),
        _ => CommandError::usage(
            format!("cannot write {}: {error}", path.display()),
            "name a file in a directory that this user may write to",
        ),
    })
}
