//! The load generator: what clients of the fleet see while a rollout goes on.
//!
//! [`Load::start`] opens a number of keep-alive connections to one address, sends requests at a rate or as fast as they are
//! answered, and counts every answer by status, release and node. A request has **failed** when no whole HTTP answer came or
//! its status is 500 or above. Traffic goes to loopback and the lab's own network only; anything else is refused.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use canary_demo::load::{Load, LoadOptions};
//! use canary_demo::service::{App, Trailer, serve};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("http://{}", listener.local_addr()?);
//! tokio::spawn(serve(Arc::new(App::new(Trailer::new("v1"), "node-1")), listener, std::future::pending()));
//!
//! let load = Load::start(&url, LoadOptions { connections: 2, rate_per_second: None, ..LoadOptions::default() }).await?;
//! load.wait_for(|summary| summary.ok >= 100, std::time::Duration::from_secs(10)).await?;
//! let summary = load.stop().await;
//! assert_eq!(summary.failed_total, 0);
//! assert_eq!(summary.by_version["v1"][&200], summary.sent);
//! # Ok(()) }
//! ```

mod connection;
mod generator;
mod latency;
mod summary;
mod target;

pub use generator::{Load, LoadOptions, WaitError};
pub use latency::Latencies;
pub use summary::{ByStatus, Failure, FailureKind, MAX_FAILURES, Summary};
pub use target::{LAB_SUBNET, TargetError};
