//! `notify test`: sends each receiver a notification that says it is a test. `notify flush`: sends what waits.

use std::sync::Arc;

use canary_core::traits::{Clock, SystemClock};
use serde_json::json;

use super::Context;
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

/// Sends what earlier commands could not; the journal is locked meanwhile, so that nothing is sent by two at once.
pub(super) async fn flush(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    if telling::targets(&cx.settings, cx)?.is_empty() {
        return Err(nobody());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let open = cx.open_journal(&clock).await?;
    let reports = cx.telling.flush().await;
    drop(open);
    let left: u64 = reports.iter().map(|report| report.left + report.failed + report.dropped).sum();
    let code = if left == 0 { 0 } else { ErrorKind::Refused.exit_code() };
    let paint = cx.screen.paint;
    let mut rows = Vec::new();
    for report in &reports {
        if cx.screen.json() {
            let fields = json!({
                "target": report.name, "at": report.target, "delivered": report.delivered, "left": report.left,
                "failed": report.failed, "dropped": report.dropped, "error": report.error,
            });
            cx.screen.line(line("flushed", fields));
            continue;
        }
        let word = if report.complete() { paint.good("ok") } else { paint.bad("fail") };
        rows.push(vec![
            word,
            report.target.clone(),
            format!("{} delivered, {} left", report.delivered, report.left),
        ]);
    }
    if cx.screen.json() {
        cx.screen.line(line("end", json!({ "exit_code": code })));
    } else {
        cx.screen.lines(table::aligned(&rows));
    }
    Ok(code)
}

fn nobody() -> CommandError {
    CommandError::usage(
        "nobody is named to be told",
        "set notify.webhook_url, slack_url_file, cdevents_url, datadog_site or alertmanager_url",
    )
}
