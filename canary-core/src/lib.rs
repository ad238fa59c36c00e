//! The rollout engine: plans, executes, judges and records canary rollouts.

pub mod analysis;
pub mod fleet;
pub mod journal;
pub mod time;
pub mod traits;
pub mod spec;
