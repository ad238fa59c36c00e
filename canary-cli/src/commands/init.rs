//! `init`: a configuration file for the fleet that the balancer knows, or that was named.

use std::fs::OpenOptions;
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};

use canary_core::fleet::NodeId;
use canary_core::traits::{BackendError, ErrorKind as BackendErrorKind, PoolState};
use clap::ArgMatches;
use serde_json::json;

use crate::backend::Registry;
use crate::cli::named_file;
use crate::environment::Environment;
use crate::error::{CommandError, ErrorKind};
use crate::render::{Screen, line};
use crate::settings::{Key, NamedNodes, Settings, found_as_json, template};

#[cfg(test)]
mod tests;

pub(crate) fn init(
    matches: &ArgMatches,
    environment: &Environment,
    registry: &Registry,
    screen: &Screen,
) -> Result<u8, CommandError> {
    let file = named_file(matches);
    let (settings, named) =
        Settings::read_apart_from_nodes(file.as_deref(), Some(matches), environment, registry)?;
    named_once(&named)?;
    let to = matches.get_one::<PathBuf>("to");
    let force = matches.get_flag("force");
    if let Some(path) = to.map(|path| environment.directory.join(path))
        && !force
        && path.symlink_metadata().is_ok()
    {
        return Err(there_already(&path));
    }
    let found = super::runtime()?.block_on(find(&settings))?;
    let (canary, peers) = choose(&named, &found).map_err(|why| refused(&settings, &why, &found))?;
    // Relative paths in a file start at the file's own directory.
    let elsewhere = to.and_then(|path| path.parent()).is_some_and(|parent| !parent.as_os_str().is_empty());
    let start = elsewhere.then_some(environment.directory.as_path());
    let origin = found.origin();
    let text = head(&settings, &origin) + &template(&settings, &canary, &peers, start);
    if let Some(path) = to {
        write(&environment.directory.join(path), &text, force)?;
    }
    if screen.json() {
        let settings = found_as_json(&settings, &canary, &peers, start);
        screen.line(line("init", json!({ "file": to, "origin": origin, "settings": settings })));
        return Ok(0);
    }
    let Some(path) = to else {
        screen.lines(text.lines());
        return Ok(0);
    };
    if let Found::Silent(error) = &found {
        screen.line(format!("the balancer could not be asked: {}", error.chain()));
    }
    let others: Vec<_> = peers.iter().map(NodeId::as_str).collect();
    screen.line(format!("{}: canary {canary}, peers {}", path.display(), others.join(" ")));
    screen.line("`canary-cli doctor` checks it");
    Ok(0)
}

/// Where the nodes come from.
enum Found {
    /// The settings say themselves which there are.
    Written(Vec<NodeId>),
    /// The balancer, with its own name.
    Pool(String, PoolState),
    /// The balancer could not be asked.
    Silent(BackendError),
}

impl Found {
    /// Where the nodes come from, for people; one line.
    fn origin(&self) -> String {
        let text = match self {
            Self::Written(_) => "The nodes are those that have an address here.".to_owned(),
            Self::Pool(lb, pool) => format!("The nodes are the servers of the pool {} in {lb}.", pool.pool),
            Self::Silent(error) => {
                format!("The balancer could not be asked, the nodes are as named: {}.", error.chain())
            }
        };
        // A comment ends with its line, whatever the answer was.
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
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

/// The nodes as the settings or the balancer have them. A pool that the balancer does not have is an error.
async fn find(settings: &Settings) -> Result<Found, CommandError> {
    if let Some(nodes) = settings.backend.nodes(settings) {
        return Ok(Found::Written(nodes));
    }
    let lb = settings.backend.connect(settings).await?.lb;
    let error = match lb.servers().await {
        Ok(pool) => return Ok(Found::Pool(lb.to_string(), pool)),
        Err(error) => error,
    };
    // On the way to the balancer, too, something may not exist: an instance, a program in it.
    if error.kind() == BackendErrorKind::NotFound && error.backend() != "incus" {
        let origin = settings.layers.origin(Key::Pool);
        let message = format!("fleet.pool = {} ({origin}): {}", settings.spec.pool, error.message());
        return Err(CommandError::usage(message, "name the pool of the service with --pool"));
    }
    Ok(Found::Silent(error))
}

/// The canary is the last server that is no backup, the others are its peers, unless they were named.
fn choose(named: &NamedNodes, found: &Found) -> Result<(NodeId, Vec<NodeId>), String> {
    let servers: Vec<(&NodeId, bool)> = match found {
        Found::Written(nodes) => nodes.iter().map(|node| (node, false)).collect(),
        Found::Pool(_, pool) => pool.servers.iter().map(|server| (&server.node, server.backup)).collect(),
        Found::Silent(_) => Vec::new(),
    };
    let peers = named.peers.as_deref().unwrap_or_default();
    let canary = named.canary.clone().or_else(|| {
        let free = servers.iter().rev().filter(|(node, backup)| !backup && !peers.contains(node));
        free.map(|(node, _)| (*node).clone()).next()
    });
    let Some(canary) = canary else {
        return Err(match found {
            Found::Silent(_) => "the balancer cannot be asked for the servers".to_owned(),
            _ => "the pool has no server that could be the canary".to_owned(),
        });
    };
    let others = servers.iter().map(|(node, _)| *node).filter(|node| **node != canary);
    let peers = named.peers.clone().unwrap_or_else(|| others.cloned().collect());
    Ok((canary, peers))
}

fn refused(settings: &Settings, why: &str, found: &Found) -> CommandError {
    let hint = "name the nodes with --canary NODE and --peers \"NODE NODE\"";
    match found {
        Found::Silent(error) => {
            let hint = format!("correct the way to the balancer (--haproxy-address), or {hint}");
            CommandError::new(ErrorKind::Refused, format!("{why}: {}", error.chain()), hint)
        }
        _ => CommandError::usage(format!("pool {}: {why}", settings.spec.pool), hint),
    }
}

/// What the file is, and where it comes from.
fn head(settings: &Settings, origin: &str) -> String {
    format!(
        "# The settings of canary-cli for {}; what is commented out stands at its default.\n# {origin}\n\n",
        settings.spec.pool
    )
}

pub(super) fn there_already(path: &Path) -> CommandError {
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
