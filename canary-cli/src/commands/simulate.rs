//! `simulate`: how soon the watch as configured would catch a bad release, and how often it would take a good one back.

use std::ops::RangeInclusive;
use std::time::Duration;

use canary_core::analysis::odds::Prospect;
use canary_core::analysis::simulate::{Answer, Judged, Question, simulate};
use canary_core::analysis::{Number, compared};
use canary_core::spec::{Bound, Judging, Sli, WatchPolicy, WatchSubject};
use canary_core::traits::SliKind;
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::Context;
use crate::error::CommandError;
use crate::render::line;
use crate::render::table::aligned;

/// Steps of the plot.
const STEPS: u32 = 10;

/// Blanks of a full bar of the plot.
const WIDTH: f64 = 24.0;

/// The margin within which a canary is as good as the baseline, of errors, where none is said.
const MARGIN: f64 = 1.1;

/// Adds the arguments of the question.
pub(crate) fn arguments(command: Command) -> Command {
    let number = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).value_parser(value_parser!(f64))
    };
    let count = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").default_value(default).help(help)
    };
    command
        .arg(number("rps", "N", "Requests a second of all nodes").required(true))
        .arg(
            number("errors", "RATIO", "The part of the requests that fails on an ordinary day")
                .default_value("0.001"),
        )
        .arg(number("times", "N", "How many times as many fail on the bad canary").default_value("2"))
        .arg(number("share", "RATIO", "The canary's share of the requests [default: one node's]"))
        .arg(
            number("correlation", "RATIO", "How much failures come together on a node within a probe")
                .default_value("0"),
        )
        .arg(
            count("runs", "400", "Simulated watches, each of a good and of a bad release")
                .value_parser(value_parser!(u32).range(1..=100_000)),
        )
        .arg(count("seed", "1", "Which random numbers").value_parser(value_parser!(u64)))
}

pub(super) fn run(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    cx.warn();
    let question = question(cx, matches)?;
    let answer = simulate(&question);
    if cx.screen.json() {
        cx.screen.line(line("simulation", as_json(&question, &answer)));
    } else {
        // A question is made of a watch; without one there is none.
        let judging = cx.settings.spec.watch.as_ref().map(|watch| watch.judging.clone()).unwrap_or_default();
        cx.screen.lines(told(&question, &judging, &answer));
    }
    Ok(0)
}

fn question(cx: &Context<'_>, matches: &ArgMatches) -> Result<Question, CommandError> {
    let spec = &cx.settings.spec;
    let policy = spec.watch.as_ref().ok_or_else(|| {
        CommandError::usage(
            "nothing is watched: the watch window is 0",
            "set watch.window, or SLI_WINDOW, to some time",
        )
    })?;
    let ratio = |name| number(matches, name, 1e-9..=0.999_999);
    let share = match matches.contains_id("share") {
        true => ratio("share")?,
        false if spec.peers.is_empty() => {
            return Err(CommandError::usage(
                "there is no other node to compare the canary with",
                "name the peers, or give the canary's share with --share",
            ));
        }
        false => 1.0 / (spec.peers.len() as f64 + 1.0),
    };
    let errors = ratio("errors")?;
    let times = number(matches, "times", 1.000_001..=0.999_999 / errors)?;
    let Watched { bound, pool, margin, slis } = watched(policy);
    Ok(Question {
        requests_per_second: number(matches, "rps", 1e-3..=1e6)?,
        canary_share: share,
        errors,
        times,
        correlation: number(matches, "correlation", 0.0..=0.999)?,
        window: policy.window,
        interval: policy.interval,
        rate_window: policy.rate_window,
        bound,
        pool,
        patience: policy.judging.threshold.unwrap_or_default(),
        rules: policy.judging.odds.clone().unwrap_or_default(),
        margin,
        slis,
        watches: spec.weights.as_ref().map_or(0, |weights| weights.steps.len() as u32) + 1,
        runs: matches.get_one("runs").copied().unwrap_or(400),
        seed: matches.get_one("seed").copied().unwrap_or(1),
    })
}

/// What the watch says of the error ratio.
struct Watched {
    /// Its bound; never reached where none is watched.
    bound: f64,
    pool: bool,
    margin: f64,
    /// How many SLIs share α.
    slis: u32,
}

fn watched(policy: &WatchPolicy) -> Watched {
    let errors = |sli: &&Sli| matches!((&sli.kind, sli.bound), (SliKind::ErrorRatio { .. }, Bound::Below(_)));
    let sli = policy.slis.iter().find(errors);
    let bound = sli.and_then(|sli| match sli.bound {
        Bound::Below(bound) => Some(bound.value()),
        Bound::Above(_) => None,
    });
    let shared = policy.slis.iter().filter(|sli| compared(sli).is_some()).count();
    Watched {
        bound: bound.unwrap_or(f64::INFINITY),
        pool: sli.map_or(policy.subject, |sli| policy.subject_of(sli)) == WatchSubject::Pool,
        margin: sli.and_then(|sli| sli.judging.margin).map_or(MARGIN, Number::value),
        slis: u32::try_from(shared).unwrap_or(u32::MAX).clamp(1, 50),
    }
}

