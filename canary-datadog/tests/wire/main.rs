//! What Datadog is told and asked, against a server that speaks its documented API and refuses what it refuses.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

mod events;
mod replayed;
mod slis;
mod tenants;
