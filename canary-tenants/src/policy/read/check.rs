//! What must fit together: names, loosenings and their reasons, hard limits.

use std::collections::BTreeMap;
use std::fmt;

use super::reader::Reader;
use super::{datadog, known, probes};
use crate::policy::amount::Unit;
use crate::policy::file::{Bounds, GapKey, Layer, Objective, ObjectiveKind, PolicyFile, Tenant, Window};
use crate::policy::place::Place;
use crate::policy::standing::{Slot, Standing};

/// The fewest scrapes a window must hold: `rate` needs two samples, and one may be late.
const SCRAPES: u64 = 4;

/// Checks a file that was read.
pub(super) fn check(reader: &mut Reader, file: &PolicyFile) {
    reader.incomplete = !reader.problems.is_empty();
    budgets(reader, file);
    windows(reader, file);
    probes::check(reader, file);
    datadog::check(reader, file);
    for (name, objective) in &file.objectives {
        hard(reader, file, name, &objective.bounds, format_args!("objective {name}"));
    }
    let base = Standing::of_file(file);
    let mut tiers = BTreeMap::new();
    for (name, tier) in &file.tiers {
        let what = format_args!("tiers.{name}");
        exceptions(reader, file, &base, &tier.layer, false, tier.at, what);
        tiers.insert(name.as_str(), base.tightened(&tier.layer));
    }
    let sources: BTreeMap<String, ()> = file.sources.iter().map(|s| (s.name.clone(), ())).collect();
    for (name, tenant) in &file.tenants {
        check_tenant(reader, file, tenant, name, &base, &tiers);
        for source in &tenant.sources {
            known(reader, tenant.at, &format!("the source of tenants.{name}"), source, &sources);
        }
    }
}

fn check_tenant(
    reader: &mut Reader,
    file: &PolicyFile,
    tenant: &Tenant,
    name: &str,
    base: &Standing,
    tiers: &BTreeMap<&str, Standing>,
) {
    let mut below = base;
    if let Some(tier) = &tenant.tier {
        known(reader, tier.at, &format!("the tier of tenants.{name}"), &tier.value, &file.tiers);
        below = tiers.get(tier.value.as_str()).unwrap_or(base);
    }
    let what = format_args!("tenants.{name}");
    exceptions(reader, file, below, &tenant.layer, tenant.exempt.is_some(), tenant.at, what);
}

/// Every loosening of a layer says why and until when, and nothing goes beyond the hard limits.
fn exceptions(
    reader: &mut Reader,
    file: &PolicyFile,
    below: &Standing,
    layer: &Layer,
    exempt: bool,
    at: Place,
    what: fmt::Arguments<'_>,
) {
    for (name, bounds) in &layer.objectives {
        hard(reader, file, name, bounds, format_args!("{what}.objectives.{name}"));
    }
    let loosened = below.loosened(layer);
    // Where a bound could not be read, it is not known what is looser than it.
    let idle = loosened.is_empty() && !exempt && !reader.incomplete;
    if let (true, Some(until)) = (idle, &layer.until) {
        let message = format!("{what}.until is {}, and {what} loosens nothing", until.value);
        return reader.refuse(until.at, message, "leave it out: bounds that are tighter do not end");
    }
    if layer.reason.is_some() && layer.until.is_some() {
        return;
    }
    let missing = match (&layer.reason, &layer.until) {
        (None, None) => "`reason` and `until`",
        (None, _) => "`reason`",
        _ => "`until`",
    };
    let remedy = format!("add {missing}, or take it back");
    if exempt {
        return reader.refuse(at, format!("{what} is exempt without {missing}"), remedy);
    }
    for loose in loosened {
        let unit = loose.slot.unit(file);
        let message = format!(
            "{what}: {} {} is looser than {}, without {missing}",
            loose.slot,
            unit.show(loose.to),
            unit.show(loose.from)
        );
        reader.refuse(loose.at, message, remedy.clone());
    }
}

fn hard(reader: &mut Reader, file: &PolicyFile, name: &str, bounds: &Bounds, what: fmt::Arguments<'_>) {
    let Some(hard) = file.hard_limits.get(name) else { return };
    let unit = file.objectives.get(name).map_or(Unit::Ppm, |objective| objective.kind.unit());
    if let (Some(limit), Some(most)) = (&bounds.limit, &hard.limit)
        && limit.value > most.value
    {
        let (limit_is, most_is) = (unit.show(limit.value), unit.show(most.value));
        let message = format!("{what} is {limit_is}, beyond the hard limit of {most_is} at {}", most.at);
        reader.refuse(limit.at, message, format!("take {most_is} or less"));
    }
    if let (Some(target), Some(least)) = (&bounds.target, &hard.target)
        && target.value < least.value
    {
        let (target_is, least_is) = (Unit::Ppm.show(target.value), Unit::Ppm.show(least.value));
        let message = format!(
            "the target of {what} is {target_is}, below the hard limit of {least_is} at {}",
            least.at
        );
        reader.refuse(target.at, message, format!("take {least_is} or more"));
    }
}

fn budgets(reader: &mut Reader, file: &PolicyFile) {
    let ratios: BTreeMap<String, &Objective> = file
        .objectives
        .iter()
        .filter(|(_, objective)| matches!(objective.kind, ObjectiveKind::Ratio { .. }))
        .map(|(name, objective)| (name.clone(), objective))
        .collect();
    for (name, objective) in &file.objectives {
        if let ObjectiveKind::Budget { of, .. } = &objective.kind {
            known(reader, objective.at, &format!("the ratio of objective {name}"), of, &ratios);
        }
    }
}

fn windows(reader: &mut Reader, file: &PolicyFile) {
    let short = file.objectives.values().any(|o| {
        !matches!(o.kind, ObjectiveKind::Budget { window: Window::Long, .. } | ObjectiveKind::Probe(_))
    });
    let window = if short { file.windows.short } else { file.windows.long };
    for source in &file.sources {
        if window < SCRAPES * source.scrape {
            let (window, scrape) = (Unit::Micros.show(window), Unit::Micros.show(source.scrape));
            let message = format!(
                "a window of {window} holds fewer than {SCRAPES} scrapes of {scrape} of source {}",
                source.name
            );
            reader.refuse(source.at, message, "lengthen windows.short, or write the source's true `scrape`");
        }
    }
}

impl Slot<'_> {
    /// What its amounts count.
    fn unit(&self, file: &PolicyFile) -> Unit {
        match self {
            Self::Limit(name) => file.objectives.get(*name).map_or(Unit::Ppm, |o| o.kind.unit()),
            Self::Target(_) => Unit::Ppm,
            Self::Gap(key) => GapKey::unit(*key),
        }
    }
}
