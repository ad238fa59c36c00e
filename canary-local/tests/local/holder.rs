//! A holder and its clients: what they may do, what outlives the holder, and who is not let in.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use canary_core::fleet::{PoolName, RemotePath};
use canary_core::traits::{
    ActiveState, AdminState, CallOutcome, ErrorKind, HealthCheck, LoadBalancer as _, NodeRuntime as _, Retry,
    Weight,
};
use canary_local::{
    CheckConfig, Holder, HolderConfig, LocalBalancerConfig, LocalClient, LocalClientConfig, LocalError,
    LocalNodesConfig, NodeConfig, OnStop, ServerConfig,
};
use proptest::test_runner::{Config, TestRunner};

use crate::support::{group, node, release, until};

const HEALTH: &str = "/api/v1/health";

/// Loopback addresses nobody listens on now.
fn free() -> [SocketAddr; 3] {
    let bound = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}

/// Three nodes of the sample service below `dir`.
fn config(dir: &Path, addresses: &[SocketAddr]) -> HolderConfig {
    let names = ["api-1", "api-2", "api-3"].map(node);
    let nodes = names.iter().zip(addresses).map(|(name, at)| NodeConfig::new(name.clone(), *at)).collect();
    let mut nodes = LocalNodesConfig::new(dir.join("nodes"), "api", nodes);
    nodes.args = ["{address}", "{node}"].map(str::to_owned).to_vec();
    let servers = names.iter().zip(addresses).map(|(name, at)| ServerConfig::new(name.clone(), *at));
    let mut balancer = LocalBalancerConfig::new(PoolName::new("api").unwrap(), servers.collect());
    let mut checks = CheckConfig::new(HEALTH.parse().unwrap());
    checks.interval = Duration::from_millis(50);
    balancer.checks = Some(checks);
    let mut config = HolderConfig::new(nodes, balancer, dir.join("control.sock"));
    config.first = Some(release(dir, "v1", &[]).path);
    config
}

fn client(config: &HolderConfig) -> LocalClient {
    LocalClient::new(LocalClientConfig::new(&config.socket)).unwrap()
}

async fn pids(client: &LocalClient) -> Vec<u32> {
    let mut pids = Vec::new();
    for name in ["api-1", "api-2", "api-3"].map(node) {
        pids.push(client.service(&name).await.unwrap().pid.unwrap());
    }
    pids
}

async fn until_up(client: &LocalClient, nodes: usize) {
    until("the servers to be up", async || {
        let pool = client.servers().await.unwrap();
        (pool.servers.iter().filter(|server| server.serving()).count() == nodes).then_some(())
    })
    .await;
}

