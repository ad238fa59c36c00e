//! `notify test`: sends each receiver a notification that says it is a test. `notify flush`: sends what waits.

use std::sync::Arc;

use canary_core::traits::{Clock, SystemClock};
use canary_notify::Report;
use serde_json::json;

use super::Context;
use crate::announcing::{self, Announcer};
use crate::error::{CommandError, ErrorKind};
use crate::render::{line, table};
use crate::telling;

pub(super) async fn test(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let results = telling::tests(cx).await?;
    if results.is_empty() {
        return Err(nobody());
    }
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    let code = if failed == 0 { 0 } else { ErrorKind::Refused.exit_code() };
    let paint = cx.screen.paint;
    let mut rows = Vec::new();
    for (target, result) in &results {
        let error = result.as_ref().err().map(|error| error.why.clone());
        if cx.screen.json() {
            let fields = json!({ "target": target.name(), "at": target.to_string(), "error": error });
            cx.screen.line(line("notified", fields));
            continue;
        }
        let word = if error.is_none() { paint.good("ok") } else { paint.bad("fail") };
        rows.push(vec![word, target.to_string(), error.unwrap_or_else(|| "took the test".to_owned())]);
    }
    if cx.screen.json() {
        cx.screen.line(line("end", json!({ "exit_code": code })));
    } else {
        cx.screen.lines(table::aligned(&rows));
    }
    Ok(code)
}

/// Sends what earlier commands could not, of rollouts and of decisions; the journal is locked meanwhile, so that nothing is sent by two at once.
pub(super) async fn flush(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let Some(announcer) = Announcer::of(cx)? else { return Err(nobody()) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let open = cx.open_journal(&clock).await?;
    let (rollouts, decisions) = tokio::join!(cx.telling.flush(), announcer.tell(None));
    drop(open);
    let rollouts = rollouts.into_iter().map(|report| ("rollouts", report));
    let failed = decisions.as_ref().err().map(announcing::explain);
    let decisions = decisions.into_iter().flatten().map(|report| ("decisions", report));
    let reports: Vec<_> = rollouts.chain(decisions).collect();
    flushed(cx, &reports);
    if let Some(failed) = failed {
        return Err(failed);
    }
    let complete = reports.iter().all(|(_, report)| report.complete());
    let code = if complete { 0 } else { ErrorKind::Refused.exit_code() };
    if cx.screen.json() {
        cx.screen.line(line("end", json!({ "exit_code": code })));
    }
    Ok(code)
}

fn flushed(cx: &Context<'_>, reports: &[(&str, Report)]) {
    let paint = cx.screen.paint;
    let mut rows = Vec::new();
    for (of, report) in reports {
        if cx.screen.json() {
            let fields = json!({
                "target": report.name, "at": report.target, "of": of, "delivered": report.delivered, "left": report.left,
                "failed": report.failed, "dropped": report.dropped, "error": report.error,
            });
            cx.screen.line(line("flushed", fields));
            continue;
        }
        let word = if report.complete() { paint.good("ok") } else { paint.bad("fail") };
        let error = report.error.as_ref().filter(|_| !report.complete());
        let why = error.map_or_else(String::new, |error| format!("; last: {error}"));
        let counts = format!("{} delivered, {} left{why}", report.delivered, report.left);
        rows.push(vec![word, report.target.clone(), (*of).to_owned(), counts]);
    }
    cx.screen.lines(table::aligned(&rows));
}

fn nobody() -> CommandError {
    CommandError::usage(
        "nobody is named to be told",
        "set notify.webhook_url, slack_url_file, cdevents_url, datadog_site or alertmanager_url",
    )
}
