//! Flag beats variable beats file beats default; every value keeps where it came from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canary_core::fleet::NodeId;
use canary_core::spec::defaults;
use clap::ArgMatches;

use super::file::{self, WrittenSli};
use super::kind::Value;
use super::origin::Origin;
use super::raw::{Gathered, Written};
use super::table::{Key, SETTINGS};
use super::{flags, variables};
use crate::backend::{File, Registry, local};
use crate::environment::Environment;
use crate::error::Problem;

/// The name of the file that is read when none is named.
const DEFAULT_FILE: &str = "canary.toml";

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The value; `None` when the setting is unset.
    pub value: Option<Value>,
    /// Its origin.
    pub origin: Origin,
}

/// All settings after layering, in the table's order.
#[derive(Debug, Clone)]
pub struct Layers {
    values: Vec<Resolved>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What looks wrong but stops nothing.
    pub warnings: Vec<String>,
    pub(super) slis: Vec<WrittenSli>,
    /// The file's text, for what only the chosen kind of fleet can read.
    pub(super) source: Option<Arc<File>>,
    /// Whether the nodes were taken out.
    pub(super) without_nodes: bool,
    /// Settings whose value could not be read and stands at its default for the time being.
    pub(super) broken: BTreeSet<Key>,
}

impl Layers {
    /// The value of a setting and where it came from.
    #[must_use]
    pub fn resolved(&self, key: Key) -> &Resolved {
        &self.values[key as usize]
    }

    /// Where a setting's value came from.
    #[must_use]
    pub fn origin(&self, key: Key) -> &Origin {
        &self.resolved(key).origin
    }

    /// Whether somebody wrote the setting.
    #[must_use]
    pub fn is_written(&self, key: Key) -> bool {
        *self.origin(key) != Origin::Default
    }
}

impl Layers {
    /// Whether the fleet is made of processes of this host.
    pub(super) fn is_local(&self) -> bool {
        self.text(Key::Backend).as_deref() == Some(local::NAME)
    }
}

impl Layers {
    /// Gives the defaults that rest on other settings.
    fn follow(&mut self) {
        self.follows(Key::WatchSource, |layers| {
            Value::Text(if layers.is_local() { "metrics" } else { "prometheus" }.to_owned())
        });
        self.follows(Key::WatchSubject, |layers| {
            Value::Text(if layers.tells_nodes_apart() { "canary" } else { "pool" }.to_owned())
        });
        self.follows(Key::SideBySide, |layers| Value::Flag(layers.tells_nodes_apart()));
        self.follows(Key::CommonFault, |layers| {
            let both = layers.flag(Key::SideBySide) == Some(true);
            Value::Text(if both { "hold" } else { "red" }.to_owned())
        });
        self.follows(Key::Judge, |layers| {
            // Without the past, which metrics pages have not, a comparison could only hold.
            let past = layers.text(Key::WatchSource).as_deref() == Some("prometheus");
            let peers = layers.nodes(Key::Peers).is_some_and(|peers| !peers.is_empty());
            let compares = past && peers && layers.tells_nodes_apart();
            let judges: &[&str] = if compares { &["threshold", "odds"] } else { &["threshold"] };
            Value::Words(judges.iter().map(ToString::to_string).collect())
        });
        self.follows(Key::WarmUp, |layers| {
            let window = layers.time(Key::Window).unwrap_or_default();
            Value::Time(defaults::WARM_UP.min(Duration::from_secs(window.as_secs() / 10)))
        });
    }

    fn follows(&mut self, key: Key, value: impl FnOnce(&Self) -> Value) {
        if !self.is_written(key) {
            self.values[key as usize].value = Some(value(self));
        }
    }

    /// Whether the source has numbers of each node.
    pub(super) fn tells_nodes_apart(&self) -> bool {
        match self.text(Key::WatchSource).as_deref() {
            Some("metrics") => true,
            Some("datadog") => self.metric(Key::DatadogNodeTag).is_some(),
            _ => self.metric(Key::NodeLabel).is_some(),
        }
    }

    /// Whether a judge was named, or is by default.
    pub(super) fn judges(&self, name: &str) -> bool {
        self.words(Key::Judge).is_some_and(|judges| judges.iter().any(|judge| judge == name))
    }
}

/// The nodes that somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedNodes {
    /// The canary.
    pub(crate) canary: Option<NodeId>,
    /// The peers; an empty list when it was said that there are none.
    pub(crate) peers: Option<Vec<NodeId>>,
}

impl Layers {
    /// Takes out the nodes that were named, and leaves no peers.
    pub(super) fn take_nodes(&mut self) -> NamedNodes {
        let canary = if self.is_written(Key::Canary) { self.node(Key::Canary) } else { None };
        let peers = if self.is_written(Key::Peers) { self.nodes(Key::Peers) } else { None };
        self.values[Key::Peers as usize].value = Some(Value::Nodes(Vec::new()));
        self.without_nodes = true;
        NamedNodes { canary, peers }
    }
}

/// Layers defaults, file, variables and flags. The problems of all layers come back together.
pub(super) fn layer(
    named: Option<&Path>,
    matches: Option<&ArgMatches>,
    environment: &Environment,
    registry: &Registry,
) -> (Layers, Vec<Problem>) {
    let mut layers = Layers {
        values: unwritten(environment),
        file: None,
        warnings: variables::warnings(&environment.variables),
        slis: Vec::new(),
        source: None,
        without_nodes: false,
        broken: BTreeSet::new(),
    };
    let mut gathered = Gathered::default();
    layers.file = config_file(named, environment, &mut gathered.problems);
    if let Some(name) = &layers.file {
        layers.source = file::read(name, &environment.directory, registry, &mut gathered);
    }
    variables::read(&environment.variables, &mut gathered);
    if let Some(matches) = matches {
        flags::read(matches, &mut gathered);
    }
    for Written { key, value, origin } in gathered.written {
        layers.values[key as usize] = Resolved { value: Some(value), origin };
    }
    layers.slis = gathered.slis;
    layers.broken = gathered.broken;
    layers.follow();
    (layers, gathered.problems)
}

fn config_file(
    named: Option<&Path>,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<PathBuf> {
    if let Some(path) = named {
        if path.as_os_str().is_empty() {
            problems.push(Problem::new("flag --file: it is empty", "name the configuration file"));
            return None;
        }
        return Some(path.to_owned());
    }
    if let Some(path) = environment.text(variables::CONFIG_FILE) {
        return Some(PathBuf::from(path));
    }
    let default = PathBuf::from(DEFAULT_FILE);
    environment.directory.join(&default).exists().then_some(default)
}

/// The defaults, those from the surroundings included.
fn unwritten(environment: &Environment) -> Vec<Resolved> {
    SETTINGS
        .iter()
        .map(|setting| {
            let value = match setting.id {
                Key::StateDir => Some(Value::File(environment.state_directory())),
                Key::Actor => Some(Value::Text(environment.actor())),
                _ => setting.fallback.text().map(|text| {
                    // proof: the test `every_default_can_be_read` reads all of them.
                    #[expect(clippy::expect_used, reason = "defaults are constants that a test reads")]
                    setting.kind.read(&text, true).expect("the default can be read")
                }),
            };
            Resolved { value, origin: Origin::Default }
        })
        .collect()
}
