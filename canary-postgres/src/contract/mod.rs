//! The SQL contract of a service: what its sources ask of the database, as a file that is reviewed in git.
//!
//! ```text
//!  sources ─► extract (syn) ─► Contract ─► sql-contract.lock ─► checked against live schemas, shadows and migrations
//!                                  └─────► generate: a test suite for the service's own repository
//! ```
//!
//! [`Contract`] is plain data; [`Contract::facts`] is what the static gate takes of it. What could not be read is part of it ([`Coverage`]): a proof such as "nobody reads this
//! column" holds only where the coverage is complete.

mod compare;
mod extract;
mod facts;
mod generate;
mod lock;
mod model;
mod types;

pub use compare::MigrationState;
pub use extract::{ExtractError, Sources};
pub use generate::{GenerateError, Suite};
pub use lock::LockError;
pub use model::{
    Binding, Budgets, Column, ColumnRead, Computed, Contract, Coverage, Driver, EnumType, Field, Limit,
    MatchedConstraint, Override, Place, PoolLibrary, PoolSettings, Query, QueryHash, QueryUse, RowKind,
    RowStruct, RustType, SchemaHash, Setting, SourceKind, Unreadable, Unresolved,
};
pub use types::{Fit, PgColumn, TypeTable, Violation};

#[cfg(fuzzing)]
pub(crate) use extract::from_texts;
