//! `bench-judges`: judges of canaries on the same simulated hours: how often each rolls a good release back, how soon a bad
//! one, and how many bad requests were served until then. Prints Markdown.

mod families;
mod judges;
mod normal;
mod report;
mod run;
mod scenario;
mod stream;

use std::io::Write as _;

use anyhow::{Context as _, bail};

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Simulated hours a cell; latency costs more and gets half.
    pub(crate) runs: usize,
    pub(crate) seed: u64,
    /// The tables, by letter.
    pub(crate) tables: String,
}

const USAGE: &str = "bench-judges [--runs N] [--seed N] [--tables ABCDEFGH]

  --runs N     simulated hours a cell (default 60; latency gets half)
  --seed N     another stream, and other fresh families (default 1)
  --tables T   A ideal, B trouble and noise, C errors, D latency, F late and noisy, G fresh, H held out (default all)";

fn options(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options { runs: 60, seed: 1, tables: "ABCDFGH".to_owned() };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value\n\n{USAGE}"))?;
        match flag.as_str() {
            "--runs" => options.runs = value.parse().with_context(|| format!("--runs {value:?}"))?,
            "--seed" => options.seed = value.parse().with_context(|| format!("--seed {value:?}"))?,
            "--tables" => options.tables = value,
            _ => bail!("unknown argument {flag:?}\n\n{USAGE}"),
        }
    }
    Ok(options)
}

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    let mut out = std::io::stdout().lock();
    report::write(&options, &mut out)?;
    out.flush().context("writing the report")
}
