#![doc = include_str!("../README.md")]

pub mod cli;
mod commands;
pub mod environment;
pub mod error;
pub mod render;
pub mod settings;
pub mod wiring;

#[cfg(test)]
mod testing;
