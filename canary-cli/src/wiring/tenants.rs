//! The check of tenants: what they were promised, as a check of the engine's, each round of it recorded.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::journal::{Decision, Record, WorstResult};
use canary_core::traits::{
    BackendError, CheckAsk, CheckFinding, CheckReport, CheckStage, CheckVerdict, CheckedRelease,
    ReleaseCheck, Severity,
};
use canary_report::words::ppm;
use canary_tenants::evidence::{Before, Evidence};
use canary_tenants::policy::{Policy, PolicyFile, Selector, VERSION, read};
use canary_tenants::round::{Round, decide_round};
use canary_tenants::source::TenantSource;

use super::database::Unusable;
use crate::announcing::Bell;
use crate::decisions::{DecisionLog, NewDecision, RecordError};
use crate::error::{CommandError, chain};
use crate::probes::Probes;
use crate::rounds::{Question, measured, sources};
use crate::settings::Settings;

/// The check's name.
const NAME: &str = "tenants";
/// What to do about any finding of a round.
const EXPLAINS: &str = "`canary-cli log explain --decisions` shows what it rests on";
/// How many of a probe's interval's quarters the sources have; the rest is for the record.
const QUARTERS: u32 = 3;

/// The check that the settings ask for. What cannot be set up refuses a rollout, and holds a watch.
pub(super) fn release_check(settings: &Settings, bell: &Bell) -> Option<Arc<dyn ReleaseCheck>> {
    let path = settings.tenants.policy.as_deref()?;
    Some(match TenantsCheck::of(settings, path, bell.clone()) {
        Ok(check) => Arc::new(check),
        Err(error) => {
            let why = error.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>();
            Arc::new(Unusable { name: NAME, about: "tenants", why: why.join("; ") })
        }
    })
}

/// Decides by what tenants were promised: one whole round at every probe of a watch, on the record before anybody acts on it.
#[derive(Debug)]
struct TenantsCheck {
    file: PolicyFile,
    text: String,
    path: PathBuf,
    sources: Vec<Arc<dyn TenantSource>>,
    probes: Probes,
    version: Option<String>,
    log: DecisionLog,
    bell: Bell,
}

impl fmt::Display for TenantsCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenants by {}", self.file.file)
    }
}

impl TenantsCheck {
    fn of(settings: &Settings, path: &Path, bell: Bell) -> Result<Self, CommandError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CommandError::usage(format!("cannot read the policy {}: {error}", path.display()), "")
        })?;
        let file = read(&text, &path.display().to_string())
            .map_err(|error| crate::commands::tenants::refused(&error))?;
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        let sources = sources(&file, directory, &settings.tenants.variables)?;
        let probes = Probes::of(&file, directory, &settings.tenants.probing)?;
        let log = DecisionLog::of(settings);
        Ok(Self {
            file,
            text,
            path: path.to_owned(),
            sources,
            probes,
            version: settings.tenants.version.clone(),
            log,
            bell,
        })
    }

    /// Whether some question is about one release alone.
    fn needs_version(&self) -> bool {
        let of =
            |selector: &Selector| selector.matchers.iter().any(|matcher| matcher.value.contains(VERSION));
        self.file.objectives.values().any(|objective| objective.kind.selectors().into_iter().any(of))
    }

    async fn evidence(&self, policy: &Policy, ask: &CheckAsk, before: Before) -> Evidence {
        let release = ask.release.as_ref();
        let revision = release.and_then(|release| release.revision.as_ref()).map(ToString::to_string);
        let share = release.and_then(|release| release.share_ppm);
        let question = Question {
            at: ask.at,
            version: self.version.clone().or(revision),
            // A share below one percent is one: nothing of it would be another thing.
            percentage: share.map(|share| share.div_ceil(10_000)),
            before,
            limit: ask.limit.min(Duration::from_secs(60)) * QUARTERS / 4,
        };
        measured(policy, &self.sources, &self.probes, &question, Arc::new(())).await
    }

    /// Before anything is touched: the policy, and whether every source answers what it will be asked.
    async fn before(&self, ask: &CheckAsk) -> CheckReport {
        let policy = self.file.clone().at(ask.at);
        let mut findings: Vec<_> = policy
            .lapsed
            .iter()
            .map(|lapsed| CheckFinding {
                severity: Severity::Warn,
                subject: format!("{}:{}", self.file.file, lapsed.at),
                text: format!(
                    "{} ended with {}: what it loosens or exempts holds no more",
                    lapsed.of, lapsed.until
                ),
                remedy: "take it out of the file, or agree on another day".to_owned(),
            })
            .collect();
        let evidence = self.evidence(&policy, ask, Before::default()).await;
        let mut down = Vec::new();
        for (name, reply) in &evidence.sources {
            if let Some(why) = &reply.refused {
                findings.push(CheckFinding {
                    severity: Severity::Refuse,
                    subject: format!("source {name}"),
                    text: format!("it refuses a question of the policy: {why}"),
                    remedy: "mend the policy".to_owned(),
                });
            } else if let Some((code, why)) = &reply.trouble {
                down.push(format!("{name} {code}: {why}"));
            }
        }
        let refused = findings.iter().any(|finding| finding.severity == Severity::Refuse);
        let verdict = match (refused, down.is_empty()) {
            (true, _) => CheckVerdict::Fail,
            (false, false) => CheckVerdict::Unknown { why: down.join("; ") },
            (false, true) => CheckVerdict::Pass,
        };
        let queries: usize = evidence.sources.iter().map(|(_, reply)| reply.queries.len()).sum();
        let summary = format!(
            "{} tenants, {} of {} sources answered {queries} queries",
            policy.tenants.len(),
            evidence.sources.len() - down.len(),
            evidence.sources.len()
        );
        CheckReport { check: NAME.to_owned(), verdict, summary, findings, more: 0 }
    }

    /// One whole round, recorded.
    async fn round(&self, ask: &CheckAsk, release: &CheckedRelease) -> CheckReport {
        let policy = self.file.clone().at(ask.at);
        let before = match self.log.last(Some(&release.rollout), None) {
            Ok(last) => last.map(|(_, evidence)| Before::of(&policy, &evidence, ask.at)).unwrap_or_default(),
            // A log that cannot be read takes no record either, which is told below.
            Err(error) => {
                tracing::warn!(error = chain(&error), "the round before cannot be read");
                Before::default()
            }
        };
        let evidence = Arc::new(self.evidence(&policy, ask, before).await);
        let round = decide_round(&policy, &evidence);
        let recorded = self
            .log
            .append(NewDecision {
                execution: format!("{}-{}", release.rollout, ask.at),
                rollout: Some(release.rollout.clone()),
                artifact: Some(release.artifact),
                round: &round,
                policy: &policy,
                policy_text: &self.text,
                policy_path: &self.path,
                evidence,
            })
            .await;
        if let Ok(record) = &recorded {
            self.bell.ring(record);
        }
        report(&policy, &round, &recorded)
    }
}

