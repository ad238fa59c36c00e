//! Who is told of a command's rollout besides the screen, and that the last word arrives before the process ends.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use canary_core::engine::{Check, Order, Outcome};
use canary_core::journal::{Record, read};
use canary_core::time::Timestamp;
use canary_core::traits::EventSink;
use canary_datadog::{DatadogEvents, Keys, Site};
use canary_notify::{
    About, Choice, DeliveryError, Notifier, NotifyConfig, Report, Secret, SigningSecret, Target,
};

use crate::announcing::{self, Announcer};
use crate::commands::Context;
use crate::error::{CommandError, ErrorKind, chain};
use crate::known;
use crate::render::{Screen, line};
use crate::settings::{Key, Settings};
use crate::telemetry::Metrics;
use crate::traces::Traces;
use crate::wiring::Fleet;

/// How long a process that is ended by signals waits for its last word to arrive.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How long a command waits at its end for spans that are still on their way.
const LAST_SPANS: Duration = Duration::from_secs(5);
/// How old what waits may be before it is warned of: Datadog takes no event that is older than 18 hours.
const OLD: Duration = Duration::from_secs(12 * 3600);
/// What sends the rest.
const NEXT: &str = "run, resume, rollback, abort or `notify flush`";
/// How long one try of a delivery may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The receivers of one command; nobody until the journal is open. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telling {
    active: Arc<OnceLock<Active>>,
    traces: Arc<OnceLock<Traces>>,
    decisions: Arc<Mutex<Option<announcing::Telling>>>,
}

#[derive(Debug)]
struct Active {
    /// Nobody, when the settings name no receiver.
    notifier: Arc<Notifier>,
    metrics: Option<Metrics>,
    flush: Duration,
}

impl Telling {
    /// Sets the receivers up, now that the journal is open and tells what happened before.
    pub(crate) async fn start(&self, cx: &Context<'_>, records: &[Record]) -> Result<(), CommandError> {
        let targets = targets(&cx.settings, cx)?;
        let metrics = &cx.settings.telemetry;
        if targets.is_empty() && metrics.textfile.is_none() && metrics.listen.is_none() {
            return Ok(());
        }
        let mut config = config(cx);
        if targets.is_empty() {
            config.ledger = None;
        }
        let notifier = Arc::new(Notifier::start(config, targets, records));
        let shown = Some(Arc::clone(&notifier));
        let metrics = Metrics::start(&cx.settings, cx.screen, records, shown).await;
        // A second journal in one command would be told of by the first one's receivers.
        let _ = self.active.set(Active { notifier, metrics, flush: cx.settings.notify.flush_timeout });
        Ok(())
    }

    /// All listeners of a rollout: the screen and the receivers.
    pub(crate) fn with(&self, screen: Arc<dyn EventSink>) -> Vec<Arc<dyn EventSink>> {
        let mut sinks = vec![screen];
        let Some(active) = self.active.get() else { return sinks };
        sinks.push(Arc::clone(&active.notifier) as _);
        sinks.extend(active.metrics.iter().map(|metrics| Arc::clone(&metrics.sink) as Arc<dyn EventSink>));
        sinks
    }

    /// A rollout was asked for: from now on its end is told, whatever ends the command.
    pub(crate) fn begin(&self, order: &Order) {
        if let Some(active) = self.active.get() {
            active.notifier.begin(order.rollout.clone(), order.actor.clone(), order.reason.clone());
        }
    }

    /// The command has ended: tells an end that the engine did not, and waits for what is on its way.
    ///
    /// What does not arrive is a warning; it changes nothing else.
    pub(crate) async fn ended(&self, screen: &Screen, result: &Result<u8, CommandError>) {
        let decisions = async {
            let telling = self.decisions.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(telling) = telling {
                telling.end(screen).await;
            }
        };
        tokio::join!(self.receivers_ended(screen, result), decisions, self.spans_sent(screen, LAST_SPANS));
    }

