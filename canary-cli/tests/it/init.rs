//! `init` asks a real HAProxy, and what it writes is read by the program again.

#![expect(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A HAProxy with two pools, ended when dropped.
struct Haproxy(Child);

impl Haproxy {
    fn start(directory: &Path) -> Self {
        let socket = directory.join("admin.sock");
        let config = format!(
            "global\n  stats socket {} level admin\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  \
             timeout server 1s\nbackend web_pool\n  server web-1 127.0.0.1:9\nbackend api_pool\n  \
             server api-1 127.0.0.1:9\n  server api-2 127.0.0.1:9\n  server api-3 127.0.0.1:9\n  \
             server spare 127.0.0.1:9 backup\n",
            socket.display()
        );
        std::fs::write(directory.join("haproxy.cfg"), config).unwrap();
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(directory.join("haproxy.cfg")).stderr(Stdio::null());
        let child = Self(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(15);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "HAProxy does not answer");
            std::thread::yield_now();
        }
        child
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program in a directory with nothing but a home in its environment.
fn run(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_canary-cli"));
    command.env_clear().env("HOME", directory).current_dir(directory).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let all = format!("{:?}\n{}{}", output.status.code(), text(&output.stdout), text(&output.stderr));
    all.replace(directory.to_str().unwrap(), "[DIR]")
}

#[test]
fn the_servers_of_the_pool_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let _haproxy = Haproxy::start(directory);
    let address = format!("unix:{}", directory.join("admin.sock").display());
    let init = |more: &[&str]| run(directory, &[&["init", "--haproxy-address", &address][..], more].concat());
    let fleet = |text: &str| {
        let line = |line: &&str| ["pool = ", "canary = ", "peers = "].iter().any(|key| line.starts_with(key));
        text.lines().filter(line).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        fleet(&init(&[])),
        "pool = \"api_pool\"\ncanary = \"api-3\"\npeers = [\"api-1\", \"api-2\", \"spare\"]"
    );
    // The default peers and canary are not held against the one that is named.
    assert_eq!(
        fleet(&init(&["--canary", "api-1"])),
        "pool = \"api_pool\"\ncanary = \"api-1\"\npeers = [\"api-2\", \"api-3\", \"spare\"]"
    );
    assert_eq!(
        fleet(&init(&["--peers", "api-3 api-2"])),
        "pool = \"api_pool\"\ncanary = \"api-1\"\npeers = [\"api-3\", \"api-2\"]"
    );
    assert_eq!(fleet(&init(&["--pool", "web_pool"])), "pool = \"web_pool\"\ncanary = \"web-1\"\npeers = []");
    insta::assert_snapshot!("a_pool_that_is_not_there", init(&["--pool", "api"]));

    insta::assert_snapshot!("written", init(&["-o", "canary.toml"]));
    let settings = run(directory, &["doctor", "--settings"]);
    assert!(settings.contains("canary.toml:"), "{settings}");
    let canary = settings.lines().find(|line| line.starts_with("fleet.canary")).unwrap();
    assert!(canary.contains("api-3") && canary.contains("canary.toml:"), "{canary}");
}
