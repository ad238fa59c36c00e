//! The script that runs beside HAProxy, run here against a real one, with each of the programs it can use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{PATIENCE, binary, node, pool, read_alike, two_nodes};
use async_trait::async_trait;
use canary_core::fleet::RemotePath;
use canary_core::traits::{AdminState, BackendError, CallOutcome, ErrorKind, LoadBalancer};
use canary_haproxy::exec::{Finished, arguments, replies};
use canary_haproxy::{Command, HaproxyConfig, HaproxyLoadBalancer, Transport};

/// Runs the script in a shell that finds only the programs of one directory.
#[derive(Debug)]
struct Shell {
    socket: RemotePath,
    programs: tempfile::TempDir,
}

impl Shell {
    /// A shell with those programs and the few a POSIX system always has.
    fn with(socket: &Path, programs: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in programs.iter().chain(&["grep"]) {
            if let Some(program) = real(name) {
                std::os::unix::fs::symlink(program, dir.path().join(name)).unwrap();
            }
        }
        Self { socket: RemotePath::new(socket.to_str().unwrap()).unwrap(), programs: dir }
    }

    async fn run(&self, commands: &[Command]) -> std::process::Output {
        let argv = arguments(&self.socket, PATIENCE, commands).unwrap();
        let mut process = tokio::process::Command::new(&argv[0]);
        process.args(&argv[1..]).env("PATH", self.programs.path()).output().await.unwrap()
    }
}

/// The program itself, not a wrapper that needs others.
fn real(name: &str) -> Option<PathBuf> {
    let system = Path::new("/usr/bin").join(name);
    if system.is_file() { Some(system) } else { binary(name) }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a shell with {}", self.programs.path().display())
    }
}

#[async_trait]
impl Transport for Shell {
    async fn send(&self, commands: &[Command]) -> Result<Vec<String>, BackendError> {
        let output = self.run(commands).await;
        let status = output.status.code().unwrap();
        replies(commands, &Finished { status, stdout: &output.stdout, stderr: &output.stderr })
    }
}

#[tokio::test]
async fn every_program_does_what_the_socket_does() {
    let Some((haproxy, ..)) = two_nodes().await else { return };
    let direct = haproxy.balancer();
    let mut tried = 0;
    for program in ["socat", "perl", "python3", "nc"] {
        if real(program).is_none() {
            println!("skipped: {program} is not installed");
            continue;
        }
        let shell = Shell::with(&haproxy.socket("admin"), &[program]);
        let balancer = HaproxyLoadBalancer::new(Box::new(shell), HaproxyConfig::new(pool()));
        for state in [AdminState::Drain, AdminState::Ready] {
            balancer
                .set_admin(&node("n1"), state)
                .await
                .unwrap_or_else(|e| panic!("{program}: {}", e.chain()));
            let seen = balancer.servers().await.unwrap_or_else(|e| panic!("{program}: {}", e.chain()));
            assert_eq!(seen.server(&node("n1")).unwrap().admin, state, "{program}");
            read_alike(program, &balancer, &direct).await;
        }
        let error = balancer.set_admin(&node("n9"), AdminState::Drain).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{program}: {error}");
        tried += 1;
    }
    assert!(tried > 0 || std::env::var_os("CI").is_none(), "no program to talk to a socket with");
}

#[tokio::test]
async fn a_refused_connection_has_applied_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let command = Command::set_state(&pool(), &node("n1"), AdminState::Drain);
    for program in ["socat", "perl", "python3"] {
        if real(program).is_none() {
            println!("skipped: {program} is not installed");
            continue;
        }
        let error = Shell::with(&socket, &[program]).send(std::slice::from_ref(&command)).await.unwrap_err();
        let expected = (ErrorKind::Unreachable, CallOutcome::NotApplied);
        assert_eq!((error.kind(), error.outcome()), expected, "{program}: {error}");
        assert!(error.to_string().contains("refused"), "{program}: {error}");
    }
    let shell = Shell::with(&socket, &["socat"]);
    if real("socat").is_some() {
        let output = shell.run(&[Command::show_info(), command]).await;
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(75), b"1 0\n\n".as_slice()),
            "the first failure ends it"
        );
    }
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("some.sock");
    let error = Shell::with(&socket, &[]).send(&[Command::show_info()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("no such socket"), "{error}");

    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = Shell::with(&socket, &[]).send(&[Command::show_info()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("install socat"), "{error}");
}

#[tokio::test]
async fn a_slow_reply_is_awaited_and_a_missing_one_is_not_forever() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("slow.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut first, _) = listener.accept().await.unwrap();
        let mut line = vec![0; "show info\n".len()];
        first.read_exact(&mut line).await.unwrap();
        // The client has closed its half by now; what it waits for comes later than socat's own half second.
        tokio::time::sleep(Duration::from_millis(700)).await;
        first.write_all(b"a: 1\n\n").await.unwrap();
        drop(first);
        let (silent, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(silent);
    });
    let shell = Shell::with(&socket, &["socat"]);
    if real("socat").is_none() {
        println!("skipped: socat is not installed");
        return;
    }
    assert_eq!(shell.send(&[Command::show_info()]).await.unwrap(), ["a: 1\n\n"]);

    let argv = arguments(&shell.socket, Duration::from_millis(1), &[Command::show_info()]).unwrap();
    let run =
        tokio::process::Command::new(&argv[0]).args(&argv[1..]).env("PATH", shell.programs.path()).output();
    let output = tokio::time::timeout(PATIENCE, run).await.expect("the script ends by itself").unwrap();
    let status = output.status.code().unwrap();
    let finished = Finished { status, stdout: &output.stdout, stderr: &output.stderr };
    // socat ends quietly after its time: what it brought is no whole reply, which the balancer sees.
    if let Ok(replies) = replies(&[Command::show_info()], &finished) {
        assert_eq!(replies, [""]);
    }
    server.abort();
}
