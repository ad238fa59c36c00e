//! What holds for each tenant on a day: defaults, then the tier, then the tenant, without what has expired.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use canary_core::time::Timestamp;

use super::amount::Unit;
use super::date::Day;
use super::file::{Bounds, GapKey, Layer, PolicyFile, Tenant};
use super::place::{Place, Placed};
use super::standing::Slot;

/// The weight of a tenant whose tier has none.
const DEFAULT_WEIGHT: u64 = 1;

/// A policy as it holds at one time.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What the file says.
    pub file: PolicyFile,
    /// The expected tenants, by name.
    pub tenants: BTreeMap<String, TenantPolicy>,
    /// What a tenant gets that the file does not list.
    pub unlisted: TenantPolicy,
    /// Exceptions that have ended, and hold no more.
    pub lapsed: Vec<Lapsed>,
}

/// An exception whose last day has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// Whose it was: `tenants.slowco`, `tiers.free`.
    pub of: String,
    /// Where its last day is written.
    pub at: Place,
    /// That day.
    pub until: Day,
}

/// What holds for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPolicy {
    /// Its tier, and where that is said.
    pub tier: Option<Placed<String>>,
    /// How much it counts in the score.
    pub weight: Setting,
    /// Whether its proven breach alone takes a release back.
    pub veto: bool,
    /// Until when and why it is left out of the decision.
    pub exempt: Option<Exemption>,
    /// The sources that must have it; empty: one of them.
    pub sources: Vec<String>,
    /// The settings for gaps, in the order of [`GapKey::ALL`].
    pub gap: [Setting; GapKey::ALL.len()],
    /// Its bounds, by objective.
    pub objectives: BTreeMap<Arc<str>, EffectiveBounds>,
}

/// Why a tenant is left out, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// Where it is said.
    pub at: Place,
    /// Why.
    pub reason: String,
    /// The last day.
    pub until: Day,
}

/// The bounds of one objective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveBounds {
    /// The most that is allowed, in the objective's unit.
    pub limit: Setting,
    /// A budget's target, in ppm.
    pub target: Option<Setting>,
    /// The most that any layer, or a widening for missing samples, can allow.
    pub hard_limit: Option<Placed<u64>>,
}

/// An amount and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The amount.
    pub value: u64,
    /// Who says so.
    pub origin: Origin,
    /// What it stands over.
    pub over: Option<Box<Self>>,
}

/// Who says what an amount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is built in.
    BuiltIn,
    /// The file, for everyone.
    Defaults(Place),
    /// The tenant's tier.
    Tier(Place),
    /// The tenant's own entry.
    Tenant(Place),
}

impl Origin {
    /// Where it stands in the file.
    #[must_use]
    pub const fn place(self) -> Option<Place> {
        match self {
            Self::BuiltIn => None,
            Self::Defaults(at) | Self::Tier(at) | Self::Tenant(at) => Some(at),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built in",
            Self::Defaults(_) => "defaults",
            Self::Tier(_) => "tier",
            Self::Tenant(_) => "tenant",
        })
    }
}

impl Setting {
    const fn new(value: u64, origin: Origin) -> Self {
        Self { value, origin, over: None }
    }

    fn put(&mut self, value: u64, origin: Origin) {
        let before = std::mem::replace(self, Self::new(value, origin));
        self.over = Some(Box::new(before));
    }
}

impl TenantPolicy {
    /// One of its settings for gaps.
    #[must_use]
    pub const fn gap(&self, key: GapKey) -> &Setting {
        &self.gap[key as usize]
    }
}

