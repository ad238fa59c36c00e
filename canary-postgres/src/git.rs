//! `git` as a child process: arguments as a list, no shell, a deadline, killed when dropped.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The longest one call may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Variables that would point git at another repository, index, configuration or program.
const CLEARED: [&str; 24] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_DEFAULT_HASH",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_ATTR_SOURCE",
    "GIT_EXEC_PATH",
];

/// A call of git that gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// The program could not be started.
    #[error("git cannot be started: {0}; install it on the deploying host")]
    Start(#[source] std::io::Error),
    /// No answer in time.
    #[error("git {0} did not answer within {seconds} s", seconds = DEADLINE.as_secs())]
    Deadline(String),
    /// It said no.
    #[error("git {call} failed: {stderr}")]
    Failed {
        /// The subcommand.
        call: String,
        /// The exit code; -1 after a signal.
        code: i32,
        /// Its last words.
        stderr: String,
    },
}

/// A work tree to ask about.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    directory: PathBuf,
}

impl Git {
    /// Asks about the work tree around `directory`.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Runs one subcommand and returns what it printed.
    ///
    /// Nothing is written to the repository, nothing is fetched, and no program configured in it is started.
    pub(crate) async fn run<S: AsRef<OsStr> + Sync>(&self, arguments: &[S]) -> Result<Vec<u8>, GitError> {
        self.run_with(arguments, Vec::new()).await
    }

    /// The same, with something to read from its standard input.
    async fn run_with<S: AsRef<OsStr> + Sync>(
        &self,
        arguments: &[S],
        input: Vec<u8>,
    ) -> Result<Vec<u8>, GitError> {
        let call = arguments.first().map_or_else(String::new, |a| a.as_ref().to_string_lossy().into_owned());
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.directory);
        for setting in ["core.fsmonitor=false", "core.quotePath=false", "core.untrackedCache=false"] {
            command.arg("-c").arg(setting);
        }
        command.arg("--no-pager").args(arguments);
        for name in CLEARED {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let work = async {
            let mut child = command.spawn()?;
            let stdin = child.stdin.take();
            let write = async {
                if let Some(mut stdin) = stdin {
                    // Who ends early says why on its standard error.
                    let _unread = stdin.write_all(&input).await;
                }
            };
            tokio::join!(child.wait_with_output(), write).0
        };
        let output = tokio::time::timeout(DEADLINE, work)
            .await
            .map_err(|_| GitError::Deadline(call.clone()))?
            .map_err(GitError::Start)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let stderr: String = words.trim().replace('\n', "; ").chars().take(400).collect();
        Err(GitError::Failed { call, code: output.status.code().unwrap_or(-1), stderr })
    }

    /// What a commit holds below a directory, which is given as a path below the work tree's root; `directory` must be that root.
    pub(crate) async fn list(&self, commit: &str, below: &Path) -> Result<Vec<Listed>, GitError> {
        let words = ["ls-tree", "-r", "-z", "--long", "--full-tree", commit, "--"];
        let mut arguments: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        if !below.as_os_str().is_empty() {
            arguments.push(below.as_os_str());
        }
        let output = self.run(&arguments).await?;
        let lines = output.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        lines
            .map(|line| {
                Listed::parse(line).ok_or_else(|| GitError::Failed {
                    call: "ls-tree".to_owned(),
                    code: 0,
                    stderr: "its answer is not as expected".to_owned(),
                })
            })
            .collect()
    }

    /// The contents of some blobs, in their order.
    pub(crate) async fn blobs(&self, objects: &[String]) -> Result<Vec<Vec<u8>>, GitError> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let asked = objects.iter().flat_map(|object| [object.as_bytes(), b"\n"].concat()).collect();
        let output = self.run_with(&["cat-file", "--batch"], asked).await?;
        let failed = || GitError::Failed {
            call: "cat-file".to_owned(),
            code: 0,
            stderr: "a file of the commit is not in this clone".to_owned(),
        };
        let (mut rest, mut contents) = (output.as_slice(), Vec::with_capacity(objects.len()));
        for _ in objects {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(failed)?;
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            // `<object> blob <size>`, the content, a line feed; or `<object> missing`.
            let size = head.rsplit_once(" blob ").and_then(|(_, size)| size.parse::<usize>().ok());
            let size = size.ok_or_else(failed)?;
            contents.push(rest.get(end + 1..end + 1 + size).ok_or_else(failed)?.to_vec());
            rest = rest.get(end + 2 + size..).ok_or_else(failed)?;
        }
        Ok(contents)
    }

    /// Runs one subcommand and returns what it printed as one line.
    pub(crate) async fn line(&self, arguments: &[&str]) -> Result<String, GitError> {
        let output = self.run(arguments).await?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }
}

/// An entry of a commit's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    mode: u32,
    /// Its object's name.
    pub(crate) object: String,
    /// In bytes; 0 for what is no blob.
    pub(crate) size: u64,
    /// Its path below the root.
    pub(crate) path: PathBuf,
}

impl Listed {
    /// `<mode> <type> <object> <size>\t<path>` (git-ls-tree(1)).
    fn parse(line: &[u8]) -> Option<Self> {
        use std::os::unix::ffi::OsStringExt as _;
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let head = std::str::from_utf8(&line[..tab]).ok()?;
        let mut words = head.split_whitespace();
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let object = words.nth(1)?.to_owned();
        let size = words.next()?.parse().unwrap_or(0);
        Some(Self { mode, object, size, path: OsString::from_vec(line[tab + 1..].to_vec()).into() })
    }

    /// Neither a link nor a submodule.
    pub(crate) const fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// A commit of another repository.
    pub(crate) const fn is_submodule(&self) -> bool {
        self.mode & 0o170_000 == 0o160_000
    }
}

/// Checks a ref name that comes from an operator: what git would read as an option, a range or a path is refused.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_ref(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 255 {
        return Err("it must have 1 to 255 characters");
    }
    if name.starts_with('-') {
        return Err("it must not start with '-'");
    }
    if name.contains("..") {
        return Err("it names a range; a single revision is wanted");
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || ":?*[\\".contains(c)) {
        return Err("it holds a character that no revision has");
    }
    Ok(())
}

/// Splits NUL-separated output into paths.
pub(crate) fn paths(output: &[u8]) -> Vec<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    let parts = output.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| OsString::from_vec(part.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_revision() {
        for good in ["origin/main", "v1.2.3", "HEAD~2", "0123abcd", "main@{1}"] {
            assert_eq!(check_ref(good), Ok(()), "{good}");
        }
        for bad in ["", "--upload-pack=x", "a..b", "a b", "x:y", "a\nb", "a\0b", "*", &"x".repeat(256)] {
            assert!(check_ref(bad).is_err(), "{bad:?}");
        }
    }
}
