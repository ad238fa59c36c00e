//! The holder's end of the control socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use canary_core::fleet::{FileFacts, NodeId, RemotePath};
use canary_core::traits::{BackendError, ErrorKind, NodeRuntime as _};
use canary_http::{Body, StatusCode, header, reader_body};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::codec::Route;
use super::{Call, FileOf, Refusal, SHA256_HEADER, SIZE_HEADER, VERSION, VERSION_HEADER};
use crate::error::{BACKEND, file_failed, unchanged};
use crate::holder::Fleet;

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// The longest question.
const QUESTION: usize = 64 * 1024;
/// For a request's head, and between two pieces of its body.
const PIECE: Duration = Duration::from_secs(30);
/// For answers in progress when the holder stops.
const LAST: Duration = Duration::from_secs(30);

/// An answer that says no.
type Answer = Result<Response<Body>, (StatusCode, Refusal)>;

/// Answers until `stop` turns true, then lets answers in progress end.
pub(crate) async fn serve(listener: UnixListener, fleet: Arc<Fleet>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if may_ask(&stream) => {
                let (fleet, stop) = (Arc::clone(&fleet), stop.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    connection(stream, fleet, stop).await;
                });
            }
            // Nothing is said to strangers.
            Ok((stream, _)) => drop(stream),
            // Of one connection, or of a moment without descriptors: accepting goes on.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // What is left after the deadline is cut when the set is dropped.
    let _ = tokio::time::timeout(LAST, all).await;
}

/// Only the holder's own user and root may ask, whatever the socket's mode has become.
fn may_ask(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn connection(stream: UnixStream, fleet: Arc<Fleet>, mut stop: watch::Receiver<bool>) {
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(PIECE).serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(Arc::clone(&fleet), request)),
        );
    let mut connection = std::pin::pin!(connection);
    // A client that goes away in the middle is its own affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(fleet: Arc<Fleet>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let answered = match Route::of(request.method().as_str(), request.uri().path()) {
        Route::Call => call(fleet, request).await,
        Route::Fetch => fetch(&fleet, request).await,
        Route::Install { node, facts } => install(&fleet, &node, facts, request).await,
        Route::OtherVersion => {
            Err(misunderstood(format!("this holder speaks version {VERSION} of the control protocol")))
        }
        Route::Unknown => Err(misunderstood("there is no such request".to_owned())),
    };
    let mut response = answered.unwrap_or_else(|(status, refusal)| {
        let mut response = json(&refusal);
        *response.status_mut() = status;
        response
    });
    response.headers_mut().insert(VERSION_HEADER, VERSION.into());
    Ok(response)
}

/// Carries a call out; one that was begun is finished, also when nobody waits for its answer any more.
async fn call(fleet: Arc<Fleet>, request: Request<Incoming>) -> Answer {
    let call: Call = question(request).await?;
    let work = tokio::spawn(async move {
        let node = &fleet.nodes;
        let answer = match call {
            Call::About => json(&fleet.about()),
            Call::Servers => json(&fleet.servers().await?),
            Call::SetAdmin { node, state } => json(&fleet.set_admin(&node, state).await?),
            Call::SetWeight { node, weight } => json(&fleet.set_weight(&node, weight).await?),
            Call::CloseSessions { node } => json(&fleet.close_sessions(&node).await?),
            Call::CheckThrough { check } => json(&fleet.check_through(&check).await?),
            Call::Installed { node: name } => json(&node.installed(&name).await?),
            Call::Inspect { node: name, path } => json(&node.inspect(&name, &path).await?),
            Call::Restart { node: name } => json(&node.restart(&name).await?),
            Call::Service { node: name } => json(&node.service(&name).await?),
            Call::Check { node: name, check } => json(&node.check(&name, &check).await?),
            Call::Logs { node: name, lines } => json(&node.logs(&name, lines).await?),
        };
        Ok(answer)
    });
    match work.await {
        Ok(answer) => answer.map_err(|error| refused(&error)),
        Err(error) => {
            let broken = BackendError::new(ErrorKind::Other, BACKEND, "answer", "it was broken off");
            Err(refused(&broken.caused_by(error)))
        }
    }
}

async fn install(fleet: &Fleet, node: &NodeId, facts: FileFacts, request: Request<Incoming>) -> Answer {
    let work = async {
        let mut incoming = fleet.nodes.receive(node, facts).await?;
        let mut body = request.into_body();
        while let Some(piece) = piece(&mut body).await? {
            incoming.write(&piece).await?;
        }
        incoming.finish().await
    };
    work.await.map(|report| json(&report)).map_err(|error| refused(&error))
}

async fn piece(body: &mut Incoming) -> Result<Option<hyper::body::Bytes>, BackendError> {
    const OPERATION: &str = "install the artifact";
    match tokio::time::timeout(PIECE, body.frame()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
        Ok(Some(Err(error))) => {
            Err(unchanged(ErrorKind::Protocol, OPERATION, "the bytes broke off").caused_by(error))
        }
        Err(_) => Err(unchanged(ErrorKind::TimedOut, OPERATION, "the bytes did not go on in time")),
    }
}

async fn fetch(fleet: &Fleet, request: Request<Incoming>) -> Answer {
    const OPERATION: &str = "fetch the file";
    let FileOf { node, path } = question(request).await?;
    send(fleet, OPERATION, &node, &path).await.map_err(|error| refused(&error))
}

async fn send(
    fleet: &Fleet,
    operation: &'static str,
    node: &NodeId,
    path: &RemotePath,
) -> Result<Response<Body>, BackendError> {
    let Some(facts) = fleet.nodes.inspect(node, path).await? else {
        return Err(unchanged(ErrorKind::NotFound, operation, format!("there is no {path}")));
    };
    let local = std::path::PathBuf::from(path.as_str());
    let file = tokio::fs::File::open(&local).await;
    let file = file.map_err(|error| file_failed(operation, "read", &local, error))?;
    let mut response = Response::new(reader_body(file, facts.size));
    let headers = response.headers_mut();
    let mut insert = |name, text: String| {
        if let Ok(value) = text.parse::<header::HeaderValue>() {
            headers.insert(name, value);
        }
    };
    insert(SHA256_HEADER, facts.sha256.to_string());
    insert(SIZE_HEADER, facts.size.to_string());
    Ok(response)
}

/// Reads a short body as JSON.
async fn question<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, (StatusCode, Refusal)> {
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    loop {
        let piece = piece(&mut body).await.map_err(|error| misunderstood(error.chain()))?;
        let Some(piece) = piece else { break };
        if bytes.len() + piece.len() > QUESTION {
            return Err(misunderstood(format!("the question is longer than {QUESTION} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    serde_json::from_slice(&bytes).map_err(|error| misunderstood(error.to_string()))
}

fn json(value: &impl Serialize) -> Response<Body> {
    // proof: the answers hold nothing that JSON cannot, such as maps with other keys than texts.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn refused(error: &BackendError) -> (StatusCode, Refusal) {
    (StatusCode::UNPROCESSABLE_ENTITY, Refusal::of(error))
}

fn misunderstood(why: String) -> (StatusCode, Refusal) {
    (StatusCode::BAD_REQUEST, Refusal::of(&unchanged(ErrorKind::Protocol, "understand the request", why)))
}
