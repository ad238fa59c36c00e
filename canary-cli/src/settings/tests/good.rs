//! Inputs that are fine, and what is made of them.

use std::path::Path;
use std::time::Duration;

use canary_core::spec::{Bound, OnDrainTimeout, RolloutSpec, WatchSubject};

use crate::settings::{HaproxyAddress, IncusEndpoint, Key, Kind, Setting, SourceSettings};
use crate::testing::World;

/// A value that fits a setting's kind.
pub(super) fn example(setting: &Setting) -> String {
    let text = match setting.kind {
        // The one list of nodes that must be in the fleet.
        Kind::Nodes if setting.flag == "pause-after" => "canary",
        Kind::File | Kind::RemotePath => "/srv/x",
        Kind::FileName | Kind::Node | Kind::Nodes | Kind::Pool | Kind::Service | Kind::Unit => "x-1",
        Kind::Metric | Kind::Project | Kind::Role | Kind::GitRef | Kind::Revision => "x",
        Kind::Shadow => "postgres://canary@db-test/postgres",
        Kind::HttpPath => "/x",
        Kind::Url => "http://x:1",
        Kind::SecureUrl => "https://x:1",
        Kind::Address => "tcp:x:1",
        Kind::Words => "as agreed",
        Kind::Part { max } => return (max * 0.8).to_string(),
        Kind::Choices(words) => words[0],
        Kind::Budgets => "no_traffic=5m source_down=1h30m",
        Kind::Time { min, .. } if min > Duration::from_secs(60) => "2h",
        Kind::Time { min, .. } if min.subsec_millis() > 0 => "1s",
        Kind::Time { .. } => "60s",
        Kind::Seconds | Kind::Ratio => "0.25",
        Kind::Count { .. } => "7",
        Kind::Flag => "1",
        Kind::Choice(words) => words[0],
        Kind::Backend => "haproxy-incus",
        Kind::Loopback => "127.0.0.1:7000",
        Kind::Places => "x-1=127.0.0.1:7001",
        Kind::Arguments => "--x y",
        Kind::Assignments => "X=1 Y=2",
        Kind::Percents => "1% 25%",
    };
    text.to_owned()
}

pub(super) fn with_certificates(world: World) -> World {
    let names = [
        "CANARY_INCUS_URL",
        "CANARY_INCUS_CLIENT_CERT",
        "CANARY_INCUS_CLIENT_KEY",
        "CANARY_INCUS_SERVER_CERT",
    ];
    names.iter().fold(world, |world, name| {
        world.variable(name, if name.ends_with("URL") { "https://x:1" } else { "/srv/x" })
    })
}

#[test]
fn weight_steps_are_read_from_everywhere() {
    let steps = |world: World| {
        let weights = world.read().unwrap().spec.weights.unwrap();
        (weights.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), weights.window)
    };
    let file = World::new().file("[weights]\nsteps = [\"0.5%\", \"25%\"]\nwindow = \"5m\"\n");
    assert_eq!(steps(file), ("0.5% 25%".to_owned(), Some(Duration::from_secs(300))));
    assert_eq!(steps(World::new().variable("CANARY_WEIGHT_STEPS", "1% 50%")), ("1% 50%".to_owned(), None));
    let none = World::new().file("[weights]\nsteps = []\nwindow = \"5m\"\n").read().unwrap();
    assert_eq!(none.spec.weights, None);
}

#[test]
fn with_nothing_written_the_runbook_holds() {
    let settings = World::new().read().unwrap();
    let name = |text: &str| text.parse().unwrap();
    let plain = RolloutSpec::new(
        "api_pool".parse().unwrap(),
        "api_pool".parse().unwrap(),
        name("backend-api-2"),
        vec![name("backend-api-1")],
    );
    let watch = settings.spec.watch.clone().unwrap();
    assert_eq!(RolloutSpec { watch: None, ..settings.spec.clone() }, plain);
    assert_eq!((watch.window, watch.interval), (Duration::from_secs(3600), Duration::from_secs(30)));
    let shown: Vec<_> = watch.slis.iter().map(|sli| format!("{} {}", sli.name, sli.bound)).collect();
    assert_eq!(shown, ["p95 < 0.5", "error_ratio < 0.005"]);
    assert_eq!(settings.target.as_str(), "/opt/veza/backend-api/veza-api");
    assert_eq!(settings.haproxy.to_string(), "instance:haproxy:/run/haproxy/admin.sock");
    assert_eq!(settings.incus.endpoint, IncusEndpoint::Socket("/var/lib/incus/unix.socket".into()));
    assert_eq!(settings.state_dir, Path::new("/dev/null/ada/.local/state/canary"));
    assert_eq!(settings.actor, "ada@deploy");
    assert!(settings.artifact.is_none() && !settings.migrations.force && !settings.migrations.dir_named);
}

