#![doc = include_str!("../README.md")]

mod changes;
#[cfg(feature = "live")]
pub mod cluster;
mod config;
pub mod contract;
mod convention;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod git;
#[cfg(feature = "live")]
pub mod live;
mod review;
mod rules;
mod source;
mod sql;

pub use config::{Force, GateConfig};
pub use convention::{Convention, UnknownConvention};
pub use gate::MigrationFilesGate;
