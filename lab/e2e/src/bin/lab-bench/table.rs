use std::fmt::Write as _;
use std::time::Duration;

use canary_core::plan::Action;

use crate::contender::{Contender, NodeTimes, Roll};

/// The whole comparison, for people.
pub(crate) fn table(rolls: &[(Contender, Vec<Roll>)], nodes: usize, rate: u32) -> String {
    let mut text = String::new();
    let repeats = rolls.iter().map(|(_, rolls)| rolls.len()).max().unwrap_or(0);
    // Writing to a String has no failing case.
    let _ = writeln!(
        text,
        "{nodes} nodes, {repeats} rolls each, {rate} requests a second meanwhile; seconds as min / median / max\n"
    );
    let _ = writeln!(text, "{:<16}{:<27}{:<27}failed requests", "", "whole roll", "a node");
    for (contender, done) in rolls {
        if let Some(why) = contender.missing() {
            let _ = writeln!(text, "{:<16}{why}", contender.name());
            continue;
        }
        let whole = spread(done.iter().map(|roll| roll.took).collect());
        let node = spread(done.iter().map(|roll| roll.took / nodes as u32).collect());
        let (sent, failed) = done.iter().fold((0, 0), |(s, f), roll| (s + roll.sent, f + roll.failed));
        let _ = writeln!(text, "{:<16}{whole:<27}{node:<27}{failed} of {sent}", contender.name());
    }
    let own: Vec<_> = rolls.iter().flat_map(|(_, rolls)| rolls).flat_map(|roll| &roll.nodes).collect();
    if !own.is_empty() {
        parts(&mut text, &own);
    }
    text
}

/// Where a node's time goes, by the journal.
fn parts(text: &mut String, nodes: &[&NodeTimes]) {
    let _ = writeln!(text, "\ncanary-cli, one node, by the journal's times:");
    let mut row = |name: &str, of: &dyn Fn(&NodeTimes) -> Duration| {
        let _ = writeln!(text, "  {name:<38}{}", spread(nodes.iter().map(|node| of(node)).collect()));
    };
    let step = |action| move |node: &NodeTimes| node.steps.get(&action).copied().unwrap_or_default();
    row("whole", &|node| node.total);
    row("drain + restart + health themselves", &NodeTimes::inherent);
    for action in [Action::Drain, Action::Restart, Action::CheckHealth] {
        row(&format!("  {}", action.as_str()), &step(action));
    }
    row("overhead (goal: below 0.250)", &NodeTimes::overhead);
    for action in [Action::Install, Action::Enable, Action::ProveTraffic] {
        row(&format!("  {}", action.as_str()), &step(action));
    }
    row("  between the steps", &|node| node.total.saturating_sub(node.steps.values().sum()));
}

/// `min / median / max`.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    match times.as_slice() {
        [] => "-".to_owned(),
        [min, ..] => {
            let (median, max) = (times[times.len() / 2], times[times.len() - 1]);
            format!("{:.3} / {:.3} / {:.3}", min.as_secs_f64(), median.as_secs_f64(), max.as_secs_f64())
        }
    }
}
