//! `log replay --decisions`: decides recorded decisions once more, by the policy they were made by, or by another.

use std::path::PathBuf;

use canary_core::journal::{Decided, Decision, Record, Ruling};
use canary_core::time::Timestamp;
use canary_report::words::ppm;
use canary_seal::{Kept, KeptKind};
use canary_tenants::evidence::Evidence;
use canary_tenants::policy::{PolicyFile, read};
use canary_tenants::replay::{Policies, Suppose, ruling};
use clap::builder::{PathBufValueParser, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::{chosen, counted, decisions_argument, event, records, since_argument};
use crate::commands::Context;
use crate::decisions::evidence;
use crate::error::{CommandError, ErrorKind, Problem, chain};
use crate::render::{line, table};

/// The arguments of `log replay` that are about decisions.
pub(crate) fn arguments(command: Command) -> Command {
    command
        .arg(decisions_argument())
        .arg(since_argument())
        .arg(
            Arg::new("policy")
                .long("policy")
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .value_hint(ValueHint::FilePath)
                .conflicts_with("suppose")
                .help("Tells what decisions would have been by another policy"),
        )
        .arg(
            Arg::new("suppose")
                .long("suppose")
                .value_name("SETTING=VALUE")
                .value_parser(|text: &str| text.parse::<Suppose>())
                .action(ArgAction::Append)
                .help("Tells what decisions would have been with rollback_threshold=0.97 or max_breached_tenants=1"),
        )
}

/// Whether another policy is supposed, which is about decisions alone.
pub(super) fn supposes(matches: &ArgMatches) -> bool {
    matches.get_one::<PathBuf>("policy").is_some() || matches.get_one::<Suppose>("suppose").is_some()
}

pub(super) fn run(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    let (log, records) = records(cx)?;
    let found = chosen(&log, matches, &records)?;
    let mut again = Again { kept: log.kept(), policies: Policies::default() };
    if supposes(matches) {
        let other = Other::of(cx, matches)?;
        what_if(cx, &mut again, &found, &other)
    } else {
        as_recorded(cx, &mut again, &found)
    }
}

/// What is needed to decide again.
struct Again {
    kept: Kept,
    policies: Policies,
}

impl Again {
    /// The policy's file as it was written.
    fn text(&self, decided: &Decided) -> Result<String, String> {
        let bytes = self.kept.read(KeptKind::PolicyFile, decided.policy_file_sha256);
        String::from_utf8(bytes.map_err(|error| chain(&error))?).map_err(|error| error.to_string())
    }

    fn evidence(&self, decided: &Decided) -> Result<Evidence, String> {
        evidence(&self.kept, decided).map_err(|error| chain(&error))
    }

    /// Whether a decision comes out as it was recorded.
    fn held(&mut self, decided: &Decided) -> Result<(), String> {
        let (text, evidence) = (self.text(decided)?, self.evidence(decided)?);
        self.policies.held(&text, &evidence, &decided.ruling)
    }
}

fn as_recorded(
    cx: &Context<'_>,
    again: &mut Again,
    found: &[(&Record, &Decided)],
) -> Result<u8, CommandError> {
    let mut wrong = Vec::new();
    for (record, decided) in found {
        let held = again.held(decided);
        if cx.screen.json() {
            cx.screen.line(event(
                "replay",
                record,
                json!({ "held": held.is_ok(), "why": held.as_ref().err() }),
            ));
        }
        wrong.extend(held.err().map(|why| (record.seq, why)));
    }
    if wrong.is_empty() {
        if !cx.screen.json() {
            cx.screen.line(format!("{}, all as recorded, byte for byte", counted(found.len(), "decision")));
        }
        return Ok(0);
    }
    if cx.screen.json() {
        return Ok(ErrorKind::Damaged.exit_code());
    }
    let hint = "`canary-cli log verify --decisions` tells what was changed; if everything holds, another version of canary decided";
    let problem = |(seq, why): (u64, String)| Problem::new(format!("decision {seq}: {why}"), hint);
    Err(CommandError { kind: ErrorKind::Damaged, problems: wrong.into_iter().map(problem).collect() })
}

/// What is supposed instead of the policy that was decided by.
enum Other {
    File(Box<PolicyFile>),
    Settings(Vec<Suppose>),
}

impl Other {
    fn of(cx: &Context<'_>, matches: &ArgMatches) -> Result<Self, CommandError> {
        let Some(path) = matches.get_one::<PathBuf>("policy") else {
            return Ok(Self::Settings(matches.get_many("suppose").into_iter().flatten().copied().collect()));
        };
        let text = crate::commands::tenants::text(cx, path)?;
        let file = read(&text, &path.display().to_string());
        file.map(|file| Self::File(Box::new(file))).map_err(|error| crate::commands::tenants::refused(&error))
    }

    /// What the evidence of a decision comes to by it.
    fn ruling(&self, again: &mut Again, decided: &Decided) -> Result<Ruling, String> {
        let evidence = again.evidence(decided)?;
        Ok(match self {
            Self::File(file) => ruling(&file.as_ref().clone().at(evidence.at), &evidence),
            Self::Settings(settings) => {
                let text = again.text(decided)?;
                let policy = again.policies.at(&text, evidence.at)?.clone();
                ruling(&settings.iter().fold(policy, |policy, setting| setting.of(&policy)), &evidence)
            }
        })
    }
}

fn what_if(
    cx: &Context<'_>,
    again: &mut Again,
    found: &[(&Record, &Decided)],
    other: &Other,
) -> Result<u8, CommandError> {
    let header = ["RECORD", "TIME", "WAS", "WOULD BE", "SCORE", "NEEDED", "RELEASE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let (mut changed, mut missing) = (Vec::new(), Vec::new());
    for (record, decided) in found {
        let would_be = match other.ruling(again, decided) {
            Ok(ruling) => ruling,
            Err(why) => {
                missing.push((record.seq, why));
                continue;
            }
        };
        let was = decided.ruling.decision;
        if cx.screen.json() {
            let is = json!({ "was": was, "would_be": would_be.decision, "lo_ppm": would_be.lo_ppm,
                "hi_ppm": would_be.hi_ppm, "threshold_ppm": would_be.threshold_ppm, "reasons": would_be.reasons });
            cx.screen.line(event("what_if", record, is));
        }
        if was != would_be.decision {
            changed.push((was, would_be.decision));
            rows.push(row(record.seq, record.time, was, &would_be));
        }
    }
    if cx.screen.json() {
        for (seq, why) in &missing {
            cx.screen.line(line("problem", json!({ "seq": seq, "message": why })));
        }
    } else {
        if !changed.is_empty() {
            cx.screen.lines(table::aligned(&rows));
        }
        cx.screen.line(summary(found.len() - missing.len(), &changed));
    }
    if missing.is_empty() {
        return Ok(0);
    }
    if cx.screen.json() {
        return Ok(ErrorKind::Damaged.exit_code());
    }
    let problem = |(seq, why): (u64, String)| Problem::new(format!("decision {seq}: {why}"), "");
    Err(CommandError { kind: ErrorKind::Damaged, problems: missing.into_iter().map(problem).collect() })
}

fn row(seq: u64, time: Timestamp, was: Decision, would_be: &Ruling) -> Vec<String> {
    let score = format!("{} to {}", ppm(would_be.lo_ppm), ppm(would_be.hi_ppm));
    let release = would_be.version.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        seq.to_string(),
        time.to_string(),
        was.to_string(),
        would_be.decision.to_string(),
        score,
        ppm(would_be.threshold_ppm),
        release,
    ]
}

/// `4 of 120 decisions would have been otherwise: 3 APPROVE would be HALT, 1 HALT would be ROLLBACK`.
fn summary(all: usize, changed: &[(Decision, Decision)]) -> String {
    let mut text = format!("{} of {} would have been otherwise", changed.len(), counted(all, "decision"));
    let mut kinds = changed.to_vec();
    kinds.sort_unstable();
    let counts: Vec<_> = kinds
        .chunk_by(|a, b| a == b)
        .map(|same| format!("{} {} would be {}", same.len(), same[0].0, same[0].1))
        .collect();
    if !counts.is_empty() {
        text.push_str(&format!(": {}", counts.join(", ")));
    }
    text
}
