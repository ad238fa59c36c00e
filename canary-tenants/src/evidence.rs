//! Everything a decision rests on, as lines of JSON in the journal's form: with the policy it gives the decision again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use canary_core::fleet::Digest;
use canary_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gap::{Found, GapCode};
use crate::probe::ProbeResult;
use crate::source::{Asked, SourceReply};

/// What the first line says.
const SCHEMA: &str = "canary/evidence/v1";

/// What one round was decided by, beside the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The digest of the policy as it held.
    pub policy: Digest,
    /// The instant that was asked about; the policy holds as of it.
    pub at: Timestamp,
    /// The release, as it was named.
    pub version: Option<String>,
    /// How much of the traffic it has, in percent.
    pub percentage: Option<u64>,
    /// What the round before left.
    pub before: Before,
    /// The answers of the sources, in the policy's order.
    pub sources: Vec<(String, SourceReply)>,
    /// The results of probes, in the round's order.
    pub probes: Vec<ProbeResult>,
    /// Where they were asked from; nothing where none were, or where that was not recorded yet.
    pub probes_by: Option<String>,
}

/// What a round leaves to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Before {
    /// Tenants with a veto in certain breach.
    pub breached: BTreeSet<String>,
    /// How many expected tenants each source had.
    pub rows: Vec<(String, u64)>,
    /// For how many rounds tenants have been stale.
    pub stale: Vec<(String, u64)>,
}

/// Says why a text is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct EvidenceError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

// The fields of a line stand in the order of the journal's form: what is written is canonical without being sorted.

#[derive(Serialize, Deserialize)]
struct Head {
    at_ms: u64,
    before: Before,
    kind: String,
    percentage: Option<u64>,
    policy: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probes_by: Option<String>,
    schema: String,
    version: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SourceLine {
    kind: String,
    ms: u64,
    refused: Option<String>,
    source: String,
    trouble: Option<(GapCode, String)>,
}

#[derive(Serialize, Deserialize)]
struct QueryLine {
    kind: String,
    ms: u64,
    reply: String,
    rows: u64,
    source: String,
    status: u16,
    text: String,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct FoundLine<'a> {
    kind: &'static str,
    objectives: BTreeMap<&'a str, &'a Found>,
    source: &'a str,
    tenant: &'a str,
}

#[derive(Deserialize)]
struct FoundRead {
    objectives: BTreeMap<String, Found>,
    source: String,
    tenant: String,
}

#[derive(Serialize, Deserialize)]
struct ProbeLine<'a> {
    kind: &'a str,
    #[serde(flatten)]
    result: Cow<'a, ProbeResult>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

impl Evidence {
    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> String {
        // Whole replies are most of it, and each of their quotes is written with a backslash.
        let replies = self.sources.iter().flat_map(|(_, reply)| &reply.queries);
        let mut text = String::with_capacity(replies.map(|asked| asked.reply.len() * 5 / 4).sum());
        push(
            &mut text,
            &Head {
                at_ms: self.at.as_millis(),
                before: self.before.clone(),
                kind: "evidence".to_owned(),
                percentage: self.percentage,
                policy: self.policy,
                probes_by: self.probes_by.clone(),
                schema: SCHEMA.to_owned(),
                version: self.version.clone(),
            },
        );
        for (source, reply) in &self.sources {
            push(
                &mut text,
                &SourceLine {
                    kind: "source".to_owned(),
                    ms: reply.ms,
                    refused: reply.refused.clone(),
                    source: source.clone(),
                    trouble: reply.trouble.clone(),
                },
            );
            for asked in &reply.queries {
                push(&mut text, &query_line(source, asked));
            }
            for (tenant, found) in &reply.found {
                let objectives = found.iter().map(|(name, found)| (name.as_ref(), found)).collect();
                push(&mut text, &FoundLine { kind: "found", objectives, source, tenant });
            }
        }
        for result in &self.probes {
            push(&mut text, &ProbeLine { kind: "probe", result: Cow::Borrowed(result) });
        }
        text
    }

    /// The SHA-256 of [`Evidence::lines`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.lines().as_bytes())
    }

    /// Reads what [`Evidence::lines`] wrote.
    ///
    /// # Errors
    /// [`EvidenceError`] with the line that is not of it.
    pub fn read(text: &str) -> Result<Self, EvidenceError> {
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().ok_or_else(|| wrong(0, "there is none"))?;
        let head: Head = parsed(0, first)?;
        if head.schema != SCHEMA {
            return Err(wrong(0, format!("its form is {:?}, not {SCHEMA:?}", head.schema)));
        }
        let mut evidence = Self {
            policy: head.policy,
            at: Timestamp::from_millis(head.at_ms),
            version: head.version,
            percentage: head.percentage,
            before: head.before,
            sources: Vec::new(),
            probes: Vec::new(),
            probes_by: head.probes_by,
        };
        // One name for an objective, however many tenants have it.
        let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for (i, line) in lines {
            evidence.take(i, line, &mut names)?;
        }
        Ok(evidence)
    }

    fn take(
        &mut self,
        i: usize,
        line: &str,
        names: &mut BTreeMap<String, Arc<str>>,
    ) -> Result<(), EvidenceError> {
        let Kind { kind } = parsed(i, line)?;
        match kind.as_str() {
            "source" => {
                let SourceLine { ms, refused, source, trouble, .. } = parsed(i, line)?;
                self.sources.push((source, SourceReply { ms, refused, trouble, ..SourceReply::default() }));
            }
            "query" => {
                let QueryLine { ms, reply, rows, source, status, text, warnings, .. } = parsed(i, line)?;
                let asked = Asked { text, ms, rows, warnings, status, reply };
                self.of(i, &source)?.queries.push(asked);
            }
            "found" => {
                let FoundRead { objectives, source, tenant } = parsed(i, line)?;
                let named = objectives.into_iter().map(|(name, found)| {
                    let name = names.entry(name).or_insert_with_key(|name| Arc::from(name.as_str()));
                    (name.clone(), found)
                });
                let named = named.collect();
                self.of(i, &source)?.found.insert(tenant, named);
            }
            "probe" => self.probes.push(parsed::<ProbeLine<'_>>(i, line)?.result.into_owned()),
            other => return Err(wrong(i, format!("its kind is {other:?}"))),
        }
        Ok(())
    }

    fn of(&mut self, i: usize, source: &str) -> Result<&mut SourceReply, EvidenceError> {
        let last = self.sources.last_mut().filter(|(name, _)| name == source);
        last.map(|(_, reply)| reply)
            .ok_or_else(|| wrong(i, format!("it is of source {source:?}, which is not open")))
    }
}

fn query_line(source: &str, asked: &Asked) -> QueryLine {
    QueryLine {
        kind: "query".to_owned(),
        ms: asked.ms,
        reply: asked.reply.clone(),
        rows: asked.rows,
        source: source.to_owned(),
        status: asked.status,
        text: asked.text.clone(),
        warnings: asked.warnings.clone(),
    }
}

fn push(text: &mut String, line: &impl Serialize) {
    // proof: every line is a struct of texts, integers and lists, whose keys are text; that cannot fail.
    text.push_str(&serde_json::to_string(line).unwrap_or_default());
    text.push('\n');
}

fn parsed<'a, T: Deserialize<'a>>(i: usize, line: &'a str) -> Result<T, EvidenceError> {
    serde_json::from_str(line).map_err(|error| wrong(i, error.to_string()))
}

fn wrong(i: usize, why: impl Into<String>) -> EvidenceError {
    EvidenceError { line: i + 1, why: why.into() }
}
