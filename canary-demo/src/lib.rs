//! What the rollout engine is shown and tested on: a [`service`] with chosen faults, and the [`load`] of its clients.
//!
//! ```text
//!   load ──► balancer ──► service v1   service v2: 5 % errors
//!    └─ counts every answer, by release and node
//! ```

pub mod load;
pub mod service;
