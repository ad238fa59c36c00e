#![doc = include_str!("../README.md")]

mod courier;
mod event;
mod keys;
mod site;

pub use courier::DatadogEvents;
pub use keys::{Keys, KeysError};
pub use site::{Site, SiteError};
