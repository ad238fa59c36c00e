#![doc = include_str!("../README.md")]

mod container;
mod engine;
mod image;
mod orphans;
mod owner;
mod runner;
mod settings;

pub use runner::DockerProbes;
pub use settings::{DockerError, DockerSettings, ProbeImage};
