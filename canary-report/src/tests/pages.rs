//! What reports say of rollouts at every stage.

use canary_core::engine::{AfterHold, FailureClass, Outcome};
use canary_core::journal::{Entry, RolloutId, Wish};
use canary_core::plan::{Action, Step};
use canary_core::time::Timestamp;

use super::markup::Page;
use super::story::{Story, step};
use crate::Report;

#[test]
fn a_message_of_a_rollback() {
    insta::assert_snapshot!(Story::rolled_back("").message());
}

#[test]
fn the_text_of_a_page_of_a_rollback() {
    let text = Page::read(&Story::rolled_back("").page()).text;
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_message_of_a_completed_rollout() {
    let mut story = Story::new("");
    story.begin();
    story.did(&Step::stage(), &[]);
    story.finished(Outcome::Completed { changed: true }, "v2");
    insta::assert_snapshot!(story.message());
}

#[test]
fn a_message_of_a_refused_rollout() {
    let mut story = Story::new("");
    story.gate();
    let reasons = vec!["api-1 is down".to_owned(), "no disk".to_owned()];
    story.push(10, Entry::Refused { rollout: story.id.clone(), actor: "ada".to_owned(), reasons });
    let report = Report::of(&story.records, &story.id).unwrap();
    assert!(report.html().contains("<h1>rollout <span"));
    insta::assert_snapshot!(report.of_service("api").markdown());
}

#[test]
fn a_rollout_in_progress_says_so() {
    let mut story = Story::new("");
    story.begin();
    story.started(5, &step(Action::Drain));
    let report = || Report::of(&story.records, &story.id).unwrap();
    assert_eq!(report().headline(), "not finished");
    assert!(report().html().contains("its end was not recorded"));
    let busy = report().at_work(true);
    assert_eq!(busy.headline(), "in progress");
    assert!(busy.html().contains("under way") && !busy.html().contains("its end was not recorded"));
    insta::assert_snapshot!(busy.markdown());
}

#[test]
fn an_interrupted_rollout_that_was_resumed_is_not_over() {
    let mut story = Story::new("");
    story.begin();
    story.asked(Wish::Stop, false);
    story.finished(Outcome::Interrupted { at: "api-2: drain".to_owned() }, "v1");
    let headline = |story: &Story| Report::of(&story.records, &story.id).unwrap().headline();
    assert_eq!(headline(&story), "interrupted: before api-2: drain");
    story.push(10, Entry::Resumed { rollout: story.id.clone(), actor: "bob".to_owned(), nodes: Vec::new() });
    assert_eq!(headline(&story), "not finished");
    let why = "without data for 10m".to_owned();
    story.finished(Outcome::Inconclusive { why, then: AfterHold::Kept }, "v2");
    assert_eq!(headline(&story), "inconclusive: without data for 10m");
}

#[test]
fn every_outcome_says_what_it_means() {
    let reason = String::new;
    let outcomes = [
        Outcome::Completed { changed: true },
        Outcome::Completed { changed: false },
        Outcome::Refused { reasons: Vec::new() },
        Outcome::RolledBack { reason: reason() },
        Outcome::Halted { reason: reason() },
        Outcome::Inconclusive { why: reason(), then: AfterHold::Kept },
        Outcome::Inconclusive { why: reason(), then: AfterHold::RolledBack },
        Outcome::Stuck { reason: reason() },
        Outcome::Interrupted { at: reason() },
    ];
    let meanings: std::collections::BTreeSet<_> =
        outcomes.iter().map(|outcome| crate::sentences::meaning(outcome, None)).collect();
    assert_eq!(meanings.len(), outcomes.len());
}

#[test]
fn another_rollout_is_not_told_of() {
    let story = Story::rolled_back("");
    let other = RolloutId::new(Timestamp::from_millis(0), 7);
    assert!(Report::of(&story.records, &other).is_none());
    assert!(Report::of(&[], &story.id).is_none());
}

/// The plot of the first SLI alone.
fn plot(story: &Story) -> String {
    let page = story.page();
    page.split_once("<svg").unwrap().1.split_once("</svg>").unwrap().0.to_owned()
}

#[test]
fn a_plot_shows_holds_values_the_red_probe_and_the_way_back() {
    let plot = plot(&Story::rolled_back(""));
    assert_eq!(plot.matches("fill=\"#E3B341\"").count(), 2, "two holds: {plot}");
    assert_eq!(plot.matches("fill=\"#1F5FA8\"").count(), 2, "two green probes: {plot}");
    assert_eq!(plot.matches("<circle cx").count(), 3, "and a red one: {plot}");
    assert_eq!(plot.matches("fill=\"#B42318\"").count(), 2, "the red probe and the wrong side: {plot}");
    assert!(plot.contains("bound &lt; 0.5") && plot.contains("rollback"), "{plot}");
    let lines = plot.split("<polyline").filter(|line| line.contains("stroke=\"#1F5FA8\"")).count();
    assert_eq!(
        lines, 1,
        "green probes are joined; over the time that no engine lived there is no line: {plot}"
    );
    assert!(plot.contains("5 probes: 2 green, 1 red, 2 held. Values from 0.2 to 0.81."), "{plot}");
}

#[test]
fn a_long_watch_stays_readable() {
    let mut story = Story::new("");
    story.begin();
    story.started(1, &step(Action::Watch));
    for i in 0..3000_u32 {
        story.probe((i != 1500).then_some(0.2 + f64::from(i % 7) / 100.0), Some(1.0));
    }
    story.probe(Some(0.9), Some(1.0));
    story.failed(&step(Action::Watch), FailureClass::Red);
    let page = story.page();
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let text = Page::read(&page).text;
    assert!(
        text.contains("probes 1–1500") && text.contains("probe 1501") && text.contains("probe 3001"),
        "{text}"
    );
    assert!(text.contains("2999 more, most of them green"), "{text}");
}

#[test]
fn a_comparison_is_told_with_its_evidence() {
    let story = Story::compared("");
    insta::assert_snapshot!("compared_message", story.message());
    let page = story.page();
    let section =
        page.split_once("<h2>Canary and baseline</h2>").unwrap().1.split_once("</section>").unwrap().0;
    let (above, below) = (section.split_once("<svg").unwrap().0, section.split_once("</figure>").unwrap().1);
    insta::assert_snapshot!("compared_section", format!("{above}\n[plot]\n{below}"));
    let plot = section.split_once("<svg").unwrap().1.split_once("</svg>").unwrap().0;
    assert!(plot.contains("bound &lt; 4.605"), "ln(1/0.01): {plot}");
    assert_eq!(plot.matches("fill=\"#B42318\"").count(), 2, "one red poll and the wrong side: {plot}");
    let first = page.split_once("<svg").unwrap().1.split_once("</svg>").unwrap().0;
    let beside = first.split("<polyline").filter(|line| line.contains("stroke=\"#0F766E\"")).count();
    assert_eq!(beside, 1, "the baseline's values are a line: {first}");
}