#[test]
fn the_runbooks_variables_take_plain_seconds() {
    let world = World::new()
        .variable("ARTIFACT", "/tmp/veza-api-v1.0.10")
        .variable("ROLLBACK_BINARY", "/opt/veza/backend-api/veza-api.previous")
        .variable("SLI_WINDOW", "300")
        .variable("SLI_PROBE_INTERVAL", "5")
        .variable("DRAIN_TIMEOUT", "90")
        .variable("PEER_NODES", "b-1  b-3")
        .variable("FORCE_MIGRATE", "1");
    let settings = world.read().unwrap();
    let watch = settings.spec.watch.unwrap();
    assert_eq!((watch.window, watch.interval), (Duration::from_secs(300), Duration::from_secs(5)));
    assert_eq!(settings.spec.drain.timeout, Duration::from_secs(90));
    assert_eq!(settings.spec.peers.iter().map(|n| n.as_str()).collect::<Vec<_>>(), ["b-1", "b-3"]);
    assert_eq!(settings.artifact.unwrap(), Path::new("/tmp/veza-api-v1.0.10"));
    assert!(settings.migrations.force);
}

#[test]
fn flag_beats_variable_beats_file_beats_default() {
    let file = "[fleet]\npool = \"from-file\"\n[watch]\nwindow = \"10m\"\n  interval = \"10s\"\n";
    let world = World::new().file(file).variable("SLI_WINDOW", "20m").arguments(&["--window", "30m"]);
    let settings = world.read().unwrap();
    let origin = |key| settings.layers.origin(key).to_string();
    assert_eq!(settings.spec.watch.as_ref().unwrap().window, Duration::from_secs(1800));
    assert_eq!(origin(Key::Window), "flag --window");
    assert_eq!(origin(Key::Interval), "canary.toml:5:14");
    assert_eq!(origin(Key::Pool), "canary.toml:2:8");
    assert_eq!(origin(Key::Canary), "default");
    let settings = World::new().file(file).variable("SLI_WINDOW", "20m").read().unwrap();
    assert_eq!(settings.layers.origin(Key::Window).to_string(), "environment variable SLI_WINDOW");
    assert_eq!(settings.spec.watch.unwrap().window, Duration::from_secs(1200));
}

#[test]
fn no_window_means_no_watch() {
    for world in [
        World::new().variable("SLI_WINDOW", "0"),
        World::new().arguments(&["--window", "0"]),
        World::new().file("[watch]\nwindow = 0\nsubject = \"canary\"\nbuiltin_slis = false\n"),
        World::new().file("[watch]\nwindow = \"0s\"\n"),
    ] {
        assert_eq!(world.read().unwrap().spec.watch, None);
    }
}

#[test]
fn empty_variables_are_unset_but_empty_peers_are_none() {
    let world =
        World::new().variable("POOL_BACKEND", "").variable("SLI_WINDOW", "").variable("PEER_NODES", "");
    let settings = world.read().unwrap();
    assert_eq!(settings.spec.pool.as_str(), "api_pool");
    assert!(settings.spec.peers.is_empty() && settings.spec.watch.is_some());
    assert!(World::new().arguments(&["--peers", ""]).read().unwrap().spec.peers.is_empty());
    assert!(World::new().file("[fleet]\npeers = []\n").read().unwrap().spec.peers.is_empty());
}

