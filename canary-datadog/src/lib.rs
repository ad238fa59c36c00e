#![doc = include_str!("../README.md")]

mod client;
mod courier;
mod event;
mod keys;
mod query;
mod site;
mod slis;
mod tenants;

pub use courier::DatadogEvents;
pub use keys::{Keys, KeysError};
pub use site::{Site, SiteError};
pub use slis::{DatadogSlis, DatadogSlisConfig, SlisError};
pub use tenants::DatadogTenants;
