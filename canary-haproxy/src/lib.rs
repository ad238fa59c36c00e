#![doc = include_str!("../README.md")]

mod balancer;
pub mod codec;
mod command;
mod config;
mod describe;
mod edge;
mod error;
pub mod exec;
mod reply;
mod socket;
mod transport;

pub use balancer::HaproxyLoadBalancer;
pub use command::{Command, CommandError};
pub use config::HaproxyConfig;
pub use describe::Description;
pub use socket::{DEADLINE, MAX_REPLY, TcpTransport, UnixTransport};
pub use transport::Transport;
