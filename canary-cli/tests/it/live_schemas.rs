//! The sample service of eight shards with one that has drifted: what `contract check`, `doctor` and `run` make of it, by the real
//! program on a real server, before a rollout and in the middle of its watch.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::site::{Site, load, said, until};
use canary_core::fleet::Digest;
use canary_core::traits::{LoadBalancer as _, NodeRuntime as _};
use canary_postgres::cluster::{Cluster, ClusterConfig};
use canary_postgres::live::{Connection, DatabaseUrl, Session};

const DRIFTED: &str = "shard-3: users.created_at is bigint, 7 others timestamptz";
const FIELD: &str =
    "shard-3: src/users.rs:47: User.created_at: expected DateTime<Utc> (from timestamptz), found bigint";

/// The sample service's migrations, in their order.
const MIGRATIONS: [&str; 3] = ["0001_users.sql", "0002_orders.sql", "0003_routing.sql"];

/// The sample service's directory.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/tenants-service")
}

fn text(path: &str) -> String {
    let path = sample().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sample's database, with shard-3 as that night left it.
struct Tenants(Cluster);

impl Tenants {
    async fn start() -> Self {
        let config = ClusterConfig { max_connections: 60, ..ClusterConfig::default() };
        let cluster = Cluster::start(config).await.unwrap();
        cluster.create_database("tenants").await.unwrap();
        let tenants = Self(cluster);
        let migrations: String = MIGRATIONS.map(|name| text(&format!("migrations/{name}"))).concat();
        let mut sql = String::new();
        for number in 1..=8 {
            sql.push_str(&format!(
                "CREATE SCHEMA \"shard-{number}\"; SET search_path = \"shard-{number}\"; {migrations}
                 INSERT INTO public.routing VALUES ('tenant-{number}', 'shard-{number}');"
            ));
        }
        tenants.write(&sql).await;
        tenants.write(&text("drift/shard-3.sql")).await;
        tenants
    }

    async fn write(&self, sql: &str) {
        let url = DatabaseUrl::parse(&self.0.url("tenants")).unwrap();
        let session = Session { read_only: false, ..Session::default() };
        Connection::open(&url, &session).await.unwrap().batch("prepare the test", sql).await.unwrap();
    }

    /// Has the site's commands look at it.
    fn configure(&self, site: &Site) {
        std::fs::write(site.path("database-url"), self.0.url("tenants")).unwrap();
        let contract = sample().join("sql-contract.lock");
        // The budgets are none of this test: the machine may be busy.
        let section = format!(
            "\n[database]\nurl_file = \"database-url\"\ncontract = {:?}\npool = 4\nload_requests = 0\n\
             routing_query = \"SELECT tenant_id AS tenant, shard AS schema FROM public.routing ORDER BY 1\"\n",
            contract.display().to_string()
        );
        let path = site.path("canary.toml");
        let kept = std::fs::read_to_string(&path).unwrap();
        // The section that `init` wrote has nothing but comments in it.
        let kept = kept.lines().filter(|line| *line != "[database]").collect::<Vec<_>>().join("\n");
        std::fs::write(path, kept + &section).unwrap();
    }

    /// A line without what another run has otherwise.
    fn stable(&self, text: &str) -> String {
        let text = text.replace(&self.0.socket_directory().display().to_string(), "[socket]");
        let time = |word: &str| {
            word.strip_suffix('s').is_some_and(|number| number.contains('.') && number.parse::<f64>().is_ok())
        };
        let line = |line: &str| {
            line.split(' ').map(|word| if time(word) { "[time]" } else { word }).collect::<Vec<_>>().join(" ")
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What every node has, and what the balancer is told of it.
async fn fleet(site: &Site) -> BTreeMap<String, (Digest, String)> {
    let client = site.client();
    let mut fleet = BTreeMap::new();
    for server in client.servers().await.unwrap().servers {
        let installed = client.installed(&server.node).await.unwrap().current.unwrap().sha256;
        fleet.insert(server.node.to_string(), (installed, format!("{:?} {:?}", server.admin, server.weight)));
    }
    fleet
}

fn journal(site: &Site) -> String {
    std::fs::read_to_string(site.path("state/api/journal.jsonl")).unwrap_or_default()
}

/// Ships a release, does something at its first probe, and gives how it ended.
async fn ship(
    site: &Site,
    arguments: &[&str],
    at_the_first_probe: impl AsyncFnOnce(),
) -> (Option<i32>, String) {
    let probes = || journal(site).matches("\"observed\"").count();
    let before = probes();
    let running = site.command(&[&["run"], arguments].concat()).spawn().unwrap();
    until("a probe of the watch", async || (probes() > before).then_some(())).await;
    at_the_first_probe().await;
    said(&running.wait_with_output().unwrap())
}

fn expect(ended: &(Option<i32>, String), code: i32, words: &[&str]) {
    let (ended, text) = ended;
    assert_eq!(*ended, Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "it does not say {word:?}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drifted_shard_stops_a_release_before_it_begins_and_in_its_watch() {
    let site = Site::new();
    let tenants = Tenants::start().await;
    tenants.configure(&site);
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    for version in ["v2", "v3"] {
        site.release(version, &[]);
    }
    let before = fleet(&site).await;

    // It is named, by whatever is asked.
    let checked = site.run(&["contract", "check"]);
    expect(&checked, 10, &[DRIFTED, FIELD]);
    insta::assert_snapshot!(tenants.stable(&checked.1));
    let (code, log) = site.run(&["contract", "check", "--output", "json"]);
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!((code, &log["steps"][1]["status"]), (Some(10), &"failure".into()), "{log:#}");
    assert!(log["steps"][1]["details"].as_str().unwrap().contains(DRIFTED), "{log:#}");
    assert!(
        log["recommendation"].as_str().unwrap().starts_with("Do not shift traffic: shard-3: "),
        "{log:#}"
    );
    expect(&site.run(&["doctor"]), 10, &["check schema", DRIFTED]);

    // Nothing is touched, and the journal knows why.
    expect(&site.run(&["run", "--artifact", "v2"]), 10, &[DRIFTED, FIELD]);
    assert_eq!(fleet(&site).await, before);
    let record = journal(&site);
    let last = record.lines().last().unwrap();
    assert!(last.contains("\"refused\"") && last.contains(DRIFTED), "{last}");
    assert!(!record.contains("\"step_started\""), "{record}");
    expect(&site.run(&["log", "explain"]), 0, &[DRIFTED]);

    // Mended, it ships.
    let mend = "ALTER TABLE \"shard-3\".users ALTER created_at DROP DEFAULT;
        ALTER TABLE \"shard-3\".users ALTER created_at TYPE timestamptz USING to_timestamp(created_at);
        ALTER TABLE \"shard-3\".users ALTER created_at SET DEFAULT now()";
    tenants.write(mend).await;
    expect(&site.run(&["contract", "check"]), 0, &["Safe to proceed with the traffic shift."]);
    expect(&site.run(&["run", "--artifact", "v2"]), 0, &[]);
    let shipped = fleet(&site).await;
    let v2 = Digest::of(&std::fs::read(site.path("v2")).unwrap());
    assert!(shipped.values().all(|(installed, _)| *installed == v2), "{shipped:?}");

    // What drifts in the middle of the watch brings the release back.
    let drift = async || tenants.write("ALTER TABLE \"shard-5\".orders ALTER cents TYPE integer").await;
    let ended = ship(&site, &["--artifact", "v3", "--window", "60s"], drift).await;
    expect(&ended, 20, &["watch: check schema: shard-5: orders.cents is integer, 7 others bigint"]);
    assert_eq!(fleet(&site).await, shipped);
    expect(&site.run(&["log", "explain"]), 0, &["shard-5: orders.cents is integer, 7 others bigint"]);

    // A database that is away says nothing of the release: the watch holds, and ends without a verdict.
    tenants.write("ALTER TABLE \"shard-5\".orders ALTER cents TYPE bigint").await;
    let shipping = ["--artifact", "v3", "--window", "60s", "--hold-budget", "3s"];
    let ended = ship(&site, &shipping, async move || tenants.0.stop().await.unwrap()).await;
    expect(&ended, 22, &["check schema"]);
    let kept = fleet(&site).await;
    assert_eq!(kept.values().filter(|(installed, _)| *installed != v2).count(), 1, "{kept:?}");

    assert_eq!(load.stop().await.failed_total, 0);
    assert_eq!(holder.end("TERM").code(), Some(0));
}

/// Every file below a directory, but the one with the secret.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => all.extend(files(&entry.path())),
            kind if kind.is_file() && entry.file_name() != "database-url" => all.push(entry.path()),
            _ => {}
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_in_nothing_that_is_said_or_written() {
    const PASSWORD: &str = "hunter2";
    let site = Site::new();
    let holder = site.serve(3).await;
    site.release("v2", &[]);
    let toml = std::fs::read_to_string(site.path("canary.toml")).unwrap();
    let toml: Vec<&str> = toml.lines().filter(|line| *line != "[database]").collect();
    // Nobody listens, it is no address, the host is none, TLS is asked for over plain text, the certificates are not there.
    let addresses = [
        format!("postgres://app:{PASSWORD}@127.0.0.1:1/tenants"),
        format!("postgres://app:{PASSWORD}@127.0.0.1:port/tenants"),
        format!("postgres://app:{PASSWORD}@{PASSWORD}.invalid@host/tenants?sslmode=maybe"),
        format!("postgres://app:{PASSWORD}@no-such-host.invalid/tenants?sslmode=verify-full"),
        format!("postgres://app:{PASSWORD}@127.0.0.1:1/tenants?sslmode=require&sslrootcert=no-such-file.pem"),
    ];
    let mut said = String::new();
    for (i, address) in addresses.iter().enumerate() {
        let section = if i % 2 == 0 { "url_file = \"database-url\"" } else { "url_variable = \"SECRET\"" };
        std::fs::write(site.path("canary.toml"), format!("{}\n[database]\n{section}\n", toml.join("\n")))
            .unwrap();
        std::fs::write(site.path("database-url"), address).unwrap();
        for arguments in [
            &["contract", "check"][..],
            &["doctor", "--settings"],
            &["run", "--artifact", "v2", "--output", "json"],
        ] {
            let output = site.command(arguments).env("SECRET", address).output().unwrap();
            assert_ne!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
            said.push_str(&self::said(&output).1);
        }
    }
    said.push_str(&site.run(&["log", "explain"]).1);
    assert_eq!(holder.end("TERM").code(), Some(0));
    assert!(said.contains("app@127.0.0.1:1/tenants"), "the address is shown without it: {said}");
    assert!(!said.contains(PASSWORD), "{said}");
    for file in files(site.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "{}", file.display());
    }
}
