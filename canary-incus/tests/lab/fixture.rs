//! One throw-away instance, shared by the tests that run at the same time and removed after the last of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use canary_core::fleet::{Artifact, NodeId, RemotePath, UnitName};
use canary_core::traits::{NodeRuntime as _, RunningBinary, ServiceState};
use canary_http::{HttpClient, Method};
use canary_incus::{Endpoint, IncusClient, IncusConfig, IncusNodeRuntime, ServiceConfig};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) const INSTANCE: &str = "canary-incus-test";
const STOPPED: &str = "canary-incus-test-stopped";
const DEADLINE: Duration = Duration::from_secs(60);

static SHARED: Mutex<Weak<Instances>> = Mutex::const_new(Weak::new());

/// The instances; removed when dropped.
struct Instances {
    socket: PathBuf,
    // One test program at a time: the instances' names are fixed.
    _lock: File,
}

/// A running instance with systemd in it, and a stopped one. Each test has its own client: connections live in the
/// test's own runtime.
pub(crate) struct Lab {
    pub(crate) socket: PathBuf,
    pub(crate) client: IncusClient,
    pub(crate) node: NodeId,
    pub(crate) stopped: NodeId,
    instances: Arc<Instances>,
}

/// The lab's instance; `None`, said aloud, where there is no lab. In CI there must be one.
pub(crate) async fn lab() -> Option<Lab> {
    if std::env::var_os("CANARY_LAB").is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI is set, but CANARY_LAB is not: bring the lab up");
        println!("skipped: no lab (see lab/README.md)");
        return None;
    }
    let mut shared = SHARED.lock().await;
    if let Some(instances) = shared.upgrade() {
        return Some(Lab::of(instances));
    }
    let lab = Lab::launch().await;
    *shared = Arc::downgrade(&lab.instances);
    Some(lab)
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; eval \"$(lab/lab env)\""))
}

impl Lab {
    fn of(instances: Arc<Instances>) -> Self {
        let socket = instances.socket.clone();
        Self {
            client: IncusClient::new(&IncusConfig::new(Endpoint::Unix(socket.clone()))).unwrap(),
            node: NodeId::new(INSTANCE).unwrap(),
            stopped: NodeId::new(STOPPED).unwrap(),
            socket,
            instances,
        }
    }

    async fn launch() -> Self {
        // What the acceptance tests hold for each trial: some of them restart the daemon.
        let lock = File::create(Path::new(&variable("CANARY_LAB_DIR")).join("e2e.lock")).unwrap();
        let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
        let instances =
            Instances { socket: PathBuf::from(variable("INCUS_SOCKET")), _lock: locked.unwrap().unwrap() };
        remove(&instances.socket).await;
        create(&instances.socket, INSTANCE, true).await;
        create(&instances.socket, STOPPED, false).await;
        let lab = Self::of(Arc::new(instances));
        lab.until("systemd is up", async || {
            let state = lab.sh("systemctl is-system-running || true").await;
            ["running", "degraded"].contains(&state.trim())
        })
        .await;
        lab.sh("ip link set eth0 up && ip addr replace 10.83.7.190/24 dev eth0").await;
        lab
    }

