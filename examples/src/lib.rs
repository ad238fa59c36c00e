//! What the programs in `examples/` share: a service to ship, and a whole third-party backend in one file.
//!
//! ```text
//!  examples/embed_local.rs ───┬► deploy (the tool) ─► the engine ─► canary-local
//!  examples/custom_backend.rs ┘                             └─────► edge_backend ── admin protocol ──► edge
//!  examples/embed_haproxy.rs ─► the engine ─► HAProxy, Incus, Prometheus               (a small balancer, the product)
//! ```
//!
//! Balancer and backend at work:
//!
//! ```
//! use canary_core::traits::{AdminState, LoadBalancer as _};
//! use canary_examples::{edge::Edge, edge_backend::EdgeBackend};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let edge = Edge::start("api", &[("api-1".to_owned(), "127.0.0.1:1".parse()?)]).await?;
//! let backend = EdgeBackend::new("api".parse()?, edge.admin(), &edge.url())?;
//! let pool = backend.set_admin(&"api-1".parse()?, AdminState::Drain).await?;
//! assert_eq!(pool.servers[0].admin, AdminState::Drain);
//! # Ok(()) }
//! ```

pub mod deploy;
pub mod edge;
pub mod edge_backend;
pub mod sample;

/// The blocks of `docs/embedding.md`, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
mod embedding {}
