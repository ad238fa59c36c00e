#![doc = include_str!("../README.md")]

pub mod decide;
pub mod evidence;
pub mod gap;
pub mod policy;
pub mod probe;
pub mod replay;
pub mod round;
pub mod source;
