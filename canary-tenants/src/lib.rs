#![doc = include_str!("../README.md")]

pub mod gap;
pub mod policy;
