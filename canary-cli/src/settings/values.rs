//! Values out of the layers, by the type that their kind promises.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::analysis::{HoldKind, Number, Ratio};
use canary_core::fleet::{
    HttpPath, MetricName, NodeId, PoolName, RemotePath, Revision, ServiceName, UnitName,
};
use canary_core::spec::Percent;

use super::address::HaproxyAddress;
use super::kind::{Assignments, Value};
use super::layers::Layers;
use super::table::Key;

macro_rules! typed {
    ($($method:ident, $variant:ident -> $type:ty;)+) => {
        impl Layers {
            $(
                pub(super) fn $method(&self, key: Key) -> Option<$type> {
                    match &self.resolved(key).value {
                        None => None,
                        Some(Value::$variant(value)) => Some(value.clone()),
                        // proof: a value's variant follows from its kind in the table, and the test
                        // `every_setting_is_read_as_its_kind` builds the settings from all of them.
                        Some(other) => unreachable!("{key:?} holds {other:?}"),
                    }
                }
            )+
        }
    };
}

typed! {
    path, File -> PathBuf;
    remote_path, RemotePath -> RemotePath;
    node, Node -> NodeId;
    nodes, Nodes -> Vec<NodeId>;
    pool, Pool -> PoolName;
    service, Service -> ServiceName;
    unit, Unit -> UnitName;
    metric, Metric -> MetricName;
    http_path, HttpPath -> HttpPath;
    revision, Revision -> Revision;
    address, Address -> HaproxyAddress;
    text, Text -> String;
    time, Time -> Duration;
    number, Number -> Number;
    ratio, Ratio -> Ratio;
    count, Count -> u64;
    flag, Flag -> bool;
    words, Words -> Vec<String>;
    budgets, Budgets -> BTreeMap<HoldKind, Duration>;
    loopback, Loopback -> SocketAddr;
    places, Places -> Vec<(NodeId, SocketAddr)>;
    arguments, Arguments -> Vec<String>;
    assignments, Assignments -> Assignments;
    percents, Percents -> Vec<Percent>;
}

/// A value that has a default, so that it is always there.
pub(super) trait Given<T> {
    /// The value.
    fn given(self) -> T;
}

impl<T> Given<T> for Option<T> {
    fn given(self) -> T {
        // proof: only called on settings whose fallback is not `Unset`; the test
        // `every_setting_is_read_as_its_kind` goes through all of them with nothing written.
        #[expect(clippy::expect_used, reason = "the table gives every such setting a default")]
        self.expect("the setting has a default")
    }
}

impl Value {
    /// The texts of a list as the file has them; none for what is no list.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Self::Nodes(nodes) => nodes.iter().map(ToString::to_string).collect(),
            Self::Places(places) => places.iter().map(|(node, at)| format!("{node}={at}")).collect(),
            Self::Arguments(texts) | Self::Words(texts) => texts.clone(),
            Self::Budgets(all) => {
                all.iter().map(|(kind, time)| format!("{kind}={}", unspaced(*time))).collect()
            }
            Self::Percents(percents) => percents.iter().map(ToString::to_string).collect(),
            Self::Assignments(all) => all.0.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            _ => Vec::new(),
        }
    }
}

/// A time that has no blank in it.
fn unspaced(time: Duration) -> String {
    humantime::format_duration(time).to_string().replace(' ', "")
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::RemotePath(value) => value.fmt(f),
            Self::Node(value) => value.fmt(f),
            Self::Nodes(nodes) => {
                f.write_str(&nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(" "))
            }
            Self::Pool(value) => value.fmt(f),
            Self::Service(value) => value.fmt(f),
            Self::Unit(value) => value.fmt(f),
            Self::Metric(value) => value.fmt(f),
            Self::HttpPath(value) => value.fmt(f),
            Self::Revision(value) => value.fmt(f),
            Self::Address(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Time(time) if time.is_zero() => f.write_str("0"),
            Self::Time(time) => humantime::format_duration(*time).fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Ratio(value) => value.fmt(f),
            Self::Count(value) => value.fmt(f),
            Self::Flag(value) => value.fmt(f),
            Self::Loopback(value) => value.fmt(f),
            Self::Places(_) | Self::Arguments(_) | Self::Words(_) | Self::Budgets(_) | Self::Percents(_) => {
                f.write_str(&self.texts().join(" "))
            }
            Self::Assignments(value) => value.fmt(f),
        }
    }
}
