//! Results as JSON lines, with a last line that counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::wire::{ProbeBatch, ProbeResult, Tally};

/// The lines of results: one a tenant, and the tally.
#[must_use]
pub fn lines(results: &[ProbeResult]) -> String {
    let mut text = String::new();
    for result in results {
        // proof: text, integers and lists of them; writing to a String does not fail.
        let _ = writeln!(text, "{}", serde_json::to_string(result).unwrap_or_default());
    }
    let _ = writeln!(text, "{}", serde_json::to_string(&Tally::of(results)).unwrap_or_default());
    text
}

/// The results of a batch from what a runner wrote: one for each of its tenants, in its order.
///
/// What is missing is unknown, with `why` as the reason; so is everything when the last line does not count what was there.
#[must_use]
pub fn read_lines(batch: &ProbeBatch, text: &str, why: &str) -> Vec<ProbeResult> {
    let expected: BTreeSet<&str> = batch.targets.iter().map(|target| target.tenant.as_str()).collect();
    let mut found = BTreeMap::new();
    let mut tally = None;
    for line in text.lines() {
        if let Ok(result) = serde_json::from_str::<ProbeResult>(line) {
            if result.objective == batch.objective && expected.contains(result.tenant.as_str()) {
                found.insert(result.tenant.clone(), result);
            }
        } else if let Ok(read) = serde_json::from_str::<Tally>(line) {
            tally = Some(read);
        }
    }
    // Lines that were cut off, doubled or made up do not add up.
    let whole = tally.is_none_or(|tally| tally == Tally::of(found.values()));
    if !whole {
        return batch.all_unknown("the results do not add up to their own count");
    }
    let missing = |tenant: &str| ProbeResult::unknown(&batch.objective, tenant, why);
    let each = batch
        .targets
        .iter()
        .map(|target| found.remove(&target.tenant).unwrap_or_else(|| missing(&target.tenant)));
    each.collect()
}
