//! Times a roll side by side: `canary-cli run`, the runbook's steps as a shell script, and an Ansible play.
//!
//! With `--start-ms 3000` it shows what the script and the play lose when a service takes its time to start.

mod contender;
mod table;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use canary_core::fleet::Artifact;
use canary_demo::load::{Load, LoadOptions, Summary};
use canary_demo::service::Fault;
use canary_lab_e2e::{Lab, Releases, clients};
use clap::Parser;

use contender::{Contender, Roll};

/// Times a roll of every node, no watch, a service that starts at once, with clients that count what fails.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each rolls.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
    /// Requests a second meanwhile, over 16 connections.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// Milliseconds the new release takes to start; HAProxy finds it up later than it is asked to.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=20_000))]
    start_ms: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let lab = Lab::acquire().await?.context("there is no lab; use: lab/lab up && eval \"$(lab/lab env)\"")?;
    ensure!(lab.nodes().len() >= 2, "a roll needs two nodes; use: lab/lab up --nodes 2");
    let directory = tempfile::tempdir()?;
    let faults =
        if arguments.start_ms == 0 { vec![] } else { vec![Fault::SlowStart { ms: arguments.start_ms }] };
    // Of another size than the first, as releases are.
    let release = Releases::new(lab.first_binary(), directory.path()).make("v2-bench", &faults)?;
    let mut rolls: Vec<(Contender, Vec<Roll>)> =
        Contender::all().into_iter().map(|c| (c, Vec::new())).collect();
    // Turn by turn, so that a busy moment of the machine hits all alike.
    for repeat in 0..arguments.repeats {
        for (contender, done) in &mut rolls {
            if contender.missing().is_some() {
                continue;
            }
            let state = directory.path().join(format!("{}-{repeat}", contender.name()));
            done.push(timed(&lab, arguments.rate, *contender, &release, &state).await?);
        }
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", table::table(&rolls, lab.nodes().len(), arguments.rate))?;
    Ok(())
}

/// One roll of a lab as new, under load from before its start until after its end.
async fn timed(
    lab: &Lab,
    rate: u32,
    contender: Contender,
    release: &Artifact,
    state: &Path,
) -> anyhow::Result<Roll> {
    lab.reset().await?;
    let options = LoadOptions { rate_per_second: Some(rate), ..clients() };
    let load = Load::start(lab.variable("CANARY_LAB_URL"), options).await?;
    let both = |summary: &Summary| lab.nodes().iter().all(|node| summary.answers_of_node(node) > 20);
    load.wait_for(both, Duration::from_secs(10)).await?;
    let mut roll = contender.roll(lab, release, state).await?;
    // A node that came back badly fails requests after the script has said that all is well.
    let after = load.snapshot().sent + u64::from(rate) * 2;
    load.wait_for(|summary| summary.sent >= after, Duration::from_secs(30)).await?;
    let summary = load.stop().await;
    (roll.sent, roll.failed) = (summary.sent, summary.failed_total);
    Ok(roll)
}
