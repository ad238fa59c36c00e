//! The program `canary-probe`: one batch in, JSON lines out.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use canary_tenants::probe::{ProbeBatch, ProbeResult, ProbeRound, ProbeRunner, SCHEMA, Tally, brief, lines};

use crate::resolve::GivenAddresses;
use crate::runner::InProcess;

const USAGE: &str = "usage: canary-probe BATCH.json|- [--ca ROOTS.pem] [--brief FILE]";
/// The most bytes of a batch.
const LARGEST: u64 = 16 * 1024 * 1024;
/// What a message of a container's end holds (Kubernetes, `terminationMessagePath`).
const BRIEF: usize = 4096;

/// How the program ended, as its exit code has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every tenant is healthy.
    Healthy = 0,
    /// Every tenant has a result, and some are not healthy.
    NotHealthy = 1,
    /// The batch could not be read, or the results not be written: nothing is known.
    Failed = 2,
}

/// Runs the program with its arguments (without its own name); what is wrong with them goes to `errors`.
///
/// Makes a runtime of its own: a program of it needs this crate alone.
pub fn program(
    arguments: impl IntoIterator<Item = OsString>,
    input: impl BufRead,
    output: &mut impl Write,
    errors: &mut impl Write,
) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let ran = match runtime {
        Ok(runtime) => runtime.block_on(whole(arguments.into_iter().collect(), input, output)),
        Err(why) => Err(format!("the system gives no events: {why}")),
    };
    match ran {
        Ok(tally) if tally.count == tally.healthy => Ended::Healthy,
        Ok(_) => Ended::NotHealthy,
        Err(why) => {
            // proof of harmlessness: without a place for errors the exit code says it alone.
            let _ = writeln!(errors, "error: {why}");
            Ended::Failed
        }
    }
}

async fn whole(
    arguments: Vec<OsString>,
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<Tally, String> {
    let Arguments { batch, ca, brief_to } = arguments_of(arguments)?;
    let text = if batch.as_os_str() == "-" {
        line(input).map_err(|why| format!("reading a batch from standard input: {why}"))?
    } else {
        let shown = batch.display().to_string();
        let file = File::open(&batch).and_then(|file| all(BufReader::new(file)));
        file.map_err(|why| format!("reading the batch {shown}: {why}"))?
    };
    let mut batch: ProbeBatch =
        serde_json::from_str(&text).map_err(|why| format!("the batch is none: {why}"))?;
    if batch.schema != SCHEMA {
        return Err(format!("the batch has the form {:?}; this program reads {SCHEMA:?}", batch.schema));
    }
    if let Some(path) = ca {
        let read = File::open(&path).and_then(|file| all(BufReader::new(file)));
        batch.check.ca_pem =
            Some(read.map_err(|why| format!("reading roots from {}: {why}", path.display()))?);
    }
    let results = run(batch).await;
    if let Some(path) = brief_to {
        let text =
            brief(&results, BRIEF).ok_or_else(|| format!("the results do not fit into {BRIEF} bytes"))?;
        std::fs::write(&path, text).map_err(|why| format!("writing {}: {why}", path.display()))?;
    }
    let written = output.write_all(lines(&results).as_bytes()).and_then(|()| output.flush());
    written.map_err(|why| format!("writing results: {why}"))?;
    Ok(Tally::of(&results))
}

async fn run(batch: ProbeBatch) -> Vec<ProbeResult> {
    let in_flight = batch.in_flight.max(1);
    let windows = (batch.targets.len() as u64).div_ceil(u64::from(in_flight));
    let micros = windows.saturating_mul(batch.check.budget_us).saturating_add(batch.check.spread_us);
    let deadline = Duration::from_micros(micros).saturating_add(Duration::from_secs(1));
    let round = ProbeRound { id: batch.round.clone(), batches: vec![batch], in_flight, deadline };
    InProcess::new(Arc::new(GivenAddresses)).run(&round, &()).await
}

struct Arguments {
    batch: PathBuf,
    ca: Option<PathBuf>,
    brief_to: Option<PathBuf>,
}

fn arguments_of(arguments: Vec<OsString>) -> Result<Arguments, String> {
    let (mut batch, mut ca, mut brief_to) = (None, None, None);
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let slot = match argument.to_str() {
            Some("--ca") => &mut ca,
            Some("--brief") => &mut brief_to,
            Some(flag) if flag.starts_with("--") => return Err(format!("{flag} is not known; {USAGE}")),
            _ if batch.is_none() => {
                batch = Some(PathBuf::from(argument));
                continue;
            }
            _ => return Err(format!("one batch at a time; {USAGE}")),
        };
        *slot = Some(PathBuf::from(rest.next().ok_or_else(|| format!("a file is missing; {USAGE}"))?));
    }
    Ok(Arguments { batch: batch.ok_or(USAGE)?, ca, brief_to })
}

/// One line: whoever writes it need not close the pipe.
fn line(input: impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    input.take(LARGEST).read_line(&mut text)?;
    if text.ends_with('\n') || (text.len() as u64) < LARGEST { Ok(text) } else { Err(too_long()) }
}

fn all(input: impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    input.take(LARGEST).read_to_string(&mut text)?;
    if (text.len() as u64) < LARGEST { Ok(text) } else { Err(too_long()) }
}

fn too_long() -> io::Error {
    io::Error::other(format!("it is longer than {LARGEST} bytes"))
}
