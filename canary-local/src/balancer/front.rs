//! Where clients come in.

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Shared, forward};

/// Serves clients until the balancer stops; then lets requests in progress end within their deadline.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(shared.config.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = shared.stopped() => break,
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = shared.stopped() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let connection = connection(Arc::clone(&shared), stream, client);
                connections.spawn(async move {
                    let _permit = permit;
                    connection.await;
                });
            }
            // Of one connection, or of a moment without descriptors: accepting goes on.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // What is left after the deadline is cut when the set is dropped.
    let _ = tokio::time::timeout(shared.config.deadlines.shutdown, all).await;
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, client: std::net::SocketAddr) {
    // Small answers must not wait for more to send with them.
    let _ = stream.set_nodelay(true);
    let of_request = Arc::clone(&shared);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.deadlines.client)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| forward::request(Arc::clone(&of_request), client, request)),
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A client that goes away in the middle is its own affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shared.stopped() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
