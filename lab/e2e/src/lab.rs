use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use canary_core::fleet::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::until::until;

const BINARY: &str = "/opt/veza/backend-api/veza-api";
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// What HAProxy says of one server, by the numbers of `show servers state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// The operational state: 0 stopped, 1 starting, 2 running, 3 stopping.
    pub operational: u32,
    /// The admin bits: 0x01 maintenance, 0x08 drain.
    pub admin: u32,
    /// The weight in force; 100 is configured.
    pub weight: u32,
}

impl ServerState {
    /// Whether it takes requests: running and neither drained nor in maintenance.
    #[must_use]
    pub const fn serving(&self) -> bool {
        self.operational == 2 && self.admin == 0
    }

    /// Whether it was drained by command.
    #[must_use]
    pub const fn drained(&self) -> bool {
        self.admin & 0x08 != 0
    }
}

/// The lab, held for one trial at a time: no two tests, and no two test programs, change it at once.
#[derive(Debug)]
pub struct Lab {
    variables: BTreeMap<&'static str, String>,
    nodes: Vec<String>,
    _held: File,
}

const VARIABLES: [&str; 15] = [
    "CANARY_LAB_DIR",
    "CANARY_LAB_SCRIPT",
    "CANARY_LAB_NODES",
    "CANARY_LAB_SERVICE",
    "CANARY_LAB_URL",
    "CANARY_LAB_HAPROXY_TCP",
    "CANARY_LAB_INCUS_HTTPS",
    "CANARY_LAB_TLS_CLIENT_CERT",
    "CANARY_LAB_TLS_CLIENT_KEY",
    "CANARY_LAB_TLS_SERVER_CERT",
    "LB_URL",
    "PROM_URL",
    "INCUS_SOCKET",
    "HAPROXY_INSTANCE",
    "HAPROXY_SOCKET",
];

impl Lab {
    /// Takes hold of the lab that `lab/lab env` describes; `None` where there is none.
    ///
    /// # Errors
    /// There is none although `CI` is set, or a variable is missing.
    pub async fn acquire() -> anyhow::Result<Option<Self>> {
        if std::env::var_os("CANARY_LAB").is_none() {
            ensure!(std::env::var_os("CI").is_none(), "CI is set, but CANARY_LAB is not: bring the lab up");
            return Ok(None);
        }
        let mut variables = BTreeMap::new();
        for name in VARIABLES {
            let hint = || format!("{name} is not set; use: eval \"$(lab/lab env)\"");
            variables.insert(name, std::env::var(name).with_context(hint)?);
        }
        let count: usize = variables["CANARY_LAB_NODES"].parse().context("CANARY_LAB_NODES")?;
        let path = Path::new(&variables["CANARY_LAB_DIR"]).join("e2e.lock");
        let held = tokio::task::spawn_blocking(move || {
            let file = File::create(path)?;
            file.lock().map(|()| file)
        });
        let held = held.await?.context("locking the lab")?;
        let nodes = (1..=count).map(|i| format!("backend-api-{i}")).collect();
        Ok(Some(Self { variables, nodes, _held: held }))
    }

    /// A variable of `lab/lab env`; empty for a name that is not among them.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// The nodes, `backend-api-1` first.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The first release's binary: what every node runs after a reset.
    #[must_use]
    pub fn first_binary(&self) -> &Path {
        Path::new(self.variable("CANARY_LAB_SERVICE"))
    }

    /// Everything as new: nodes, HAProxy, Prometheus, and what trials put in place.
    ///
    /// # Errors
    /// What the lab said.
    pub async fn reset(&self) -> anyhow::Result<()> {
        // Other work on the machine can make the daemon slow for a moment.
        until("Incus answers", Duration::from_secs(60), async || {
            Ok(self.incus(&["info"], Duration::from_secs(4)).await.is_ok())
        })
        .await?;
        for node in &self.nodes {
            self.exec(
                node,
                "rm -rf /run/systemd/system/veza-backend-api.service.d && systemctl daemon-reload",
            )
            .await?;
        }
        self.command(&["reset"]).await
    }

    /// Gives Prometheus a past, as if every node had served for that long; until a reset.
    ///
    /// # Errors
    /// The past could not be made, or Prometheus did not come back with it.
    pub async fn backfill(&self, directory: &Path, covers: Duration) -> anyhow::Result<()> {
        let (text, blocks) = (directory.join("past.om"), directory.join("blocks"));
        crate::past::write(&text, &self.nodes, covers)?;
        let mut promtool = Command::new("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&text).arg(&blocks);
        output(promtool, COMMAND_LIMIT).await?;
        let data = "/var/lib/prometheus/data";
        for block in std::fs::read_dir(&blocks)? {
            let block = block?.path().display().to_string();
            self.incus(&["file", "push", "-qr", &block, &format!("prom{data}/")], COMMAND_LIMIT).await?;
        }
        let script = format!("chown -R prometheus:prometheus {data}; systemctl restart prometheus");
        self.exec("prom", &script).await?;
        // It scrapes again some seconds after its start.
        until("Prometheus scrapes again", Duration::from_secs(30), async || {
            let query = "http://127.0.0.1:9090/api/v1/query?query=count(up)";
            let said = self.exec("prom", &format!("curl -fsS -m 2 '{query}'")).await;
            Ok(said.is_ok_and(|said| said.contains(&format!("\"{}\"]", self.nodes.len()))))
        })
        .await
    }

    /// Makes a restart of the service brutal: the process is killed without a chance to finish a request.
    ///
    /// # Errors
    /// The instance could not be changed.
    pub async fn kill_on_restart(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            self.exec(
                node,
                "d=/run/systemd/system/veza-backend-api.service.d; mkdir -p $d
                 printf '[Service]\\nKillSignal=SIGKILL\\n' >$d/e2e.conf && systemctl daemon-reload",
            )
            .await?;
        }
        Ok(())
    }

