//! The thread that starts a server, stays for as long as it runs, and stops it.
//!
//! A thread of its own, since the kernel's "parent" of a death signal is the thread that started the child: one of a runtime or
//! of a test may end long before the process does.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;

use super::config::ClusterConfig;
use super::error::ClusterError;
use super::leftovers::{self, Leftover, PREFIX};
use super::programs::{Account, Programs};

/// The port in the socket's name.
pub(super) const PORT: u16 = 5432;

/// The longest a server may take to stop before it is killed.
const STOPS: Duration = Duration::from_secs(10);

/// The longest path of a socket, without the zero at its end (unix(7)).
const SOCKET_PATH: usize = 107;

/// How often something is looked at again.
const POLL: Duration = Duration::from_millis(5);

/// A server that is up.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) directory: PathBuf,
    pub(super) programs: Programs,
    pub(super) pid: u32,
    pub(super) leftovers: Vec<Leftover>,
}

type Stopped = oneshot::Sender<Result<(), ClusterError>>;

/// The handle of the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    running: Option<Running>,
    /// Dropped, or sent on: stop.
    stop: Option<mpsc::Sender<Stopped>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread; `told` learns of the server.
    pub(super) fn spawn(
        config: ClusterConfig,
        told: oneshot::Sender<Result<Running, ClusterError>>,
    ) -> Result<Self, ClusterError> {
        let (stop, wait) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("canary-pg".to_owned())
            .spawn(move || keep(&config, told, &wait))
            .map_err(ClusterError::io("start a thread for", "the throw-away server"))?;
        Ok(Self { running: None, stop: Some(stop), thread: Some(thread) })
    }

    /// The handle of a server that is up.
    pub(super) fn holding(mut self, running: Running) -> Self {
        self.running = Some(running);
        self
    }

    #[expect(
        clippy::expect_used,
        reason = "a cluster is made of a keeper that holds a server, and of no other"
    )]
    pub(super) fn running(&self) -> &Running {
        self.running.as_ref().expect("a keeper of a cluster holds a server")
    }

    /// Stops the server and waits for its end.
    pub(super) async fn stop(&mut self) -> Result<(), ClusterError> {
        let (told, stopped) = oneshot::channel();
        if let Some(stop) = self.stop.take() {
            stop.send(told).map_err(|_| ClusterError::Keeper)?;
        }
        stopped.await.map_err(|_| ClusterError::Keeper)?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed; there is nothing more to be done here.
            let _ended = thread.join();
        }
    }
}

/// The thread's work.
fn keep(
    config: &ClusterConfig,
    told: oneshot::Sender<Result<Running, ClusterError>>,
    wait: &mpsc::Receiver<Stopped>,
) {
    let (mut server, running) = match Server::start(config, wait) {
        Ok(started) => started,
        Err(error) => {
            // Nobody listens: the caller gave up.
            let _unheard = told.send(Err(error));
            return;
        }
    };
    // Either who asked gave up, and the server goes at once; or this waits for a word or for the handle's end.
    let answer = if told.send(Ok(running)).is_ok() { wait.recv().ok() } else { None };
    let stopped = server.stop();
    if let Some(answer) = answer {
        let _unheard = answer.send(stopped);
    }
}

/// A directory, its lock, and the process in it. Dropped: stopped and removed.
#[derive(Debug)]
struct Server {
    directory: PathBuf,
    lock: PathBuf,
    child: Option<Child>,
    /// Held until the directory is gone.
    _held: File,
}

impl Server {
    fn start(
        config: &ClusterConfig,
        wait: &mpsc::Receiver<Stopped>,
    ) -> Result<(Self, Running), ClusterError> {
        let programs = Programs::find(config)?;
        let account = Account::find()?;
        let leftovers = leftovers::remove_leftovers(&config.parent);
        let mut server = Self::directory(config)?;
        if let Some((user, group)) = account.owner {
            let own = ClusterError::io("give to the server's user", &server.directory);
            chown(&server.directory, Some(user), Some(group)).map_err(own)?;
        }
        server.initdb(config, &programs, &account, wait)?;
        let pid = server.postgres(config, &programs, &account, wait)?;
        let running = Running { directory: server.directory.clone(), programs, pid, leftovers };
        Ok((server, running))
    }

