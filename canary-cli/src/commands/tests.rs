//! Whole command lines where no backend answers, and where none is needed.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use canary_core::engine::Outcome;
use canary_core::fleet::{Artifact, Digest};
use canary_core::journal::{Entry, FileJournal, MemoryJournal, NodeReport, RolloutId, Writer};
use canary_core::plan::{Plan, Purpose};
use canary_core::spec::RolloutSpec;
use canary_core::traits::{Clock, Journal as _, SystemClock};

use super::store;
use crate::testing::World;

/// A world in which nothing answers, with an artifact.
pub(super) fn dead() -> World {
    let world = World::new();
    let directory = world.directory.path().to_owned();
    std::fs::write(directory.join("veza-api"), "a binary").unwrap();
    let socket = |name: &str| directory.join(name).display().to_string();
    let haproxy = format!("unix:{}", socket("haproxy.sock"));
    world
        .variable("INCUS_SOCKET", socket("incus.sock"))
        .variable("CANARY_HAPROXY_ADDRESS", haproxy)
        .variable("CANARY_STATE_DIR", socket("state"))
        // Port 9 of this machine: nothing listens there.
        .variable("PROM_URL", "http://127.0.0.1:9")
        .variable("LB_URL", "http://127.0.0.1:9")
        .variable("ARTIFACT", "veza-api")
}

