//! The steps of a check's log, as lines for people.

use std::time::Duration;

use super::paint::Paint;
use super::table;

/// One step of a check's log.
#[derive(Debug, Clone)]
pub struct LoggedStep<'a> {
    /// How it ended: success, warning, failure, skipped.
    pub status: &'a str,
    /// What it did.
    pub action: &'a str,
    /// How long it took.
    pub took: Duration,
    /// What it saw.
    pub details: &'a str,
}

/// A line a step, in columns.
#[must_use]
pub fn logged_lines<'a>(steps: impl Iterator<Item = LoggedStep<'a>>, paint: Paint) -> Vec<String> {
    let row = |step: LoggedStep<'_>| {
        let status = match step.status {
            "success" => paint.good(step.status),
            "warning" => paint.careful(step.status),
            "failure" => paint.bad(step.status),
            _ => paint.quiet(step.status),
        };
        let took = format!("{:.2}s", step.took.as_secs_f64());
        vec![status, step.action.to_owned(), took, plain(step.details)]
    };
    table::aligned(&steps.map(row).collect::<Vec<_>>())
}

/// A text from outside on one line, without what a terminal would obey.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stand_in_columns_and_cannot_forge_lines() {
        let step = |status, details| LoggedStep {
            status,
            action: "look",
            took: Duration::from_millis(1234),
            details,
        };
        let steps = [step("success", "all well"), step("skipped", "no\u{1b}[31m\nsuccess")];
        let lines = logged_lines(steps.into_iter(), Paint { on: false });
        assert_eq!(lines, ["success  look  1.23s  all well", "skipped  look  1.23s  no [31m success"]);
    }
}
