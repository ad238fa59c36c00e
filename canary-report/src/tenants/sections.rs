//! The parts of a page that are about tenants.

use super::decision::{Cell, State, TenantDecision, interval, score};
use super::grid::{Grid, Line};
use super::map::map;
use crate::html::{Html, section, table};
use crate::text::cut;
use crate::words;

/// Tenants that have a row of their own, at most.
const ROWS: usize = 100;
/// Characters of a warning at most.
const LONGEST: usize = 300;

/// The last decision of a rollout, in the rollout's page.
pub(crate) fn of_rollout(html: &mut Html, decision: &TenantDecision) {
    section(html, "The tenants", |html| {
        html.tag("p", &[], |html| {
            html.leaf("strong", decision.verdict.as_str());
            html.text(&format!(
                " {}, decided last, at {}: the score is {}, {} is needed; of {} {} are in breach and {} not all known.",
                decision.subject,
                decision.at,
                interval(decision.score),
                score(decision.threshold),
                words::count(usize::try_from(decision.counted).unwrap_or(usize::MAX), "tenant"),
                decision.breached,
                decision.unknown
            ));
        });
        html.leaf("p", &decision.reasons.join("; "));
        if let Some(seal) = &decision.seal {
            html.classed(
                "p",
                "quiet",
                &format!("Record {} of {}, chain hash {}.", seal.seq, seal.log, seal.hash),
            );
        }
    });
    tenants(html, decision);
}

/// All that is known of the tenants.
pub(super) fn tenants(html: &mut Html, decision: &TenantDecision) {
    match &decision.tenants {
        Some(tenants) => fleet(html, &Grid::of(tenants)),
        None => section(html, "Tenants × objectives", |html| {
            let text = "The evidence of this decision is not at hand: what the record itself holds is all there is here.";
            html.classed("p", "careful", text);
        }),
    }
    worst(html, decision);
    if let Some(tenants) = &decision.tenants {
        not_kept(html, &Grid::of(tenants));
    }
    gaps(html, decision);
    sources(html, decision);
}

fn fleet(html: &mut Html, grid: &Grid<'_>) {
    if grid.lines.is_empty() {
        return;
    }
    section(html, "Tenants × objectives", |html| {
        let per = grid.per_column();
        let columns = match per {
            1 => "Each column is a tenant, by name.".to_owned(),
            many => format!(
                "{} tenants by name, {many} to a column: a part's height is their share, and one alone is still seen.",
                grid.lines.len()
            ),
        };
        let rest = "Where there is no box there is no such promise. A tenant at several sources counts by its worst.";
        html.classed("p", "quiet", &format!("{columns} {rest}"));
        html.tag("div", &[("class", "wide")], |html| map(html, grid));
        html.tag("details", &[], |html| {
            html.leaf("summary", "The numbers");
            let columns: Vec<_> = std::iter::once("Objective").chain(State::ALL.map(State::as_str)).collect();
            table(html, "wide", &columns, |html| {
                for (at, name) in grid.objectives.iter().enumerate() {
                    numbers(html, name, grid.counts(Some(at)).0);
                }
                numbers(html, "the worst of each tenant", grid.counts(None).0);
            });
        });
    });
}

fn numbers(html: &mut Html, name: &str, counts: [usize; 4]) {
    html.tag("tr", &[], |html| {
        html.leaf("td", name);
        counts.iter().for_each(|count| html.leaf("td", &count.to_string()));
    });
}

fn worst(html: &mut Html, decision: &TenantDecision) {
    if decision.worst.is_empty() {
        return;
    }
    section(html, "The worst tenants", |html| {
        let columns = ["Tenant", "Objective", "How", "Observed", "Limit", "Score", "Events", "Source"];
        table(html, "wide", &columns, |html| {
            for worst in &decision.worst {
                let cell = &worst.cell;
                html.tag("tr", &[], |html| {
                    html.classed("td", "short", &worst.tenant);
                    html.classed("td", "short", &cell.objective);
                    html.classed("td", tone(cell.state()), &told(cell));
                    html.leaf("td", cell.observed.as_deref().unwrap_or("?"));
                    html.leaf("td", &limit(cell));
                    html.leaf("td", &interval(cell.score));
                    html.leaf("td", &cell.events.to_string());
                    html.leaf("td", &cell.source);
                });
                html.line();
            }
        });
    });
}