#[test]
fn a_whole_file() {
    let file = r#"
reason = "größer"
[release]
artifact = "out/api"
rollback_binary = "/srv/api.old"
[service]
name = "api"
install_dir = "/srv"
binary_name = "api"
[fleet]
canary = "a"
peers = [ "b",
          "c" ]
[haproxy]
address = "tcp:[::1]:9999"
url = "http://lb/"
[drain]
on_timeout = "close_sessions"
[watch]
p95_threshold = "250ms"
error_ratio_threshold = "0.5%"
subject = "canary"
source = "metrics"
[metrics]
port = 9100
[state]
dir = "state"
"#;
    // A byte order mark and the other system's line ends change nothing.
    for text in [file.to_owned(), format!("\u{feff}{}", file.replace('\n', "\r\n"))] {
        let world = World::new().file(text);
        let settings = world.read().unwrap();
        let directory = world.directory.path();
        assert_eq!(settings.artifact, Some(directory.join("out/api")));
        assert_eq!(settings.rollback_binary.as_deref(), Some(Path::new("/srv/api.old")));
        assert_eq!(settings.state_dir, directory.join("state"));
        assert_eq!(settings.target.as_str(), "/srv/api");
        assert_eq!(settings.reason.as_deref(), Some("größer"));
        assert_eq!(settings.haproxy, HaproxyAddress::Tcp { host: "::1".to_owned(), port: 9999 });
        assert_eq!(settings.lb_url, "http://lb");
        assert_eq!(settings.spec.drain.on_timeout, OnDrainTimeout::CloseSessions);
        let watch = settings.spec.watch.unwrap();
        let bounds: Vec<_> = watch.slis.iter().map(|sli| sli.bound.to_string()).collect();
        assert_eq!(
            (bounds, watch.subject),
            (vec!["< 0.25".to_owned(), "< 0.005".to_owned()], WatchSubject::Canary)
        );
        assert!(matches!(settings.source, SourceSettings::Metrics { port: Some(9100), .. }));
    }
}

#[test]
fn relative_paths_in_a_file_start_at_the_file() {
    let world = World::new();
    let conf = world.directory.path().join("conf");
    std::fs::create_dir(&conf).unwrap();
    std::fs::write(conf.join("prod.toml"), "[release]\nartifact = \"api\"\n").unwrap();
    let world = world.variable("ROLLBACK_BINARY", "old").arguments(&["-f", "conf/prod.toml"]);
    let settings = world.read().unwrap();
    assert_eq!(settings.artifact, Some(conf.join("api")));
    assert_eq!(settings.rollback_binary, Some(world.directory.path().join("old")));
    assert_eq!(settings.layers.origin(Key::Artifact).to_string(), "conf/prod.toml:2:12");
}

#[test]
fn own_indicators_are_watched_after_the_built_in_ones() {
    let file = "[[sli]]\nname = \"queue\"\npromql = 'max(q{instance=~\"$nodes\"})'\nbelow = 10\n\
                [[sli]]\nname = \"live\"\npromql = \"sum(up)\"\nabove = 0.5\n";
    let watch = World::new().file(file).read().unwrap().spec.watch.unwrap();
    assert_eq!(watch.slis.len(), 4);
    assert_eq!(watch.slis[2].name, "queue");
    assert!(matches!(watch.slis[3].bound, Bound::Above(b) if b.value() == 0.5));
}

#[test]
fn misspelt_variables_are_pointed_out() {
    let world = World::new().variable("CANARY_UP_TIMEOT", "3s").variable("CANARY_ISLAND", "Tenerife");
    assert_eq!(
        world.read().unwrap().layers.warnings,
        ["environment variable CANARY_UP_TIMEOT is not read; did you mean CANARY_UP_TIMEOUT?"]
    );
}

#[test]
fn a_flag_of_yes_and_no_can_stand_alone() {
    assert!(World::new().arguments(&["--force-migrate"]).read().unwrap().migrations.force);
    let world = World::new().variable("FORCE_MIGRATE", "1").arguments(&["--force-migrate=false"]);
    assert!(!world.read().unwrap().migrations.force);
}

#[test]
fn encrypted_incus_needs_all_certificates() {
    let settings = with_certificates(World::new()).read().unwrap();
    assert!(matches!(settings.incus.endpoint, IncusEndpoint::Https { .. }));
}

#[test]
fn a_shared_variable_that_is_meant_for_others_refuses_nothing() {
    let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    for (value, used) in [("localhost:4317", None), ("http://collector:4318", Some("http://collector:4318"))]
    {
        let settings = World::new().variable(variable, value).read().unwrap();
        assert_eq!(settings.telemetry.otlp_endpoint.as_deref(), used, "{value}");
        let warned = settings.layers.warnings.iter().any(|warning| warning.contains(variable));
        assert_eq!(warned, used.is_none() && cfg!(feature = "otlp"), "{:?}", settings.layers.warnings);
    }
    // Who writes it for this program means it.
    let refusal = World::new().arguments(&["--otlp-endpoint", "localhost:4317"]).refusal();
    assert!(refusal.starts_with("exit code 2\n"), "{refusal}");
}
