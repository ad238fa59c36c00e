//! The tables, and what they say about the goals.

use std::io::Write;

use crate::Options;
use crate::families::{self, RATES, Regression};
use crate::judges::{NAMES, OURS};
use crate::run::{Tallies, Tally, run};
use crate::scenario::Scenario;
use crate::stream::POLL;

/// The most of good releases that our judge may roll back, in per cent.
const FALSE_GOAL: f64 = 1.0;

/// What the tables showed of our judge.
#[derive(Debug, Default)]
struct Goals {
    /// The worst row of good releases by table: the letter, its per cent, its name.
    worst: Vec<(char, f64, String)>,
    /// Rows of bad releases: all with a goal, and those that missed it.
    regressions: usize,
    late: Vec<String>,
}

/// Runs what was asked for and writes it as it comes.
pub(crate) fn write(options: &Options, out: &mut impl Write) -> anyhow::Result<()> {
    let mut goals = Goals::default();
    let wants = |letter: char| options.tables.contains(letter);
    let good = [
        ('A', "good releases, ideal traffic", families::ideal as fn(bool) -> Vec<Scenario>, &[0.0][..]),
        ('B', "good releases, trouble of both arms, noisy and unequal nodes", families::trouble, &RATES[..]),
        (
            'H',
            "good releases, held-out noise, histories quieter than the watch",
            families::held_out,
            &RATES[..],
        ),
    ];
    for (letter, title, family, rates) in good.into_iter().filter(|row| wants(row.0)) {
        for latency in [false, true] {
            false_rollbacks(options, out, &mut goals, (letter, title), &family(latency), rates)?;
        }
    }
    if wants('G') {
        for latency in [false, true] {
            let fresh = families::fresh(latency, options.seed);
            false_rollbacks(
                options,
                out,
                &mut goals,
                ('G', "good releases, fresh families"),
                &fresh,
                &RATES,
            )?;
        }
    }
    let bad = [
        ('C', "bad releases by errors", families::failing as fn() -> Vec<Regression>),
        ('D', "bad releases by latency", families::slow),
        ('F', "bad releases that turn bad late, or on noisy nodes", families::late),
    ];
    for (letter, title, family) in bad.into_iter().filter(|row| wants(row.0)) {
        delays(options, out, &mut goals, (letter, title), &family())?;
    }
    summary(out, &goals)
}

fn runs(options: &Options, scenario: &Scenario) -> usize {
    if scenario.is_latency() { options.runs.div_ceil(2) } else { options.runs }
}

fn header(out: &mut impl Write, first: &str, more: &[&str]) -> anyhow::Result<()> {
    let columns: Vec<&str> = NAMES.iter().chain(more).copied().collect();
    writeln!(out, "| {first} | {} |", columns.join(" | "))?;
    writeln!(out, "|{}", " --- |".repeat(columns.len() + 1))?;
    Ok(())
}

/// One row a scenario; where there are several rates, each cell has them all.
fn false_rollbacks(
    options: &Options,
    out: &mut impl Write,
    goals: &mut Goals,
    (letter, title): (char, &str),
    scenarios: &[Scenario],
    rates: &[f64],
) -> anyhow::Result<()> {
    let Some(first) = scenarios.first() else { return Ok(()) };
    let sli = if first.is_latency() { "latency" } else { "errors" };
    writeln!(out, "\n### {letter}. {title}: {sli}, rolled back (%)\n")?;
    let at = if rates.len() > 1 { format!("{sli} (10 / 100 / 1000 rps)") } else { sli.to_owned() };
    header(out, &at, &["odds, held"])?;
    for scenario in scenarios {
        let at_rate =
            |rps: &f64| Scenario { rps: if *rps > 0.0 { *rps } else { scenario.rps }, ..scenario.clone() };
        let cells: Vec<Tallies> =
            rates.iter().map(at_rate).map(|s| run(&s, runs(options, &s), options.seed)).collect();
        let join = |of: &dyn Fn(&Tallies) -> f64| {
            cells.iter().map(|cell| format!("{:.1}", of(cell))).collect::<Vec<_>>().join(" / ")
        };
        let mut columns: Vec<String> =
            (0..NAMES.len()).map(|judge| join(&|cell| cell[judge].rolled_back())).collect();
        columns.push(join(&|cell| cell[OURS].held()));
        writeln!(out, "| {} | {} |", scenario.name, columns.join(" | "))?;
        out.flush()?;
        let worst = cells.iter().map(|cell| cell[OURS].rolled_back()).fold(0.0, f64::max);
        goals.worst.push((letter, worst, format!("{sli}, {}", scenario.name)));
    }
    Ok(())
}

fn delay(tally: &Tally) -> String {
    let show =
        |quantile| tally.delay(quantile).map_or_else(|| "-".to_owned(), |delay: u32| delay.to_string());
    let found = tally.rolled_back();
    let share = if found < 90.0 { format!(" ({found:.0} %)") } else { String::new() };
    format!("{}/{}{share}", show(0.5), show(0.9))
}

fn delays(
    options: &Options,
    out: &mut impl Write,
    goals: &mut Goals,
    (letter, title): (char, &str),
    rows: &[Regression],
) -> anyhow::Result<()> {
    writeln!(out, "\n### {letter}. {title}: seconds to the rollback, median/90th percentile\n")?;
    header(out, "regression", &["odds, held (%)", "goal", "bad requests: Kayenta", "bad requests: odds"])?;
    for (scenario, goal) in rows {
        let tallies = run(scenario, runs(options, scenario), options.seed);
        let ours = &tallies[OURS];
        let reached = goal.is_none_or(|goal| ours.delay(0.5).is_some_and(|delay| delay <= goal + POLL));
        goals.regressions += usize::from(goal.is_some());
        if !reached {
            goals.late.push(format!("{} ({})", scenario.name, delay(ours)));
        }
        let cells: Vec<String> = tallies.iter().map(delay).collect();
        let goal = goal.map_or_else(|| "-".to_owned(), |goal| format!("{}", goal + POLL));
        let kayenta = &tallies[OURS - 1];
        writeln!(
            out,
            "| {} | {} | {:.0} | {goal} | {:.0} | {:.0} |",
            scenario.name,
            cells.join(" | "),
            ours.held(),
            kayenta.bad(),
            ours.bad()
        )?;
        out.flush()?;
    }
    Ok(())
}

fn summary(out: &mut impl Write, goals: &Goals) -> anyhow::Result<()> {
    writeln!(out, "\n### Goals\n\n| goal | seen | reached |\n| --- | --- | --- |")?;
    for letter in ['A', 'B', 'G', 'H'] {
        let rows = goals.worst.iter().filter(|row| row.0 == letter);
        let Some((_, worst, name)) = rows.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let reached = if *worst <= FALSE_GOAL { "yes" } else { "no" };
        let row = if *worst > 0.0 { format!("{worst:.2} % ({name})") } else { "none in any row".to_owned() };
        writeln!(
            out,
            "| {letter}: at most {FALSE_GOAL} % of good releases rolled back in every row | {row} | {reached} |"
        )?;
    }
    if goals.regressions > 0 {
        let reached = goals.regressions - goals.late.len();
        let seen = if goals.late.is_empty() {
            format!("{reached} of {} rows", goals.regressions)
        } else {
            format!("{reached} of {} rows; not {}", goals.regressions, goals.late.join("; "))
        };
        let verdict = if goals.late.is_empty() { "yes" } else { "no" };
        writeln!(out, "| C, D, F: the median delay within one probe of its goal | {seen} | {verdict} |")?;
    }
    Ok(())
}
