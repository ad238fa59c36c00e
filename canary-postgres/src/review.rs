//! Judges a set of changes: blocking, pure but for reading files.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use canary_core::fleet::Digest;
use canary_core::time::Timestamp;
use canary_core::traits::{Baseline, Finding, GateVerdict as Verdict, Review, Severity};

use crate::changes::{ChangeKind, Changes};
use crate::config::GateConfig;
use crate::convention::{Convention, Late, Role, foreign_markers, order, version};
use crate::grants;
use crate::parsed::{self, Parsed, Wanted};
use crate::rules::{Judge, Known, Place, Reading, rule};
use crate::set::{Loaded, Texts};
use crate::sql::position::Span;
use crate::words;

/// Judges what changed.
pub(crate) fn judge(config: &GateConfig, changes: &Changes, now: Timestamp) -> Review {
    let loaded = match Loaded::read(config, changes) {
        Ok(loaded) => loaded,
        Err(why) => {
            let baseline = Some(changes.baseline.clone());
            return undecided(config, "convention-unclear", why, baseline, now);
        }
    };
    let convention = loaded.detected.convention;
    let facts = Reading::of(config.facts.clone());
    let mut work = Work {
        config,
        changes,
        convention,
        judge: Judge::over(known(changes, &loaded), facts, config.locks),
        evidence: vec![
            format!("convention {convention}: {}", loaded.detected.by),
            format!("new since {}", changes.since),
        ],
        judged: 0,
        newest: newest(convention, changes, &loaded),
    };
    let mut files: Vec<(&PathBuf, ChangeKind)> =
        changes.files.iter().map(|(path, kind)| (path, *kind)).collect();
    files.sort_by_cached_key(|(path, _)| order(path));
    let order_of: Vec<String> = files.iter().map(|(path, _)| work.named(path)).collect();
    let wanted: Vec<Wanted<'_>> = files
        .iter()
        .map(|(path, kind)| Wanted { path, text: loaded.texts.get(*path), parse: work.runs(path, *kind) })
        .collect();
    let mut kinds = files.iter().map(|(_, kind)| *kind);
    parsed::each(changes, &loaded, &wanted, |file, parsed| {
        if let Some(kind) = kinds.next() {
            work.file(file, kind, parsed);
        }
    });
    let Work { judge, mut evidence, judged, .. } = work;
    let mut findings = judge.into_findings();
    sort(&mut findings, &order_of);
    let mut contents = Contents::of(config, changes);
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Refuse) {
        let content = contents.digest(&finding.file);
        finding.grant = grants::target(&finding.rule, &finding.file, &content).to_string();
    }
    let found_any = !findings.is_empty();
    let mut verdict = grants::settle(&mut findings, &config.allow, config.force.as_ref(), now);
    if judged == 0 && !found_any && verdict == Verdict::Pass {
        let why = format!(
            "what differs in {} since {} are no migrations that a deploy runs",
            config.dir.display(),
            changes.since
        );
        verdict = Verdict::NothingNew { why };
    }
    if config.force.is_some() && !matches!(verdict, Verdict::Bypassed { .. }) {
        evidence.push("a bypass was given and not needed".to_owned());
    }
    let digest = digest(convention, changes, &loaded.texts);
    Review { verdict, findings, evidence, digest, baseline: Some(changes.baseline.clone()) }
}

/// By file in the order they run, then by place; refusals before warnings about the same place.
fn sort(findings: &mut [Finding], files: &[String]) {
    let index: HashMap<&str, usize> =
        files.iter().enumerate().map(|(at, file)| (file.as_str(), at)).collect();
    let index = |file: &str| index.get(file).copied().unwrap_or(usize::MAX);
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (index(&f.file), f.line, f.column, std::cmp::Reverse(f.severity));
        key(a).cmp(&key(b)).then_with(|| a.rule.cmp(&b.rule))
    });
}

/// The digests of what lies under files' names as the operator writes them, each read once.
struct Contents<'a> {
    changes: &'a Changes,
    paths: HashMap<String, &'a PathBuf>,
    read: HashMap<&'a PathBuf, Digest>,
}

