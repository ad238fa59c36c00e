use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use canary_core::fleet::{NodeId, PoolName};
use canary_local::{LocalBalancer, LocalBalancerConfig, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const START: Duration = Duration::from_secs(10);

/// A way from the clients to the servers.
#[derive(Debug)]
pub(crate) struct Rival {
    pub(crate) name: String,
    pub(crate) url: String,
    child: Option<Child>,
    _files: Option<TempDir>,
}

impl Rival {
    /// No balancer.
    pub(crate) fn direct(server: SocketAddr) -> Self {
        Self { name: "direct".to_owned(), url: format!("http://{server}"), child: None, _files: None }
    }

    /// This program once more, as the balancer alone.
    pub(crate) async fn canary_local(servers: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("finding this program's own file")?);
        command.arg("balancer").args(servers.iter().map(ToString::to_string)).stdin(Stdio::piped());
        let mut child =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().context("starting canary-local")?;
        let stdout = child.stdout.take().context("canary-local has no output")?;
        let line = tokio::time::timeout(START, BufReader::new(stdout).lines().next_line()).await;
        let url =
            line.context("canary-local did not start in time")??.context("canary-local did not start")?;
        Ok(Self { name: "canary-local".to_owned(), url, child: Some(child), _files: None })
    }

    /// HAProxy as this host has it, with the settings that canary-local has of itself; `None` without one.
    pub(crate) async fn haproxy(servers: &[SocketAddr]) -> anyhow::Result<Option<Self>> {
        let version = match Command::new("haproxy").arg("-v").output().await {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("asking haproxy for its version"),
        };
        let files = tempfile::tempdir().context("making a directory for haproxy's configuration")?;
        let path = files.path().join("haproxy.cfg");
        let address = free_address().await?;
        std::fs::write(&path, haproxy_configuration(address, servers))
            .context("writing haproxy's configuration")?;
        let mut child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting haproxy")?;
        let up = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            status = child.wait() => bail!("haproxy ended: {}", status?),
            up = tokio::time::timeout(START, up) => up.context("haproxy did not listen in time")?,
        }
        let version = version.split_whitespace().nth(2).unwrap_or("of an unknown version").to_owned();
        let name = format!("HAProxy {version}");
        Ok(Some(Self { name, url: format!("http://{address}"), child: Some(child), _files: Some(files) }))
    }

    /// Ends the balancer.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(child) = &mut self.child {
            child.kill().await.with_context(|| format!("ending {}", self.name))?;
        }
        Ok(())
    }
}

/// As many threads as cores, like the other side's runtime; keep-alive on both sides, no log.
fn haproxy_configuration(address: SocketAddr, servers: &[SocketAddr]) -> String {
    let servers: String =
        servers.iter().enumerate().map(|(i, server)| format!("    server node-{i} {server}\n")).collect();
    format!(
        "global\n    maxconn 4096\ndefaults\n    mode http\n    option forwardfor\n    http-reuse safe\n    timeout connect 2s\n    \
         timeout client 60s\n    timeout server 60s\nfrontend in\n    bind {address}\n    default_backend pool\nbackend pool\n    \
         balance roundrobin\n{servers}"
    )
}

/// A port that was free a moment ago.
async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await.context("finding a free port")?.local_addr()?)
}

/// Says where it listens, and balances until its input is closed.
pub(crate) async fn be_canary_local(servers: &[String]) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        all.push(ServerConfig::new(NodeId::new(format!("node-{number}"))?, server.parse()?));
    }
    let balancer = LocalBalancer::start(LocalBalancerConfig::new(PoolName::new("bench")?, all)).await?;
    writeln!(std::io::stdout(), "{}", balancer.url())?;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while input.next_line().await?.is_some() {}
    Ok(())
}
