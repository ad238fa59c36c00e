//! One decision by tenants as a page: the map of tenants × objectives, the worst, what it rests on.
//!
//! What is shown is given, in words of the caller: units and codes are the policy's.

mod decision;
mod grid;
mod map;
mod message;
mod page;
mod sections;

pub(crate) use sections::of_rollout;

pub use decision::{Cell, Seal, State, Tenant, TenantDecision, Worst};
