//! What the service is and where its nodes live.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::fleet::NodeId;

use crate::LocalError;

/// What becomes of the processes when the runtime is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// They are killed: nothing is left running.
    Bound,
    /// They go on; the next runtime that opens the same directory finds them again.
    Detached,
}

/// How a process that ends by itself is started again; the defaults are systemd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// The pause before it (systemd's `RestartSec`, 100 ms).
    pub delay: Duration,
    /// After this many starts within [`Self::interval`] it stays down, failed (`StartLimitBurst`, 5).
    pub burst: usize,
    /// See [`Self::burst`] (`StartLimitIntervalSec`, 10 s).
    pub interval: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { delay: Duration::from_millis(100), burst: 5, interval: Duration::from_secs(10) }
    }
}

/// One node: a process of the service at an address of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name, also that of its directory.
    pub node: NodeId,
    /// Where its process listens; health is asked here. Loopback only.
    pub address: SocketAddr,
    /// Environment of this node's process, beside the service's.
    pub env: BTreeMap<String, String>,
}

impl NodeConfig {
    /// A node without an environment of its own.
    #[must_use]
    pub const fn new(node: NodeId, address: SocketAddr) -> Self {
        Self { node, address, env: BTreeMap::new() }
    }
}

/// The settings of a [`crate::LocalNodeRuntime`].
///
/// In arguments and values of the environment, `{address}`, `{port}` and `{node}` stand for the node's own.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalNodesConfig {
    /// The directory below which each node has one; made when missing. Absolute.
    pub root: PathBuf,
    /// The binary's file name: a node's install path is `<root>/<node>/bin/<binary>`.
    pub binary: String,
    /// The arguments of every process.
    pub args: Vec<String>,
    /// The environment of every process; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The nodes; at least one.
    pub nodes: Vec<NodeConfig>,
    /// How processes that end by themselves are started again.
    pub restart: RestartPolicy,
    /// How long a process may take to end after SIGTERM before it is killed; default 10 s.
    pub stop_timeout: Duration,
    /// What becomes of the processes when the runtime is dropped; default [`Lifetime::Bound`].
    pub lifetime: Lifetime,
}

impl LocalNodesConfig {
    /// The defaults, for a service without arguments.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, binary: impl Into<String>, nodes: Vec<NodeConfig>) -> Self {
        Self {
            root: root.into(),
            binary: binary.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            nodes,
            restart: RestartPolicy::default(),
            stop_timeout: Duration::from_secs(10),
            lifetime: Lifetime::Bound,
        }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), LocalError> {
        let refuse = |why: String| Err(LocalError::Config(why));
        if !self.root.is_absolute() {
            return refuse(format!("the directory {} is not absolute", self.root.display()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.binary.is_empty() || self.binary.starts_with('.') || !self.binary.chars().all(plain) {
            return refuse(format!(
                "{:?} is not a file name of letters, digits, '-', '_' and '.'",
                self.binary
            ));
        }
        if self.nodes.is_empty() {
            return refuse("no nodes are listed".to_owned());
        }
        for (i, one) in self.nodes.iter().enumerate() {
            if !one.address.ip().is_loopback() {
                return refuse(format!("{} is at {}, which is not loopback", one.node, one.address));
            }
            if let Some(other) =
                self.nodes[..i].iter().find(|other| other.node == one.node || other.address == one.address)
            {
                return refuse(format!(
                    "{} at {} and {} at {} are not two nodes",
                    other.node, other.address, one.node, one.address
                ));
            }
        }
        Ok(())
    }

    /// The arguments of a node's process.
    pub(crate) fn args_of(&self, node: &NodeConfig) -> Vec<String> {
        self.args.iter().map(|text| filled(text, node)).collect()
    }

    /// The environment of a node's process.
    pub(crate) fn env_of(&self, node: &NodeConfig) -> BTreeMap<String, String> {
        let all = self.env.iter().chain(&node.env);
        all.map(|(name, value)| (name.clone(), filled(value, node))).collect()
    }
}

/// Names only: the values of an environment are often secrets.
struct Names<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig")
            .field("node", &self.node)
            .field("address", &self.address)
            .field("env", &Names(&self.env))
            .finish()
    }
}

impl fmt::Debug for LocalNodesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalNodesConfig")
            .field("root", &self.root)
            .field("binary", &self.binary)
            .field("args", &self.args)
            .field("env", &Names(&self.env))
            .field("nodes", &self.nodes)
            .field("restart", &self.restart)
            .field("stop_timeout", &self.stop_timeout)
            .field("lifetime", &self.lifetime)
            .finish()
    }
}

fn filled(text: &str, node: &NodeConfig) -> String {
    text.replace("{address}", &node.address.to_string())
        .replace("{port}", &node.address.port().to_string())
        .replace("{node}", node.node.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, address: &str) -> NodeConfig {
        NodeConfig::new(NodeId::new(name).unwrap(), address.parse().unwrap())
    }

    #[test]
    fn placeholders_are_the_nodes_own() {
        let mut config = LocalNodesConfig::new("/tmp/x", "api", vec![node("n-1", "127.0.0.1:81")]);
        config.args =
            ["--listen", "{address}", "--name={node}", "{port}", "{other}"].map(str::to_owned).to_vec();
        config.env = BTreeMap::from([("PORT".to_owned(), "{port}".to_owned())]);
        assert_eq!(
            config.args_of(&config.nodes[0]),
            ["--listen", "127.0.0.1:81", "--name=n-1", "81", "{other}"]
        );
        assert_eq!(config.env_of(&config.nodes[0])["PORT"], "81");
    }

    #[test]
    fn values_of_the_environment_are_not_shown() {
        let mut config = LocalNodesConfig::new("/tmp/x", "api", vec![node("n-1", "127.0.0.1:81")]);
        config.env = BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]);
        config.nodes[0].env.clone_from(&config.env);
        let shown = format!("{config:?}");
        assert_eq!((shown.matches("TOKEN").count(), shown.matches("hunter2").count()), (2, 0), "{shown}");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let good = || vec![node("a", "127.0.0.1:81"), node("b", "127.0.0.2:81")];
        LocalNodesConfig::new("/tmp/x", "api", good()).check().unwrap();
        let bad = [
            (LocalNodesConfig::new("x", "api", good()), "the directory x is not absolute"),
            (
                LocalNodesConfig::new("/x", "../api", good()),
                "\"../api\" is not a file name of letters, digits, '-', '_' and '.'",
            ),
            (LocalNodesConfig::new("/x", "api", vec![]), "no nodes are listed"),
            (
                LocalNodesConfig::new("/x", "api", vec![node("a", "10.0.0.1:81")]),
                "a is at 10.0.0.1:81, which is not loopback",
            ),
            (
                LocalNodesConfig::new(
                    "/x",
                    "api",
                    vec![node("a", "127.0.0.1:81"), node("b", "127.0.0.1:81")],
                ),
                "a at 127.0.0.1:81 and b at 127.0.0.1:81 are not two nodes",
            ),
        ];
        for (config, why) in bad {
            assert_eq!(config.check().unwrap_err().to_string(), why);
        }
    }
}