    /// Has the decisions of a watch told, where it decides by tenants.
    pub(crate) fn announce(&self, cx: &Context<'_>, fleet: &Fleet) -> Result<(), CommandError> {
        if cx.settings.tenants.policy.is_none() {
            return Ok(());
        }
        if let Some(announcer) = Announcer::of(cx)? {
            let telling = announcing::Telling::begin(announcer, &fleet.bell);
            *self.decisions.lock().unwrap_or_else(PoisonError::into_inner) = Some(telling);
        }
        Ok(())
    }

    /// Waits for what is on its way; how each receiver fared.
    pub(crate) async fn flush(&self) -> Vec<Report> {
        match self.active.get() {
            Some(active) => active.notifier.close(active.flush).await,
            None => Vec::new(),
        }
    }

    async fn receivers_ended(&self, screen: &Screen, result: &Result<u8, CommandError>) {
        let Some(active) = self.active.get() else { return };
        if let Err(error) = result {
            let why: Vec<_> = error.problems.iter().map(|problem| problem.message.clone()).collect();
            let why = why.join("; ");
            active.notifier.abandon(outcome(error.kind, &why), format!("the command ended early: {why}"));
        }
        for report in active.notifier.close(active.flush).await {
            if let Some(warning) = warning(&report, NEXT) {
                warn(screen, &warning);
            }
        }
        if let Some(metrics) = &active.metrics {
            metrics.finish(screen);
        }
    }

    /// The process ends at once by a signal: tells that, and waits a moment.
    pub(crate) async fn cut_short(&self, screen: &Screen) {
        tokio::join!(self.receivers_cut_short(screen), self.spans_sent(screen, LAST_WORD));
    }

    /// The spans of this command have somewhere to go.
    pub(crate) fn traced(&self, traces: Traces) {
        let _ = self.traces.set(traces);
    }

    async fn spans_sent(&self, screen: &Screen, limit: Duration) {
        let Some(traces) = self.traces.get() else { return };
        if let Some(lost) = traces.finish(limit).await {
            warn(screen, &format!("telemetry.otlp_endpoint: {lost}"));
        }
    }

    async fn receivers_cut_short(&self, screen: &Screen) {
        let Some(active) = self.active.get() else { return };
        let at = "the end of the step in hand".to_owned();
        let summary = "ended at once by a third signal: everything was left as it was".to_owned();
        active.notifier.abandon(Outcome::Interrupted { at }, summary);
        active.notifier.close(active.flush.min(LAST_WORD)).await;
        if let Some(metrics) = &active.metrics {
            metrics.finish(screen);
        }
    }
}

/// An error as the outcome with its exit code.
fn outcome(kind: ErrorKind, why: &str) -> Outcome {
    match kind {
        ErrorKind::Stuck | ErrorKind::Bug => Outcome::Stuck { reason: why.to_owned() },
        ErrorKind::Interrupted => Outcome::Interrupted { at: why.to_owned() },
        ErrorKind::Usage
        | ErrorKind::Refused
        | ErrorKind::Undecided
        | ErrorKind::Damaged
        | ErrorKind::Busy => Outcome::Refused { reasons: vec![why.to_owned()] },
    }
}

/// What a person should know of a receiver that did not get everything; `next` says what sends the rest.
pub(crate) fn warning(report: &Report, next: &str) -> Option<String> {
    if report.complete() {
        return None;
    }
    let lost = report.failed + report.dropped + report.left;
    let mut text =
        format!("{}: {lost} of {} notifications did not arrive", report.target, lost + report.delivered);
    if report.left > 0 {
        text.push_str(&format!(", {} when time was up (notify.flush_timeout)", report.left));
    }
    if report.dropped > 0 {
        text.push_str(&format!(", {} because too many were waiting", report.dropped));
    }
    text.extend(report.error.iter().map(|error| format!("; last: {error}")));
    text.extend(old(report).map(|age| format!("; the oldest waits for {age}")));
    if report.left > 0 {
        text.push_str(&format!("; what waits is sent by the next {next}"));
    }
    Some(text)
}