const fn unnamed() -> &'static str {
    "the policy asks about one release ($canary_version), and none is named: set tenants.version, or build from a revision that is known"
}

/// What a round is to the engine. Nobody goes on by an approval without a record; a release that is proven bad is taken back all the same.
fn report(policy: &Policy, round: &Round, recorded: &Result<Record, RecordError>) -> CheckReport {
    let decision = round.decided.decision;
    let reasons = round.decided.reasons.iter().take(3).map(|reason| reason.told(&round.decided, round.rule));
    let why = reasons.collect::<Vec<_>>().join("; ");
    let place = match recorded {
        Ok(record) => format!("decision {}, hash {}", record.seq, record.hash),
        Err(error) => {
            tracing::error!(%decision, error = chain(error), "a decision about tenants could not be recorded");
            format!("NOT RECORDED: {}", chain(error))
        }
    };
    let mut findings: Vec<_> = round.record.worst.iter().map(|worst| finding(policy, worst)).collect();
    let told = format!("{decision}: {why} ({place})");
    let verdict = match (decision, recorded) {
        (Decision::Approve, Ok(_)) => CheckVerdict::Pass,
        (Decision::Rollback, _) => {
            refuse(&mut findings, &told);
            CheckVerdict::Fail
        }
        _ => {
            let worst = findings.first().map(|worst| format!("{worst}; ")).unwrap_or_default();
            CheckVerdict::Unknown { why: format!("{worst}{told}") }
        }
    };
    let summary = format!(
        "{decision}: score {} to {}, {} tenants, {} in breach, {} unknown; {place}",
        ppm(round.decided.low),
        ppm(round.decided.high),
        round.tenants.len(),
        round.decided.breached,
        round.decided.unknown
    );
    CheckReport { check: NAME.to_owned(), verdict, summary, findings, more: 0 }
}

/// Has the worst result stand against the release, with the decision: what is told of a canary that is taken back names a tenant.
fn refuse(findings: &mut Vec<CheckFinding>, told: &str) {
    match findings.first_mut() {
        Some(worst) => {
            worst.severity = Severity::Refuse;
            worst.text = format!("{}; {told}", worst.text);
        }
        None => findings.push(CheckFinding {
            severity: Severity::Refuse,
            subject: "all tenants".to_owned(),
            text: told.to_owned(),
            remedy: EXPLAINS.to_owned(),
        }),
    }
}

/// One of the worst results.
fn finding(policy: &Policy, worst: &WorstResult) -> CheckFinding {
    let unit = policy.file.objectives.get(&worst.objective).map(|objective| objective.kind.unit());
    let show = |amount: u64| unit.map_or_else(|| amount.to_string(), |unit| unit.show(amount));
    let seen = worst.observed.map_or_else(|| format!("not known ({})", worst.code), show);
    let judged = if worst.limit == worst.limit_adj {
        String::new()
    } else {
        format!(", judged by {}", show(worst.limit_adj))
    };
    CheckFinding {
        severity: Severity::Warn,
        subject: format!("{}: {}", worst.tenant, worst.objective),
        text: format!(
            "{seen} at {} (promised {}{judged}, {} events)",
            worst.source,
            show(worst.limit),
            worst.n
        ),
        remedy: EXPLAINS.to_owned(),
    }
}

#[async_trait]
impl ReleaseCheck for TenantsCheck {
    fn name(&self) -> &str {
        NAME
    }

    async fn check(&self, ask: &CheckAsk) -> Result<CheckReport, BackendError> {
        Ok(match (ask.stage, &ask.release) {
            (CheckStage::Watch, Some(release)) => {
                if self.needs_version() && self.version.is_none() && release.revision.is_none() {
                    return Ok(CheckReport::unknown(NAME, unnamed()));
                }
                self.round(ask, release).await
            }
            (CheckStage::Watch, None) => {
                CheckReport::unknown(NAME, "the engine does not say which release it is")
            }
            (CheckStage::Before, _) => self.before(ask).await,
        })
    }
}
