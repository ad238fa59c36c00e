use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use canary_core::engine::Outcome;
use canary_core::journal::Entry;
use canary_core::plan::{Action, Direction};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A roll that takes longer has hung.
const LONGEST_ROLL: Duration = Duration::from_secs(150);

/// The program under test: `$CANARY_CLI`, else `canary-cli` where cargo put it beside this test or bench.
///
/// # Errors
/// It is not there.
pub fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("CANARY_CLI") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let directory = own.parent().context("a program lies in a directory")?;
    let directory =
        if directory.ends_with("deps") { directory.parent().unwrap_or(directory) } else { directory };
    let path = directory.join("canary-cli");
    ensure!(path.is_file(), "{} is not there; use: cargo build -p canary-cli", path.display());
    Ok(path)
}

/// One invocation of the program, with nothing of the caller's own environment but `PATH`.
#[derive(Debug, Clone)]
pub struct Cli {
    program: PathBuf,
    directory: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Cli {
    /// The program, called in `directory`.
    ///
    /// # Errors
    /// It is not there.
    pub fn new(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self { program: program()?, directory: directory.to_owned(), variables: BTreeMap::new() })
    }

    /// Sets a variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// Sets a variable to a path.
    #[must_use]
    pub fn path(self, name: &str, value: &Path) -> Self {
        let text = value.display().to_string();
        self.set(name, text)
    }

    /// Calls it in another directory.
    #[must_use]
    pub fn inside(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// Starts a command with `--output json`.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(&self, command: &str) -> anyhow::Result<Running> {
        let mut child = Command::new(&self.program)
            .args([command, "--output", "json"])
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let (lines, seen) = watch::channel(Vec::new());
        let stdout = child.stdout.take().context("standard output is piped")?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        let reading = tokio::spawn(async move {
            let mut stdout = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = stdout.next_line().await {
                lines.send_modify(|lines| lines.push(line));
            }
        });
        Ok(Running { child, seen, reading, stderr: tokio::spawn(all_of(stderr)) })
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It could not be started, or did not end in time.
    pub async fn run(&self, command: &str) -> anyhow::Result<Ended> {
        self.start(command)?.end().await
    }
}

async fn all_of(mut stream: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is what there is.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A command that runs; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    seen: watch::Receiver<Vec<String>>,
    reading: JoinHandle<()>,
    stderr: JoinHandle<String>,
}

impl Running {
    /// Its process id.
    ///
    /// # Errors
    /// It has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the command has ended already")
    }

    /// Waits until it has written a record that meets a condition.
    ///
    /// # Errors
    /// It did not within 60 s, or ended before.
    pub async fn wait_for(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) -> anyhow::Result<()> {
        let mut looked_at = 0;
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|lines| {
            let found = lines[looked_at..].iter().filter_map(|line| entry(line)).any(|entry| wanted(&entry));
            looked_at = lines.len();
            found
        });
        let problem = match tokio::time::timeout(Duration::from_secs(60), found).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => "the command ended before",
            Err(_) => "waited 60 s in vain until",
        };
        bail!("{problem} {what}; it wrote:\n{}", self.story())
    }

    /// Waits until it has begun a step.
    ///
    /// # Errors
    /// As [`Running::wait_for`].
    pub async fn wait_for_step(
        &mut self,
        node: &str,
        action: Action,
        direction: Direction,
    ) -> anyhow::Result<()> {
        let what = format!("{node}: {} begins", action.as_str());
        self.wait_for(&what, |entry| match entry {
            Entry::StepStarted { step, .. } => {
                step.action == action
                    && step.direction == direction
                    && step.node.as_ref().is_some_and(|name| name.as_str() == node)
            }
            _ => false,
        })
        .await
    }

    /// Whether it has written a record that meets a condition, so far.
    pub fn has(&self, mut wanted: impl FnMut(&Entry) -> bool) -> bool {
        self.seen.borrow().iter().filter_map(|line| entry(line)).any(|entry| wanted(&entry))
    }

    /// Checks that a step of the canary goes on still, so that what was just done was done in the middle of it.
    ///
    /// # Errors
    /// The step has ended.
    pub fn still_in(&self, action: Action) -> anyhow::Result<()> {
        let ended =
            self.has(|entry| matches!(entry, Entry::StepFinished { step, .. } if step.action == action));
        ensure!(!ended, "{} ended too early to show anything", action.as_str());
        Ok(())
    }

    /// Sends it a signal by name, like `INT` or `KILL`.
    ///
    /// # Errors
    /// It has ended already.
    pub async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status().await?;
        ensure!(done.success(), "kill -s {name} {pid}: {done}");
        Ok(())
    }

    fn story(&self) -> String {
        story(&self.seen.borrow())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It has not ended after 150 s.
    pub async fn end(mut self) -> anyhow::Result<Ended> {
        let status = match tokio::time::timeout(LONGEST_ROLL, self.child.wait()).await {
            Ok(status) => status?,
            Err(_) => bail!("not ended after {LONGEST_ROLL:?}; it wrote:\n{}", self.story()),
        };
        self.reading.await?;
        let lines = self.seen.borrow().clone();
        Ok(Ended { code: status.code(), lines, stderr: self.stderr.await? })
    }
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The lines of its standard output.
    pub lines: Vec<String>,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// Checks the exit code.
    ///
    /// # Errors
    /// It is another one; then with all that the command wrote.
    pub fn expect(self, code: i32) -> anyhow::Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!("expected exit code {code}, got {:?}\n{}{}", self.code, story(&self.lines), self.stderr)
    }

    /// The records it wrote.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> {
        self.lines.iter().filter_map(|line| entry(line))
    }

    /// How it says that it ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.entries().rev().find_map(|entry| match entry {
            Entry::Finished { outcome, .. } => Some(outcome),
            _ => None,
        })
    }

    /// Everything it said, for a search in it.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{}\n{}", self.lines.join("\n"), self.stderr)
    }
}

/// What a command wrote, for a person who looks for a mistake; a plan is long and helps nobody there.
fn story(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {}\n", line.chars().take(600).collect::<String>())).collect()
}

/// The record in a line, if it is one.
fn entry(line: &str) -> Option<Entry> {
    let line: Value = serde_json::from_str(line).ok()?;
    serde_json::from_value(line.get("record")?.clone()).ok()
}