impl<'a> Contents<'a> {
    fn of(config: &GateConfig, changes: &'a Changes) -> Self {
        let paths = changes.files.keys().map(|path| (shown(&config.dir, path), path)).collect();
        Self { changes, paths, read: HashMap::new() }
    }

    /// Of a file that is gone: that of nothing.
    fn digest(&mut self, named: &str) -> Digest {
        let Some(path) = self.paths.get(named) else { return Digest::of(b"nothing") };
        let changes = self.changes;
        *self.read.entry(path).or_insert_with(|| changes.tree.digest(path))
    }
}

/// A name with a line feed or an escape sequence in it must not forge lines of a report.
fn shown(dir: &Path, path: &Path) -> String {
    let named = dir.join(path).display().to_string();
    named.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What the older files made.
fn known(changes: &Changes, loaded: &Loaded) -> Known {
    let mut known = Known::default();
    let old = loaded.texts.iter().filter(|(path, _)| changes.files.get(*path) != Some(&ChangeKind::Added));
    let mut older: Vec<Wanted<'_>> =
        old.map(|(path, text)| Wanted { path, text: Some(text), parse: true }).collect();
    older.sort_by_cached_key(|file| order(file.path));
    parsed::each(changes, loaded, &older, |file, parsed| {
        let Some(parsed) = parsed else { return };
        let text = parsed.up.as_ref().map_or_else(|_| file.readable().unwrap_or_default(), |up| &up.text);
        known.learn(text, &parsed.script);
    });
    known
}

/// The newest migration that the baseline has, with its version.
fn newest(convention: Convention, changes: &Changes, loaded: &Loaded) -> Option<(Vec<u128>, PathBuf)> {
    let readable = loaded.texts.iter().filter(|(_, text)| text.is_ok()).map(|(path, _)| path);
    let known = readable.filter(|path| {
        changes.files.get(*path) != Some(&ChangeKind::Added) && convention.role(path) == Role::Up
    });
    let (version, path) = known.filter_map(|path| Some((version(convention, path)?, path))).max()?;
    Some((version, path.clone()))
}

struct Work<'a> {
    config: &'a GateConfig,
    changes: &'a Changes,
    convention: Convention,
    judge: Judge,
    evidence: Vec<String>,
    /// How many changes concern migrations that a deploy runs.
    judged: usize,
    /// The newest migration that the baseline has.
    newest: Option<(Vec<u128>, PathBuf)>,
}

