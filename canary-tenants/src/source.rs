//! What measures tenants: the role of a metrics store, what it is asked and what it answers.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::time::Timestamp;

use crate::gap::{Found, GapCode};
use crate::policy::{ObjectiveKind, Policy, Source, Window};

/// Measures tenants.
///
/// It never fails: what went wrong is part of its answer, because it is part of what is decided by. It answers within
/// [`SourceAsk::limit`].
#[async_trait]
pub trait TenantSource: Display + Debug + Send + Sync {
    /// The source's name in the policy.
    fn name(&self) -> &str;

    /// Measures every tenant there is.
    async fn read(&self, ask: &SourceAsk, progress: &dyn SourceProgress) -> SourceReply;
}

/// Hears how a reading goes.
pub trait SourceProgress: Send + Sync {
    /// A question has its answer, or has none.
    fn asked(&self, asked: &Asked) {
        let _ = asked;
    }
}

/// Nobody listens.
impl SourceProgress for () {}

/// What a source is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAsk {
    /// The one instant of evaluation, the same for all sources of a round.
    pub at: Timestamp,
    /// What stands for `$canary_version`.
    pub version: Option<String>,
    /// What to measure, by name.
    pub objectives: Vec<Measure>,
    /// The tenants that may be there, sorted.
    pub tenants: Vec<String>,
    /// How long the whole answer may take.
    pub limit: Duration,
}

/// One thing to measure of every tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The objective's name; a budget's second window is `NAME@short` or `NAME@long`.
    pub name: Arc<str>,
    /// What is measured; never a budget, which is its ratio in a window of its own.
    pub kind: ObjectiveKind,
    /// How far back is looked, in microseconds.
    pub window: u64,
}

/// What a source answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceReply {
    /// Every question, in the order asked.
    pub queries: Vec<Asked>,
    /// How long all of it took, in milliseconds.
    pub ms: u64,
    /// What is the matter with the whole answer: [`GapCode::SourceDown`] or [`GapCode::Partial`], and what came back.
    pub trouble: Option<(GapCode, String)>,
    /// What the source refuses to evaluate, in its words: no waiting helps, the policy must change.
    pub refused: Option<String>,
    /// What was found, by tenant and by [`Measure::name`]; tenants that were not asked for among them.
    pub found: BTreeMap<String, BTreeMap<Arc<str>, Found>>,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The question, as it was sent.
    pub text: String,
    /// How long the answer took, in milliseconds.
    pub ms: u64,
    /// How many rows it has.
    pub rows: u64,
    /// What the source says beside it.
    pub warnings: Vec<String>,
    /// The HTTP status; 0 without an answer.
    pub status: u16,
    /// The answer as it came; without one, what went wrong. Bytes that are no UTF-8 are replaced.
    pub reply: String,
}

impl SourceReply {
    /// An answer that is none.
    #[must_use]
    pub fn down(why: impl Into<String>) -> Self {
        Self { trouble: Some((GapCode::SourceDown, why.into())), ..Self::default() }
    }
}

impl Policy {
    /// What is measured of every tenant; of a budget both windows, since it takes both to say that it burns.
    #[must_use]
    pub fn measures(&self) -> Vec<Measure> {
        let windows = self.file.windows;
        let mut all = Vec::new();
        for (name, objective) in &self.file.objectives {
            let name: Arc<str> = Arc::from(name.as_str());
            match &objective.kind {
                ObjectiveKind::Budget { of, window } => {
                    // proof: the reader refuses a budget of what is no ratio.
                    let Some(ratio) = self.file.objectives.get(of) else { continue };
                    let (own, other) = match window {
                        Window::Long => (windows.long, windows.short),
                        Window::Short => (windows.short, windows.long),
                    };
                    let second = second_window(&name, *window);
                    all.push(Measure { name, kind: ratio.kind.clone(), window: own });
                    all.push(Measure { name: second, kind: ratio.kind.clone(), window: other });
                }
                // A tenant's own endpoint is asked, not a source.
                ObjectiveKind::Probe(_) => {}
                kind => all.push(Measure { name, kind: kind.clone(), window: windows.short }),
            }
        }
        all
    }

    /// The tenants that may be at a source: all that name it, and all that name none.
    #[must_use]
    pub fn expected_at(&self, source: &str) -> Vec<String> {
        let there = |names: &[String]| names.is_empty() || names.iter().any(|name| name == source);
        let all = self.tenants.iter().filter(|(_, tenant)| tenant.exempt.is_none() && there(&tenant.sources));
        all.map(|(name, _)| name.clone()).collect()
    }

    /// The whole question for one of its sources.
    #[must_use]
    pub fn ask(&self, source: &Source, at: Timestamp, version: Option<&str>, limit: Duration) -> SourceAsk {
        SourceAsk {
            at,
            version: version.map(str::to_owned),
            objectives: self.measures(),
            tenants: self.expected_at(&source.name),
            limit,
        }
    }
}

/// The name by which a budget's other window is measured.
pub(crate) fn second_window(name: &str, own: Window) -> Arc<str> {
    let other = match own {
        Window::Long => Window::Short,
        Window::Short => Window::Long,
    };
    Arc::from(format!("{name}@{}", other.as_str()))
}
