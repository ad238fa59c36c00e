//! The sources against real servers: a Prometheus started by the test, pages and replies served by it.
#![cfg(test)]

mod agreement;
mod counting;
mod pages;
mod prometheus;
mod replies;
mod scrapes;
mod store;
mod tenants;
