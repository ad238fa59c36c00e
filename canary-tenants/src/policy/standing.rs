//! What holds for good: bounds that no exception loosens, against which exceptions are told.

use std::collections::BTreeMap;
use std::fmt;

use super::file::{GapKey, Layer, PolicyFile};
use super::place::{Place, Placed};

/// One amount that a layer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot<'f> {
    /// An objective's limit; a budget's burn rate.
    Limit(&'f str),
    /// A budget's target.
    Target(&'f str),
    /// A setting for gaps.
    Gap(GapKey),
}

impl fmt::Display for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(name) => f.write_str(name),
            Self::Target(name) => write!(f, "the target of {name}"),
            Self::Gap(key) => write!(f, "gap.{}", key.as_str()),
        }
    }
}

impl Slot<'_> {
    /// Whether `to` asks less of a tenant than `from`.
    pub(super) const fn looser(self, to: u64, from: u64) -> bool {
        match self {
            Self::Limit(_) => to > from,
            Self::Target(_) => to < from,
            Self::Gap(key) if key.more_is_looser() => to > from,
            Self::Gap(_) => to < from,
        }
    }
}

/// An amount of a layer that is looser than what holds below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loosened<'f> {
    pub(super) slot: Slot<'f>,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) at: Place,
}

/// The bounds below a layer, without what is loosened for a time.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    bounds: BTreeMap<String, (Option<u64>, Option<u64>)>,
    gap: [u64; GapKey::ALL.len()],
}

impl Standing {
    /// Those of everyone.
    pub(super) fn of_file(file: &PolicyFile) -> Self {
        let value = |bound: &Option<Placed<u64>>| bound.as_ref().map(|bound| bound.value);
        let bounds = file.objectives.iter().map(|(name, objective)| {
            (name.clone(), (value(&objective.bounds.limit), value(&objective.bounds.target)))
        });
        let gap = GapKey::ALL.map(|key| file.gap.get(key).map_or_else(|| key.fallback(), |set| set.value));
        Self { bounds: bounds.collect(), gap }
    }

    /// What `layer` has that is looser.
    pub(super) fn loosened<'f>(&self, layer: &'f Layer) -> Vec<Loosened<'f>> {
        let mut all = Vec::new();
        self.each(layer, |slot, from, set| {
            if slot.looser(set.value, from) {
                all.push(Loosened { slot, from, to: set.value, at: set.at });
            }
        });
        all
    }

    /// The bounds with what `layer` tightens for good.
    pub(super) fn tightened(&self, layer: &Layer) -> Self {
        let mut next = self.clone();
        self.each(layer, |slot, from, set| {
            if slot.looser(set.value, from) {
                return;
            }
            match slot {
                Slot::Limit(name) => next.bounds.entry(name.to_owned()).or_default().0 = Some(set.value),
                Slot::Target(name) => next.bounds.entry(name.to_owned()).or_default().1 = Some(set.value),
                Slot::Gap(key) => next.gap[key as usize] = set.value,
            }
        });
        next
    }

    /// Every amount that `layer` has, with the one below it.
    fn each<'f>(&self, layer: &'f Layer, mut take: impl FnMut(Slot<'f>, u64, &'f Placed<u64>)) {
        for (name, bounds) in &layer.objectives {
            let (limit, target) = self.bounds.get(name).copied().unwrap_or_default();
            if let (Some(set), Some(from)) = (&bounds.limit, limit) {
                take(Slot::Limit(name), from, set);
            }
            if let (Some(set), Some(from)) = (&bounds.target, target) {
                take(Slot::Target(name), from, set);
            }
        }
        for key in GapKey::ALL {
            if let Some(set) = layer.gap.get(key) {
                take(Slot::Gap(key), self.gap[key as usize], set);
            }
        }
    }
}
