//! Canary's `LoadBalancer` over the HAProxy Runtime API.

mod command;
mod error;
pub mod exec;
mod socket;
mod transport;

pub use command::{Command, CommandError};
pub use socket::{DEADLINE, MAX_REPLY, TcpTransport, UnixTransport};
pub use transport::Transport;