    /// Leaves 1 MiB where a node's binary is installed, until [`Lab::unfill`] or a reset.
    ///
    /// # Errors
    /// What the lab said.
    pub async fn fill(&self, node: &str) -> anyhow::Result<()> {
        self.command(&["fill", node]).await
    }

    /// Takes the small file system of [`Lab::fill`] away again; what lay there before lies there again.
    ///
    /// # Errors
    /// The instance could not be changed.
    pub async fn unfill(&self, node: &str) -> anyhow::Result<()> {
        self.exec(node, "umount -l /opt/veza/backend-api && systemctl restart veza-backend-api").await?;
        Ok(())
    }

    /// Restarts the Incus daemon; returns when it answers again.
    ///
    /// # Errors
    /// It did not come back.
    pub async fn restart_daemon(&self, gone_s: u64) -> anyhow::Result<()> {
        self.command(&["restart-daemon", &gone_s.to_string()]).await
    }

    async fn command(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.variable("CANARY_LAB_SCRIPT"));
        command.args(arguments).env("CANARY_LAB_DIR", self.variable("CANARY_LAB_DIR"));
        output(command, COMMAND_LIMIT).await.map(drop)
    }

    async fn incus(&self, arguments: &[&str], limit: Duration) -> anyhow::Result<String> {
        let mut command = Command::new("incus");
        let settings = Path::new(self.variable("CANARY_LAB_DIR")).join("incus-client");
        command.args(arguments).env("INCUS_CONF", settings).env("INCUS_PROJECT", "default");
        output(command, limit).await
    }

    /// Runs a shell script in an instance and gives what it printed.
    ///
    /// # Errors
    /// It failed, with its words.
    pub async fn exec(&self, instance: &str, script: &str) -> anyhow::Result<String> {
        self.incus(&["exec", "-T", instance, "--", "sh", "-ec", script], COMMAND_LIMIT).await
    }

    /// The digest of a file in an instance.
    ///
    /// # Errors
    /// It is not there, or could not be read.
    pub async fn digest_of(&self, node: &str, path: &str) -> anyhow::Result<Digest> {
        let said = self.exec(node, &format!("sha256sum {path}")).await?;
        let digest = said.split_whitespace().next().unwrap_or_default();
        digest.parse().map_err(|error| anyhow::anyhow!("{node}: {said:?}: {error}"))
    }

    /// The digest of the binary that is installed on a node.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn installed(&self, node: &str) -> anyhow::Result<Digest> {
        self.digest_of(node, BINARY).await
    }

    /// The service's process id and systemd's state of it.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn process(&self, node: &str) -> anyhow::Result<String> {
        self.exec(node, "systemctl show -p MainPID,ActiveState,ExecMainStartTimestamp veza-backend-api").await
    }

    /// Sends HAProxy one command over TCP, past the program under test.
    ///
    /// # Errors
    /// It could not be reached or did not answer.
    pub async fn haproxy(&self, command: &str) -> anyhow::Result<String> {
        let talk = async {
            let mut stream = TcpStream::connect(self.variable("CANARY_LAB_HAPROXY_TCP")).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await?;
            Ok::<_, std::io::Error>(reply)
        };
        tokio::time::timeout(Duration::from_secs(10), talk)
            .await?
            .with_context(|| format!("HAProxy: {command}"))
    }

    /// What HAProxy says of every server of the pool.
    ///
    /// # Errors
    /// It could not be asked.
    pub async fn servers(&self) -> anyhow::Result<BTreeMap<String, ServerState>> {
        let reply = self.haproxy("show servers state api_pool").await?;
        let row = |line: &str| {
            let columns: Vec<_> = line.split(' ').collect();
            let number = |i: usize| columns.get(i)?.parse().ok();
            let name = columns.get(3).filter(|name| name.starts_with("backend-api-"))?;
            Some((
                (*name).to_owned(),
                ServerState { operational: number(5)?, admin: number(6)?, weight: number(7)? },
            ))
        };
        Ok(reply.lines().filter_map(row).collect())
    }

    /// What HAProxy says of one server.
    ///
    /// # Errors
    /// It could not be asked, or does not know it.
    pub async fn server(&self, node: &str) -> anyhow::Result<ServerState> {
        self.servers().await?.remove(node).with_context(|| format!("HAProxy knows no {node}"))
    }
}

/// Runs a command to its end and gives its standard output.
async fn output(mut command: Command, limit: Duration) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let shown = format!("{:?}", command.as_std());
    let done = tokio::time::timeout(limit, command.output())
        .await
        .with_context(|| format!("{shown}: not done after {limit:?}"))?
        .with_context(|| shown.clone())?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{shown}: {}: {}", done.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
