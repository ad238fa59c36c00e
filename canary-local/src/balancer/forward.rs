//! One request: a server is chosen, and another one when nothing of the request was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::{Relayed, RequestBody, ResponseBody, Timed};
use super::pool::Sender;
use super::{Session, Shared, headers, tunnel};

/// How one try ended without an answer.
enum Failed {
    /// Nothing of the request was sent; another server may have it.
    NotSent(Box<Request<RequestBody>>),
    /// It may have been carried out; the client is told.
    Sent(StatusCode, &'static str),
}

/// Answers a client's request with a server's answer.
pub(crate) async fn request(
    shared: Arc<Shared>,
    client: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    shared.totals.count_request();
    if request.method() == Method::CONNECT {
        return Ok(own(&shared, StatusCode::NOT_IMPLEMENTED, "this is not a forward proxy\n"));
    }
    let client_side = headers::upgrade(request.headers()).is_some().then(|| hyper::upgrade::on(&mut request));
    let mut request = outgoing(&shared, client, request);
    let mut tried = Vec::new();
    loop {
        let chosen = shared.pool().choose(&tried);
        let Some(chosen) = chosen else {
            return Ok(own(&shared, StatusCode::SERVICE_UNAVAILABLE, "no server is up\n"));
        };
        let session = Session::new(&shared, chosen);
        if !tried.is_empty() {
            shared.totals.count_redispatch();
        }
        tried.push(session.index());
        let failed = tokio::select! {
            biased;
            answered = exchange(&shared, &session, request) => match answered {
                Ok((response, sender)) => return Ok(respond(&shared, session, response, sender, client_side)),
                Err(failed) => failed,
            },
            () = session.closed() => Failed::Sent(StatusCode::BAD_GATEWAY, "the session was closed\n"),
        };
        match failed {
            Failed::NotSent(back) => request = *back,
            Failed::Sent(status, why) => return Ok(own(&shared, status, why)),
        }
    }
}

/// The client's request as a server gets it.
fn outgoing(shared: &Shared, client: SocketAddr, request: Request<Incoming>) -> Request<RequestBody> {
    let (mut parts, body) = request.into_parts();
    headers::to_server(&mut parts, client.ip(), &shared.address.to_string());
    let body = if body.is_end_stream() {
        RequestBody::Empty
    } else {
        RequestBody::Client(Timed::new(body, shared.config.deadlines.body))
    };
    Request::from_parts(parts, body)
}

/// Sends the request to the session's server, over an idle connection or a new one.
async fn exchange(
    shared: &Shared,
    session: &Session,
    mut request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Sender), Failed> {
    while let Some(mut sender) = session.take_idle() {
        let copy = repeatable(&request);
        match (send(shared, session, &mut sender, request).await, copy) {
            (Ok(response), _) => return Ok((response, sender)),
            (Err(Failed::NotSent(back)), _) => request = *back,
            // RFC 9110 section 9.2.2, RFC 9112 section 9.3.1: a server may close an idle connection at any time; a safe
            // request that met this, with no answer begun, is sent once more.
            (Err(Failed::Sent(StatusCode::BAD_GATEWAY, _)), Some(copy)) => {
                request = copy;
                break;
            }
            (Err(failed), _) => return Err(failed),
        }
    }
    let connected = tokio::time::timeout(shared.config.deadlines.connect, connect(session.address())).await;
    let Ok(Ok(mut sender)) = connected else { return Err(Failed::NotSent(Box::new(request))) };
    let response = send(shared, session, &mut sender, request).await?;
    Ok((response, sender))
}

/// A copy of a request that can be sent twice: a safe method and no body.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_safe() || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut copy = Request::new(RequestBody::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

async fn connect(address: SocketAddr) -> Result<Sender, ()> {
    let stream = TcpStream::connect(address).await.map_err(|_| ())?;
    // Small requests must not wait for more to send with them.
    let _ = stream.set_nodelay(true);
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| ())?;
    // Ends when the server closes or the sender is dropped.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// Sends on one connection and waits for the answer's head.
async fn send(
    shared: &Shared,
    session: &Session,
    sender: &mut Sender,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, Failed> {
    let answer = tokio::time::timeout(shared.config.deadlines.response, sender.try_send_request(request));
    match answer.await {
        Ok(Ok(response)) => {
            session.count();
            Ok(response)
        }
        Ok(Err(mut error)) => match error.take_message() {
            Some(request) => Err(Failed::NotSent(Box::new(request))),
            None => {
                session.count();
                Err(Failed::Sent(StatusCode::BAD_GATEWAY, "the server broke off\n"))
            }
        },
        Err(_) => {
            session.count();
            Err(Failed::Sent(StatusCode::GATEWAY_TIMEOUT, "the server did not answer in time\n"))
        }
    }
}

/// The server's answer as the client gets it.
fn respond(
    shared: &Arc<Shared>,
    session: Session,
    mut response: Response<Incoming>,
    sender: Sender,
    client_side: Option<hyper::upgrade::OnUpgrade>,
) -> Response<ResponseBody> {
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = if switched { headers::upgrade(response.headers()) } else { None };
    if let (true, Some(client_side)) = (switched, client_side) {
        let server_side = hyper::upgrade::on(&mut response);
        tokio::spawn(tunnel::run(Arc::clone(shared), session, client_side, server_side));
        let (mut parts, _) = response.into_parts();
        headers::pass_on(&mut parts.headers, upgrade);
        return Response::from_parts(parts, ResponseBody::Own(None));
    }
    if switched {
        return own(shared, StatusCode::BAD_GATEWAY, "the server switched protocols unasked\n");
    }
    let (mut parts, body) = response.into_parts();
    headers::pass_on(&mut parts.headers, None);
    let relayed = Relayed::new(body, shared.config.deadlines.body, session, sender);
    Response::from_parts(parts, ResponseBody::Relayed(Box::new(relayed)))
}

/// The balancer's own answer.
fn own(shared: &Shared, status: StatusCode, why: &'static str) -> Response<ResponseBody> {
    shared.totals.count_own();
    let mut response = Response::new(ResponseBody::Own(Some(Bytes::from_static(why.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
