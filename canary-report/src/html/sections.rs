//! What happened, what is where, what the gate said, and the evidence.

use canary_core::analysis::{Observation, SliVerdict};
use canary_core::journal::NodeReport;
use canary_core::traits::{Finding, Severity};

use super::writer::Html;
use crate::probes::judges;
use crate::report::Report;
use crate::text::cut;
use crate::timeline::{Row, Tone};
use crate::{sentences, words};

/// Characters of a query or reply at most.
const LONGEST: usize = 4000;

/// A section with a heading.
pub(crate) fn section(html: &mut Html, heading: &str, inner: impl FnOnce(&mut Html)) {
    html.tag("section", &[], |html| {
        html.leaf("h2", heading);
        inner(html);
    });
    html.line();
}

pub(crate) fn table(html: &mut Html, class: &'static str, columns: &[&str], rows: impl FnOnce(&mut Html)) {
    html.tag("div", &[("class", class)], |html| {
        html.tag("table", &[], |html| {
            html.tag("thead", &[], |html| {
                html.tag("tr", &[], |html| {
                    for name in columns {
                        html.tag("th", &[("scope", "col")], |html| html.text(name));
                    }
                });
            });
            html.tag("tbody", &[], rows);
        });
    });
}

pub(super) fn timeline(html: &mut Html, report: &Report<'_>) {
    section(html, "What happened", |html| {
        table(html, "events", &["Time", "Node", "Step", "Took", "What came of it"], |html| {
            for row in &report.rows {
                timed(html, row, report.at_work);
            }
        });
    });
}

fn timed(html: &mut Html, row: &Row, at_work: bool) {
    let open = if at_work { "under way" } else { "its end was not recorded" };
    let tone = match row.tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Careful => "careful",
        Tone::Bad => "bad",
    };
    html.tag("tr", if row.back { &[("class", "back")] } else { &[] }, |html| {
        html.tag("td", &[], |html| {
            html.tag("time", &[("datetime", &row.at.to_string())], |html| html.text(&words::clock(row.at)));
        });
        html.classed("td", "short", row.node.as_deref().unwrap_or("–"));
        html.classed("td", "short", &row.what);
        html.classed("td", "number", &row.took.map(words::time).unwrap_or_default());
        html.tag("td", &[("class", tone)], |html| {
            html.text(if row.open { open } else { &row.text });
            if !row.logs.is_empty() {
                html.tag("details", &[], |html| {
                    html.leaf("summary", "What the service logged last");
                    html.leaf("pre", &row.logs.join("\n"));
                });
            }
        });
    });
    html.line();
}

pub(super) fn nodes(html: &mut Html, report: &Report<'_>) {
    let planned = report.plan.map_or(&[][..], |plan| &plan.nodes);
    if planned.is_empty() && report.nodes.is_empty() {
        return;
    }
    section(html, "Nodes before and after", |html| {
        table(
            html,
            "wide",
            &["Node", "Before", "After", "Service", "Admin state", "Operational state"],
            |html| {
                for node in planned {
                    let after = report.nodes.iter().find(|after| after.node == node.node);
                    self::node(
                        html,
                        report,
                        node.node.as_str(),
                        node.before.map(|digest| digest.short()),
                        after,
                    );
                }
                let others =
                    report.nodes.iter().filter(|after| planned.iter().all(|node| node.node != after.node));
                for after in others {
                    self::node(html, report, after.node.as_str(), None, Some(after));
                }
            },
        );
        if report.nodes.is_empty() {
            html.classed("p", "quiet", "What is where is recorded when a rollout ends.");
        }
    });
}

fn node(
    html: &mut Html,
    report: &Report<'_>,
    name: &str,
    before: Option<String>,
    after: Option<&NodeReport>,
) {
    let shown = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let installed = after.and_then(|after| after.installed);
    let installed =
        installed.map(|digest| format!("{}{}", digest.short(), words::meaning(digest, report.plan)));
    html.tag("tr", &[], |html| {
        html.classed("td", "short", name);
        html.leaf("td", &before.unwrap_or_else(|| "–".to_owned()));
        html.tag("td", &[], |html| {
            html.text(&shown(installed));
            for problem in after.iter().flat_map(|after| &after.problems) {
                html.classed("div", "bad", problem);
            }
        });
        html.leaf("td", &shown(after.and_then(|after| after.service).map(|state| state.to_string())));
        html.leaf("td", &shown(after.and_then(|after| after.admin).map(|state| state.to_string())));
        html.leaf("td", &shown(after.and_then(|after| after.operational).map(|state| state.to_string())));
    });
}

pub(super) fn gate(html: &mut Html, report: &Report<'_>) {
    let Some(review) = report.review else { return };
    section(html, "The gate", |html| {
        html.tag("p", &[], |html| {
            let class = if review.permit().is_some() { "plain" } else { "bad" };
            html.classed("strong", class, &sentences::gate(&review.verdict));
        });
        if !review.findings.is_empty() {
            html.tag("ul", &[], |html| {
                for found in &review.findings {
                    html.tag("li", &[], |html| finding(html, found));
                }
            });
        }
        if !review.evidence.is_empty() {
            html.tag("details", &[], |html| {
                html.leaf("summary", "What it rests on");
                html.tag("ul", &[], |html| review.evidence.iter().for_each(|one| html.leaf("li", one)));
            });
        }
    });
}

fn finding(html: &mut Html, finding: &Finding) {
    let (class, word) = match finding.severity {
        Severity::Refuse => ("bad", "refused"),
        Severity::Warn => ("careful", "warning"),
    };
    html.classed("strong", class, word);
    let place = if finding.line == 0 { String::new() } else { format!(":{}", finding.line) };
    html.text(&format!(" {}{place}: {}: {}", finding.file, finding.rule, finding.reason));
    if !finding.statement.is_empty() {
        html.leaf("pre", &cut(&finding.statement, LONGEST));
    }
    html.leaf("div", &format!("Instead: {}", finding.remedy));
}

pub(super) fn evidence(html: &mut Html, report: &Report<'_>) {
    let picked = report.evidence.picked();
    if picked.is_empty() {
        return;
    }
    section(html, "Evidence", |html| {
        let text = format!(
            "What was asked and answered, of {} of {}: red ones, the first of each kind of hold, and the last green one.",
            picked.len(),
            words::count(report.evidence.probes(), "probe")
        );
        html.classed("p", "quiet", &text);
        for (number, observation) in picked {
            html.tag("article", &[], |html| probe(html, number, observation));
            html.line();
        }
    });
}

fn probe(html: &mut Html, number: usize, observation: &Observation) {
    let back = words::time(observation.window);
    html.leaf("h3", &format!("Probe {number}, {}, looking back {back}", observation.at));
    for judged in &observation.slis {
        let class = match judged.verdict {
            SliVerdict::Green => "good",
            SliVerdict::Red => "bad",
            SliVerdict::Hold { .. } => "careful",
        };
        let events = judged.events.map(|events| {
            format!(", of {}", words::count(usize::try_from(events).unwrap_or(usize::MAX), "request"))
        });
        html.classed("p", class, &format!("{judged}{}", events.unwrap_or_default()));
        for query in &judged.queries {
            html.tag("pre", &[], |html| {
                html.classed("span", "query", &cut(&query.query, LONGEST));
                html.text("\n");
                html.text(&cut(&query.reply, LONGEST));
            });
        }
    }
    let said = judges(observation);
    if !said.is_empty() {
        html.leaf("p", &said.join("; "));
    }
}
