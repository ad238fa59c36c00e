//! The program in a real terminal: tmux shows what a person would see.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test that cannot go on fails it")]
#![expect(clippy::print_stderr, reason = "what is skipped has to be said")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_canary-cli");
const PATIENCE: Duration = Duration::from_secs(150);

/// A terminal of its own server, which ends with it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs a shell's line; `None` where tmux is missing, which fails only where everything has to be there.
    fn start(name: &str, width: u32, height: u32, line: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("CI").is_none(), "tmux is missing");
            eprintln!("skipped: tmux is missing");
            return None;
        }
        let terminal = Self { socket: format!("canary-test-{}-{name}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        // The session outlives the line, so that its last words can be read.
        let line = format!("{line}; echo \"ended with $?\"; exec sleep 600");
        terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, &line]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-L", &self.socket, "-f", "/dev/null"]).args(arguments);
        let output = command.env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is on the screen.
    fn screen(&self) -> Vec<String> {
        self.tmux(&["capture-pane", "-p"]).lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Everything that was written and stayed, lines whole again that were too long for the screen.
    fn scrollback(&self) -> Vec<String> {
        let text = self.tmux(&["capture-pane", "-p", "-J", "-S", "-"]);
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until the screen is as it should be.
    fn until(&self, what: &str, mut holds: impl FnMut(&[String]) -> bool) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "never {what}:\n{}", screen.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Gives the window another size while the program stands still.
    ///
    /// What a program writes in the very instant of a resize meets a screen that has moved; no program can know of it.
    fn resize(&self, width: &str, height: &str) {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let is_program = |pid: &&str| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == Path::new(PROGRAM))
        };
        let pid = children.split_whitespace().find(is_program).expect("the shell's child is the program");
        let signal = |name: &str| assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
        signal("-STOP");
        // The terminal has read all that was written when two looks see the same.
        let mut before = Vec::new();
        self.until("still", |screen| std::mem::replace(&mut before, screen.to_vec()) == screen);
        self.tmux(&["resize-window", "-x", width, "-y", height]);
        // tmux moves the screen at once, and tells the program's side of a second resize up to 250 ms later.
        let tty = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        let size = || Command::new("stty").args(["-F", tty.trim(), "size"]).output().unwrap().stdout;
        self.until("told of its size", |_| {
            String::from_utf8(size()).unwrap().trim() == format!("{height} {width}")
        });
        signal("-CONT");
    }

    fn ended(&self) {
        self.until("ended", |screen| screen.iter().any(|line| line == "ended with 0"));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command.args(["-L", &self.socket, "kill-server"]).env_remove("TMUX").status();
    }
}

/// A demo with its own directory for temporary files, as people call it.
fn demo(tmp: &Path, variables: &str, rest: &str) -> String {
    let unset = "-u CI -u NO_COLOR -u LC_ALL -u LC_CTYPE";
    let tmp = tmp.display();
    format!("env {unset} LANG=C.UTF-8 TERM=screen-256color TMPDIR={tmp} {variables} {PROGRAM} demo {rest}")
}

/// The first line of a view; the line of the log with the same words goes on with the file's name.
fn is_title(line: &str) -> bool {
    line.strip_prefix("roll out ").and_then(|rest| rest.get(12..)).is_some_and(|rest| rest.starts_with("  "))
}

fn titles(lines: &[String]) -> usize {
    lines.iter().filter(|line| is_title(line)).count()
}

/// Whether the lower part of a screen is one whole view of a watch.
fn is_watch(screen: &[String]) -> bool {
    let Some(title) = screen.iter().position(|line| is_title(line)) else { return false };
    let view: Vec<_> = screen[title..].iter().filter(|line| !line.is_empty()).collect();
    let starts =
        ["roll out ", "  ▸ demo-1", "  · demo-2", "  · demo-3", "  ", "  p95", "  error_", "  watched"];
    let begins =
        view.len() >= starts.len() && view.iter().zip(starts).all(|(line, start)| line.starts_with(start));
    let [.., wait, clients] = view.as_slice() else { return false };
    let ends = wait.starts_with("  watch, ") && clients.starts_with("  clients: ");
    begins && title > 0 && screen[title - 1].is_empty() && ends
}