/// The lines up to the kind of a backend's error: its whole words are the backend's own matter.
fn kinds(text: &str) -> String {
    let cut = |line: &str| {
        line.split_once(": unreachable")
            .map_or_else(|| line.to_owned(), |(head, _)| format!("{head}: unreachable …"))
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_against_nothing_is_refused_with_everything_at_once_and_recorded() {
    let world = dead().arguments(&["run"]);
    insta::assert_snapshot!("run_against_nothing", kinds(&world.run()));
    let world = world.again(&["log", "show"]);
    insta::assert_snapshot!("log_of_a_refusal", kinds(&world.run()));
}

#[test]
fn the_doctor_tells_everything_and_changes_nothing() {
    let world = dead().arguments(&["doctor"]);
    insta::assert_snapshot!(kinds(&world.run()));
    assert!(!world.directory.path().join("state").exists());
}

#[test]
fn the_doctor_shows_where_settings_come_from() {
    let world =
        dead().file("[watch]\nwindow = \"10m\"\n").arguments(&["doctor", "--settings", "--canary", "b-7"]);
    let text = world.run();
    let lines: Vec<_> =
        text.lines().filter(|line| line.contains("watch.w") || line.contains("fleet.")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn commands_that_lack_something_say_what() {
    let mut text = String::new();
    for arguments in [
        &["run"][..],
        &["plan", "--artifact", "nowhere"],
        &["run", "--artifact", "."],
        &["run", "--output", "json"],
        &["resume"],
        &["log", "show"],
        &["log", "list"],
        &["log", "show", "x"],
        &["run", "--artifact", "canary.toml", "--migrations-dir", "nowhere"],
        &["dance"],
        &[],
    ] {
        let world =
            World::new().file("# nothing\n").variable("CANARY_STATE_DIR", "state").arguments(arguments);
        text += &format!("=== {}\n{}", arguments.join(" "), world.run());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_second_run_is_told_who_has_the_journal() {
    let world = dead();
    let _held = open(world.directory.path());
    insta::assert_snapshot!(world.arguments(&["run", "--output", "plain"]).run());
}

#[tokio::test]
async fn an_unfinished_rollout_of_something_else_comes_first() {
    let world = dead();
    let directory = world.directory.path().to_owned();
    let journal = open(&directory);
    let (_, entry) = started(&directory);
    journal.append(entry).await.unwrap();
    drop(journal);
    let text = tokio::task::spawn_blocking(move || world.arguments(&["run"]).run()).await.unwrap();
    insta::assert_snapshot!(text);
}

/// A rollout of another artifact, as it is recorded when it starts.
fn started(directory: &Path) -> (RolloutId, Entry) {
    started_of(directory, 7, "another binary")
}

fn started_of(directory: &Path, number: u32, binary: &str) -> (RolloutId, Entry) {
    std::fs::write(directory.join("other"), binary).unwrap();
    let spec = RolloutSpec::new(
        "api_pool".parse().unwrap(),
        "api_pool".parse().unwrap(),
        "backend-api-2".parse().unwrap(),
        vec!["backend-api-1".parse().unwrap()],
    );
    let plan = Plan {
        purpose: Purpose::RollOut,
        spec,
        artifact: Artifact::read(directory.join("other")).unwrap(),
        way_back: None,
        store: directory.join("store"),
        nodes: Vec::new(),
        steps: Vec::new(),
        weights: None,
        warnings: Vec::new(),
    };
    let rollout = RolloutId::new(SystemClock::new().now(), number);
    let entry = Entry::Started {
        rollout: rollout.clone(),
        actor: "bob@deploy".to_owned(),
        reason: None,
        permit: None,
        plan: Box::new(plan),
    };
    (rollout, entry)
}

#[tokio::test]
async fn a_rollout_that_is_being_prepared_is_told_beside_the_last_one() {
    let mut world = dead();
    let directory = world.directory.path().to_owned();
    let mut status = async || {
        let asked = std::mem::replace(&mut world, World::new()).again(&["status"]);
        let (text, asked) = tokio::task::spawn_blocking(move || (asked.run(), asked)).await.unwrap();
        world = asked;
        text
    };
    let journal = open(&directory);
    let first = status().await;
    assert!(first.contains("no rollout of api_pool was started from here, one is being prepared"), "{first}");
    let (rollout, entry) = started(&directory);
    journal.append(entry).await.unwrap();
    let under_way = status().await;
    assert!(under_way.contains("  in progress\n") && !under_way.contains("prepared"), "{under_way}");
    let outcome = Outcome::RolledBack { reason: "as planned".to_owned() };
    journal.append(Entry::Finished { rollout, outcome, nodes: Vec::new() }).await.unwrap();
    let next = status().await;
    assert!(
        next.contains("  rolled back: as planned") && next.contains("  another one is being prepared\n"),
        "{next}"
    );
    drop(journal);
    let after = status().await;
    assert!(after.contains("  rolled back: as planned") && !after.contains("prepared"), "{after}");
}

#[tokio::test]
async fn the_store_keeps_what_the_last_rollouts_brought_and_what_nodes_have() {
    let directory = tempfile::tempdir().unwrap();
    let journal = MemoryJournal::new(Arc::new(SystemClock::new()));
    let digest = |n: u32| Digest::of(format!("binary {n}").as_bytes());
    for n in 0..6 {
        let (rollout, entry) = started_of(directory.path(), n, &format!("binary {n}"));
        journal.append(entry).await.unwrap();
        let (outcome, node) = (Outcome::Completed { changed: true }, "backend-api-1".parse().unwrap());
        // A node that was left behind.
        let installed = Some(digest(1));
        let report = NodeReport {
            node,
            installed,
            service: None,
            admin: None,
            operational: None,
            problems: Vec::new(),
        };
        // The last one is under way.
        if n < 5 {
            journal.append(Entry::Finished { rollout, outcome, nodes: vec![report] }).await.unwrap();
        }
    }
    let records = journal.records().await.unwrap();
    assert_eq!(store::needed(&records, 2), [1, 4, 5].map(digest).into());
    assert_eq!(store::needed(&records, 100), [0, 1, 2, 3, 4, 5].map(digest).into());
    assert_eq!(store::needed(&[], 2), [].into());
}

fn open(directory: &Path) -> FileJournal {
    let writer = Writer {
        pid: std::process::id(),
        host: "deploy".into(),
        actor: "bob@deploy".into(),
        engine: "0".into(),
    };
    let path = directory.join("state/api_pool/journal.jsonl");
    FileJournal::open(path, &writer, [1; 16], Arc::new(SystemClock::new())).unwrap()
}

/// A git work tree whose branch `main` has one migration.
fn repository() -> World {
    let world = World::new();
    let directory = world.directory.path().to_owned();
    std::fs::create_dir(directory.join("migrations")).unwrap();
    std::fs::write(directory.join("migrations/0001_users.sql"), "CREATE TABLE users (id int, name text);\n")
        .unwrap();
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "first"],
    ] {
        let status = Command::new("git").args(arguments).current_dir(&directory).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }
    // Not the home's, which other tests of this host may write to at the same time.
    let state = directory.join("state");
    world.variable("CANARY_STATE_DIR", state.as_os_str().as_encoded_bytes())
}

#[test]
fn the_gate_alone() {
    let gate = ["gate", "--base", "main", "--convention", "plain"];
    let world = repository().arguments(&gate);
    let nothing_new = world.run();
    let write = |name: &str, sql: &str| {
        std::fs::write(world.directory.path().join("migrations").join(name), sql).unwrap();
    };
    write("0002_mail.sql", "ALTER TABLE users ADD COLUMN mail text;\n");
    let pass = world.run();
    write("0003_name.sql", "-- goodbye\nALTER TABLE users\n    DROP COLUMN name;\n");
    let refused = world.run();
    let world = world.again(&[
        "gate",
        "--base",
        "main",
        "--convention",
        "plain",
        "--force-migrate",
        "--reason",
        "split by hand",
    ]);
    let forced = world.run();
    let world = world.again(&["gate", "--base", "nowhere", "--convention", "plain"]);
    let undecided = world.run();
    let codes = [&nothing_new, &pass, &refused, &forced, &undecided]
        .map(|text| text.lines().next().unwrap().to_owned());
    assert_eq!(codes, ["exit code 0", "exit code 0", "exit code 10", "exit code 0", "exit code 22"]);
    assert!(refused.contains("migrations/0003_name.sql:3:5: refused"), "{refused}");
    assert!(forced.contains("bypassed: ") && forced.contains("by ada@deploy: split by hand"), "{forced}");
    assert!(nothing_new.contains("nothing new: "), "{nothing_new}");
    assert!(undecided.contains("gate      undecided\n"), "{undecided}");
}

#[test]
fn the_gate_for_programs() {
    let world = repository();
    std::fs::write(world.directory.path().join("migrations/0002_x.sql"), "DROP TABLE users;\n").unwrap();
    let text =
        world.arguments(&["gate", "--base", "main", "--convention", "plain", "--output", "json"]).run();
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (value["v"].as_u64(), value["event"].as_str(), value["exit_code"].as_u64()),
        (Some(1), Some("gate"), Some(10))
    );
    assert_eq!(value["review"]["findings"][0]["line"], 1);
}

#[test]
fn help_lists_every_command() {
    let text = World::new().arguments(&["--help"]).run();
    for command in [
        "run",
        "plan",
        "resume",
        "rollback",
        "status",
        "doctor",
        "gate",
        "simulate",
        "log",
        "configuration",
        "completions",
        "man",
    ] {
        assert!(text.contains(&format!("\n  {command} ")), "{command} is missing:\n{text}");
    }
    assert!(World::new().arguments(&["--version"]).run().contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_watch_is_simulated_before_it_is_relied_on() {
    let question = ["simulate", "--rps", "100", "--times", "5", "--runs", "25", "--window", "20m"];
    let world = World::new().arguments(&question);
    insta::assert_snapshot!(world.run());
    let world = world.again(&["simulate", "--rps", "0.5", "--runs", "5", "--output", "json"]);
    let text = world.run();
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (value["event"].as_str(), value["comparison"]["median_s"].as_u64()),
        (Some("simulation"), None)
    );
    assert!(value["bound"]["good_rolled_back"].as_f64() > Some(0.5), "{text}");
    let world = world.again(&["simulate", "--rps", "9", "--runs", "2", "--weight-steps", "10% 50%"]);
    let stepped = world.run();
    assert!(stepped.contains("one of 3 watches, which share the bound"), "{stepped}");
    let text = world.again(&["simulate", "--rps", "0.5", "--runs", "5"]).run();
    assert!(text.contains("too little traffic to compare: even 5 times the errors take"), "{text}");
    let file = "[watch]\nbuiltin_slis = false\n\n[[sli]]\nname = \"queue\"\npromql = \"queue\"\nbelow = 9\n";
    let other = World::new().file(file).arguments(&["simulate", "--rps", "9", "--runs", "2"]);
    let text = other.run();
    assert!(text.contains("no bound on the error ratio  0.0 %"), "{text}");
}

#[test]
fn what_cannot_be_simulated_is_named() {
    for (arguments, message) in [
        (&["simulate"][..], "--rps"),
        (&["simulate", "--rps", "0"], "--rps 0 cannot be simulated"),
        (&["simulate", "--rps", "9", "--errors", "2"], "--errors 2 cannot be simulated"),
        (&["simulate", "--rps", "9", "--errors", "0.5", "--times", "3"], "--times 3 cannot be simulated"),
        (&["simulate", "--rps", "9", "--window", "0"], "nothing is watched"),
    ] {
        let text = World::new().arguments(arguments).run();
        assert!(text.starts_with("exit code 2") && text.contains(message), "{arguments:?}: {text}");
    }
}
