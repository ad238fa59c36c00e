//! Service levels per tenant as a file: `sla/v1`.
//!
//! Three layers, the later over the earlier: what the file promises everyone, the tenant's tier, the tenant's own entry. What
//! asks less than the layer below says why and until when; nothing goes beyond `hard_limits`. No bound is ever a float:
//! ratios are parts per million, times microseconds.

mod amount;
mod canonical;
mod datadog;
mod date;
mod diff;
mod effective;
mod file;
mod keys;
mod place;
mod probing;
mod read;
mod schema;
mod selector;
mod standing;
mod tree;

#[cfg(test)]
mod effective_tests;

pub mod openslo;

pub use amount::{ONE, Unit};
pub use datadog::{DatadogForm, TagFilter, TagSelector, TagSelectorError};
pub use date::{Day, DayError};
pub use diff::{Change, PolicyDiff};
pub use effective::{EffectiveBounds, Exemption, Lapsed, Origin, Policy, Setting, Shown, TenantPolicy};
pub use file::{
    Bounds, Decision, GapKey, GapLayer, KeysFrom, Layer, Objective, ObjectiveKind, Part, PolicyFile, Source,
    SourceKind, Tenant, Tier, Window, Windows,
};
pub use place::{Place, Placed, PolicyError, Problem};
pub use probing::{Probe, Probing};
pub use read::read;
pub use schema::schema;
pub use selector::{Matcher, Operator, Selector, SelectorError, VERSION, literal};
