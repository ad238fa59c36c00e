#![doc = include_str!("../README.md")]

mod ask;
mod balancer;
mod control;
mod error;
mod holder;
mod nodes;
mod sandbox;

pub use balancer::{CheckConfig, Deadlines, LocalBalancer, LocalBalancerConfig, ServerConfig, Totals};
pub use control::{HolderFacts, LocalClient, LocalClientConfig};
pub use error::LocalError;
pub use holder::{AtOnce, Holder, HolderConfig, OnStop};
pub use nodes::{Lifetime, LocalNodeRuntime, LocalNodesConfig, NodeConfig, RestartPolicy};
pub use sandbox::{Sandbox, SandboxConfig};