    /// Makes a directory of its own, with its lock file beside it.
    fn directory(config: &ClusterConfig) -> Result<Self, ClusterError> {
        for attempt in 0..100_u32 {
            let directory = config.parent.join(format!("{PREFIX}{}", name(attempt)));
            if directory.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() > SOCKET_PATH {
                return Err(ClusterError::LongPath(config.parent.clone()));
            }
            let lock = directory.with_extension("lock");
            match leftovers::locked(&lock, true) {
                Ok(Some(held)) => {
                    let made = DirBuilder::new().mode(0o700).create(&directory);
                    let server = Self { directory, lock, child: None, _held: held };
                    return match made {
                        Ok(()) => Ok(server),
                        Err(error) => Err(ClusterError::io("make the directory", &server.directory)(error)),
                    };
                }
                Ok(None) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ClusterError::io("make the lock file", lock)(error)),
            }
        }
        Err(ClusterError::LongPath(config.parent.clone()))
    }

    fn initdb(
        &mut self,
        config: &ClusterConfig,
        programs: &Programs,
        account: &Account,
        wait: &mpsc::Receiver<Stopped>,
    ) -> Result<(), ClusterError> {
        let mut command = account.command(&programs.directory.join("initdb"), "KILL");
        command.arg("-D").arg(self.directory.join("data")).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--no-instructions",
        ]);
        let child = self.spawn("initdb", &mut command)?;
        self.child = Some(child);
        self.until("initdb", config.deadline, wait, |server| match server.ended()? {
            None => Ok(None),
            Some(status) if status.success() => Ok(Some(())),
            Some(status) => Err(server.failed("initdb", &status)),
        })?;
        self.child = None;
        Ok(())
    }

    fn postgres(
        &mut self,
        config: &ClusterConfig,
        programs: &Programs,
        account: &Account,
        wait: &mpsc::Receiver<Stopped>,
    ) -> Result<u32, ClusterError> {
        // SIGINT: a fast shutdown, which ends its clients too.
        let mut command = account.command(&programs.directory.join("postgres"), "INT");
        command.arg("-D").arg(self.directory.join("data")).arg("-k").arg(&self.directory);
        let settings = [
            ("listen_addresses", String::new()),
            ("port", PORT.to_string()),
            ("unix_socket_permissions", "0700".to_owned()),
            ("max_connections", config.max_connections.to_string()),
            ("max_locks_per_transaction", "256".to_owned()),
            ("shared_buffers", "64MB".to_owned()),
            ("fsync", "off".to_owned()),
            ("synchronous_commit", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
            // Its workers would hold locks, and connections to templates.
            ("autovacuum", "off".to_owned()),
            ("jit", "off".to_owned()),
        ];
        for (name, value) in settings.iter().map(|(name, value)| (*name, value)) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in &config.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let child = self.spawn("postgres", &mut command)?;
        let pid = child.id();
        self.child = Some(child);
        self.until("the server's start", config.deadline, wait, |server| match server.ended()? {
            Some(status) => Err(server.failed("postgres", &status)),
            None => Ok(server.ready().then_some(pid)),
        })
    }

    fn spawn(&self, program: &'static str, command: &mut Command) -> Result<Child, ClusterError> {
        let path = self.log();
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(ClusterError::io("open", &path))?;
        let errors = log.try_clone().map_err(ClusterError::io("open", &path))?;
        // A directory that the server's user can enter; its time zone is UTC unless a setting says otherwise.
        command.current_dir(&self.directory).env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.spawn().map_err(ClusterError::io("start", program))
    }

    /// Asks again and again until there is an answer, for at most `deadline`, and gives up when nobody wants the server any more.
    fn until<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        wait: &mpsc::Receiver<Stopped>,
        mut ask: impl FnMut(&mut Self) -> Result<Option<T>, ClusterError>,
    ) -> Result<T, ClusterError> {
        let until = Instant::now() + deadline;
        loop {
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            if matches!(wait.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                return Err(ClusterError::Keeper);
            }
            if Instant::now() >= until {
                let log = format!(": {}", self.last_words());
                return Err(ClusterError::Deadline { what: what.to_owned(), after: deadline, log });
            }
            thread::sleep(POLL);
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, ClusterError> {
        let Some(child) = &mut self.child else { return Ok(None) };
        child.try_wait().map_err(ClusterError::io("wait for the server in", &self.directory))
    }

    /// Whether `postmaster.pid` says so in its eighth line (PM_STATUS_READY).
    fn ready(&self) -> bool {
        let file = self.directory.join("data/postmaster.pid");
        fs::read_to_string(file)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
    }

    fn failed(&self, program: &'static str, status: &ExitStatus) -> ClusterError {
        ClusterError::Failed { program, status: status.to_string(), log: self.last_words() }
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The end of what the programs printed, on one line.
    fn last_words(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().replace('\n', "; ");
        let skip = text.chars().count().saturating_sub(600);
        text.chars().skip(skip).collect()
    }

    /// Ends the process and removes the directory. Safe to repeat.
    fn stop(&mut self) -> Result<(), ClusterError> {
        if let Some(mut child) = self.child.take() {
            end(&mut child, &self.directory)?;
        }
        leftovers::remove_directory(&self.directory)?;
        match fs::remove_file(&self.lock) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ClusterError::io("remove", &self.lock)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What is still there is found by the next start.
        let _left = self.stop();
    }
}

/// A fast shutdown, an immediate one, a kill: each only when the one before did not do.
fn end(child: &mut Child, directory: &Path) -> Result<(), ClusterError> {
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
        let until = Instant::now() + STOPS;
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Ok(());
        }
        // The process has not been waited for, so its number is still its own.
        let _ended = process.map(|process| kill_process(process, signal));
        while Instant::now() < until {
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }
    Err(ClusterError::Deadline {
        what: format!("the end of the server in {}", directory.display()),
        after: STOPS * 3,
        log: String::new(),
    })
}

/// Eight characters that differ between processes, threads and attempts.
fn name(attempt: u32) -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // Seeded by the system for each state.
    let random = RandomState::new().hash_one((std::process::id(), attempt));
    format!("{:08x}", random & 0xffff_ffff)
}