impl Work<'_> {
    fn named(&self, path: &Path) -> String {
        shown(&self.config.dir, path)
    }

    /// Whether a change brings something that a deploy runs: a file that is new, or changed as its convention has it.
    fn runs(&self, path: &Path, kind: ChangeKind) -> bool {
        kind == ChangeKind::Added || kind == ChangeKind::Edited && self.convention.repeatable(path)
    }

    fn file(&mut self, file: &Wanted<'_>, kind: ChangeKind, parsed: Option<Parsed>) {
        let path = file.path;
        let named = self.named(path);
        let readable = file.readable().is_some();
        if kind != ChangeKind::Deleted && !readable && self.changes.tree.is_directory(path) {
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
                self.up(file, &named, parsed);
            }
        }
    }

    /// A new migration whose version is below one that the baseline has.
    fn late(&mut self, path: &Path, named: &str) {
        let Some(own) = version(self.convention, path) else { return };
        let Some((_, newest)) = self.newest.as_ref().filter(|(newest, _)| *newest > own) else { return };
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

    fn up(&mut self, file: &Wanted<'_>, named: &str, parsed: Option<Parsed>) {
        let path = file.path;
        let text = match file.text {
            Some(Ok(text)) => text,
            Some(Err(error)) => return self.note("unparsed-sql", named, error.line(), &error.to_string()),
            None => return self.note("unparsed-sql", named, 0, "is not there any more"),
        };
        let Some(Parsed { up, mut script }) = parsed else {
            return self.note("unparsed-sql", named, 0, "was not parsed");
        };
        let up = match up {
            Ok(up) => up,
            Err(error) => return self.note("unparsed-sql", named, 0, &error.to_string()),
        };
        let place = Place { file: named, text, convention: self.convention, parts: &up.parts };
        self.judge.open(place);
        if self.convention == Convention::Sqlx && version(self.convention, path).is_none() {
            self.note("unparsed-sql", named, 0, "has no version number, at which sqlx stops");
        }
        if up.text.starts_with('\u{feff}') && self.convention != Convention::Flyway {
            let what = "starts with a byte order mark, which the server rejects (42601)";
            self.judge.note(place, rule("unparsed-sql"), None, Span { start: 3, end: 3 }, what);
        }
        for note in up.notes.iter().chain(&foreign_markers(self.convention, text)) {
            self.judge.note(place, rule(note.rule), None, note.span, &note.what);
        }
        // What something replaces before it runs does not parse; that it is replaced says more.
        if up.notes.iter().any(|note| note.rule == "opaque-sql") {
            script.errors.clear();
        }
        self.requests(named, text);
        self.judge.file(place, &script);
        let count = script.statements.len();
        let unread = if script.errors.is_empty() { "" } else { ", and text that does not parse" };
        self.evidence.push(format!("{named}, {}{unread}", words::count(count, "statement")));
    }

    /// Comments that ask for a bypass: whoever writes a migration must not be the only one to wave it through.
    fn requests(&mut self, named: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let Some(asked) =
                line.trim().strip_prefix("--").and_then(|c| c.trim().strip_prefix("gate: allow "))
            else {
                continue;
            };
            let asked: String = asked.chars().filter(|c| !c.is_control()).take(200).collect();
            self.evidence
                .push(format!("{named}:{} asks to allow {asked}: a request, not a grant", number + 1));
        }
    }

    /// Records a finding about a file as a whole.
    fn note(&mut self, name: &str, file: &str, line: u64, what: &str) {
        self.note_as(name, rule(name).severity, file, line, what);
    }

    fn note_as(&mut self, name: &str, severity: Severity, file: &str, line: u64, what: &str) {
        self.judge.push(Finding { severity, line, ..whole(name, file, what) });
    }
}

fn whole(name: &str, file: &str, what: &str) -> Finding {
    let rule = rule(name);
    Finding {
        rule: rule.name.to_owned(),
        severity: rule.severity,
        file: file.to_owned(),
        reason: format!("{what}: {}", rule.breaks),
        remedy: rule.remedy.to_owned(),
        sqlstates: rule.sqlstates(),
        steps: rule.steps(),
        ..Finding::default()
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
    let text = changes.tree.read(path);
    text.map_or_else(|_| "-".to_owned(), |text| Digest::of(text.as_bytes()).to_string())
}

/// The review of a question that could not be answered, by the rule that says which.
pub(crate) fn undecided(
    config: &GateConfig,
    name: &str,
    why: String,
    baseline: Option<Baseline>,
    now: Timestamp,
) -> Review {
    let digest = Digest::of(format!("canary-migrations 1\nundecided\n{}\n{why}\n", config.base).as_bytes());
    let dir = shown(Path::new(""), &config.dir);
    let mut finding = whole(name, &dir, &why);
    finding.grant = grants::target(name, &dir, &digest).to_string();
    let mut findings = vec![finding];
    let verdict = match grants::settle(&mut findings, &config.allow, config.force.as_ref(), now) {
        Verdict::Refused => Verdict::Undecided { why },
        other => other,
    };
    Review { verdict, findings, evidence: Vec::new(), digest, baseline }
}

/// The review of an empty set.
pub(crate) fn nothing_new(
    config: &GateConfig,
    why: String,
    baseline: Option<Baseline>,
    now: Timestamp,
) -> Review {
    let digest = Digest::of(b"canary-migrations 1\nnothing new\n");
    let (mut findings, mut evidence) = (Vec::new(), Vec::new());
    let verdict = match grants::settle(&mut findings, &config.allow, None, now) {
        Verdict::Pass => Verdict::NothingNew { why },
        other => {
            evidence.push(why);
            other
        }
    };
    if config.force.is_some() {
        evidence.push("a bypass was given and not needed".to_owned());
    }
    Review { verdict, findings, evidence, digest, baseline }
}
