#![doc = include_str!("../README.md")]

pub mod analysis;
pub mod control;
pub mod engine;
pub mod fleet;
pub mod journal;
pub mod plan;
pub mod spec;
pub mod time;
pub mod traits;