fn check() -> HealthCheck {
    HealthCheck { port: 1, path: HEALTH.parse().unwrap(), attempt_timeout: Duration::from_secs(5) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_both_roles() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &free());
    let client = client(&config);
    let holder = Holder::start(config.clone()).await.unwrap();
    let about = client.about().await.unwrap();
    assert_eq!((about.pid, about.url), (std::process::id(), holder.balancer().url()));
    assert_eq!(about.nodes, holder.names());
    until_up(&client, 3).await;
    assert!(client.check_through(&check()).await.unwrap().healthy);

    let n = node("api-2");
    let pool = client.set_admin(&n, AdminState::Drain).await.unwrap();
    assert_eq!(pool.server(&n).unwrap().admin, AdminState::Drain);
    client.set_weight(&n, Weight::new(7).unwrap()).await.unwrap();
    client.close_sessions(&n).await.unwrap();

    let before = client.installed(&n).await.unwrap();
    let release = release(dir.path(), "v2", &[]);
    let done = client.install(&n, &release).await.unwrap();
    assert_eq!((done.changed, done.facts), (true, release.facts));
    assert!(!client.install(&n, &release).await.unwrap().changed);
    let old = client.service(&n).await.unwrap().pid;
    let state = client.restart(&n).await.unwrap();
    assert!(state.active == ActiveState::Active && state.pid != old, "{state:?}");
    until("health", async || client.check(&n, &check()).await.unwrap().healthy.then_some(())).await;
    let lines = client.logs(&n, 5).await.unwrap();
    assert!(lines.last().unwrap().starts_with("release v2 listens on "), "{lines:?}");

    let copy = dir.path().join("copy");
    assert_eq!(client.fetch(&n, &before.path, &copy).await.unwrap(), release.facts);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&release.path).unwrap());
    assert_eq!(client.inspect(&n, &before.path).await.unwrap(), Some(release.facts));
    let pids = pids(&client).await;
    holder.shutdown().await;
    assert!(pids.iter().all(|pid| group(*pid).is_empty()));
    assert!(!config.socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_over_there_fails_the_same_here() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &free());
    let client = client(&config);
    let absent = client.servers().await.unwrap_err();
    assert_eq!((absent.kind(), absent.outcome()), (ErrorKind::Unreachable, CallOutcome::NotApplied));
    assert!(matches!(absent.retry(), Retry::Transient { .. }), "{absent:?}");
    assert!(absent.chain().contains("control.sock"), "{}", absent.chain());

    let holder = Holder::start(config.clone()).await.unwrap();
    let strange = node("other");
    let unknown = client.set_admin(&strange, AdminState::Drain).await.unwrap_err();
    assert_eq!(unknown.chain(), "local: set the admin state: not found: there is no node other");
    assert_eq!((unknown.outcome(), unknown.retry()), (CallOutcome::NotApplied, Retry::Permanent));
    let first = release(dir.path(), "v2", &[]);
    let unknown = client.install(&strange, &first).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let n = node("api-1");
    let none = RemotePath::new("/no/such/file").unwrap();
    let copy = dir.path().join("copy");
    assert_eq!(client.fetch(&n, &none, &copy).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!copy.exists());
    let path = client.installed(&n).await.unwrap().path;
    let nowhere = dir.path().join("no/copy");
    assert_eq!(client.fetch(&n, &path, &nowhere).await.unwrap_err().kind(), ErrorKind::LocalIo);
    // Bytes that are not those that were announced are never put in place.
    let before = client.installed(&n).await.unwrap();
    let bytes = std::fs::read(&first.path).unwrap();
    std::fs::write(&first.path, vec![b'x'; bytes.len()]).unwrap();
    let error = client.install(&n, &first).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Mismatch, CallOutcome::NotApplied));
    std::fs::write(&first.path, "short").unwrap();
    let error = client.install(&n, &first).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Protocol, "{}", error.chain());
    assert_eq!(client.installed(&n).await.unwrap(), before);
    let directory = PathBuf::from(path.as_str());
    until("the rest to be removed", async || {
        (std::fs::read_dir(directory.parent().unwrap()).unwrap().count() == 1).then_some(())
    })
    .await;

    let Err(LocalError::InUse(_)) = Holder::start(config.clone()).await else { panic!("two holders") };
    assert!(client.about().await.is_ok(), "the second holder took the first one's socket");
    holder.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_stays_drained_and_processes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &free());
    config.on_stop = OnStop::Keep;
    let client = client(&config);
    let holder = Holder::start(config.clone()).await.unwrap();
    until_up(&client, 3).await;
    let n = node("api-2");
    client.set_admin(&n, AdminState::Drain).await.unwrap();
    client.set_weight(&node("api-3"), Weight::new(20).unwrap()).await.unwrap();
    let before = (pids(&client).await, client.servers().await.unwrap().epoch);
    holder.shutdown().await;
    assert!(before.0.iter().all(|pid| group(*pid) == [*pid]));

    config.on_stop = OnStop::End;
    let holder = Holder::start(config).await.unwrap();
    let pool = client.servers().await.unwrap();
    assert_eq!(pids(&client).await, before.0);
    assert_ne!(pool.epoch, before.1);
    assert_eq!(pool.server(&n).unwrap().admin, AdminState::Drain);
    let third = pool.server(&node("api-3")).unwrap();
    assert_eq!((third.weight.value(), third.configured_weight.value()), (20, 100));
    until_up(&client, 2).await;
    client.set_admin(&n, AdminState::Ready).await.unwrap();
    until_up(&client, 3).await;
    holder.shutdown().await;
}

#[tokio::test]
async fn a_process_that_nobody_noted_down_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &free());
    config.on_stop = OnStop::Keep;
    let client = client(&config);
    let holder = Holder::start(config.clone()).await.unwrap();
    let before = pids(&client).await;
    holder.shutdown().await;
    // As after a kill between the start of a process and the writing of its number.
    std::fs::remove_file(dir.path().join("nodes/api-2/state.json")).unwrap();
    config.on_stop = OnStop::End;
    let holder = Holder::start(config).await.unwrap();
    assert_eq!(pids(&client).await, before);
    holder.shutdown().await;
    assert!(before.iter().all(|pid| group(*pid).is_empty()));
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let addresses = free();
    let good = config(dir.path(), &addresses);
    let refusal = async |change: fn(&mut HolderConfig)| {
        let mut config = good.clone();
        change(&mut config);
        let text = Holder::start(config).await.unwrap_err().to_string();
        text.replace(dir.path().to_str().unwrap(), "DIR").replace(&addresses[0].to_string(), "ADDRESS")
    };
    assert_eq!(
        refusal(|c| c.first = None).await,
        "api-1 has no binary yet, and no first one is named for it"
    );
    assert_eq!(
        refusal(|c| c.balancer.listen = c.nodes.nodes[0].address).await,
        "api-1 and the balancer are both at ADDRESS"
    );
    assert_eq!(
        refusal(|c| drop(c.balancer.servers.remove(0))).await,
        "api-1 at ADDRESS is no server of the balancer"
    );
    assert_eq!(
        refusal(|c| c.socket = "control.sock".into()).await,
        "the control socket control.sock is not absolute"
    );
    let long = refusal(|c| c.socket = format!("/tmp/{}", "x".repeat(103)).into()).await;
    assert!(long.ends_with("has a path of 108 bytes, and the system takes 107"), "{long}");
    let file = refusal(|c| {
        c.socket = c.nodes.root.parent().unwrap().join("a-file");
        std::fs::write(&c.socket, "x").unwrap();
    });
    assert_eq!(file.await, "DIR/a-file is there and is no socket");
}

