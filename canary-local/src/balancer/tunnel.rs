//! What comes after `101 Switching Protocols`: bytes both ways, a session for as long as it lasts.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{Session, Shared};

/// Copies both ways until either side ends, the session is closed, or the balancer goes down.
pub(crate) async fn run(shared: Arc<Shared>, session: Session, client: OnUpgrade, server: OnUpgrade) {
    let both = async {
        let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
        // An end is an end, however it came about.
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
    };
    tokio::select! {
        () = both => {}
        () = session.closed() => {}
        () = shared.stopped() => {}
    }
}