fn not_kept(html: &mut Html, grid: &Grid<'_>) {
    let lines = grid.not_kept();
    if lines.is_empty() {
        return;
    }
    section(html, "Every tenant that does not keep all", |html| {
        let kept = grid.lines.len() - lines.len();
        html.leaf("p", &format!("{} of {}; {kept} keep every promise.", lines.len(), grid.lines.len()));
        let columns: Vec<_> = std::iter::once("Tenant").chain(grid.objectives.iter().copied()).collect();
        table(html, "wide heat", &columns, |html| {
            for line in lines.iter().take(ROWS) {
                tenant(html, line);
                html.line();
            }
        });
        if lines.len() > ROWS {
            let left = lines.len() - ROWS;
            html.classed("p", "quiet", &format!("{left} more, none of them worse, are in the evidence."));
        }
    });
}

fn tenant(html: &mut Html, line: &Line<'_>) {
    html.tag("tr", &[], |html| {
        html.tag("th", &[("scope", "row")], |html| {
            html.text(&line.tenant.name);
            if line.tenant.veto {
                html.classed("span", "what", "has a veto");
            }
        });
        for cell in &line.cells {
            let Some(cell) = cell else {
                html.leaf("td", if line.tenant.results.is_empty() { "?" } else { "" });
                continue;
            };
            html.tag("td", &[("class", cell.state().class())], |html| {
                html.leaf("strong", &mark(cell));
                if let Some(observed) = &cell.observed {
                    html.classed("span", "what", &format!("{observed} of {}", limit(cell)));
                }
            });
        }
    });
}

/// `in breach`, `unknown: stale`.
pub(super) fn told(cell: &Cell) -> String {
    let state = cell.state().as_str();
    match cell.state() {
        // Of few events nothing is the matter with the samples.
        State::Unknown if cell.code == "ok" => format!("{state}: few events"),
        State::Unknown => format!("{state}: {}", cell.code),
        _ if cell.code == "ok" => state.to_owned(),
        _ => format!("{state}, {}", cell.code),
    }
}

/// `in breach 0.42`, `unknown: stale`.
pub(super) fn mark(cell: &Cell) -> String {
    match cell.state() {
        State::Above | State::Breach => format!("{} {}", cell.state().as_str(), score(cell.score.1)),
        _ => told(cell),
    }
}

/// `350ms`, `350ms, widened to 360ms`.
pub(super) fn limit(cell: &Cell) -> String {
    match &cell.adjusted {
        Some(adjusted) => format!("{}, widened to {adjusted}", cell.limit),
        None => cell.limit.clone(),
    }
}

const fn tone(state: State) -> &'static str {
    match state {
        State::Kept => "good short",
        State::Unknown | State::Above => "careful short",
        State::Breach => "bad short",
    }
}

fn gaps(html: &mut Html, decision: &TenantDecision) {
    if decision.gaps.is_empty() {
        return;
    }
    section(html, "What was the matter with the samples", |html| {
        let parts: Vec<_> = decision.gaps.iter().map(|(code, count)| format!("{count} {code}")).collect();
        html.leaf("p", &format!("Results by code: {}.", parts.join(", ")));
    });
}

fn sources(html: &mut Html, decision: &TenantDecision) {
    if decision.sources.is_empty() {
        return;
    }
    section(html, "Who was asked", |html| {
        table(html, "wide", &["Source", "Queries", "Took", "Trouble"], |html| {
            for source in &decision.sources {
                html.tag("tr", &[], |html| {
                    html.classed("td", "short", &source.name);
                    html.leaf("td", &source.queries.to_string());
                    html.leaf("td", &words::time(std::time::Duration::from_millis(source.ms)));
                    let warnings = cut(&source.warnings.join("; "), LONGEST);
                    let tone = if warnings.is_empty() { "plain" } else { "careful" };
                    html.classed("td", tone, if warnings.is_empty() { "–" } else { &warnings });
                });
            }
        });
    });
}
