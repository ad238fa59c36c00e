//! `tenants check`: one round over all tenants, decided and written down.

mod execution;
mod show;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use canary_core::journal::Record;
use canary_core::time::Timestamp;
use canary_tenants::decide::Decision;
use canary_tenants::evidence::Before;
use canary_tenants::policy::{Policy, VERSION};
use canary_tenants::round::decide_round;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::{file, read_at};
use crate::announcing::{self, Announcer};
use crate::commands::{Context, random};
use crate::decisions::{DecisionLog, NewDecision};
use crate::error::{CommandError, ErrorKind, Problem, chain};
use crate::probes::Probes;
use crate::render::RoundProgress;
use crate::rounds::{Question, measured, sources};
use execution::{Execution, Status};

/// How long all sources together may take unless it is said.
const DEADLINE: &str = "60s";
/// The letters of an execution's name, without those that are taken for one another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The command's arguments.
pub(super) fn arguments(command: Command, policy: Arg) -> Command {
    let deadline = |text: &str| {
        let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        if time < Duration::from_millis(100) || time > Duration::from_secs(3600) {
            return Err("take 100ms to 1h".to_owned());
        }
        Ok(time)
    };
    command
        .arg(
            Arg::new("canary-version")
                .long("canary-version")
                .value_name("VERSION")
                .help("The release, as the record names it; stands for $canary_version in selectors"),
        )
        .arg(
            Arg::new("rollout-percentage")
                .long("rollout-percentage")
                .value_name("PERCENT")
                .value_parser(value_parser!(u64).range(0..=100))
                .help("How much of the traffic the release has, for the record"),
        )
        .arg(policy)
        .arg(
            Arg::new("at")
                .long("at")
                .value_name("INSTANT")
                .value_parser(|text: &str| Timestamp::try_from(text.to_owned()))
                .help("The instant that is asked about, as 2026-11-22T06:30:00Z; now unless it is said"),
        )
        .arg(
            Arg::new("deadline")
                .long("deadline")
                .value_name("TIME")
                .default_value(DEADLINE)
                .value_parser(deadline)
                .help("How long all sources together may take; one that is not done by then is down"),
        )
}

/// Runs a round and gives the exit code that its decision has.
pub(in crate::commands) async fn check(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    cx.warn();
    let at =
        matches.get_one::<Timestamp>("at").copied().unwrap_or_else(|| Timestamp::from(SystemTime::now()));
    let mut execution = Execution::begin(name(at, random::<5>()?), at);
    let path: PathBuf = file(matches, "sla");
    let (text, policy) = read_at(cx, &path, at)?;
    execution.step(
        "load_sla_baselines",
        Status::Success,
        format!(
            "{} tenant(s), {} objective(s), {} source(s) in {}",
            policy.tenants.len(),
            policy.file.objectives.len(),
            policy.file.sources.len(),
            path.display()
        ),
    );
    let named_here = matches.get_one::<String>("canary-version").cloned();
    let version = named_here.or_else(|| cx.settings.tenants.version.clone());
    named(&policy, version.as_ref(), &path)?;
    let log = DecisionLog::of(&cx.settings);
    let announcer = Announcer::of(cx)?;
    let before = before(&log, &policy, version.as_deref(), at, &mut execution);
    let question = Question {
        at,
        version,
        percentage: matches.get_one::<u64>("rollout-percentage").copied(),
        before,
        // proof: clap has a default for it.
        limit: matches.get_one::<Duration>("deadline").copied().unwrap_or(Duration::from_secs(60)),
    };
    let beside = cx.environment.directory.join(&path);
    let directory = beside.parent().unwrap_or(&cx.environment.directory);
    let sources = sources(&policy.file, directory, &cx.settings.tenants.variables)?;
    let probes = Probes::of(&policy.file, directory, &cx.settings.tenants.probing)?;
    cx.screen.note(&format!("asks for {} tenant(s)", policy.tenants.len()));
    let progress = Arc::new(RoundProgress::new(cx.screen.clone()));
    let evidence = Arc::new(measured(&policy, &sources, &probes, &question, progress).await);
    refused(&evidence)?;
    execution.connected(&policy, &evidence);
    execution.probed(&evidence);
    let began = Instant::now();
    let round = decide_round(&policy, &evidence);
    execution.decided(&policy, &round, &evidence, began);
    let new = NewDecision {
        execution: execution.id.clone(),
        rollout: None,
        artifact: None,
        round: &round,
        policy: &policy,
        policy_text: &text,
        policy_path: &beside,
        evidence,
    };
    announcer.iter().for_each(Announcer::enrol);
    let recorded = record(&log, new, &mut execution).await?;
    show::decision(cx, &policy, &round);
    if let (Some(announcer), Some(record)) = (&announcer, &recorded) {
        tell(announcer, record, &mut execution).await;
    }
    show::steps(cx, &round, &execution)?;
    Ok(exit_code(round.decided.decision))
}

