//! Everything that is looked at on the live schemas, in one pass: for `contract check`, the pre-flight and the watch.
//!
//! ```text
//!  pools of the sources ─► routing table ─► hashes, drift, isolation ─► queries described ─► load, pool, limits ─► SchemaReport
//! ```

mod config;
mod report;
mod run;
mod schema;
mod service;
mod traffic;
mod trait_impl;

pub use config::SchemaCheckConfig;
pub use report::{Action, Finding, LogStep, SchemaReport, Status, Step, WorkflowLog};
pub use run::check_all;
pub use trait_impl::SchemaChecks;
