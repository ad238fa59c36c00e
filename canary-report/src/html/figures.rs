//! A figure for each SLI: the picture, what it shows in words, and its numbers.

use canary_core::analysis::SliVerdict;
use canary_core::spec::{WatchPolicy, WatchSubject};

use super::writer::Html;
use crate::plot::{SIZE, draw};
use crate::report::Report;
use crate::track::{Point, Track};
use crate::words;

/// Rows of numbers at most; then green ones are left out.
const ROWS: usize = 400;

pub(super) fn slis(html: &mut Html, report: &Report<'_>) {
    let policy = report.plan.and_then(|plan| plan.spec.watch.as_ref());
    if policy.is_none() && report.tracks.is_empty() {
        return;
    }
    html.tag("section", &[], |html| {
        html.leaf("h2", "Service level indicators");
        if let Some(policy) = policy {
            html.leaf("p", &watched(policy));
        }
        let mut legend =
            "Shaded red: the wrong side of the bound. Yellow bands: probes that held, which decide nothing."
                .to_owned();
        if let Some(whose) = report.tracks.iter().find_map(Track::beside) {
            legend.push_str(&format!(" Thin green line: the {whose}'s over the same time."));
        }
        html.classed("p", "quiet", &legend);
        html.tag("div", &[("class", "figures")], |html| {
            for (number, track) in report.tracks.iter().enumerate() {
                html.tag("figure", &[], |html| figure(html, report, track, number));
                html.line();
            }
        });
    });
}

fn watched(policy: &WatchPolicy) -> String {
    let subject = match policy.subject {
        WatchSubject::Pool => "the whole pool",
        WatchSubject::Canary => "the canary alone",
    };
    format!(
        "As planned: {} with data, a probe every {}, of {subject}.",
        words::exact(policy.window),
        words::exact(policy.interval)
    )
}

pub(super) fn figure(html: &mut Html, report: &Report<'_>, track: &Track, number: usize) {
    html.tag("figcaption", &[], |html| {
        html.leaf("strong", &track.name);
        html.text(&format!(" {}", shown(track)));
        if !track.what.is_empty() {
            html.classed("span", "what", &track.what);
        }
    });
    let Some(drawing) = draw(track, report.back) else {
        html.classed("p", "quiet", "No probe was recorded.");
        return;
    };
    let (title, desc) = (format!("plot-{number}-title"), format!("plot-{number}-desc"));
    let attributes = [
        ("viewBox", &*format!("0 0 {} {}", SIZE.0, SIZE.1)),
        ("role", "img"),
        ("aria-labelledby", &*format!("{title} {desc}")),
    ];
    html.tag("svg", &attributes, |html| {
        html.tag("title", &[("id", &title)], |html| html.text(&format!("{} over the watch", track.name)));
        html.tag("desc", &[("id", &desc)], |html| html.text(&described(track, report)));
        html.drawing(&drawing);
    });
    html.tag("details", &[], |html| {
        html.leaf("summary", &format!("The numbers of {}", words::count(track.points.len(), "probe")));
        html.tag("div", &[("class", "wide")], |html| numbers(html, track));
    });
}

/// `0.19 red (bound < 0.005)`.
fn shown(track: &Track) -> String {
    let value = track.decisive().and_then(|point| Some((point.red(), point.judged()?)));
    let reading = match value {
        None => "no reading".to_owned(),
        Some((true, value)) => format!("{} red", words::number(value)),
        Some((false, value)) => words::number(value),
    };
    format!("{reading} (bound {})", track.bound)
}

/// What the picture shows, for who does not see it.
fn described(track: &Track, report: &Report<'_>) -> String {
    let (green, red, held) = track.counts();
    let mut text = format!(
        "Bound {}. {}: {green} green, {red} red, {held} held.",
        track.bound,
        words::count(track.points.len(), "probe")
    );
    let values = || track.points.iter().filter_map(Point::judged);
    let low = values().min_by(|a, b| a.value().total_cmp(&b.value()));
    let high = values().max_by(|a, b| a.value().total_cmp(&b.value()));
    if let (Some(low), Some(high)) = (low, high) {
        text.push_str(&format!(" Values from {} to {}.", words::number(low), words::number(high)));
    }
    if let Some(point) = track.points.iter().find(|point| point.red()) {
        text.push_str(&format!(" Red at {}.", words::clock(point.at)));
    }
    if let Some(back) = report.back {
        text.push_str(&format!(" The rollback began at {}.", words::clock(back)));
    }
    text
}

fn numbers(html: &mut Html, track: &Track) {
    let crowded = track.points.len() > ROWS;
    let told = |point: &&Point| !crowded || point.red() || point.held();
    let points: Vec<_> = track.points.iter().filter(told).take(ROWS).collect();
    let left = track.points.len() - points.len();
    html.tag("table", &[], |html| {
        html.tag("thead", &[], |html| {
            html.tag("tr", &[], |html| {
                let beside = track.beside().map(|whose| format!("The {whose}'s"));
                let names = ["Instant", "Value", "Bound", "Requests", "Verdict"].map(str::to_owned);
                for name in names.into_iter().chain(beside) {
                    html.tag("th", &[("scope", "col")], |html| html.text(&name));
                }
            });
        });
        html.tag("tbody", &[], |html| points.into_iter().for_each(|point| row(html, track, point)));
    });
    if left > 0 {
        html.classed("p", "quiet", &format!("{left} more, most of them green, are in the journal."));
    }
}

fn row(html: &mut Html, track: &Track, point: &Point) {
    let unknown = || "–".to_owned();
    let (class, verdict) = match &point.verdict {
        SliVerdict::Green => ("good", "green".to_owned()),
        SliVerdict::Red => ("bad", "red".to_owned()),
        SliVerdict::Hold { why } => ("careful", format!("held: {why}")),
    };
    html.tag("tr", &[], |html| {
        html.leaf("td", &point.at.to_string());
        html.leaf("td", &point.value.map_or_else(unknown, |value| value.to_string()));
        html.leaf("td", &track.bound.to_string());
        html.leaf("td", &point.events.map_or_else(unknown, |events| events.to_string()));
        html.classed("td", class, &verdict);
        if let Some(whose) = track.beside() {
            let value = point.beside.get(&whose);
            html.leaf("td", &value.map_or_else(unknown, ToString::to_string));
        }
    });
}