impl PolicyFile {
    /// What holds at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Policy {
        let mut lapsed = Vec::new();
        let unlisted = self.defaults();
        let mut tiers = BTreeMap::new();
        for (name, tier) in &self.tiers {
            let mut policy = unlisted.clone();
            if over(&tier.layer, now) {
                lapsed.extend(lapse(format!("tiers.{name}"), &tier.layer));
            }
            policy.apply(&tier.layer, now, Origin::Tier);
            if let Some(weight) = &tier.weight {
                policy.weight.put(weight.value, Origin::Tier(weight.at));
            }
            policy.veto = self.decision.veto_tiers.contains(name);
            tiers.insert(name.as_str(), policy);
        }
        let mut tenants = BTreeMap::new();
        for (name, tenant) in &self.tenants {
            let tier = tenant.tier.as_ref().and_then(|tier| tiers.get(tier.value.as_str()));
            let mut policy = tier.unwrap_or(&unlisted).clone();
            policy.tier.clone_from(&tenant.tier);
            policy.sources.clone_from(&tenant.sources);
            policy.exempt = exemption(tenant, now);
            if over(&tenant.layer, now) {
                lapsed.extend(lapse(format!("tenants.{name}"), &tenant.layer));
            }
            policy.apply(&tenant.layer, now, Origin::Tenant);
            tenants.insert(name.clone(), policy);
        }
        lapsed.sort_by_key(|lapsed| lapsed.at);
        Policy { tenants, unlisted, lapsed, file: self }
    }

    /// What holds for whom nothing else does.
    fn defaults(&self) -> TenantPolicy {
        let gap = GapKey::ALL.map(|key| {
            let mut setting = Setting::new(key.fallback(), Origin::BuiltIn);
            if let Some(set) = self.gap.get(key) {
                setting.put(set.value, Origin::Defaults(set.at));
            }
            setting
        });
        let objectives = self.objectives.iter().filter_map(|(name, objective)| {
            let setting = |bound: &Option<Placed<u64>>| {
                bound.as_ref().map(|bound| Setting::new(bound.value, Origin::Defaults(bound.at)))
            };
            let hard = self.hard_limits.get(name).and_then(|hard| hard.limit.clone());
            let limit = setting(&objective.bounds.limit)?;
            let target = setting(&objective.bounds.target);
            Some((Arc::from(name.as_str()), EffectiveBounds { limit, target, hard_limit: hard }))
        });
        TenantPolicy {
            tier: None,
            weight: Setting::new(DEFAULT_WEIGHT, Origin::BuiltIn),
            veto: false,
            exempt: None,
            sources: Vec::new(),
            gap,
            objectives: objectives.collect(),
        }
    }
}

impl TenantPolicy {
    /// Puts a layer over this; what it loosens counts only to its last day.
    fn apply(&mut self, layer: &Layer, now: Timestamp, origin: fn(Place) -> Origin) {
        let ended = over(layer, now);
        let put = |slot: Slot<'_>, below: &mut Setting, set: &Placed<u64>| {
            // Held against what stands for good: what another exception loosened is not a reason for this one.
            if !(ended && slot.looser(set.value, below.value)) {
                below.put(set.value, origin(set.at));
            }
        };
        for (name, Bounds { limit, target }) in &layer.objectives {
            let Some(bounds) = self.objectives.get_mut(name.as_str()) else { continue };
            if let Some(limit) = limit {
                put(Slot::Limit(name), &mut bounds.limit, limit);
            }
            if let (Some(target), Some(below)) = (target, &mut bounds.target) {
                put(Slot::Target(name), below, target);
            }
        }
        for key in GapKey::ALL {
            if let Some(set) = layer.gap.get(key) {
                put(Slot::Gap(key), &mut self.gap[key as usize], set);
            }
        }
    }
}

fn over(layer: &Layer, now: Timestamp) -> bool {
    layer.until.as_ref().is_some_and(|until| until.value.over(now))
}

fn lapse(of: String, layer: &Layer) -> Option<Lapsed> {
    layer.until.as_ref().map(|until| Lapsed { of, at: until.at, until: until.value })
}

fn exemption(tenant: &Tenant, now: Timestamp) -> Option<Exemption> {
    let (at, until, reason) = (tenant.exempt?, tenant.layer.until.as_ref()?, tenant.layer.reason.as_ref()?);
    (!until.value.over(now)).then(|| Exemption { at, reason: reason.clone(), until: until.value })
}

/// One effective value of a tenant, as documents show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'p> {
    /// What it is: `latency_p95`, `availability.target`, `gap.widen`, `weight`.
    pub key: String,
    /// The value and where it comes from.
    pub setting: &'p Setting,
    /// What it counts.
    pub unit: Unit,
    /// The hard limit over it.
    pub hard_limit: Option<&'p Placed<u64>>,
}

impl Policy {
    /// Every value of a tenant, in the order of documents.
    #[must_use]
    pub fn shown<'p>(&self, tenant: &'p TenantPolicy) -> Vec<Shown<'p>> {
        let mut all = Vec::new();
        for (name, bounds) in &tenant.objectives {
            let kind = self.file.objectives.get(name.as_ref()).map(|objective| &objective.kind);
            let unit = kind.map_or(Unit::Ppm, |kind| kind.unit());
            let burn = if bounds.target.is_some() { ".max_burn" } else { "" };
            let hard_limit = bounds.hard_limit.as_ref();
            all.push(Shown { key: format!("{name}{burn}"), setting: &bounds.limit, unit, hard_limit });
            if let Some(target) = &bounds.target {
                let key = format!("{name}.target");
                all.push(Shown { key, setting: target, unit: Unit::Ppm, hard_limit: None });
            }
        }
        for (key, setting) in GapKey::ALL.into_iter().zip(&tenant.gap) {
            if key == GapKey::NoTraffic && !self.file.probes() {
                continue;
            }
            let name = format!("gap.{}", key.as_str());
            all.push(Shown { key: name, setting, unit: key.unit(), hard_limit: None });
        }
        all.push(Shown {
            key: "weight".to_owned(),
            setting: &tenant.weight,
            unit: Unit::Count,
            hard_limit: None,
        });
        all
    }
}
