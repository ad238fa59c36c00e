//! Every rule with its severity, what breaks, and the safe way.

mod breaking;
mod locking;
mod others;

use canary_core::traits::{DeployStep, Phase, Severity};

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// The running binary fails.
    Breaks,
    /// The running binary waits.
    Locks,
    /// Both.
    BreaksAndLocks,
    /// The migration itself fails, or cannot be judged.
    Fails,
    /// The set of files is not what its tool or the baseline needs.
    Process,
}

impl Class {
    /// In a sentence.
    #[cfg(test)]
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Breaks => "breaks the running binary",
            Self::Locks => "locks or rewrites",
            Self::BreaksAndLocks => "breaks the running binary, and locks or rewrites",
            Self::Fails => "the migration fails or cannot be judged",
            Self::Process => "the files, the history, the baseline",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Its name, as shown and recorded.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) class: Class,
    /// Whether it stops the release, when nothing more is known.
    pub(crate) severity: Severity,
    /// What breaks for the binary that is running, with the SQLSTATEs it sees.
    pub(crate) breaks: &'static str,
    /// The deploys that do the same safely: `expand: …; switch: …; contract: ….`, or one sentence.
    pub(crate) remedy: &'static str,
}

impl Rule {
    /// The SQLSTATEs that its text names.
    pub(crate) fn sqlstates(&self) -> Vec<String> {
        let words = self.breaks.split(|c: char| !c.is_ascii_alphanumeric());
        let is_code = |word: &&str| {
            let upper = word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
            word.len() == 5 && upper && word.bytes().filter(u8::is_ascii_digit).count() >= 2
        };
        let mut codes: Vec<String> = words.filter(is_code).map(str::to_owned).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The deploys of its remedy, in order.
    pub(crate) fn steps(&self) -> Vec<DeployStep> {
        let named =
            [(Phase::Expand, "expand: "), (Phase::Switch, "switch: "), (Phase::Contract, "contract: ")];
        let phase_of = |text: &str| {
            named.iter().find_map(|(phase, word)| Some((*phase, text.strip_prefix(word)?.to_owned())))
        };
        let mut steps: Vec<DeployStep> = Vec::new();
        for text in self.remedy.trim_end_matches('.').split("; ") {
            match (phase_of(text), steps.last_mut()) {
                (Some((phase, what)), _) => steps.push(DeployStep { phase, what }),
                (None, Some(last)) => last.what = format!("{}; {text}", last.what),
                (None, None) => steps.push(DeployStep { phase: Phase::Instead, what: text.to_owned() }),
            }
        }
        steps
    }
}

const fn refuse(name: &'static str, class: Class, breaks: &'static str, remedy: &'static str) -> Rule {
    Rule { name, class, severity: Severity::Refuse, breaks, remedy }
}

const fn warn(name: &'static str, class: Class, breaks: &'static str, remedy: &'static str) -> Rule {
    Rule { name, class, severity: Severity::Warn, breaks, remedy }
}

const CONTRACT: &str = "expand: nothing to do; switch: release a binary that no longer names it, on every node; contract: drop it in a \
                        later release.";
const RENAME: &str = "expand: add the new name beside the old one (column kept equal by a trigger, or a view under the other name); \
                      switch: release a binary that uses the new one; contract: drop the old one in a later release.";
const REQUIRED: &str = "expand: add it nullable or with a DEFAULT; switch: release a binary that always writes it, and fill old rows; \
                        contract: SET NOT NULL in a later release.";
const ONLINE: &str = "in a migration of its own, outside a transaction, say CONCURRENTLY.";
const VALID: &str = "expand: add it NOT VALID once every running binary keeps to it; contract: VALIDATE CONSTRAINT in a later migration, \
                     which does not block writers.";
const QUIET: &str =
    "do it in a maintenance window, or build a copy beside it and switch over in a later release.";
const OPAQUE: &str = "write the statements out in the migration, so that they can be judged; or bypass with a name and a reason.";

/// All rules, the breaking ones first.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    breaking::RULES.iter().chain(locking::RULES).chain(others::RULES)
}

/// The rule of this name. Every name used in this crate is in the table (a test walks them); an unknown one answers
/// with `unknown-statement`, which refuses.
pub(crate) fn rule(name: &str) -> Rule {
    rules().find(|rule| rule.name == name).copied().unwrap_or(refuse(
        "unknown-statement",
        Class::Fails,
        "a rule that is not in the table",
        OPAQUE,
    ))
}
