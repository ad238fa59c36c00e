#![doc = include_str!("../README.md")]

mod changes;
#[cfg(feature = "live")]
pub mod checks;
#[cfg(feature = "live")]
pub mod cluster;
mod config;
pub mod contract;
mod contracts;
mod convention;
mod deep;
#[cfg(feature = "live")]
pub mod describe;
#[cfg(feature = "live")]
pub mod drift;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod git;
mod grants;
#[cfg(feature = "live")]
pub mod isolation;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "live")]
pub mod load;
mod parsed;
pub mod phase;
mod review;
#[cfg(feature = "live")]
pub mod routing;
mod rules;
#[cfg(feature = "live")]
mod schema;
mod set;
#[cfg(feature = "live")]
pub mod shadow;
mod source;
mod sql;
mod tree;
mod words;

pub use config::{Base, Force, GateConfig};
pub use contracts::{ContractStore, ContractStoreError, StoredContract};
pub use convention::{Convention, Part, Role, SectionError, Splitting, Transaction, UnknownConvention, Up};
pub use gate::MigrationFilesGate;
pub use grants::{Allowance, GrantSyntax, GrantTarget};
pub use rules::{BinaryFacts, KnownQuery, Locks, RequiredColumn};
#[cfg(feature = "live")]
pub use schema::{Examined, JUDGED, LOCK_FILE, LiveSchemas, SchemaGate};
pub use set::{MigrationFile, MigrationSet, SetError};
