//! The command line of the canary rollout engine, as a library: settings in layers, commands, rendering.

pub mod cli;
pub mod environment;
pub mod error;
pub mod settings;
