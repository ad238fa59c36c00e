//! `contract check`: the live schemas against each other and against the contract.

use canary_core::time::Timestamp;
use canary_core::traits::CheckStage;
use canary_postgres::checks::{SchemaReport, check_all};
use canary_postgres::describe::Gravity;

use crate::commands::Context;
use crate::error::{CommandError, ErrorKind};
use crate::render::{LoggedStep, logged_lines, plain, words};
use crate::wiring;

pub(in crate::commands) async fn check(cx: &Context<'_>) -> Result<u8, CommandError> {
    cx.warn();
    let config = wiring::schema_checks(&cx.settings)?.ok_or_else(|| {
        CommandError::usage(
            "no database is named",
            "put its address (postgres://user:password@host/name) into a file and name that: --database-url-file PATH",
        )
    })?;
    let at = Timestamp::from(std::time::SystemTime::now());
    let report = check_all(&config, CheckStage::Before, at).await;
    if cx.screen.json() {
        let log = serde_json::to_value(report.log()).map_err(|error| CommandError::bug(error.to_string()))?;
        cx.screen.line(log.to_string());
    } else {
        show(cx, &report, &config.url.to_string());
    }
    Ok(match report.gravest() {
        Some(Gravity::Refuse) => ErrorKind::Refused.exit_code(),
        Some(Gravity::Undecided) => ErrorKind::Undecided.exit_code(),
        Some(Gravity::Warn) | None => 0,
    })
}

fn show(cx: &Context<'_>, report: &SchemaReport, database: &str) {
    let paint = cx.screen.paint;
    let shards = words::count(report.shards, "shard");
    cx.screen.line(format!("{} on {shards} of {database}", report.service));
    let steps = report.steps.iter().map(|step| LoggedStep {
        status: step.status.as_str(),
        action: step.action.as_str(),
        took: step.took,
        details: &step.details,
    });
    cx.screen.lines(logged_lines(steps, paint));
    for finding in &report.findings {
        let word = match finding.gravity {
            Gravity::Refuse => paint.bad("refuse"),
            Gravity::Undecided => paint.careful("undecided"),
            Gravity::Warn => paint.careful("warn"),
        };
        cx.screen.line(format!("{word}  {}", plain(&finding.to_string())));
        cx.screen.line(paint.quiet(&format!("        {}", finding.remedy)));
    }
    cx.screen.line(plain(&report.recommendation()));
}
