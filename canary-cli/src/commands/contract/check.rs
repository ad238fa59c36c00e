//! `contract check`: the live schemas against each other and against the contract.

use canary_core::time::Timestamp;
use canary_core::traits::CheckStage;
use canary_postgres::checks::{SchemaReport, Status, check_all};
use canary_postgres::describe::Gravity;

use crate::commands::Context;
use crate::error::{CommandError, ErrorKind};
use crate::render::table;
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
    cx.screen.line(format!("{} on {} shard(s) of {database}", report.service, report.shards));
    let rows: Vec<_> = report
        .steps
        .iter()
        .map(|step| {
            let status = match step.status {
                Status::Success => paint.good("success"),
                Status::Warning => paint.careful("warning"),
                Status::Failure => paint.bad("failure"),
                Status::Skipped => paint.quiet("skipped"),
            };
            let took = format!("{:.2}s", step.took.as_secs_f64());
            vec![status, step.action.as_str().to_owned(), took, step.details.clone()]
        })
        .collect();
    cx.screen.lines(table::aligned(&rows));
    for finding in &report.findings {
        let word = match finding.gravity {
            Gravity::Refuse => paint.bad("refuse"),
            Gravity::Undecided => paint.careful("undecided"),
            Gravity::Warn => paint.careful("warn"),
        };
        cx.screen.line(format!("{word}  {finding}"));
        cx.screen.line(paint.quiet(&format!("        {}", finding.remedy)));
    }
    cx.screen.line(report.recommendation());
}
