//! The rules: pure functions from statements and what the set has made so far to findings.

mod catalog;
mod code;
mod columns;
mod facts;
mod functions;
mod judge;
mod locks;
mod objects;
mod schema;
mod types;

pub(crate) use catalog::rule;
pub(crate) use facts::Reading;
pub use facts::{BinaryFacts, KnownQuery, RequiredColumn};
pub use judge::Locks;
pub(crate) use judge::{Judge, Place};
pub(crate) use schema::Known;

#[cfg(test)]
mod tests;