/// Sends bytes as they are, and says that no more will come if `last`; gives what came back.
fn raw(socket: &Path, bytes: &[u8], last: bool) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A holder that has heard enough closes before all is sent.
    let _ = stream.write_all(bytes);
    if last {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_answered_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &free());
    let client = client(&config);
    let holder = Holder::start(config.clone()).await.unwrap();
    let socket = config.socket.clone();
    let answers = tokio::task::spawn_blocking(move || {
        let mut runner =
            TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
        runner
            .run(&proptest::prelude::any::<Vec<u8>>(), |bytes| {
                raw(&socket, &bytes, true);
                let head = format!(
                    "POST /v1/call HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    bytes.len()
                );
                let answer = raw(&socket, &[head.as_bytes(), &bytes].concat(), false);
                assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
                Ok(())
            })
            .unwrap();
        let call = |body: &str| {
            let head = format!(
                "POST /v1/call HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            raw(&socket, format!("{head}{body}").as_bytes(), false)
        };
        [
            call(r#"{"call":"restart","node":"api-1; reboot"}"#),
            call(r#"{"call":"restart","node":"api-1","more":1}"#),
            call(&format!("{{{}}}", " ".repeat(70_000))),
            raw(&socket, b"POST /v9/call HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", false),
        ]
    });
    let answers = answers.await.unwrap();
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 400 ")), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.contains("canary-control: 1\r\n")), "{answers:?}");
    assert!(answers[3].contains("this holder speaks version 1"), "{answers:?}");
    assert!(client.about().await.is_ok());
    holder.shutdown().await;
}

/// Listens as a holder of another version, or as something else, would.
fn impostor(socket: &Path, head: &'static str) -> std::thread::JoinHandle<()> {
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.1 400 Bad Request\r\n{head}content-length: 3\r\n\r\nhi!");
    })
}

#[tokio::test]
async fn another_version_and_another_program_are_told_apart() {
    for (head, kind, words) in [
        ("canary-control: 2\r\n", ErrorKind::Unsupported, "speaks version \"2\" of the control protocol"),
        ("", ErrorKind::Protocol, "what answers there is no holder: hi!"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("control.sock");
        let other = impostor(&socket, head);
        let client = LocalClient::new(LocalClientConfig::new(&socket)).unwrap();
        let error = client.about().await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, Retry::Permanent));
        assert!(error.chain().contains(words), "{}", error.chain());
        other.join().unwrap();
    }
}

/// Asks a holder, in a process of another user; see [`others_are_not_let_in`].
#[test]
fn asked_by_another_user() {
    let Some(socket) = std::env::var_os("CANARY_TEST_SOCKET") else { return };
    let body = r#"{"call":"restart","node":"api-1"}"#;
    match UnixStream::connect(socket) {
        Err(error) => println!("no connection: {error}"),
        Ok(mut stream) => {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let head = format!(
                "POST /v1/call HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            println!("heard {} bytes", answer.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_not_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &free());
    let client = client(&config);
    let holder = Holder::start(config.clone()).await.unwrap();
    let meta = std::fs::metadata(&config.socket).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o600);
    let pid = client.service(&node("api-1")).await.unwrap().pid;
    if meta.uid() != 0 {
        eprintln!("skipped: only root can be another user");
        return holder.shutdown().await;
    }
    // Even with the doors open the holder itself asks who comes.
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open(dir.path(), 0o755);
    let program = dir.path().join("another");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let ask = || {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
        command.args(["--exact", "holder::asked_by_another_user", "--nocapture"]);
        let output = command.env("CANARY_TEST_SOCKET", &config.socket).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let text = ask();
    assert!(text.contains("no connection: Permission denied"), "{text}");
    open(&config.socket, 0o666);
    let text = ask();
    assert!(text.contains("heard 0 bytes"), "{text}");
    assert_eq!(client.service(&node("api-1")).await.unwrap().pid, pid);
    holder.shutdown().await;
}
