//! Judges a set of changes: blocking, pure but for reading files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;
use canary_core::traits::{Baseline, Finding, GateVerdict as Verdict, Grant, Review, Severity};

use crate::changes::{ChangeKind, Changes};
use crate::config::{Force, GateConfig};
use crate::convention::{Convention, Late, Role, Transaction, foreign_markers, order, version};
use crate::rules::{Baseline as Known, Judge, Place, rule};
use crate::set::{Loaded, Texts};
use crate::source;
use crate::sql::parse::parse;
use crate::sql::position::Lines;

/// Judges what changed.
pub(crate) fn judge(config: &GateConfig, changes: &Changes) -> Review {
    let loaded = match Loaded::read(config, changes) {
        Ok(loaded) => loaded,
        Err(why) => return undecided(config, why),
    };
    let (texts, detected) = (&loaded.texts, &loaded.detected);
    let mut work = Work {
        config,
        changes,
        loaded: &loaded,
        convention: detected.convention,
        judge: Judge::over(baseline(changes, &loaded)),
        evidence: vec![
            format!("convention {}: {}", detected.convention, detected.by),
            format!("new since {}", changes.since),
        ],
        judged: 0,
    };
    let mut files: Vec<(&PathBuf, ChangeKind)> =
        changes.files.iter().map(|(path, kind)| (path, *kind)).collect();
    files.sort_by_cached_key(|(path, _)| order(path));
    for (path, kind) in files {
        work.file(path, kind);
    }
    let Work { judge, evidence, judged, convention, .. } = work;
    let digest = digest(convention, changes, texts);
    let why = (judged == 0).then(|| {
        format!(
            "what differs in {} since {} are no migrations that a deploy runs",
            config.dir.display(),
            changes.since
        )
    });
    settle(config.force.as_ref(), judge.into_findings(), evidence, digest, why, changes.baseline.clone())
}

fn baseline(changes: &Changes, loaded: &Loaded) -> Known {
    let mut known = Known::default();
    let convention = loaded.detected.convention;
    let mut older: Vec<_> = loaded
        .texts
        .iter()
        .filter(|(path, _)| {
            changes.files.get(*path) != Some(&ChangeKind::Added) && convention.role(path) == Role::Up
        })
        .collect();
    older.sort_by_cached_key(|(path, _)| order(path));
    for (path, text) in older {
        let Ok(text) = text else { continue };
        let up = loaded.up(changes, path, text).map_or_else(|_| text.clone(), |up| up.text);
        known.learn(&up, &parse(&up));
    }
    known
}

struct Work<'a> {
    config: &'a GateConfig,
    changes: &'a Changes,
    loaded: &'a Loaded,
    convention: Convention,
    judge: Judge,
    evidence: Vec<String>,
    /// How many changes concern migrations that a deploy runs.
    judged: usize,
}

impl Work<'_> {
    fn file(&mut self, path: &Path, kind: ChangeKind) {
        // A name with a line feed or an escape sequence in it must not forge lines of a report.
        let named = self.config.dir.join(path).display().to_string();
        let named: String = named.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let on_disk = self.changes.dir.join(path);
        if kind != ChangeKind::Deleted && on_disk.is_dir() {
            self.judged += 1;
            self.note(
                "unparsed-sql",
                &named,
                0,
                "is a link to a directory, or a submodule, and not looked into",
            );
            return;
        }
        match (self.convention.role(path), kind) {
            (Role::Ignored(why), _) => self.evidence.push(format!("{named}: not a migration, {why}")),
            (Role::Down, _) => self.evidence.push(format!("{named}: runs only on the way back, not judged")),
            (_, ChangeKind::Deleted) => {
                self.judged += 1;
                self.note("deleted-migration", &named, 0, "an older migration is gone");
            }
            (_, ChangeKind::Edited) if !self.convention.repeatable(path) => {
                self.judged += 1;
                self.evidence.push(format!("{named}: edited"));
                self.note(
                    "edited-migration",
                    &named,
                    0,
                    "an older migration has other text than at the base",
                );
            }
            (Role::Program, _) => {
                self.judged += 1;
                self.note("opaque-sql", &named, 0, "a migration written as a program");
            }
            (Role::Up, _) => {
                self.judged += 1;
                self.late(path, &named);
                self.up(path, &named);
            }
        }
    }

    /// A new migration whose version is below one that the baseline has.
    fn late(&mut self, path: &Path, named: &str) {
        let Some(own) = version(self.convention, path) else { return };
        let known = self.loaded.texts.keys().filter(|other| {
            self.changes.files.get(*other) != Some(&ChangeKind::Added)
                && self.convention.role(other) == Role::Up
        });
        let newest = known.filter_map(|other| Some((version(self.convention, other)?, other))).max();
        let Some((_, newest)) = newest.filter(|(newest, _)| *newest > own) else { return };
        let convention = self.convention;
        let (severity, then) = match convention.late() {
            Late::Applied => (Severity::Warn, format!("{convention} applies it after that one")),
            Late::Skipped => (Severity::Refuse, format!("{convention} never runs it")),
            Late::Stops => (Severity::Refuse, format!("{convention} stops with an error")),
        };
        let what =
            format!("its version is below that of {}, which was applied already: {then}", newest.display());
        self.note_as("out-of-order", severity, named, 0, &what);
    }

    fn up(&mut self, path: &Path, named: &str) {
        let text = match self.loaded.texts.get(path) {
            Some(Ok(text)) => text,
            Some(Err(error)) => return self.note("unparsed-sql", named, error.line(), &error.to_string()),
            None => return self.note("unparsed-sql", named, 0, "is not there any more"),
        };
        let up = match self.loaded.up(self.changes, path, text) {
            Ok(up) => up,
            Err(error) => return self.note("unparsed-sql", named, 0, &error.to_string()),
        };
        for note in up.notes.iter().chain(&foreign_markers(self.convention, text)) {
            let line = Lines::of(text).at(text, note.span.start).0;
            self.note(note.rule, named, line, &note.what);
        }
        let (parts, up) = (up.parts, up.text);
        if up.starts_with('\u{feff}') && self.convention != Convention::Flyway {
            self.note(
                "unparsed-sql",
                named,
                1,
                "starts with a byte order mark, which the server rejects (42601)",
            );
        }
        let judged = up.replacen('\u{feff}', "   ", usize::from(up.starts_with('\u{feff}')));
        let script = parse(&judged);
        let in_transaction = parts.iter().any(|part| match part.transaction {
            Transaction::Around => true,
            Transaction::None => {
                part.splitting == crate::convention::Splitting::Whole && script.statements.len() > 1
            }
            Transaction::Unknown => false,
        });
        let place = Place { file: named, text, in_transaction };
        self.judge.file(place, &script);
        let count = script.statements.len();
        let unread = if script.errors.is_empty() { "" } else { ", and text that does not parse" };
        self.evidence
            .push(format!("{named}, {count} statement{}{unread}", if count == 1 { "" } else { "s" }));
    }

    /// Records a finding about a file as a whole.
    fn note(&mut self, name: &str, file: &str, line: u64, what: &str) {
        self.note_as(name, rule(name).severity, file, line, what);
    }

    fn note_as(&mut self, name: &str, severity: Severity, file: &str, line: u64, what: &str) {
        let rule = rule(name);
        self.judge.note(Finding {
            rule: rule.name.to_owned(),
            severity,
            file: file.to_owned(),
            line,
            column: 0,
            statement: String::new(),
            reason: format!("{what}: {}", rule.breaks),
            remedy: rule.remedy.to_owned(),
            ..Finding::default()
        });
    }
}

