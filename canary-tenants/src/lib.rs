#![doc = include_str!("../README.md")]

pub mod decide;
pub mod gap;
pub mod policy;
