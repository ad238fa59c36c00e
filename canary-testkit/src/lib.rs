#![doc = include_str!("../README.md")]

mod address;
mod check;
mod clock;
pub mod conformance;
pub mod datadog;
mod decided;
mod disk;
mod docker;
pub mod faults;
mod gate;
pub mod invariants;
mod journal;
mod prometheus;
mod server;
pub mod sim;
pub mod world;

pub use address::free_address;
pub use check::FakeCheck;
pub use clock::VirtualClock;
pub use decided::decided;
pub use disk::SmallDisk;
pub use docker::DockerEngine;
pub use gate::FakeGate;
pub use journal::StrictJournal;
pub use prometheus::StoredPrometheus;
pub use server::{TestServer, ask};