/// SHA-256 over one line a changed file, by path: what happened to it, its path's length and path, its content's digest.
fn digest(convention: Convention, changes: &Changes, texts: &Texts) -> Digest {
    let mut canonical = format!("canary-migrations 1\n{convention}\n");
    for (path, kind) in &changes.files {
        let content = match texts.get(path) {
            Some(Ok(text)) => Digest::of(text.as_bytes()).to_string(),
            Some(Err(error)) => error.to_string(),
            None => content(changes, path),
        };
        let path = path.display().to_string();
        // proof: writing to a String cannot fail.
        let _infallible = writeln!(canonical, "{} {} {path} {content}", kind.letter(), path.len());
    }
    Digest::of(canonical.as_bytes())
}

fn content(changes: &Changes, path: &Path) -> String {
    let text = source::read(&changes.root, &changes.dir.join(path));
    text.map_or_else(|_| "-".to_owned(), |text| Digest::of(text.as_bytes()).to_string())
}

/// The review of a question that could not be answered.
pub(crate) fn undecided(config: &GateConfig, why: String) -> Review {
    let digest = Digest::of(format!("canary-migrations 1\nundecided\n{}\n{why}\n", config.base).as_bytes());
    let evidence = vec![format!("undecided: {why}")];
    let verdict = match &config.force {
        Some(force) => Verdict::Bypassed { grants: vec![grant(force, "*")] },
        None => Verdict::Undecided { why },
    };
    Review { verdict, findings: Vec::new(), evidence, digest, baseline: None }
}

/// The review of an empty set.
pub(crate) fn nothing_new(why: String, baseline: Option<Baseline>) -> Review {
    let digest = Digest::of(b"canary-migrations 1\nnothing new\n");
    Review {
        evidence: vec![why.clone()],
        verdict: Verdict::NothingNew { why },
        findings: Vec::new(),
        digest,
        baseline,
    }
}

fn settle(
    force: Option<&Force>,
    findings: Vec<Finding>,
    mut evidence: Vec<String>,
    digest: Digest,
    nothing: Option<String>,
    baseline: Baseline,
) -> Review {
    let mut refused: Vec<&str> =
        findings.iter().filter(|f| f.severity == Severity::Refuse).map(|f| f.rule.as_str()).collect();
    refused.sort_unstable();
    refused.dedup();
    let verdict = match (force, nothing) {
        (_, Some(why)) if findings.is_empty() => Verdict::NothingNew { why },
        (_, _) if refused.is_empty() => Verdict::Pass,
        (Some(force), _) => {
            Verdict::Bypassed { grants: refused.iter().map(|rule| grant(force, rule)).collect() }
        }
        (None, _) => Verdict::Refused,
    };
    if force.is_some() && !matches!(verdict, Verdict::Bypassed { .. }) {
        evidence.push("a bypass was given and not needed".to_owned());
    }
    Review { verdict, findings, evidence, digest, baseline: Some(baseline) }
}

fn grant(force: &Force, rule: &str) -> Grant {
    Grant {
        rule: rule.to_owned(),
        actor: force.actor.clone(),
        reason: force.reason.clone(),
        ..Grant::default()
    }
}