fn number(matches: &ArgMatches, name: &str, range: RangeInclusive<f64>) -> Result<f64, CommandError> {
    // proof: each of these arguments has a default, is required, or was looked for.
    let value = matches.get_one::<f64>(name).copied().unwrap_or(f64::NAN);
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = range.into_inner();
    let hint = format!("give a number from {least} to {most}");
    Err(CommandError::usage(format!("--{name} {value} cannot be simulated"), hint))
}

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

fn time(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| humantime::format_duration(time).to_string())
}

fn told(question: &Question, judging: &Judging, answer: &Answer) -> Vec<String> {
    let (window, interval) = (time(Some(question.window)), time(Some(question.interval)));
    let mut lines = vec![
        format!(
            "{} requests a second, {} to the canary, {:.3} % of all fail; {window} watched with a probe every {interval}",
            question.requests_per_second,
            percent(question.canary_share),
            100.0 * question.errors,
        ),
        format!(
            "{} releases that fail {} times as often, and {} that do not",
            question.runs, question.times, question.runs
        ),
        String::new(),
    ];
    let heads = ["", "good ones back", "bad ones back", "half within", "90 % within", "failed requests"];
    let row = |name: String, judged: &Judged| {
        vec![
            name,
            percent(judged.good_rolled_back),
            percent(judged.found_within(question.window)),
            time(judged.delay(0.5)),
            time(judged.delay(0.9)),
            format!("{:.0}", judged.failed_requests),
        ]
    };
    let of = if question.pool { "pool" } else { "canary" };
    let bound = if question.bound.is_finite() {
        format!("bound: {of} < {}", question.bound)
    } else {
        "no bound on the error ratio".to_owned()
    };
    let rows = [
        heads.map(str::to_owned).to_vec(),
        row(bound, &answer.bound),
        row("canary against its peers".to_owned(), &answer.odds),
    ];
    lines.extend(aligned(&rows));
    lines.extend([String::new(), "bad ones back within".to_owned()]);
    lines.extend(plot(question, answer));
    lines.extend(hints(question, judging));
    lines
}

/// The part found over time, one line a step.
fn plot(question: &Question, answer: &Answer) -> Vec<String> {
    let bar = |part: f64| format!("{:>7}  {}", percent(part), "█".repeat((part * WIDTH).round() as usize));
    let mut rows = vec![["", "by the bound", "against its peers"].map(str::to_owned).to_vec()];
    rows.extend((1..=STEPS).map(|step| {
        let within = question.window * step / STEPS;
        let parts = [&answer.bound, &answer.odds].map(|judged| bar(judged.found_within(within)));
        let [bound, odds] = parts;
        vec![format!("{:>6}", time(Some(Duration::from_secs(within.as_secs())))), bound, odds]
    }));
    aligned(&rows)
}

fn prospect(question: &Question, times: f64) -> Prospect {
    Prospect {
        requests_per_second: question.requests_per_second,
        canary_share: question.canary_share,
        baseline: question.errors,
        canary: (question.errors * times).min(0.999_999),
        margin: question.margin,
        phi: 1.0,
        slis: question.slis,
    }
}

/// What nobody should find out during a rollout.
fn hints(question: &Question, judging: &Judging) -> Vec<String> {
    let policy = question.rules.policy(question.window, question.watches);
    let five = prospect(question, 5.0).detectability(&policy);
    let mut lines = vec![String::new()];
    if !five.within(policy.window) {
        lines.push(format!(
            "too little traffic to compare: even 5 times the errors take some {:.0} failed requests, about {}",
            five.events,
            time(five.time.map(|time| Duration::from_secs(time.as_secs())))
        ));
    }
    if question.watches > 1 {
        lines.push(format!(
            "this is the watch at the canary's whole weight: one of {} watches, which share the bound on false rollbacks",
            question.watches
        ));
    }
    let by = judges(judging);
    lines.push(format!(
        "run judges by {by}; for the comparison, {} of history as quiet as the watch is assumed",
        time(Some(question.rules.history))
    ));
    lines
}

/// Who judges as configured.
fn judges(judging: &Judging) -> String {
    let all = [
        (judging.threshold.is_some(), "the bound"),
        (judging.odds.is_some(), "comparison"),
        (judging.score.is_some(), "the score"),
    ];
    let named: Vec<_> = all.into_iter().filter_map(|(named, judge)| named.then_some(judge)).collect();
    named.join(" and ")
}

fn as_json(question: &Question, answer: &Answer) -> Value {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    let judged = |judged: &Judged| {
        json!({
            "good_rolled_back": judged.good_rolled_back,
            "bad_rolled_back": judged.found_within(question.window),
            "median_s": seconds(judged.delay(0.5)),
            "p90_s": seconds(judged.delay(0.9)),
            "failed_requests": judged.failed_requests,
        })
    };
    json!({
        "rps": question.requests_per_second,
        "share": question.canary_share,
        "errors": question.errors,
        "times": question.times,
        "window_s": question.window.as_secs(),
        "interval_s": question.interval.as_secs(),
        "runs": question.runs,
        "watches": question.watches,
        "bound": judged(&answer.bound),
        "comparison": judged(&answer.odds),
    })
}
