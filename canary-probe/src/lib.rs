#![doc = include_str!("../README.md")]

mod answer;
mod line;
mod program;
mod request;
mod resolve;
mod runner;
mod tenant;
mod trust;

pub use program::{Ended, program};
pub use resolve::{GivenAddresses, Resolve, SystemNames, resolve_round};
pub use runner::InProcess;