/// Records a decision before anybody hears of it. One that cannot be recorded is no approval; a halt or a rollback stands all the same.
async fn record(
    log: &DecisionLog,
    new: NewDecision<'_>,
    execution: &mut Execution,
) -> Result<Option<Record>, CommandError> {
    const ACTION: &str = "log_decision_audit_trail";
    let decision = new.round.decided.decision;
    match log.append(new).await {
        Ok(record) => {
            let detail = format!("record {} in {}", record.seq, log.path().display());
            execution.step(ACTION, Status::Success, detail);
            execution.hash = Some(record.hash.to_string());
            Ok(Some(record))
        }
        Err(error) if decision == Decision::Approve => {
            let mut told = error.explain();
            for problem in &mut told.problems {
                problem.message =
                    format!("nothing is approved, since it cannot be recorded: {}", problem.message);
            }
            Err(told)
        }
        Err(error) => {
            let detail = format!("not recorded in {}: {}", log.path().display(), chain(&error));
            execution.step(ACTION, Status::Failure, detail);
            Ok(None)
        }
    }
}

/// Tells of what is on the record. It has been decided and said: neither is changed by who hears of it, or when.
async fn tell(announcer: &Announcer, record: &Record, execution: &mut Execution) {
    let (all, detail) = announcing::told(record, &announcer.tell(Some(record.seq)).await);
    let status = if all { Status::Success } else { Status::Warning };
    execution.step("emit_metrics_event", status, detail);
}

/// What the last round with the same release left. Without it a breach is the first of its kind, which takes nothing back.
fn before(
    log: &DecisionLog,
    policy: &Policy,
    version: Option<&str>,
    at: Timestamp,
    execution: &mut Execution,
) -> Before {
    if !log.path().exists() {
        return Before::default();
    }
    match log.last(None, version) {
        Ok(last) => last.map(|(_, evidence)| Before::of(policy, &evidence, at)).unwrap_or_default(),
        Err(error) => {
            let detail = format!("it counts as none: {}", chain(&error));
            execution.step("load_last_round", Status::Warning, detail);
            Before::default()
        }
    }
}

/// The exit code of a decision.
pub(in crate::commands) const fn exit_code(decision: Decision) -> u8 {
    match decision {
        Decision::Approve => 0,
        Decision::Rollback => 20,
        Decision::Halt => 22,
    }
}

/// `canary-2026-11-22T06:30:00Z-k7x2p`.
fn name(at: Timestamp, random: [u8; 5]) -> String {
    let second = at.to_string();
    let letters: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    format!("canary-{}Z-{letters}", second.get(..19).unwrap_or_default())
}

/// A policy that asks for the release's own series needs its name.
fn named(policy: &Policy, version: Option<&String>, path: &std::path::Path) -> Result<(), CommandError> {
    let asks = policy.measures().into_iter().find(|measure| {
        let mut matchers = measure.kind.selectors().into_iter().flat_map(|selector| &selector.matchers);
        matchers.any(|matcher| matcher.value == VERSION)
    });
    match (asks, version) {
        (Some(measure), None) => Err(CommandError::usage(
            format!(
                "objective {} of {} asks for {VERSION}, and no version is named",
                measure.name,
                path.display()
            ),
            "name the release with --canary-version",
        )),
        _ => Ok(()),
    }
}

/// What sources cannot evaluate is wrong in the policy: nothing is decided by it.
fn refused(evidence: &canary_tenants::evidence::Evidence) -> Result<(), CommandError> {
    let problems: Vec<_> = evidence
        .sources
        .iter()
        .filter_map(|(name, reply)| Some((name, reply.refused.as_ref()?)))
        .map(|(name, why)| {
            Problem::new(
                format!("source {name} refuses what the policy asks for: {why}"),
                "mend the objective's selectors; `canary-cli tenants explain` names their lines",
            )
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(CommandError { kind: ErrorKind::Usage, problems }) }
}
