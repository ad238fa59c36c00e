//! What may be written as a setting's value, and the reading of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::analysis::{HoldKind, Number, Ratio};
use canary_core::fleet::{
    HttpPath, MetricName, NodeId, PoolName, RemotePath, Revision, ServiceName, UnitName,
};
use canary_core::spec::Percent;

mod list;
mod read;

pub use list::Assignments;
pub(crate) use list::assignment;
pub(super) use list::budget;
use read::nodes;
use read::{
    choice, count, file, file_name, flag, git_ref, one_of, part, project, ratio, remote, role,
    seconds_number, shadow, time, words,
};

use super::address::{self, HaproxyAddress};

/// Why a value cannot be used, and what can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What is wrong with it.
    pub why: String,
    /// What to write instead.
    pub remedy: String,
}

impl Reason {
    /// A reason with its remedy.
    pub fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A path on this host (or one that is looked for there first).
    File,
    /// A path inside the instances.
    RemotePath,
    /// A file name without directories.
    FileName,
    /// A node's or an instance's name.
    Node,
    /// Several of them.
    Nodes,
    /// A pool's name.
    Pool,
    /// A service's name.
    Service,
    /// A systemd unit.
    Unit,
    /// A metric's or a label's name.
    Metric,
    /// The path of an HTTP request.
    HttpPath,
    /// An `http://` or `https://` address.
    Url,
    /// An `https://` address.
    SecureUrl,
    /// A way to HAProxy's admin socket.
    Address,
    /// An Incus project.
    Project,
    /// A role of PostgreSQL.
    Role,
    /// Where shadow runs are made.
    Shadow,
    /// A git reference.
    GitRef,
    /// A revision of the sources, by which a release is known.
    Revision,
    /// A short text for people.
    Words,
    /// A length of time within bounds.
    Time {
        /// The shortest that makes sense.
        min: Duration,
        /// The longest that makes sense.
        max: Duration,
        /// Whether the variable takes whole seconds without a unit.
        plain_seconds: bool,
    },
    /// A positive number of seconds (`0.5`), or a time with a unit (`500ms`).
    Seconds,
    /// A ratio above 0 up to 1 (`0.005`), or a percentage (`0.5%`).
    Ratio,
    /// A whole number within bounds.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A ratio above 0 up to a most, or a percentage.
    Part {
        /// The largest.
        max: f64,
    },
    /// Yes or no.
    Flag,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Some of a few words.
    Choices(&'static [&'static str]),
    /// Times by the reason of a hold.
    Budgets,
    /// The name of a kind of fleet.
    Backend,
    /// A loopback address with its port.
    Loopback,
    /// Nodes with their loopback addresses.
    Places,
    /// Arguments of a program.
    Arguments,
    /// Variables of a program's environment.
    Assignments,
    /// Ascending percentages above 0% and below 100%.
    Percents,
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is named after the type it holds")]
pub enum Value {
    File(PathBuf),
    RemotePath(RemotePath),
    Node(NodeId),
    Nodes(Vec<NodeId>),
    Pool(PoolName),
    Service(ServiceName),
    Unit(UnitName),
    Metric(MetricName),
    HttpPath(HttpPath),
    /// A revision.
    Revision(Revision),
    Address(HaproxyAddress),
    Text(String),
    Time(Duration),
    Number(Number),
    Ratio(Ratio),
    Count(u64),
    Flag(bool),
    Words(Vec<String>),
    Budgets(BTreeMap<HoldKind, Duration>),
    Loopback(SocketAddr),
    Places(Vec<(NodeId, SocketAddr)>),
    Arguments(Vec<String>),
    Assignments(Assignments),
    Percents(Vec<Percent>),
}

