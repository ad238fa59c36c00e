//! The written file, where HAProxy cannot be asked; `tests/init.rs` asks a real one.

use crate::settings::{Key, SETTINGS, Value};
use crate::testing::World;

/// A world without HAProxy.
fn alone(arguments: &[&str]) -> World {
    let world = World::new();
    let socket = world.directory.path().join("haproxy.sock").display().to_string();
    world.variable("CANARY_HAPROXY_ADDRESS", format!("unix:{socket}")).arguments(arguments)
}

#[test]
fn the_file_of_flags_alone() {
    let arguments =
        ["init", "--canary", "api-3", "--peers", "api-1 api-2", "--window", "10m", "--actor", "bob"];
    insta::assert_snapshot!(alone(&arguments).run());
}

#[test]
fn the_file_is_read_back_as_what_was_asked_for() {
    let own = "[[sli]]\nname = \"queue\"\npromql = 'max(q{i=~\"$nodes\"}) # \\d'\nabove = -0.5\n";
    let flags = ["--canary", "b", "--peers", "a", "--health-path", "/h?x=1", "--p95-threshold", "250ms"];
    let asked = ["--watch-subject", "canary", "--node-label", "node", "--roll-back-peers", "--window", "10m"];
    let to = ["init", "-f", "old.toml", "-o", "canary.toml"];
    let world = alone(&[&to[..], &flags, &asked].concat());
    std::fs::write(world.directory.path().join("old.toml"), own).unwrap();
    let said = world.run();
    assert!(said.starts_with("exit code 0\n--- out\nthe balancer could not be asked: "), "{said}");

    let by_flags = world.again(&[&["-f", "old.toml"][..], &flags, &asked].concat());
    let expected = by_flags.read().unwrap();
    let written = by_flags.again::<&str>(&[]).read().unwrap();
    assert_eq!(written.spec, expected.spec);
    for setting in SETTINGS {
        let value = |settings: &crate::settings::Settings| settings.layers.resolved(setting.id).value.clone();
        assert_eq!(value(&written), value(&expected), "{}", setting.key);
    }
}

#[test]
fn every_line_that_is_commented_out_can_be_let_in() {
    let world = alone(&["init", "--canary", "api-3", "-o", "canary.toml"]);
    assert!(world.run().starts_with("exit code 0\n"));
    let path = world.directory.path().join("canary.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let name =
        |line: &str| line.strip_prefix("# ").and_then(|line| Some(line.split_once(" = ")?.0.to_owned()));
    let known = |line: &str| name(line).is_some_and(|name| SETTINGS.iter().any(|s| s.name() == name));
    let (settings, example) = text.split_once("\n# [[sli]]\n").unwrap();
    let (mut let_in, mut lines) = (0, Vec::new());
    for line in settings.lines() {
        let open = known(line) && !line.contains("otherwise: ");
        let_in += usize::from(open);
        lines.push(if open { &line[2..] } else { line });
    }
    lines.push("[[sli]]");
    lines.extend(example.lines().map(|line| line.strip_prefix("# ").unwrap()));
    let shown = SETTINGS.iter().filter(|setting| setting.section() != "local");
    let defaults = shown.filter(|setting| setting.fallback.text().is_some()).count();
    // The pool, the canary, the peers and HAProxy's address are in already; the address has no default.
    assert_eq!(let_in, defaults - 3);
    std::fs::write(&path, lines.join("\n")).unwrap();
    let settings = world.again::<&str>(&[]).read().unwrap();
    assert_eq!(settings.layers.resolved(Key::Canary).value, Some(Value::Node("api-3".parse().unwrap())));
}

#[test]
fn a_file_that_is_there_stays() {
    let world = alone(&["init", "--canary", "api-3", "-o", "canary.toml"]).file("# mine\n");
    let mut text = world.run();
    let stored = |world: &World| std::fs::read_to_string(world.directory.path().join("canary.toml")).unwrap();
    assert_eq!(stored(&world), "# mine\n");
    let world = world.again(&["init", "--canary", "api-3", "-o", "nowhere/canary.toml"]);
    text += &world.run();
    insta::assert_snapshot!(text);
    let world = world.again(&["init", "--canary", "api-3", "-o", "canary.toml", "--force"]);
    assert!(world.run().starts_with("exit code 0\n"));
    assert!(stored(&world).contains("\ncanary = \"api-3\"\n"));
}

#[test]
fn without_nodes_it_says_what_is_missing() {
    let text = alone(&["init"]).run() + &alone(&["init", "--canary", "a", "--peers", "a b"]).run();
    insta::assert_snapshot!(text);
}

#[test]
fn paths_are_the_same_from_another_directory() {
    let flags = ["--canary", "a", "--migrations-dir", "db/migrations", "--artifact", "new"];
    let world = alone(&[&["init", "-o", "conf/canary.toml"][..], &flags].concat());
    std::fs::create_dir(world.directory.path().join("conf")).unwrap();
    assert!(world.run().starts_with("exit code 0\n"));
    let directory = world.directory.path().to_owned();
    let settings = world.again(&["-f", "conf/canary.toml"]).read().unwrap();
    assert_eq!(settings.migrations.dir, directory.join("db/migrations"));
    assert_eq!(settings.artifact, None);
}

const LOCAL: [&str; 5] =
    ["init", "--backend", "local", "--local-nodes", "api-1=127.0.0.1:8081 api-2=127.0.0.1:8082"];

#[test]
fn a_local_fleet_needs_nobody_to_ask() {
    let arguments = [&LOCAL[..], &["--local-args", "--listen {address}", "-o", "canary.toml"]].concat();
    let world = World::new().arguments(&arguments);
    let said = world.run();
    assert!(said.contains("canary.toml: canary api-2, peers api-1\n"), "{said}");
    let settings = world.again::<&str>(&[]).read().unwrap();
    assert_eq!((settings.backend.name(), settings.spec.canary.as_str()), ("local", "api-2"));
    assert_eq!(settings.local.args, ["--listen", "{address}"]);
    assert!(matches!(settings.source, crate::settings::SourceSettings::Metrics { port: None, .. }));
}

#[test]
fn programs_get_the_settings_as_json() {
    let more =
        ["--pool", "api", "--local-env", "TOKEN=hunter2", "--p95-threshold", "250ms", "--output", "json"];
    let text = World::new().arguments(&[&LOCAL[..], &more].concat()).run();
    let world = World::new().arguments(&["init", "--backend", "local", "--output", "json"]);
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text + &world.run());
}
