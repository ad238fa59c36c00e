#![doc = include_str!("../README.md")]

mod cluster;
mod error;
mod fold;
mod job;
mod names;
mod parcels;
mod pods;
mod round;
mod runner;
mod settings;
mod sweep;

#[cfg(test)]
mod tests;

pub use error::{KubeError, Trouble};
pub use runner::KubeProbes;
pub use settings::{Settings, SettingsError};
