//! `notify test`: sends each receiver a notification that says it is a test.

use serde_json::json;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::render::{line, table};
use crate::telling;

pub(super) async fn test(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let results = telling::tests(cx).await?;
    if results.is_empty() {
        return Err(CommandError::usage(
            "nobody is named to be told",
            "set notify.webhook_url, notify.slack_url_file or notify.cdevents_url",
        ));
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
