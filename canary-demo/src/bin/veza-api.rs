//! `veza-api`: the sample service, and with `--stamp` the maker of its releases.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use canary_demo::service::{Fault, Trailer, run, running_trailer, stamp};
use clap::{Parser, ValueEnum};

/// The lab's sample service; without arguments it serves as its trailer says.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Writes a copy of this program with another trailer to this path, and ends.
    #[arg(long, value_name = "OUT", requires = "version")]
    stamp: Option<PathBuf>,
    /// The copy's version.
    #[arg(long, value_name = "NAME", requires = "stamp")]
    version: Option<String>,
    /// What the copy does wrong; may be given several times.
    #[arg(long, value_enum, requires = "stamp")]
    fault: Vec<FaultKind>,
    /// How many requests in a million the fault hits.
    #[arg(long, default_value_t = 1_000_000)]
    rate_ppm: u32,
    /// Milliseconds for latency and long-requests.
    #[arg(long, default_value_t = 8000)]
    ms: u64,
    /// Milliseconds before the port is open, for slow-start.
    #[arg(long, default_value_t = 3000)]
    start_ms: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultKind {
    None,
    Errors,
    Latency,
    Health,
    Crash,
    SlowStart,
    LongRequests,
}

impl Arguments {
    fn trailer(&self) -> Trailer {
        let mut trailer = Trailer::new(self.version.clone().unwrap_or_default());
        for kind in &self.fault {
            trailer.faults.extend(match kind {
                FaultKind::None => None,
                FaultKind::Errors => Some(Fault::Errors { rate_ppm: self.rate_ppm }),
                FaultKind::Latency => Some(Fault::Latency { rate_ppm: self.rate_ppm, ms: self.ms }),
                FaultKind::Health => Some(Fault::Health),
                FaultKind::Crash => Some(Fault::Crash),
                FaultKind::SlowStart => Some(Fault::SlowStart { ms: self.start_ms }),
                FaultKind::LongRequests => Some(Fault::LongRequests { ms: self.ms }),
            });
        }
        trailer
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(target) = &arguments.stamp {
        let source = std::env::current_exe().context("finding this program's own file")?;
        return Ok(stamp(&source, target, &arguments.trailer())?);
    }
    let trailer = running_trailer()?.unwrap_or_else(|| Trailer::new("unstamped"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(run(arguments.listen, trailer, log))?)
}

/// One line for the unit's journal; a closed stderr is no reason to stop serving.
fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