    /// Runs a script in the instance, which must succeed, and returns what it printed.
    pub(crate) async fn sh(&self, script: &str) -> String {
        let limit = Duration::from_secs(30);
        let output = self.client.exec(&self.node, "test", &["sh", "-c", script], limit).await.unwrap();
        assert_eq!(output.code, 0, "{script}: {}{}", output.stdout_text(), output.stderr_text());
        output.stdout_text()
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition().await {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Restarts the service, and gives its state once its process runs the file in place: systemd reports a simple
    /// service as started before its process executes the file.
    pub(crate) async fn restarted(&self, runtime: &IncusNodeRuntime) -> ServiceState {
        runtime.restart(&self.node).await.unwrap();
        self.until("the process runs the file in place", async || {
            runtime.service(&self.node).await.unwrap().running == RunningBinary::InPlace
        })
        .await;
        runtime.service(&self.node).await.unwrap()
    }

    /// A service of that name: a directory `/opt/NAME`, a binary `api` in it, a unit `NAME` that is not started.
    pub(crate) async fn service(&self, name: &str, unit: &str) -> IncusNodeRuntime {
        self.sh(&format!(
            "mkdir -p /opt/{name} && cat >/etc/systemd/system/{name}.service <<'END'\n{unit}\nEND\nsystemctl daemon-reload"
        ))
        .await;
        self.runtime(&self.client, &format!("/opt/{name}/api"), name)
    }

    pub(crate) fn runtime(&self, client: &IncusClient, target: &str, unit: &str) -> IncusNodeRuntime {
        let service =
            ServiceConfig { target: RemotePath::new(target).unwrap(), unit: UnitName::new(unit).unwrap() };
        IncusNodeRuntime::new(client.clone(), service)
    }

    /// What lies in a directory, sorted.
    pub(crate) async fn list(&self, dir: &str) -> Vec<String> {
        self.sh(&format!("ls -A {dir}")).await.lines().map(str::to_owned).collect()
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        let socket = self.socket.clone();
        // A runtime cannot be entered from within one.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(remove(&socket));
        });
        if removal.join().is_err() {
            println!("the test instances could not be removed");
        }
    }
}

/// A real program that runs for an hour, in as many versions as wanted.
pub(crate) fn program(dir: &Path, version: &str) -> Artifact {
    let path = dir.join(format!("api-{version}"));
    let mut bytes = std::fs::read("/bin/sleep").unwrap();
    // The loader ignores what follows an ELF file's sections.
    bytes.extend_from_slice(version.as_bytes());
    std::fs::write(&path, bytes).unwrap();
    Artifact::read(path).unwrap()
}

/// A unit that runs the program of [`program`].
pub(crate) fn sleeps(name: &str) -> String {
    format!("[Service]\nExecStart=/opt/{name}/api 3600")
}

fn http(socket: &Path) -> HttpClient {
    HttpClient::builder("test").unix_socket(socket).timeout(DEADLINE).build().unwrap()
}

/// Sends a request to the daemon and waits for the operation it may start; `None` for 404.
pub(crate) async fn api(socket: &Path, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
    let http = http(socket);
    // A pooled spare connection would stop the daemon; see IncusClient's requests.
    let ask = |method, path: &str| http.request(method, path).header("connection", "close");
    let mut request = ask(method, path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let reply = http.send("test", request).await.unwrap();
    if reply.status == 404 {
        return None;
    }
    let answer: Value = reply.json("test").unwrap();
    assert_ne!(answer["type"], "error", "{path}: {answer}");
    if answer["type"] == "async" {
        let wait = format!("{}/wait?timeout=60", answer["operation"].as_str().unwrap());
        let done: Value = http.send("test", ask(Method::GET, &wait)).await.unwrap().json("test").unwrap();
        assert_eq!(done["metadata"]["status_code"], 200, "{path}: {done}");
    }
    Some(answer["metadata"].clone())
}

async fn create(socket: &Path, name: &str, start: bool) {
    let instance = json!({
        "name": name, "type": "container", "start": start, "profiles": [],
        "source": {"type": "image", "alias": "canary-lab"},
        "config": {"user.canary-lab": "1"},
        "devices": {
            "root": {"type": "disk", "path": "/", "pool": "canary-lab"},
            "eth0": {"type": "nic", "network": "canarylab0", "name": "eth0"},
        },
    });
    api(socket, Method::POST, "/1.0/instances", Some(instance))
        .await
        .expect("the lab's image, pool and bridge");
}

async fn remove(socket: &Path) {
    for name in [INSTANCE, STOPPED] {
        let path = format!("/1.0/instances/{name}");
        let Some(instance) = api(socket, Method::GET, &path, None).await else { continue };
        if instance["status"] != "Stopped" {
            let stop = json!({"action": "stop", "force": true, "timeout": 30});
            api(socket, Method::PUT, &format!("{path}/state"), Some(stop)).await;
        }
        api(socket, Method::DELETE, &path, None).await;
    }
}