/// For how long the oldest notice waits, where that is so long that some receivers will not take it any more.
fn old(report: &Report) -> Option<String> {
    let age = Timestamp::from(SystemTime::now()).since(report.oldest?);
    (age > OLD).then(|| format!("{} h", age.as_secs() / 3600))
}

pub(crate) fn warn(screen: &Screen, text: &str) {
    if screen.json() {
        screen.line(line("warning", serde_json::json!({ "message": text })));
    } else {
        screen.line(screen.paint.careful(&format!("warning: {text}")));
    }
}

pub(crate) fn config(cx: &Context<'_>) -> NotifyConfig {
    let settings = &cx.settings;
    let about = About {
        service: settings.spec.service.to_string(),
        pool: settings.spec.pool.to_string(),
        environment: settings.notify.environment.clone(),
        host: cx.environment.host.clone(),
    };
    NotifyConfig {
        choice: match settings.notify.on.as_str() {
            "problems" => Choice::Problems,
            "ends" => Choice::Ends,
            _ => Choice::All,
        },
        hold_after: settings.notify.hold_after,
        ledger: Some(known::cursors(settings)),
        ..NotifyConfig::new(about)
    }
}

/// The receivers that the settings name.
pub(crate) fn targets(settings: &Settings, cx: &Context<'_>) -> Result<Vec<Target>, CommandError> {
    let notify = &settings.notify;
    let secret = |key, file: Option<&Path>, variable| secret(cx, key, file, variable);
    let mut targets = Vec::new();
    if let Some(url) = &notify.webhook_url {
        let key = Key::NotifyWebhookSecretFile;
        let text = secret(key, notify.webhook_secret_file.as_deref(), "CANARY_NOTIFY_WEBHOOK_SECRET")?;
        let secrets = text.map_or_else(|| Ok(Vec::new()), |text| SigningSecret::parse_all(&text));
        let secrets = secrets.map_err(|error| unusable(cx, key, &error))?;
        let target = Target::webhook(&Secret::new(url), secrets, ATTEMPT);
        targets.push(target.map_err(|error| unusable(cx, Key::NotifyWebhookUrl, &error))?);
    }
    let key = Key::NotifySlackUrlFile;
    if let Some(url) = secret(key, notify.slack_url_file.as_deref(), "CANARY_NOTIFY_SLACK_URL")? {
        targets.push(Target::slack(&url, ATTEMPT).map_err(|error| unusable(cx, key, &error))?);
    }
    if let Some(url) = &notify.cdevents_url {
        let key = Key::NotifyCdeventsTokenFile;
        let token = secret(key, notify.cdevents_token_file.as_deref(), "CANARY_NOTIFY_CDEVENTS_TOKEN")?;
        let source = format!("/canary/{}", cx.environment.host);
        let target = Target::cdevents(&Secret::new(url), source, token.as_ref(), ATTEMPT);
        targets.push(target.map_err(|error| unusable(cx, Key::NotifyCdeventsUrl, &error))?);
    }
    if let Some(url) = &notify.alertmanager_url {
        let key = Key::NotifyAlertmanagerTokenFile;
        let token =
            secret(key, notify.alertmanager_token_file.as_deref(), "CANARY_NOTIFY_ALERTMANAGER_TOKEN")?;
        let target = Target::alertmanager(&Secret::new(url), token.as_ref(), ATTEMPT);
        targets.push(target.map_err(|error| unusable(cx, Key::NotifyAlertmanagerUrl, &error))?);
    }
    if let Some(site) = &notify.datadog_site {
        targets.push(datadog(cx, site)?);
    }
    Ok(targets)
}

/// Datadog's events.
fn datadog(cx: &Context<'_>, site: &str) -> Result<Target, CommandError> {
    let site = Site::parse(site).map_err(|error| unusable(cx, Key::NotifyDatadogSite, &error))?;
    let key = Key::NotifyDatadogKeyFile;
    let file = cx.settings.notify.datadog_key_file.as_deref();
    let Some(text) = secret_text(cx, key, file, "DD_API_KEY")? else {
        let why = "there is no API key, neither in a file nor in DD_API_KEY";
        return Err(told(cx, Key::NotifyDatadogSite, why));
    };
    let keys = Keys::parse(&text).map_err(|error| unusable(cx, key, &error))?;
    let events = DatadogEvents::new(site, keys, ATTEMPT);
    let events = events.map_err(|error| unusable(cx, Key::NotifyDatadogSite, &error))?;
    Ok(Target::courier(Arc::new(events)))
}

