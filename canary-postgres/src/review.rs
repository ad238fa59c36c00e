//! Judges a set of changes: blocking, pure but for reading files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;
use canary_core::traits::{Finding, GateVerdict as Verdict, Grant, Review, Severity};

use crate::changes::{ChangeKind, Changes};
use crate::config::{Force, GateConfig};
use crate::convention::{Convention, Detected, Role, detect, order, up_part};
use crate::rules::{Baseline, Judge, Place, rule};
use crate::source::{self, Unreadable};
use crate::sql::parse::parse;
use crate::sql::statement::Script;

type Texts = BTreeMap<PathBuf, Result<String, Unreadable>>;

/// Judges what changed.
pub(crate) fn judge(config: &GateConfig, changes: &Changes) -> Review {
    let texts = match texts(changes) {
        Ok(texts) => texts,
        Err(why) => return undecided(config, why),
    };
    let detected = match config.convention {
        Some(convention) => Detected { convention, by: "as set" },
        None => match detect(
            texts.iter().filter_map(|(path, text)| Some((path.as_path(), text.as_deref().ok()?))),
        ) {
            Ok(detected) => detected,
            Err(why) => return undecided(config, why),
        },
    };
    let mut work = Work {
        config,
        changes,
        texts: &texts,
        convention: detected.convention,
        judge: Judge::over(baseline(changes, &texts, detected.convention)),
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
    let digest = digest(convention, changes, &texts);
    let why = (judged == 0).then(|| {
        format!(
            "what differs in {} since {} are no migrations that a deploy runs",
            config.dir.display(),
            changes.since
        )
    });
    settle(config.force.as_ref(), judge.into_findings(), evidence, digest, why)
}

/// Texts of every `.sql` file that is there, and of every change that may be a migration.
fn texts(changes: &Changes) -> Result<Texts, String> {
    let listed = if changes.dir.exists() { source::list(&changes.dir)? } else { Vec::new() };
    let sql = listed.into_iter().filter(|path| crate::convention::has_extension(path, "sql"));
    Ok(sql
        .map(|path| {
            let text = source::read(&changes.root, &changes.dir.join(&path));
            (path, text)
        })
        .collect())
}

fn baseline(changes: &Changes, texts: &Texts, convention: Convention) -> Baseline {
    let mut known = Baseline::default();
    let mut older: Vec<_> = texts
        .iter()
        .filter(|(path, _)| {
            changes.files.get(*path) != Some(&ChangeKind::Added) && convention.role(path) == Role::Up
        })
        .collect();
    older.sort_by_cached_key(|(path, _)| order(path));
    for (_, text) in older {
        let Ok(text) = text else { continue };
        let up = up_part(convention, text).unwrap_or_else(|_| text.clone());
        known.learn(&up, &parse(&up));
    }
    known
}

struct Work<'a> {
    config: &'a GateConfig,
    changes: &'a Changes,
    texts: &'a Texts,
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
                self.up(path, &named);
            }
        }
    }

    fn up(&mut self, path: &Path, named: &str) {
        let text = match self.texts.get(path) {
            Some(Ok(text)) => text,
            Some(Err(error)) => return self.note("unparsed-sql", named, error.line(), &error.to_string()),
            None => return self.note("unparsed-sql", named, 0, "is not there any more"),
        };
        let up = match up_part(self.convention, text) {
            Ok(up) => up,
            Err(error) => return self.note("unparsed-sql", named, 0, &error.to_string()),
        };
        if self.convention == Convention::Flyway && up.contains("${") {
            self.note("opaque-sql", named, 0, "flyway puts values in place of its ${…}");
        }
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
        let place = Place { file: named, text, in_transaction: self.in_transaction(path, text, &script) };
        self.judge.file(place, &script);
        let count = script.statements.len();
        let unread = if script.errors.is_empty() { "" } else { ", and text that does not parse" };
        self.evidence
            .push(format!("{named}, {count} statement{}{unread}", if count == 1 { "" } else { "s" }));
    }

    fn in_transaction(&self, path: &Path, text: &str, script: &Script) -> bool {
        let metadata = (self.convention == Convention::Diesel)
            .then(|| {
                source::read(&self.changes.root, &self.changes.dir.join(path).with_file_name("metadata.toml"))
                    .ok()
            })
            .flatten();
        self.convention.in_transaction(text, script.statements.len(), metadata.as_deref())
    }

    /// Records a finding about a file as a whole.
    fn note(&mut self, name: &str, file: &str, line: u64, what: &str) {
        let rule = rule(name);
        self.judge.note(Finding {
            rule: rule.name.to_owned(),
            severity: rule.severity,
            file: file.to_owned(),
            line,
            column: 0,
            statement: String::new(),
            reason: format!("{what}: {}", rule.breaks),
            remedy: rule.remedy.to_owned(),
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
    Review { verdict, findings: Vec::new(), evidence, digest }
}

/// The review of an empty set.
pub(crate) fn nothing_new(why: String) -> Review {
    let digest = Digest::of(b"canary-migrations 1\nnothing new\n");
    Review { evidence: vec![why.clone()], verdict: Verdict::NothingNew { why }, findings: Vec::new(), digest }
}

fn settle(
    force: Option<&Force>,
    findings: Vec<Finding>,
    mut evidence: Vec<String>,
    digest: Digest,
    nothing: Option<String>,
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
    Review { verdict, findings, evidence, digest }
}

fn grant(force: &Force, rule: &str) -> Grant {
    Grant { rule: rule.to_owned(), actor: force.actor.clone(), reason: force.reason.clone() }
}
