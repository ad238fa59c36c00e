//! The service that this crate's tests roll out: the lab's, told where to listen and who it is.
//!
//! What it does wrong stands in a trailer on the binary; see `canary_demo::service`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use canary_demo::service::{App, Fault, Trailer, running_trailer, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, node] = arguments.as_slice() else { bail!("usage: sample_service ADDRESS NODE") };
    let listen: SocketAddr = listen.parse().context("the address")?;
    let trailer = running_trailer()?.unwrap_or_else(|| Trailer::new("unstamped"));
    ensure!(!trailer.faults.contains(&Fault::Crash), "release {} crashes at start", trailer.version);
    let mut terminate = signal(SignalKind::terminate())?;
    for fault in &trailer.faults {
        if let Fault::SlowStart { ms } = *fault {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                _ = terminate.recv() => return Ok(()),
            }
        }
    }
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    log(&format!("release {} listens on {listen}", trailer.version));
    let stop = async move {
        terminate.recv().await;
    };
    serve(Arc::new(App::new(trailer, node)), listener, stop).await?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a program's log")]
fn log(line: &str) {
    eprintln!("{line}");
}
