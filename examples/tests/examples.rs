//! Every example that needs no server is run, and what it prints is looked at.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A built example, which cargo builds beside the tests of this crate.
fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let path = me.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "first: cargo build -p canary-examples --examples");
    path
}

/// What an example prints; it must end well within two minutes.
fn output(name: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(async {
        let mut command = tokio::process::Command::from(Command::new(example(name)));
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        tokio::time::timeout(Duration::from_secs(120), output).await.unwrap().unwrap()
    });
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The lines that do not depend on digests, ports and timing: headings, steps, outcomes.
fn story(text: &str) -> Vec<String> {
    let kept = |line: &&str| !line.starts_with("  probe") && !line.contains(" requests, ");
    let cut = |line: &str| line.split([',', ':']).take(2).collect::<Vec<_>>().join(":");
    text.lines().filter(kept).map(cut).collect()
}

/// A good release on every node, then a bad one that is taken back from the first.
fn both_releases(first: &str) -> Vec<String> {
    const STEPS: [&str; 6] = ["drain", "install", "restart", "check-health", "enable", "prove-traffic"];
    let mut lines = vec![first.to_owned(), "  ok    stage".to_owned()];
    for node in ["api-1", "api-2", "api-3"] {
        lines.extend(STEPS.map(|step| format!("  ok    {node}: {step}")));
        if node == "api-1" {
            lines.push("  ok    api-1: watch".to_owned());
        }
    }
    lines.push("=> completed".to_owned());
    lines.push("v3: which answers every third request with 500".to_owned());
    lines.push("  ok    stage".to_owned());
    lines.extend(STEPS.map(|step| format!("  ok    api-1: {step}")));
    lines.push("  FAIL  api-1: watch".to_owned());
    lines.extend(STEPS.map(|_| "  ok    api-1: roll back".to_owned()));
    lines.push("=> rolled back: api-1".to_owned());
    lines
}

fn shipped_both(name: &str) {
    let text = output(name);
    assert_eq!(story(&text), both_releases("v2: a good release"), "{text}");
    assert!(text.contains("  probe Green: error_ratio 0 (bound < 0.005)"), "{text}");
    assert!(text.contains("  probe Red: error_ratio 0."), "{text}");
    assert!(text.trim_end().ends_with(", 0 of them not by v3"), "{text}");
}

#[test]
fn embed_local() {
    shipped_both("embed_local");
}

#[test]
fn custom_backend() {
    shipped_both("custom_backend");
}

/// The same lines whenever it runs: nothing in it depends on time or chance.
#[test]
fn simulate() {
    let text = output("simulate");
    let killed = "  ok    n1: install\n  ----  killed, and resumed\n  ok    n1: drain\n  ok    n1: restart\n";
    assert!(text.contains(killed), "{text}");
    assert!(text.contains("\n=> completed (60 minutes of the simulator's)\n"), "{text}");
    assert!(text.contains("\n=> rolled back: n0: watch: error_ratio 0.33 (bound < 0.005) "), "{text}");
    assert!(text.ends_with("\n1000 seeds: no invariant is broken\n"), "{text}");
}

/// The commands of `canary-cli` on a kind of fleet that it does not know.
#[test]
fn custom_cli() {
    let text = output("custom_cli");
    let lines = [
        "$ custom_cli doctor",
        "ok    edge ",
        "ok    nodes ",
        "\ncompleted\n",
        "\nrolled back: api-1: watch: error_ratio ",
    ];
    for line in lines {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
}

/// Kinds are told apart by name, and each is told where its own settings are wrong.
#[test]
fn custom_cli_names_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let said = |toml: &str| {
        std::fs::write(dir.path().join("canary.toml"), toml).unwrap();
        let mut command = Command::new(example("custom_cli"));
        command.arg("doctor").current_dir(dir.path()).env("CANARY_STATE_DIR", dir.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap().lines().next().unwrap().to_owned()
    };
    let fleet = "[fleet]\nbackend = \"edge\"\n";
    let own = "[backend.edge]\nadmin = \"127.0.0.1:1\"\nurl = \"http://127.0.0.1:2\"\n";
    assert_eq!(
        said("[fleet]\nbackend = \"edgy\"\n"),
        "error: fleet.backend = edgy (canary.toml:2:11): there is no such kind of fleet"
    );
    assert_eq!(said(fleet), "error: [backend.edge] is missing: missing field `admin`");
    assert_eq!(said(&format!("{fleet}{own}")), "error: canary.toml:3:1: missing field `nodes`");
    assert_eq!(
        said(&format!("{fleet}{own}nodes = 7\n")),
        "error: canary.toml:6:9: invalid type: integer `7`, expected path string"
    );
    let unknown = said(&format!("{fleet}{own}nodes = \"x\"\nport = 1\n"));
    assert!(
        unknown.starts_with("error: canary.toml:7:1: unknown field `port`, expected one of"),
        "{unknown}"
    );
    assert_eq!(
        said(&format!("{fleet}[backend.egde]\n")),
        "error: canary.toml:3:10: backend.egde: nothing reads this table"
    );
}

/// The production-like one needs the lab, where CI runs it; here it says what it needs.
#[test]
fn embed_haproxy_says_how_it_is_used() {
    let output = Command::new(example("embed_haproxy")).env("RUST_BACKTRACE", "0").output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error.trim(),
        "Error: usage: embed_haproxy HAPROXY_HOST:PORT BALANCER_URL PROMETHEUS_URL ARTIFACT"
    );
}