/// A secret out of a file, else out of a variable; never out of a flag, which every process of the host could read.
fn secret(
    cx: &Context<'_>,
    key: Key,
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<Secret>, CommandError> {
    Ok(secret_text(cx, key, file, variable)?.map(Secret::new))
}

fn secret_text(
    cx: &Context<'_>,
    key: Key,
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<String>, CommandError> {
    let Some(path) = file else { return Ok(cx.environment.text(variable).map(str::to_owned)) };
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text)),
        Ok(_) => Err(told(cx, key, &format!("{} is empty", path.display()))),
        Err(error) => Err(told(cx, key, &format!("cannot read {}: {error}", path.display()))),
    }
}

fn unusable(cx: &Context<'_>, key: Key, error: &dyn std::error::Error) -> CommandError {
    told(cx, key, &chain(error))
}

fn told(cx: &Context<'_>, key: Key, why: &str) -> CommandError {
    let (name, origin) = (key.setting().key, cx.settings.layers.origin(key));
    CommandError::usage(
        format!("{name} ({origin}): {why}"),
        "correct it; `canary-cli notify test` tries it out",
    )
}

/// What `doctor` says of the receivers; sends nothing.
pub(crate) async fn checks(cx: &Context<'_>) -> Vec<Check> {
    let name = "notify";
    let targets = match targets(&cx.settings, cx) {
        Ok(targets) => targets,
        Err(error) => return error.problems.into_iter().map(|p| Check::failed(name, p.message)).collect(),
    };
    let mut checks = Vec::new();
    for target in &targets {
        let signed = if target.signed() { ", signed" } else { "" };
        let text = format!("{target}{signed}, told of {}", cx.settings.notify.on);
        // A rollout runs without its receivers, too: nothing here stops one.
        checks.push(match target.reach(Duration::from_secs(3)).await {
            Ok(()) => Check::ok(name, text),
            Err(why) => Check::warn(name, format!("{target}: {why}")),
        });
        if target.name() == "webhook" && !target.signed() {
            let text =
                "the webhook is not signed; set notify.webhook_secret_file so that it can tell who sent it";
            checks.push(Check::warn(name, text));
        }
        if target.readable_on_the_way() {
            checks
                .push(Check::warn(name, format!("{target}: what is sent can be read on the way; use https")));
        }
    }
    // A journal that is not there or not readable is told by its own check.
    let records = read(&cx.journal_path()).map(|journal| journal.records).unwrap_or_default();
    checks.extend(spooled(&Notifier::spooled(&config(cx), &targets, &records), "notification"));
    if let Ok(Some(announcer)) = Announcer::of(cx) {
        checks.extend(announcer.checks());
    }
    checks
}

/// What waits for receivers since an earlier command.
pub(crate) fn spooled(reports: &[Report], what: &str) -> Vec<Check> {
    let waits = reports.iter().filter(|report| report.left > 0).map(|report| {
        let text = format!("{}: {} {what}(s) wait to be sent again", report.target, report.left);
        match old(report) {
            Some(age) => {
                Check::warn("notify", format!("{text}, the oldest for {age}; send them by `notify flush`"))
            }
            None => Check::ok("notify", text),
        }
    });
    waits.collect()
}

/// Sends each receiver a test, once.
pub(crate) async fn tests(
    cx: &Context<'_>,
) -> Result<Vec<(Target, Result<(), DeliveryError>)>, CommandError> {
    let mut results = Vec::new();
    for target in targets(&cx.settings, cx)? {
        let result = Notifier::test(&target, &config(cx)).await;
        results.push((target, result));
    }
    Ok(results)
}
