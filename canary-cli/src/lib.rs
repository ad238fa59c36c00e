#![doc = include_str!("../README.md")]

mod announcing;
pub mod backend;
pub mod cli;
mod commands;
mod decisions;
pub mod environment;
pub mod error;
mod known;
mod probes;
mod program;
pub mod render;
mod rounds;
pub mod settings;
mod telemetry;
mod telling;
mod traces;
pub mod wiring;

pub use program::Cli;

#[cfg(test)]
mod testing;
