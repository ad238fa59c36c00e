//! Everything a decision rests on, as lines of JSON in the journal's form: with the policy it gives the decision again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
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
struct Head<'a> {
    at_ms: u64,
    before: Cow<'a, Before>,
    kind: Cow<'a, str>,
    percentage: Option<u64>,
    policy: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probes_by: Option<Cow<'a, str>>,
    schema: Cow<'a, str>,
    version: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct SourceLine<'a> {
    kind: Cow<'a, str>,
    ms: u64,
    refused: Option<Cow<'a, str>>,
    source: Cow<'a, str>,
    trouble: Option<Cow<'a, (GapCode, String)>>,
}

#[derive(Serialize, Deserialize)]
struct QueryLine<'a> {
    kind: Cow<'a, str>,
    ms: u64,
    reply: Cow<'a, str>,
    rows: u64,
    source: Cow<'a, str>,
    status: u16,
    text: Cow<'a, str>,
    warnings: Cow<'a, [String]>,
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

/// Writes each line at once: it consists of thousands of small parts.
struct Lines<'a, W: ?Sized> {
    out: &'a mut W,
    line: Vec<u8>,
}

impl<W: Write + ?Sized> Lines<'_, W> {
    fn push(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

impl Evidence {
    /// Writes its lines one by one, so that the text of all of them is never in memory at once.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut out = Lines { out, line: Vec::new() };
        out.push(&Head {
            at_ms: self.at.as_millis(),
            before: Cow::Borrowed(&self.before),
            kind: "evidence".into(),
            percentage: self.percentage,
            policy: self.policy,
            probes_by: self.probes_by.as_deref().map(Cow::from),
            schema: SCHEMA.into(),
            version: self.version.as_deref().map(Cow::from),
        })?;
        for (source, reply) in &self.sources {
            out.push(&SourceLine {
                kind: "source".into(),
                ms: reply.ms,
                refused: reply.refused.as_deref().map(Cow::from),
                source: source.into(),
                trouble: reply.trouble.as_ref().map(Cow::Borrowed),
            })?;
            for asked in &reply.queries {
                out.push(&query_line(source, asked))?;
            }
            for (tenant, found) in &reply.found {
                let objectives = found.iter().map(|(name, found)| (name.as_ref(), found)).collect();
                out.push(&FoundLine { kind: "found", objectives, source, tenant })?;
            }
        }
        for result in &self.probes {
            out.push(&ProbeLine { kind: "probe", result: Cow::Borrowed(result) })?;
        }
        Ok(())
    }

    /// What [`Evidence::write`] writes, as one text.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut bytes = Vec::new();
        // proof: memory takes everything, and JSON is UTF-8.
        let _ = self.write(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Reads what [`Evidence::write`] wrote.
    ///
    /// # Errors
    /// [`EvidenceError`] with the line that is not of it.
    pub fn read(text: &str) -> Result<Self, EvidenceError> {
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().ok_or_else(|| wrong(0, "there is none"))?;
        let head: Head<'_> = parsed(0, first)?;
        if head.schema != SCHEMA {
            return Err(wrong(0, format!("its form is {:?}, not {SCHEMA:?}", head.schema)));
        }
        let mut evidence = Self {
            policy: head.policy,
            at: Timestamp::from_millis(head.at_ms),
            version: head.version.map(Cow::into_owned),
            percentage: head.percentage,
            before: head.before.into_owned(),
            sources: Vec::new(),
            probes: Vec::new(),
            probes_by: head.probes_by.map(Cow::into_owned),
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
                let (refused, trouble) = (refused.map(Cow::into_owned), trouble.map(Cow::into_owned));
                let reply = SourceReply { ms, refused, trouble, ..SourceReply::default() };
                self.sources.push((source.into_owned(), reply));
            }
            "query" => {
                let QueryLine { ms, reply, rows, source, status, text, warnings, .. } = parsed(i, line)?;
                let (text, reply, warnings) = (text.into_owned(), reply.into_owned(), warnings.into_owned());
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

fn query_line<'a>(source: &'a str, asked: &'a Asked) -> QueryLine<'a> {
    QueryLine {
        kind: "query".into(),
        ms: asked.ms,
        reply: asked.reply.as_str().into(),
        rows: asked.rows,
        source: source.into(),
        status: asked.status,
        text: asked.text.as_str().into(),
        warnings: asked.warnings.as_slice().into(),
    }
}

fn parsed<'a, T: Deserialize<'a>>(i: usize, line: &'a str) -> Result<T, EvidenceError> {
    serde_json::from_str(line).map_err(|error| wrong(i, error.to_string()))
}

fn wrong(i: usize, why: impl Into<String>) -> EvidenceError {
    EvidenceError { line: i + 1, why: why.into() }
}
