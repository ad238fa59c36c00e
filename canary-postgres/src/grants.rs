//! Bypasses: a refusal waved through by a person, for one rule in one file as it was refused, until a time.

use std::fmt;
use std::str::FromStr;

use canary_core::fleet::Digest;
use canary_core::time::Timestamp;
use canary_core::traits::{Finding, GateVerdict as Verdict, Grant, Severity};

use crate::config::Force;
use crate::rules::rule;

/// What one grant is for: `RULE@PATH#DIGEST`, as the refusal prints it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantTarget {
    /// The rule.
    pub rule: String,
    /// The file, as the refusal names it.
    pub path: String,
    /// The short digest of what was refused.
    pub digest: String,
}

/// A text that is no `RULE@PATH#DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no grant: {why}")]
pub struct GrantSyntax {
    text: String,
    why: &'static str,
}

impl FromStr for GrantTarget {
    type Err = GrantSyntax;

    fn from_str(text: &str) -> Result<Self, GrantSyntax> {
        let wrong = |why| GrantSyntax { text: text.chars().take(200).collect(), why };
        let form = "it must be RULE@PATH#DIGEST, as the refusal prints it";
        let (rule, rest) = text.split_once('@').ok_or_else(|| wrong(form))?;
        let (path, digest) = rest.rsplit_once('#').ok_or_else(|| wrong(form))?;
        if rule.contains('*') || path.contains('*') || rule.is_empty() || path.is_empty() {
            return Err(wrong("a grant is for one rule in one file"));
        }
        if digest.len() != SHORT || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong("its digest is not the one of 12 hex digits that the refusal prints"));
        }
        Ok(Self { rule: rule.to_owned(), path: path.to_owned(), digest: digest.to_ascii_lowercase() })
    }
}

impl fmt::Display for GrantTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.rule, self.path, self.digest)
    }
}

/// A bypass that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// What it is for.
    pub target: GrantTarget,
    /// Who grants it.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// Where it was talked about.
    pub ticket: Option<String>,
    /// When it ends.
    pub until: Timestamp,
}

/// How many hex digits of a digest are printed.
const SHORT: usize = 12;

/// The target that a refusal prints: the rule, the file, and a digest over both and the file's content.
pub(crate) fn target(rule: &str, path: &str, content: &Digest) -> GrantTarget {
    let canonical = format!("canary-grant 1\n{rule}\n{path}\n{content}\n");
    let digest = Digest::of(canonical.as_bytes()).to_string();
    let digest = digest.chars().filter(char::is_ascii_hexdigit).take(SHORT).collect();
    GrantTarget { rule: rule.to_owned(), path: path.to_owned(), digest }
}

/// The verdict over findings, with what was asked to be waved through.
///
/// A grant that is expired, or that no refusal asks for, is a finding of its own, which nothing waves through.
pub(crate) fn settle(
    findings: &mut Vec<Finding>,
    allowances: &[Allowance],
    force: Option<&Force>,
    now: Timestamp,
) -> Verdict {
    let mut asked: Vec<String> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Refuse) {
        if !asked.contains(&finding.grant) {
            asked.push(finding.grant.clone());
        }
    }
    let mut grants = Vec::new();
    for allowance in allowances {
        let target = allowance.target.to_string();
        let why = if !asked.contains(&target) {
            Some("nothing that was refused here asks for it: another rule, another file, or other content")
        } else if allowance.until <= now {
            Some("it has expired")
        } else {
            None
        };
        if let Some(why) = why {
            findings.push(unusable(&target, why, allowance.until));
        } else if !grants.iter().any(|grant: &Grant| target == named(grant)) {
            grants.push(granted(allowance, findings));
        }
    }
    let covered: Vec<String> = grants.iter().map(named).collect();
    let open: Vec<&String> = asked.iter().filter(|target| !covered.contains(target)).collect();
    let wrong = findings.iter().any(|finding| finding.rule == "grant-unusable");
    if wrong {
        return Verdict::Refused;
    }
    if open.is_empty() {
        return if grants.is_empty() { Verdict::Pass } else { Verdict::Bypassed { grants } };
    }
    let Some(force) = force else { return Verdict::Refused };
    grants.extend(open.into_iter().map(|target| forced(force, target, findings)));
    Verdict::Bypassed { grants }
}

fn named(grant: &Grant) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}@{}#{}", grant.rule, part(&grant.file), part(&grant.digest))
}

fn waved_through(target: &str, findings: &[Finding]) -> Vec<String> {
    let covered = findings.iter().filter(|finding| finding.grant == target);
    covered.map(|finding| format!("{}: {}", finding.place(), finding.reason)).collect()
}

fn granted(allowance: &Allowance, findings: &[Finding]) -> Grant {
    let GrantTarget { rule, path, digest } = allowance.target.clone();
    Grant {
        rule,
        actor: allowance.actor.clone(),
        reason: allowance.reason.clone(),
        file: Some(path),
        digest: Some(digest),
        ticket: allowance.ticket.clone(),
        until: Some(allowance.until),
        waved_through: waved_through(&allowance.target.to_string(), findings),
    }
}

fn forced(force: &Force, target: &str, findings: &[Finding]) -> Grant {
    let parts: Option<GrantTarget> = target.parse().ok();
    let (rule, file, digest) = match parts {
        Some(parts) => (parts.rule, Some(parts.path), Some(parts.digest)),
        None => ("*".to_owned(), None, None),
    };
    Grant {
        rule,
        actor: force.actor.clone(),
        reason: force.reason.clone(),
        file,
        digest,
        waved_through: waved_through(target, findings),
        ..Grant::default()
    }
}

fn unusable(target: &str, why: &str, until: Timestamp) -> Finding {
    let rule = rule("grant-unusable");
    Finding {
        rule: rule.name.to_owned(),
        severity: rule.severity,
        file: target
            .split_once('@')
            .and_then(|(_, rest)| rest.rsplit_once('#'))
            .map_or_else(|| target.to_owned(), |(path, _)| path.to_owned()),
        reason: format!("the grant {target} (until {until}) cannot be used, {why}: {}", rule.breaks),
        remedy: rule.remedy.to_owned(),
        steps: rule.steps(),
        ..Finding::default()
    }
}