impl Kind {
    /// The value's shape in one or two words, for help and documentation.
    #[must_use]
    pub fn shape(&self) -> String {
        match self {
            Self::File => "PATH".to_owned(),
            Self::RemotePath => "PATH IN THE INSTANCE".to_owned(),
            Self::FileName => "FILE NAME".to_owned(),
            Self::Node => "NODE".to_owned(),
            Self::Nodes => "NODES".to_owned(),
            Self::Pool | Self::Service | Self::Unit | Self::Metric | Self::Project | Self::Role => {
                "NAME".to_owned()
            }
            Self::HttpPath => "HTTP PATH".to_owned(),
            Self::Url | Self::SecureUrl => "URL".to_owned(),
            Self::Address => "ADDRESS".to_owned(),
            Self::Shadow => "off|local|server|URL".to_owned(),
            Self::GitRef => "REF".to_owned(),
            Self::Revision => "REVISION".to_owned(),
            Self::Words => "TEXT".to_owned(),
            Self::Time { .. } => "TIME".to_owned(),
            Self::Seconds => "SECONDS".to_owned(),
            Self::Ratio | Self::Part { .. } => "RATIO".to_owned(),
            Self::Count { .. } => "NUMBER".to_owned(),
            Self::Flag => "true|false".to_owned(),
            Self::Choice(words) => words.join("|"),
            Self::Choices(words) => format!("LIST OF {}", words.join("|")),
            Self::Budgets => "REASON=TIME".to_owned(),
            Self::Backend => "NAME".to_owned(),
            Self::Loopback => "ADDRESS".to_owned(),
            Self::Places => "NODE=ADDRESS".to_owned(),
            Self::Arguments => "ARGUMENTS".to_owned(),
            Self::Assignments => "NAME=VALUE".to_owned(),
            Self::Percents => "PERCENTAGES".to_owned(),
        }
    }

