//! What a fleet is made of: checked names, artifacts by digest, and what was observed.

mod artifact;
mod names;
mod release;
mod snapshot;

pub use artifact::{Artifact, ArtifactError, Digest, FileFacts, RemotePath};
pub use names::{HttpPath, MetricName, NameError, NodeId, PoolName, Revision, ServiceName, UnitName};
pub use release::{Provenance, ReleasePhase, ReleasePhaseError};
pub use snapshot::{NodeSnapshot, Snapshot};
