//! The whole program, for whoever has it in another binary.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{App, Fault, Trailer, serve};

/// Serves as the trailer says until SIGTERM, then finishes what is in flight; `log` gets a line for each.
///
/// # Errors
/// At once for [`Fault::Crash`]; when the address cannot be listened on, or no signal can be listened for.
pub async fn run(listen: SocketAddr, trailer: Trailer, log: impl Fn(&str) + Send + Sync) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    if trailer.faults.contains(&Fault::Crash) {
        return Err(io::Error::other(format!("release {} crashes at start", trailer.version)));
    }
    for fault in &trailer.faults {
        if let Fault::SlowStart { ms } = *fault {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                _ = terminate.recv() => return Ok(()),
            }
        }
    }
    let refused = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {listen}: {e}"));
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    log(&format!("release {} listens on {}", trailer.version, listener.local_addr()?));
    let app = Arc::new(App::new(trailer, node.trim()));
    let stop = async {
        terminate.recv().await;
        log("stopping: finishing the requests in flight");
    };
    serve(app, listener, stop).await
}