    /// Whether the file has a list of texts here, and a variable or a flag texts with blanks between them.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Nodes
                | Self::Places
                | Self::Arguments
                | Self::Assignments
                | Self::Choices(_)
                | Self::Percents
        )
    }

    /// Reads a list's texts; for a kind that is a list.
    pub(super) fn read_list(&self, texts: &[&str]) -> Result<Value, Reason> {
        match self {
            Self::Places => list::places(texts).map(Value::Places),
            Self::Arguments => list::arguments(texts).map(Value::Arguments),
            Self::Assignments => list::assignments(texts).map(Value::Assignments),
            Self::Choices(words) => list::choices(texts, words).map(Value::Words),
            Self::Percents => list::percents(texts).map(Value::Percents),
            _ => nodes(texts.iter().copied()).map(Value::Nodes),
        }
    }

    /// Reads a value. `seconds` says that a bare whole number is a number of seconds where the kind allows it.
    ///
    /// # Errors
    /// [`Reason`] with what is wrong and what to write instead.
    pub fn read(&self, text: &str, seconds: bool) -> Result<Value, Reason> {
        if text.trim().is_empty() && !self.is_list() {
            return Err(Reason::new("it is empty", format!("write {}", self.example())));
        }
        let name = |error: canary_core::fleet::NameError| {
            Reason::new(error.why, format!("write {}", self.example()))
        };
        Ok(match self {
            Self::File => Value::File(file(text)?),
            Self::RemotePath => Value::RemotePath(remote(text)?),
            Self::FileName => Value::Text(file_name(text)?),
            Self::Node => Value::Node(NodeId::new(text).map_err(name)?),
            Self::Nodes
            | Self::Places
            | Self::Arguments
            | Self::Assignments
            | Self::Choices(_)
            | Self::Percents => self.read_list(&text.split_whitespace().collect::<Vec<_>>())?,
            Self::Backend => Value::Text(NodeId::new(text).map_err(name)?.to_string()),
            Self::Loopback => Value::Loopback(list::loopback(text)?),
            Self::Pool => Value::Pool(PoolName::new(text).map_err(name)?),
            Self::Service => Value::Service(ServiceName::new(text).map_err(name)?),
            Self::Unit => Value::Unit(UnitName::new(text).map_err(name)?),
            Self::Metric => Value::Metric(MetricName::new(text).map_err(name)?),
            Self::HttpPath => Value::HttpPath(HttpPath::new(text).map_err(name)?),
            Self::Revision => Value::Revision(Revision::new(text).map_err(name)?),
            Self::Url => Value::Text(address::url(text, false)?),
            Self::SecureUrl => Value::Text(address::url(text, true)?),
            Self::Address => Value::Address(address::haproxy(text)?),
            Self::Project => Value::Text(project(text)?),
            Self::Role => Value::Text(role(text)?),
            Self::Shadow => Value::Text(shadow(text)?),
            Self::GitRef => Value::Text(git_ref(text)?),
            Self::Words => Value::Text(words(text)?),
            Self::Time { min, max, plain_seconds } => {
                Value::Time(time(text, *min, *max, *plain_seconds, seconds)?)
            }
            Self::Seconds => Value::Number(seconds_number(text)?),
            Self::Ratio => Value::Ratio(ratio(text)?),
            Self::Part { max } => Value::Ratio(part(text, *max)?),
            Self::Budgets => Value::Budgets(list::budgets(text.split_whitespace())?),
            Self::Count { min, max } => Value::Count(count(text, *min, *max)?),
            Self::Flag => Value::Flag(flag(text)?),
            Self::Choice(words) => Value::Text(choice(text, words)?),
        })
    }

    /// What a good value looks like, for hints.
    #[must_use]
    pub fn example(&self) -> String {
        match self {
            Self::File => "the path of a file".to_owned(),
            Self::RemotePath => "an absolute path, such as /opt/veza/backend-api".to_owned(),
            Self::FileName => "a file name, such as veza-api".to_owned(),
            Self::Node | Self::Nodes => {
                "a name of letters, digits, '-', '_' and '.', such as backend-api-2".to_owned()
            }
            Self::Pool => "the name of the balancer's pool, such as api_pool".to_owned(),
            Self::Service => "a name of letters, digits, '-', '_' and '.', such as backend-api".to_owned(),
            Self::Unit => "a systemd unit, such as veza-backend-api".to_owned(),
            Self::Metric => "a name as Prometheus has it, such as http_requests_total".to_owned(),
            Self::HttpPath => "a path that starts with '/', such as /api/v1/health".to_owned(),
            Self::Url => "an address such as http://prom.lxd:9090".to_owned(),
            Self::SecureUrl => "an address such as https://10.0.0.1:8443".to_owned(),
            Self::Address => "unix:/path, tcp:host:port or instance:name:/path".to_owned(),
            Self::Project => "a project's name, such as default".to_owned(),
            Self::Role => "a role of PostgreSQL, such as api".to_owned(),
            Self::Shadow => {
                "off, local, server, or an address such as postgres://canary@db-test/postgres".to_owned()
            }
            Self::GitRef => "a branch, tag or commit, such as origin/main".to_owned(),
            Self::Revision => "a commit or tag, such as v1.4.2".to_owned(),
            Self::Words => "a few words".to_owned(),
            Self::Time { .. } => "a number with a unit, such as 30s, 5m or 1h".to_owned(),
            Self::Seconds => "a number of seconds, such as 0.5, or a time, such as \"500ms\"".to_owned(),
            Self::Ratio => "a ratio, such as 0.005, or a percentage, such as \"0.5%\"".to_owned(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(words) | Self::Choices(words) => one_of(words),
            Self::Part { max } => format!("a ratio above 0 up to {max}"),
            Self::Budgets => "a reason and a time, such as source_down=10m".to_owned(),
            Self::Backend => "the name of a kind of fleet, such as local".to_owned(),
            Self::Loopback => "a loopback address, such as 127.0.0.1:8000".to_owned(),
            Self::Places => "a node and its address, such as api-1=127.0.0.1:8081".to_owned(),
            Self::Arguments => "an argument in quotes".to_owned(),
            Self::Assignments => "a variable, such as LISTEN={address}".to_owned(),
            Self::Percents => "a percentage, such as 5%".to_owned(),
        }
    }
}
