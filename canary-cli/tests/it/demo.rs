//! The demo by its real program, fault by fault: it ends as it says and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");

/// A demo with its own directory for temporary files, and a name in its environment to find its processes by.
fn demo(tmp: &Path, fault: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--fault", fault]).env("TMPDIR", tmp).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The processes that have this directory in their command line or environment.
fn left_running(tmp: &Path) -> Vec<String> {
    let needle = tmp.to_str().unwrap().as_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let has =
        |file: &Path| std::fs::read(file).is_ok_and(|all| all.windows(needle.len()).any(|w| w == needle));
    processes
        .filter(|one| one.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter(|one| has(&one.path().join("cmdline")) || has(&one.path().join("environ")))
        .map(|one| one.file_name().to_string_lossy().into_owned())
        .collect()
}

/// What the demo leaves: a directory with its journal and the settings that read it, at most.
fn assert_clean(tmp: &Path) {
    assert_eq!(left_running(tmp), [""; 0], "processes were left");
    let left: Vec<_> = std::fs::read_dir(tmp).unwrap().map(|e| e.unwrap().file_name()).collect();
    let foreign = left.iter().filter(|name| !name.to_string_lossy().starts_with("canary-demo-"));
    assert_eq!(foreign.count(), 0, "{left:?}");
    for journal in left {
        let files = std::fs::read_dir(tmp.join(journal)).unwrap().map(|e| e.unwrap().file_name());
        let foreign: Vec<_> = files.filter(|name| name != "demo" && name != "canary.toml").collect();
        assert!(foreign.is_empty(), "more than a journal is left: {foreign:?}");
    }
}

fn ended(child: Child) -> (Output, String) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

/// Every command that the demo names at its end works as it stands, and tells how the last rollout ended.
fn assert_can_be_looked_at(text: &str, end: &str) {
    let end = end.split(':').next().unwrap_or_default();
    let (_, named) = text.split_once("\nwhat to look at\n").unwrap();
    let commands: Vec<_> = named.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 4, "{named}");
    let scratch = tempfile::tempdir().unwrap();
    for line in commands {
        let mut words = line.split(' ');
        let output = Command::new(words.next().unwrap())
            .args(words)
            .env_clear()
            .current_dir(&scratch)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line}: {told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains(end.trim_start()), "{line}: no {end:?} in {told}");
    }
    let pages: Vec<_> = std::fs::read_dir(&scratch).unwrap().map(|e| e.unwrap().path()).collect();
    let [page] = &*pages else { panic!("one page is written: {pages:?}") };
    assert_is_a_report(page, end);
}

/// A page about a real journal: the end, its plots, its nodes.
fn assert_is_a_report(page: &Path, end: &str) {
    let page = std::fs::read_to_string(page).unwrap();
    let state = if end.contains("rolled back") { "rolled back" } else { "completed" };
    assert!(page.contains(&format!("<title>demo: {state}</title>")), "{page}");
    for text in ["demo-1", "demo-2", "demo-3", "p95", "error_ratio", "chain hash", "prove-traffic"] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    // A release that never came up was never watched.
    let watched = page.contains("probe 1");
    assert_eq!(page.matches("</svg>").count(), if watched { 2 } else { 0 }, "{page}");
    assert_eq!(page.matches("gain of").count() > 0, watched, "the queries are told: {page}");
}

/// Words with digits in them (times, digests, counts, paths) are alike.
fn shape(line: &str) -> String {
    let words = line
        .split_whitespace()
        .map(|word| if word.contains(|c: char| c.is_ascii_digit() || c == '/') { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// What docs/getting-started.md shows of this demo is what it prints.
fn assert_as_documented(text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/getting-started.md");
    let document = std::fs::read_to_string(path).unwrap();
    let printed: Vec<_> = text.lines().map(shape).collect();
    let mut seen = 0;
    for start in ["```text\nv3, which answers every fifth", "```text\n2"] {
        let (_, block) = document.split_once(start).unwrap();
        let (block, _) = block.split_once("\n```").unwrap();
        // The first line is what it was found by; how many probes there are is the host's to say.
        for line in block.lines().skip(1).filter(|line| !line.contains("  probe ")) {
            assert!(printed.contains(&shape(line)), "{line:?} is not in {text}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} lines");
}

fn plays(fault: &str, end: &str) -> String {
    let tmp = tempfile::tempdir().unwrap();
    let (output, text) = ended(demo(tmp.path(), fault).spawn().unwrap());
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("\ncompleted\n"), "{text}");
    assert!(text.contains(end), "no {end:?} in {text}");
    assert!(text.contains("failed otherwise: 0 "), "{text}");
    assert_can_be_looked_at(&text, if end.contains("rolled back") { end } else { "completed" });
    assert_clean(tmp.path());
    text
}

#[test]
fn errors_are_caught_in_the_watch() {
    assert_as_documented(&plays("errors", "\nrolled back: demo-1: watch: error_ratio "));
}

#[test]
fn latency_is_caught_in_the_watch() {
    plays("latency", "\nrolled back: demo-1: watch: p95 ");
}

#[test]
fn a_crash_is_caught_before_any_request() {
    plays("crash", "\nrolled back: demo-1: ");
}

#[test]
fn bad_health_is_caught_before_any_request() {
    plays("health", "\nrolled back: demo-1: check-health: ");
}

#[test]
fn a_page_is_written_where_it_is_wanted() {
    let (tmp, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = demo(tmp.path(), "errors");
    command.args(["--report", "page.html"]).current_dir(out.path());
    let (output, text) = ended(command.spawn().unwrap());
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("The page about the last release is page.html.\n"), "{text}");
    let page = out.path().join("page.html");
    assert_is_a_report(&page, "rolled back");
    // What is there is not written over, and that is said at once.
    let (output, text) = ended(command.spawn().unwrap());
    assert_eq!((output.status.code(), &*text), (Some(2), ""), "{}", String::from_utf8_lossy(&output.stderr));
    assert_clean(tmp.path());
}

#[test]
fn a_slow_start_only_takes_longer() {
    plays("slow-start", "v3, which takes 3 s to start");
}

#[test]
fn without_a_fault_there_is_one_release() {
    plays("none", "what the clients saw");
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let child = demo(tmp.path(), "errors").spawn().unwrap();
    let begun = Instant::now();
    // Three nodes: the sandbox is up.
    while left_running(tmp.path()).len() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the demo does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let (output, text) = ended(child);
    assert_eq!(output.status.code(), Some(130), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_clean(tmp.path());
}
