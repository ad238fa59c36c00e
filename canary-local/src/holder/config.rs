//! What a holder holds.

use std::path::PathBuf;

use canary_core::fleet::NodeId;

use crate::{LocalBalancerConfig, LocalError, LocalNodesConfig};

/// The longest path of a Unix socket (`sun_path` of unix(7), with its closing zero).
const SOCKET_PATH: usize = 107;

/// What becomes of the processes when the holder is stopped in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// They are ended.
    End,
    /// They go on; the next holder of the same directory finds them.
    Keep,
}

/// The settings of a [`crate::Holder`].
#[derive(Debug, Clone)]
pub struct HolderConfig {
    /// The nodes; their lifetime is always detached.
    pub nodes: LocalNodesConfig,
    /// The balancer; its servers are the nodes.
    pub balancer: LocalBalancerConfig,
    /// The control socket; at most 107 bytes, in a directory that others may not write to.
    pub socket: PathBuf,
    /// The binary of nodes that have none yet.
    pub first: Option<PathBuf>,
    /// What becomes of the processes at [`crate::Holder::shutdown`]; default [`OnStop::End`].
    pub on_stop: OnStop,
}

impl HolderConfig {
    /// The defaults, without a first binary.
    #[must_use]
    pub fn new(nodes: LocalNodesConfig, balancer: LocalBalancerConfig, socket: impl Into<PathBuf>) -> Self {
        Self { nodes, balancer, socket: socket.into(), first: None, on_stop: OnStop::End }
    }

    /// The nodes' names, in order.
    pub(crate) fn names(&self) -> Vec<NodeId> {
        self.nodes.nodes.iter().map(|one| one.node.clone()).collect()
    }

    /// Refuses what cannot work, beside what nodes and balancer refuse themselves.
    pub(crate) fn check(&self) -> Result<(), LocalError> {
        let refuse = |why: String| Err(LocalError::Config(why));
        let length = self.socket.as_os_str().len();
        if !self.socket.is_absolute() {
            return refuse(format!("the control socket {} is not absolute", self.socket.display()));
        }
        if length > SOCKET_PATH {
            return refuse(format!(
                "the control socket {} has a path of {length} bytes, and the system takes {SOCKET_PATH}",
                self.socket.display()
            ));
        }
        for node in &self.nodes.nodes {
            let address = self.balancer.servers.iter().find(|server| server.node == node.node);
            if address.map(|server| server.address) != Some(node.address) {
                return refuse(format!("{} at {} is no server of the balancer", node.node, node.address));
            }
            if node.address == self.balancer.listen {
                return refuse(format!("{} and the balancer are both at {}", node.node, node.address));
            }
        }
        Ok(())
    }
}
