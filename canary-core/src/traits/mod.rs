//! The roles a backend can play. Small, dyn-safe, each contract spelt out method by method.
//!
//! Every method may be called again after any error or crash, and must then leave the same state as one call would
//! have. Every method returns within a deadline of its own choosing (state it in the type's doc; the engine expects
//! at most a minute for anything but a large transfer). Waiting for a condition is the engine's work: a backend acts
//! or reports, once.

mod clock;
mod counters;
mod error;
mod event_sink;
mod journal;
mod load_balancer;
mod migration_gate;
mod node_runtime;
mod release_check;
mod sli_source;

pub use clock::{Clock, SystemClock};
pub use counters::{CounterHistory, CounterQuery, CounterSeries, Counters, NodeGrowth};
pub use error::{BackendError, ErrorKind, Outcome as CallOutcome, Retry};
pub use event_sink::{Event, EventSink, Progress};
pub use journal::{Journal, JournalError};
pub use load_balancer::{AdminState, LbCapabilities, LoadBalancer, Operational, PoolState, Server, Weight};
pub use migration_gate::{
    Baseline, BaselineSource, DeployPermit, DeployStep, Finding, Grant, MigrationGate, Phase, Release,
    ReleaseDirection, Review, RunsWhere, Severity, SourceLine, Verdict as GateVerdict,
};
pub use node_runtime::{
    ActiveState, HealthCheck, HealthReport, InstallReport, Installed, NodeRuntime, RemoteFile, RunningBinary,
    ServiceState,
};
pub use release_check::{
    CheckAsk, CheckFinding, CheckReport, CheckStage, CheckVerdict, CheckedRelease, ReleaseCheck,
};
pub use sli_source::{ExecutedQuery, Reading, Sample, SliFacts, SliKind, SliQuery, SliSource, Subject};
