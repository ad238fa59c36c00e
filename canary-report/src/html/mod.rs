//! The report as a page: plain HTML, one style sheet inside, pictures inside, nothing that is fetched or runs.

mod comparison;
mod figures;
mod sections;
mod writer;

use canary_core::plan::Purpose;

use crate::report::Report;
use crate::tenants;
use crate::words;

pub(crate) use sections::{section, table};
pub(crate) use writer::Html;

/// Nothing may be fetched, run, sent or framed, whatever somebody managed to write into it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Makes the page.
pub(crate) fn page(report: &Report<'_>) -> String {
    let title = format!("{}: {}", name(report), report.state());
    let main = |html: &mut Html| {
        figures::slis(html, report);
        comparison::section(html, report);
        if let Some(decision) = report.tenants {
            tenants::of_rollout(html, decision);
        }
        sections::timeline(html, report);
        sections::nodes(html, report);
        sections::gate(html, report);
        sections::evidence(html, report);
    };
    document(&title, |html| head(html, report), main, |html| foot(html, report))
}

/// A page of a header, what matters, and a footer.
pub(crate) fn document(
    title: &str,
    head: impl FnOnce(&mut Html),
    main: impl FnOnce(&mut Html),
    foot: impl FnOnce(&mut Html),
) -> String {
    let mut html = Html::default();
    html.tag("html", &[("lang", "en")], |html| {
        html.tag("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
            html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
            html.leaf("title", title);
            html.style(include_str!("style.css"));
        });
        html.line();
        html.tag("body", &[], |html| {
            html.tag("header", &[], head);
            html.line();
            html.tag("main", &[], main);
            html.line();
            html.tag("footer", &[], foot);
        });
    });
    html.document()
}

fn name<'a>(report: &Report<'a>) -> &'a str {
    report.service.unwrap_or("rollout")
}

fn head(html: &mut Html, report: &Report<'_>) {
    html.tag("h1", &[], |html| {
        html.text(name(report));
        html.text(" ");
        html.classed("span", tone(report), report.state());
    });
    html.classed("p", "meaning", report.meaning());
    if let Some(why) = report.why() {
        html.classed("p", "why", &why);
    }
    html.tag("dl", &[], |html| {
        for (term, value) in facts(report) {
            html.tag("div", &[], |html| {
                html.leaf("dt", term);
                html.leaf("dd", &value);
            });
        }
    });
    if let Some(plan) = report.plan
        && !plan.warnings.is_empty()
    {
        html.classed("p", "careful", &format!("Said before it began: {}", plan.warnings.join("; ")));
    }
}

fn tone(report: &Report<'_>) -> &'static str {
    match report.outcome.as_ref().map(|outcome| outcome.exit_code()) {
        Some(0) => "state good",
        None => "state careful",
        Some(_) => "state bad",
    }
}

fn facts(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(plan) = report.plan {
        let before: Vec<_> = report.before().iter().map(|digest| digest.short()).collect();
        let before = if before.is_empty() { "nothing".to_owned() } else { before.join(", ") };
        let term = match plan.purpose {
            Purpose::RollOut => "Release",
            Purpose::RollBack => "Rollback",
        };
        facts.push((term, format!("{before} → {}", plan.artifact.facts.sha256.short())));
        facts.push((
            "Binary",
            format!("{}, {}", plan.artifact.path.display(), words::bytes(plan.artifact.facts.size)),
        ));
        let back = plan.way_back.as_ref();
        facts.extend(
            back.map(|back| ("Way back", format!("{} ({})", back.facts.sha256.short(), back.origin))),
        );
        let peers = words::count(plan.spec.peers.len(), "peer");
        facts.push(("Pool", format!("{}: canary {} and {peers}", plan.spec.pool, plan.spec.canary)));
    }
    facts.extend(report.actor.map(|actor| ("By", actor.to_owned())));
    facts.extend(report.reason.map(|reason| ("Because", reason.to_owned())));
    facts.push(("Began", report.began.to_string()));
    let took = if report.outcome.is_some() { "Took" } else { "Last record after" };
    facts.push((took, words::time(report.took())));
    facts.extend(report.outcome.as_ref().map(|outcome| ("Exit code", outcome.exit_code().to_string())));
    facts.push(("Rollout", report.rollout.to_string()));
    facts
}

fn foot(html: &mut Html, report: &Report<'_>) {
    html.tag("p", &[], |html| {
        html.text(&format!(
            "Made from the journal {} up to record {} of {}. Its chain hash is ",
            report.last.log, report.last.seq, report.last.time
        ));
        html.leaf("code", &report.last.hash.to_string());
        html.text(". It holds every record before it, too.");
    });
    let engine = report.engine.map(|version| format!("Recorded by canary {version}. "));
    html.leaf("p", &format!("{}All times are UTC.", engine.unwrap_or_default()));
}
