//! The list of rules in the manual is the table's own; `CANARY_UPDATE_DOCS=1` writes it.

use std::fmt::Write as _;
use std::path::Path;

use canary_core::traits::{Phase, Severity};

use super::catalog::{self, Class, Rule};
use super::examples::{EXAMPLES, Example, Run};

const BEGIN: &str = "<!-- rules: written by a test -->\n";

fn example(text: &mut String, example: &Example) {
    let how = match example.run {
        Run::Plain => "",
        Run::Wrapped => " (in one transaction)",
        Run::OneQuery => " (sent as one query)",
    };
    let query = match example.query {
        "" => String::new(),
        query => format!(", while the running binary sends `{query}`"),
    };
    let sql = |sql: &str| sql.replace("----\n", "-- the next migration\n");
    writeln!(text, "Meets it{how}{query}:\n\n```sql\n{}\n```\n", sql(example.met)).unwrap();
    writeln!(text, "Does not:\n\n```sql\n{}\n```\n", sql(example.not_met)).unwrap();
}

fn entry(text: &mut String, rule: &Rule) {
    let severity = match rule.severity {
        Severity::Refuse => "refused",
        Severity::Warn => "warning",
    };
    let codes = rule.sqlstates().join(", ");
    let codes = if codes.is_empty() { codes } else { format!(" · {codes}") };
    writeln!(text, "### {}\n\n*{severity} · {}{codes}*\n", rule.name, rule.class.words()).unwrap();
    let mut what = rule.breaks.chars();
    let first = what.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    writeln!(text, "{first}{}.\n", what.as_str()).unwrap();
    for (n, step) in rule.steps().iter().enumerate() {
        match step.phase {
            Phase::Instead => writeln!(text, "Instead: {}.", step.what).unwrap(),
            phase => writeln!(text, "{}. {phase}: {}.", n + 1, step.what).unwrap(),
        }
    }
    text.push('\n');
    if let Some(found) = EXAMPLES.iter().find(|example| example.rule == rule.name) {
        example(text, found);
    }
}

#[test]
fn the_manual_lists_every_rule() {
    let mut text = String::from(BEGIN);
    for class in [Class::Breaks, Class::BreaksAndLocks, Class::Locks, Class::Fails, Class::Process] {
        for rule in catalog::rules().filter(|rule| rule.class == class) {
            entry(&mut text, rule);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gate.md");
    let manual = std::fs::read_to_string(&path).unwrap();
    let (before, rules) = manual.split_once(BEGIN).unwrap();
    let written = format!("{BEGIN}{rules}");
    let text = format!("{}\n", text.trim_end());
    if std::env::var_os("CANARY_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{text}")).unwrap();
        return;
    }
    assert!(
        written == text,
        "docs/gate.md is not the table of rules; run this test with CANARY_UPDATE_DOCS=1"
    );
}
