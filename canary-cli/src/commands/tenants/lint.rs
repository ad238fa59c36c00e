//! `tenants lint`: whether a policy can be decided by.

use std::path::Path;

use canary_tenants::policy::Policy;
use serde_json::json;

use super::{lapsed, policy};
use crate::commands::Context;
use crate::error::CommandError;
use crate::render::line;

pub(super) fn lint(cx: &Context<'_>, path: &Path) -> Result<u8, CommandError> {
    let policy = policy(cx, path)?;
    let shown = path.display().to_string();
    let ended: Vec<_> = policy.lapsed.iter().map(|ended| lapsed(&shown, ended)).collect();
    if !ended.is_empty() {
        return Err(CommandError::settings(ended));
    }
    let exempt = policy.tenants.values().filter(|tenant| tenant.exempt.is_some()).count();
    let exceptions = exceptions(&policy);
    let digest = policy.digest().to_string();
    let (tenants, tiers) = (policy.tenants.len(), policy.file.tiers.len());
    let (objectives, sources) = (policy.file.objectives.len(), policy.file.sources.len());
    if cx.screen.json() {
        cx.screen.line(line(
            "policy",
            json!({
                "file": shown, "sha256": digest, "tenants": tenants, "exempt": exempt, "tiers": tiers,
                "objectives": objectives, "sources": sources, "exceptions": exceptions,
            }),
        ));
        return Ok(0);
    }
    let paint = cx.screen.paint;
    cx.screen.line(format!(
        "{shown}  {}: {tenants} tenant(s), {exempt} of them exempt; {tiers} tier(s), {objectives} objective(s), {sources} source(s)",
        paint.good("ok")
    ));
    for (of, until) in exceptions {
        cx.screen.line(format!("  exception  {of} to {until}"));
    }
    cx.screen.line(paint.quiet(&format!("  sha256     {digest}")));
    Ok(0)
}

/// The exceptions that hold, with their last days, the next to end first.
fn exceptions(policy: &Policy) -> Vec<(String, String)> {
    let tiers = policy.file.tiers.iter().map(|(name, tier)| (format!("tiers.{name}"), &tier.layer));
    let tenants = policy.file.tenants.iter().map(|(name, tenant)| (format!("tenants.{name}"), &tenant.layer));
    let mut all: Vec<_> =
        tiers.chain(tenants).filter_map(|(of, layer)| Some((layer.until.as_ref()?.value, of))).collect();
    all.sort();
    all.into_iter().map(|(until, of)| (of, until.to_string())).collect()
}
