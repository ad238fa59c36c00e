//! The comparison with the baseline: what it came to, how the evidence grew, canary beside baseline.

use super::figures::figure;
use super::sections;
use super::writer::Html;
use crate::compared::{HEADS, evidence, fixed, rows, verdict};
use crate::report::Report;
use crate::track::Track;

pub(super) fn section(html: &mut Html, report: &Report<'_>) {
    let Some(compared) = &report.compared else { return };
    sections::section(html, "Canary and baseline", |html| {
        html.tag("p", &[], |html| {
            html.leaf("strong", verdict(compared));
            html.text(&format!("; {}.", evidence(compared)));
        });
        html.leaf("p", &format!("Fixed before the first poll: {}.", fixed(&compared.fixed)));
        for remark in &compared.fixed.remarks {
            html.classed("p", "careful", &format!("Without its noise, red only holds: {remark}"));
        }
        if let Some(track) = Track::evidence(compared) {
            html.tag("div", &[("class", "figures")], |html| {
                html.tag("figure", &[], |html| figure(html, report, &track, report.tracks.len()));
            });
        }
        let heads = HEADS.map(|head| head[..1].to_uppercase() + &head[1..]);
        sections::table(html, "wide", &heads.each_ref().map(String::as_str), |html| {
            for row in rows(compared) {
                html.tag("tr", &[], |html| row.iter().for_each(|cell| html.leaf("td", cell)));
            }
        });
        let legend = "Odds: how many times the baseline's odds the canary's are. Accepted: the margin. Noise: how many times \
                      the variance of independent requests. Worse before: how much worse the canary's node was by itself.";
        html.classed("p", "quiet", legend);
    });
}
