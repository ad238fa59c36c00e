//! The rules: pure functions from statements and what the set has made so far to findings.

mod catalog;
mod columns;
mod judge;
mod objects;
mod schema;

pub(crate) use catalog::rule;
pub(crate) use judge::{Judge, Place};
pub(crate) use schema::Baseline;

#[cfg(test)]
mod tests;
