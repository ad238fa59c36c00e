//! What the table says of a setting.

use super::fallback::Fallback;
use super::kind::Kind;
use super::table::Key;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Which one.
    pub id: Key,
    /// Its key in the file (`drain.timeout`).
    pub key: &'static str,
    /// Its environment variable: the runbook's where that has one.
    pub variable: &'static str,
    /// Its flag without the dashes.
    pub flag: &'static str,
    /// What may be written there.
    pub kind: Kind,
    /// What holds otherwise.
    pub fallback: Fallback,
    /// One line of help.
    pub help: &'static str,
}

impl Setting {
    /// The part of the key before the dot; empty for settings outside all sections.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// The part of the key after the dot.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// The help without its closing full stop.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.help.trim().trim_end_matches('.')
    }

    /// Whether the runbook's script has this variable or holds its value as a constant.
    #[must_use]
    pub fn of_the_runbook(&self) -> bool {
        !self.variable.starts_with("CANARY_") || matches!(self.id, Key::Canary | Key::StateDir)
    }
}
