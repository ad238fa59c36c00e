//! TLS against a real rustls server: pinning, client certificates, extra roots, and what each refusal says.

use std::sync::Arc;

use crate::common::{Seen, answer, client, reply};
use canary_core::traits::{BackendError, CallOutcome, ErrorKind, Retry};
use canary_http::{HttpClient, Method, Reply, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

// Made once with `openssl req -x509 … -days 36500`; the keys protect nothing.
const SERVER: &[u8] = include_bytes!("data/server.pem");
const OTHER: &[u8] = include_bytes!("data/other.pem");
const CLIENT: &[u8] = include_bytes!("data/client.pem");

/// Starts a TLS server with the certificate SERVER; it may demand the client certificate CLIENT.
async fn serve_tls(demand_client: bool) -> String {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if demand_client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CLIENT).unwrap()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(SERVER).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("data/server.key")).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let seen = Seen::default();
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, &reply("200 OK", "text/plain", "hello"), &seen).await;
            }
        }
    });
    url
}

fn pinned(pem: &[u8]) -> Tls {
    Tls { pinned_server_pem: Some(pem.to_vec()), ..Tls::default() }
}

async fn get(url: &str, tls: Tls) -> Result<Reply, BackendError> {
    let client: HttpClient = client(url).tls(tls).build().map_err(|e| panic!("{e}")).unwrap();
    client.send("read", client.request(Method::GET, "/")).await
}

#[tokio::test]
async fn the_pinned_certificate_is_accepted_under_any_name() {
    let url = serve_tls(false).await;
    assert_eq!(get(&url, pinned(SERVER)).await.unwrap().text(), "hello");
}

#[tokio::test]
async fn another_certificate_is_refused_and_nothing_was_sent() {
    let url = serve_tls(false).await;
    for (tls, says) in [(pinned(OTHER), "is not the pinned one"), (Tls::default(), "is not trusted")] {
        let error = get(&url, tls).await.unwrap_err();
        let got = (error.kind(), error.outcome(), error.retry());
        assert_eq!(got, (ErrorKind::Unauthorised, CallOutcome::NotApplied, Retry::Permanent));
        assert!(error.message().contains(says), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_demanded() {
    let url = serve_tls(true).await;
    let key = include_bytes!("data/client.key").to_vec();
    let with_identity = Tls { client_identity_pem: Some((CLIENT.to_vec(), key)), ..pinned(SERVER) };
    assert!(!format!("{with_identity:?}").contains("PRIVATE"));
    assert_eq!(get(&url, with_identity).await.unwrap().text(), "hello");

    let error = get(&url, pinned(SERVER)).await.unwrap_err();
    let got = (error.kind(), error.outcome(), error.retry());
    assert_eq!(
        got,
        (ErrorKind::Unauthorised, CallOutcome::NotApplied, Retry::Permanent),
        "{}",
        error.chain()
    );
    assert!(error.message().contains("did not accept the client certificate"), "{}", error.chain());
}

#[tokio::test]
async fn a_foreign_key_is_refused_before_anything_is_sent() {
    let key = include_bytes!("data/server.key").to_vec();
    let tls = Tls { client_identity_pem: Some((CLIENT.to_vec(), key)), ..pinned(SERVER) };
    let error = client("https://127.0.0.1:1").tls(tls).build().unwrap_err();
    assert!(error.to_string().starts_with("the client's private key is not usable"), "{error}");
}

#[tokio::test]
async fn plain_and_tls_ports_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let error = get(&url, pinned(SERVER)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Refused, Retry::Permanent), "{}", error.chain());
    assert!(error.message().contains("does not speak TLS"), "{}", error.chain());
}
