//! A release check that answers what it is told to.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use canary_core::traits::{
    BackendError, CheckAsk, CheckFinding, CheckReport, CheckVerdict, ErrorKind, ReleaseCheck, Severity,
};

/// A check of something made up. A strict one: its verdict follows from what it found, and it keeps to its limit.
#[derive(Debug)]
pub struct FakeCheck {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    findings: Vec<CheckFinding>,
    away: bool,
    silent: bool,
    asked: Vec<CheckAsk>,
}

impl FakeCheck {
    /// Finds nothing.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), state: Mutex::default() }
    }

    /// Finds this from now on, too; one that refuses makes it fail.
    pub fn find(&self, severity: Severity, subject: &str, text: &str) {
        let (subject, text) = (subject.to_owned(), text.to_owned());
        self.state().findings.push(CheckFinding { severity, subject, text, remedy: "mend it".to_owned() });
    }

    /// Finds nothing any more.
    pub fn forget(&self) {
        self.state().findings.clear();
    }

    /// Has nothing to look at: every question is an error.
    pub fn go_away(&self) {
        self.state().away = true;
    }

    /// Waits for an answer until the limit of whoever asks.
    pub fn fall_silent(&self) {
        self.state().silent = true;
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<CheckAsk> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for FakeCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "made-up check {}", self.name)
    }
}

#[async_trait]
impl ReleaseCheck for FakeCheck {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        let (findings, away, silent) = {
            let mut state = self.state();
            state.asked.push(ask.clone());
            (state.findings.clone(), state.away, state.silent)
        };
        if away {
            return Err(BackendError::new(ErrorKind::Unreachable, "fake", "check", "nothing is there"));
        }
        if silent {
            tokio::time::sleep(ask.limit).await;
            return Ok(CheckReport::unknown(&self.name, format!("no answer within {:?}", ask.limit)));
        }
        let refused = findings.iter().any(|finding| finding.severity == Severity::Refuse);
        Ok(CheckReport {
            check: self.name.clone(),
            verdict: if refused { CheckVerdict::Fail } else { CheckVerdict::Pass },
            summary: format!("{} finding(s)", findings.len()),
            findings,
            more: 0,
        }
        .listed())
    }
}
