#![doc = include_str!("../README.md")]

mod alerts;
mod cdevents;
mod config;
mod courier;
mod decision;
mod delivery;
mod figures;
mod ledger;
pub mod metrics;
mod notice;
mod notifier;
mod outbox;
mod queue;
mod secret;
mod sign;
mod slack;
mod story;
mod target;
mod webhook;

#[cfg(test)]
mod testing;

pub use config::{About, Choice, NotifyConfig, RetrySchedule};
pub use courier::{Courier, Undelivered, post};
pub use delivery::{DeliveryError, Report};
pub use figures::{cut, figures};
pub use ledger::last_told;
pub use notice::{Importance, Kind, Notice};
pub use notifier::Notifier;
pub use outbox::{Outbox, OutboxError};
pub use secret::Secret;
pub use sign::{SigningSecret, signature};
pub use story::Story;
pub use target::{Message, Target, TargetError};
