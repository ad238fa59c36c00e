//! From every tenant's results to one decision: integers, tenants in order, no clock, so that a replay gives the same bytes.

mod record;
mod rule;
mod tenant;

#[cfg(test)]
mod tests;

pub use canary_core::journal::Decision;
pub use record::ruling;
pub use rule::{Decided, Reason, Rule, SourceTrouble, decide};
pub use tenant::{ObjectiveResult, TenantResult};
