#![doc = include_str!("../README.md")]

mod ask;
mod balancer;
mod error;
mod nodes;
mod sandbox;

pub use balancer::{CheckConfig, Deadlines, LocalBalancer, LocalBalancerConfig, ServerConfig, Totals};
pub use error::LocalError;
pub use nodes::{Lifetime, LocalNodeRuntime, LocalNodesConfig, NodeConfig, RestartPolicy};
pub use sandbox::{Sandbox, SandboxConfig};
