#![doc = include_str!("../README.md")]

mod api;
mod client;
mod config;
mod error;
mod exec;
mod fetch;
mod files;
mod health;
mod install;
mod runtime;
mod scripts;
mod systemd;
#[cfg(feature = "haproxy")]
mod transport;

pub use canary_http::ConfigError;
pub use client::{IncusClient, ServerInfo};
pub use config::{Endpoint, IncusConfig, ProjectName, ProjectNameError, ServiceConfig, Timeouts};
pub use exec::ExecOutput;
pub use runtime::IncusNodeRuntime;
#[cfg(feature = "haproxy")]
pub use transport::IncusExecTransport;