/// The lines of everything that is in the demo's journal, as they are elsewhere than on a terminal.
fn journal(tmp: &Path) -> Vec<String> {
    let dir = std::fs::read_dir(tmp).unwrap().flatten().next().unwrap().path();
    let output = Command::new(PROGRAM)
        .args(["log", "show", "--all", "--service", "demo", "--state-dir"])
        .arg(dir)
        .current_dir(tmp)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// How often each line is there, without the blank ones.
fn counts(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}

/// Every line of the journal is in the scrollback as often as it should be, and nothing of a view is left.
fn assert_is_log(scrollback: &[String], tmp: &Path) {
    let text = scrollback.join("\n");
    assert_eq!(titles(scrollback), 0, "a view was left:\n{text}");
    let left = |line: &&String| {
        ["  ▸ ", "  ✓ ", "  watched ", "  watch, ", "  p95 ", "  clients: ", "bringing up "]
            .iter()
            .any(|s| line.starts_with(s))
    };
    assert_eq!(scrollback.iter().find(left), None, "a view was left:\n{text}");
    let (shown, journal) = (counts(scrollback), journal(tmp));
    assert!(journal.len() > 30, "{journal:?}");
    // Green probes are in the view.
    let green = |line: &&str| line.contains("  probe ") && line.contains(": green, ");
    for (line, count) in counts(&journal).into_iter().filter(|(line, _)| !green(line)) {
        assert_eq!(shown.get(line), Some(&count), "{line:?} in\n{text}");
    }
}

#[test]
fn a_view_is_redrawn_in_place_whatever_the_terminal_does() {
    let tmp = tempfile::tempdir().unwrap();
    let line = demo(tmp.path(), "", "--fault errors");
    let Some(terminal) = Terminal::start("view", 100, 36, &line) else { return };
    terminal.until("a watch", is_watch);
    for (width, height) in [("60", "36"), ("44", "24"), ("200", "50"), ("80", "30")] {
        terminal.resize(width, height);
        let screen = terminal.until("whole after another size", is_watch);
        assert_eq!(titles(&screen), 1, "{width} x {height}:\n{}", screen.join("\n"));
    }
    // Who is bored presses a key.
    terminal.tmux(&["send-keys", "x", "Enter"]);
    let back =
        |screen: &[String]| screen.iter().any(|line| is_title(line) && line.contains("  going back  "));
    let screen = terminal.until("on the way back", back);
    assert_eq!(titles(&screen), 1, "{}", screen.join("\n"));
    terminal.ended();
    assert_is_log(&terminal.scrollback(), tmp.path());
}

/// Runs a line whose bytes are kept; gives them with what stayed on the terminal.
fn kept(name: &str, tmp: &Path, variables: &str, rest: &str) -> Option<(Vec<u8>, Vec<String>)> {
    let here = tempfile::tempdir().unwrap();
    let (raw, begin) = (here.path().join("raw"), here.path().join("begin"));
    // The line begins when its bytes are kept. A key pressed before the shell is there may be lost.
    let wait = format!("until [ -e '{}' ]; do sleep 0.1; done", begin.display());
    let terminal = Terminal::start(name, 100, 30, &format!("{wait}; {}", demo(tmp, variables, rest)))?;
    terminal.tmux(&["pipe-pane", &format!("cat >'{}'", raw.display())]);
    std::fs::write(begin, "").unwrap();
    terminal.ended();
    Some((std::fs::read(raw).unwrap(), terminal.scrollback()))
}

fn assert_plain(bytes: &[u8], scrollback: &[String], tmp: &Path) {
    let text = String::from_utf8_lossy(bytes);
    assert!(text.contains("\ncompleted\r\n"), "{text}");
    assert!(!bytes.contains(&0x1b), "control sequences: {text}");
    assert_is_log(scrollback, tmp);
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let tmp = tempfile::tempdir().unwrap();
    let Some((bytes, scrollback)) = kept("dumb", tmp.path(), "TERM=dumb", "--fault none") else { return };
    assert_plain(&bytes, &scrollback, tmp.path());
}

#[test]
fn a_pipe_gets_plain_lines() {
    let tmp = tempfile::tempdir().unwrap();
    let Some((bytes, scrollback)) = kept("pipe", tmp.path(), "", "--fault none | cat") else { return };
    assert_plain(&bytes, &scrollback, tmp.path());
}
