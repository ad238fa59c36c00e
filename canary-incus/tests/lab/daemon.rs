//! The daemon itself: over its socket and over HTTPS, and HAProxy's socket through it.

use std::process::Command as Process;
use std::time::Duration;

use canary_core::fleet::{NodeId, RemotePath};
use canary_core::traits::{CallOutcome, ErrorKind};
use canary_haproxy::{Command, Transport};
use canary_incus::{Endpoint, IncusClient, IncusConfig, IncusExecTransport, ProjectName};

use crate::fixture::{lab, variable};

fn read(name: &str) -> String {
    std::fs::read_to_string(variable(name)).unwrap()
}

fn https(cert: String, key: String, pin: String) -> IncusClient {
    let endpoint = Endpoint::Https {
        url: variable("CANARY_LAB_INCUS_HTTPS"),
        client_cert_pem: cert,
        client_key_pem: key,
        server_cert_pem: pin,
    };
    IncusClient::new(&IncusConfig::new(endpoint)).unwrap()
}

#[tokio::test]
async fn the_server_says_who_it_is() {
    let Some(lab) = lab().await else { return };
    let server = lab.client.server().await.unwrap();
    assert_eq!(server.program, "incus");
    assert!(server.version.starts_with(|c: char| c.is_ascii_digit()), "{server:?}");
}

#[tokio::test]
async fn https_works_with_the_right_certificates() {
    let Some(lab) = lab().await else { return };
    let client = https(
        read("CANARY_LAB_TLS_CLIENT_CERT"),
        read("CANARY_LAB_TLS_CLIENT_KEY"),
        read("CANARY_LAB_TLS_SERVER_CERT"),
    );
    assert_eq!(client.server().await.unwrap().program, "incus");
    let output = client.exec(&lab.node, "test", &["echo", "hi"], Duration::from_secs(10)).await.unwrap();
    assert_eq!((output.code, output.stdout_text()), (0, "hi\n".to_owned()));
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_talked_to() {
    let Some(lab) = lab().await else { return };
    let cert = read("CANARY_LAB_TLS_CLIENT_CERT");
    let client = https(cert.clone(), read("CANARY_LAB_TLS_CLIENT_KEY"), cert);
    let error = client.exec(&lab.node, "test", &["true"], Duration::from_secs(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unauthorised, CallOutcome::NotApplied));
    assert!(error.message().contains("not the pinned one"), "{error}");
}

#[tokio::test]
async fn a_client_that_is_not_trusted_is_told_so() {
    let Some(lab) = lab().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("c"), dir.path().join("k"));
    let made = Process::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=x",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success());
    let read_to_string = |path| std::fs::read_to_string(path).unwrap();
    let client = https(read_to_string(&cert), read_to_string(&key), read("CANARY_LAB_TLS_SERVER_CERT"));
    let error = client.server().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorised);
    assert!(error.message().contains("incus config trust"), "{error}");
    let error = client.exec(&lab.node, "test", &["true"], Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Unauthorised, CallOutcome::NotApplied),
        "{error}"
    );
}

#[tokio::test]
async fn a_project_that_does_not_exist_is_named() {
    let Some(lab) = lab().await else { return };
    let mut config = IncusConfig::new(Endpoint::Unix(lab.socket.clone()));
    config.project = ProjectName::new("canary-nowhere").unwrap();
    let client = IncusClient::new(&config).unwrap();
    let error = client.exec(&lab.node, "test", &["true"], Duration::from_secs(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "there is no project canary-nowhere"));
    assert_eq!(client.exists(&lab.node).await.unwrap_err().kind(), ErrorKind::NotFound);
}

fn transport(client: &IncusClient, instance: &str, socket: &str) -> IncusExecTransport {
    IncusExecTransport::new(
        client.clone(),
        NodeId::new(instance).unwrap(),
        RemotePath::new(socket).unwrap(),
        Duration::from_secs(2),
    )
}

#[tokio::test]
async fn haproxy_answers_through_its_container() {
    let Some(lab) = lab().await else { return };
    let (instance, socket) = (variable("HAPROXY_INSTANCE"), variable("HAPROXY_SOCKET"));
    let through = transport(&lab.client, &instance, &socket);
    assert_eq!(
        through.to_string(),
        format!("{socket} in instance {instance} (Incus at {}, project default)", lab.socket.display())
    );
    let commands = [Command::show_info(), Command::show_cli_level()];
    let replies = through.send(&commands).await.unwrap();
    assert!(replies[0].contains("\nVersion: ") && replies[0].ends_with("\n\n"), "{replies:?}");
    assert_eq!(replies[1], "admin\n\n");
    assert_eq!(through.send(&[]).await.unwrap(), Vec::<String>::new());

    let wrong = transport(&lab.client, &instance, "/run/haproxy/none.sock");
    let error = wrong.send(&commands).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied), "{error}");
    let nobody = transport(&lab.client, "canary-incus-nobody", &socket);
    let error = nobody.send(&commands).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotFound, CallOutcome::NotApplied), "{error}");
}
