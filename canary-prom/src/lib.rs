#![doc = include_str!("../README.md")]

mod api;
mod client;
mod config;
mod counters;
mod evidence;
pub mod exposition;
mod facts;
#[cfg(fuzzing)]
pub mod fuzzing;
mod growth;
mod history;
mod metrics_source;
mod promql;
mod reading;
mod refusal;
mod scrape;
mod source;
mod tenants;
mod total;

pub use client::StoreInfo;
pub use config::{ConfigError, PrometheusConfig};
pub use metrics_source::{MetricsConfig, MetricsSource};
pub use source::PrometheusSource;
pub use tenants::PrometheusTenants;
