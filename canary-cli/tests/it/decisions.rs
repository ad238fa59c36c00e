//! Tenants in the watch of a real rollout, by the real program on a real Prometheus; and the record of decisions that it leaves: verified by its own
//! word and by another's, explained, decided again, damaged.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use canary_testkit::StoredPrometheus;
use serde_json::Value;

use crate::site::{Site, kill, load, said, until};

/// The verifier that is not ours.
const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify.py");
const TENANTS: usize = 12;
/// Seconds between two samples.
const STEP: u64 = 15;

/// Samples of every tenant for an hour before now and after: of its 10 requests a second, this many in a thousand fail.
fn samples(failing: impl Fn(&str) -> u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / STEP * STEP;
    let mut text = String::new();
    for (metric, part) in [("requests", false), ("errors", true)] {
        text.push_str(&format!("# TYPE {metric} counter\n"));
        for i in 0..TENANTS {
            let name = tenant(i);
            let per_step = 10 * STEP * if part { failing(&name) } else { 1000 };
            for n in 0..2 * 3600 / STEP {
                let (value, at) = (n * per_step / 1000, now - 3600 + n * STEP);
                text.push_str(&format!("{metric}_total{{tenant=\"{name}\"}} {value} {at}\n"));
            }
        }
    }
    text + "# EOF\n"
}

fn tenant(i: usize) -> String {
    if i == 0 { "acme".to_owned() } else { format!("t{i:02}") }
}

/// A site whose watch decides by tenants.
fn site(prometheus: &StoredPrometheus) -> Site {
    let site = Site::new();
    let tenants: String = (0..TENANTS).map(|i| format!("  {}: {{}}\n", tenant(i))).collect();
    let policy = format!(
        "version: sla/v1\nsources:\n  - {{name: eu, kind: prometheus, url: \"{}\", scrape: {STEP}s}}\n\
         windows: {{short: 5m, long: 1h}}\nobjectives:\n  errors: {{kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\"}}\n\
         tenants:\n{tenants}",
        prometheus.url
    );
    fs::write(site.path("sla.yaml"), policy).unwrap();
    let path = site.path("canary.toml");
    let kept = fs::read_to_string(&path).unwrap();
    let kept = kept.lines().filter(|line| *line != "[tenants]").collect::<Vec<_>>().join("\n");
    fs::write(path, kept + "\n[tenants]\npolicy = \"sla.yaml\"\nversion = \"v2\"\n").unwrap();
    site
}

fn log(site: &Site) -> PathBuf {
    site.path("state/api/decisions.jsonl")
}

/// The bodies of the log's records of a kind.
fn records(site: &Site, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(log(site)).unwrap_or_default();
    let bodies = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone());
    bodies.filter(|body| body["kind"] == kind).collect()
}

fn decisions(site: &Site) -> Vec<String> {
    let word = |body: &Value| body["decision"].as_str().unwrap().to_owned();
    records(site, "decided").iter().map(word).collect()
}

fn python(site: &Site) -> (Option<i32>, String) {
    said(&Command::new("python3").arg(VERIFIER).arg(log(site)).output().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifteen_percent_of_one_tenant_are_seen_that_the_fleet_does_not_show() {
    let Some(prometheus) = StoredPrometheus::start(&samples(|name| if name == "acme" { 150 } else { 1 }))
    else {
        return;
    };
    let site = site(&prometheus);
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    site.release("v2", &[]);
    let (code, text) = site.run(&["run", "--artifact", "v2"]);
    assert_eq!(code, Some(20), "{text}");
    assert!(
        text.contains("ROLLBACK")
            && text.contains("check tenants: acme: errors: 0.1")
            && text.contains(" at eu (promised 0.01, "),
        "{text}"
    );
    assert_eq!(decisions(&site), ["ROLLBACK"]);
    let decided = &records(&site, "decided")[0];
    assert_eq!(
        (decided["worst"][0]["tenant"].as_str(), decided["version"].as_str()),
        (Some("acme"), Some("v2"))
    );

    // The journal of rollouts names the decision's record and its hash.
    let line = fs::read_to_string(log(&site)).unwrap();
    let line = line.lines().find(|line| line.contains("\"kind\":\"decided\"")).unwrap().to_owned();
    let hash = serde_json::from_str::<Value>(&line).unwrap()["hash"].as_str().unwrap().to_owned();
    let journal = fs::read_to_string(site.path("state/api/journal.jsonl")).unwrap();
    assert!(journal.contains(&format!("decision {}, hash {hash}", decided["seq"])), "{journal}");

    let (code, text) = site.run(&["log", "explain", "--decisions"]);
    assert!(code == Some(0) && text.contains("ROLLBACK v2") && text.contains("PROMISED"), "{text}");
    assert!(text.contains("the score is at most 0.91"), "{text}");
    let (code, text) = site.run(&["report", "--decisions", "-o", "decision.html"]);
    assert!(
        code == Some(0) && text.contains("decision.html: ROLLBACK v2: the score is at most 0.91"),
        "{text}"
    );
    let (code, text) = site.run(&["report", "-o", "rollout.html"]);
    assert!(code == Some(0) && text.contains("rollout.html: rolled back: "), "{text}");
    for page in ["decision.html", "rollout.html"] {
        let page = fs::read_to_string(site.path(page)).unwrap();
        let worst = "12 tenants by name. By the worst objective of each: 1 in breach, 11 kept.";
        assert!(page.contains(worst) && page.contains("<title>acme: in breach 0, 0.1"), "{page}");
    }
    let (code, text) = site.run(&["log", "replay", "--decisions"]);
    assert!(code == Some(0) && text.contains("1 decision, all as recorded, byte for byte"), "{text}");
    let (code, text) = site.run(&["log", "replay", "--suppose", "rollback_threshold=0.90"]);
    assert!(
        code == Some(0)
            && text.contains("1 of 1 decision would have been otherwise: 1 ROLLBACK would be APPROVE"),
        "{text}"
    );
    let policy = fs::read_to_string(site.path("sla.yaml")).unwrap();
    fs::write(site.path("kind.yaml"), policy.replace("limit: \"0.010\"", "limit: \"0.20\"")).unwrap();
    let (code, text) = site.run(&["log", "replay", "--policy", "kind.yaml"]);
    assert!(code == Some(0) && text.contains("1 ROLLBACK would be APPROVE"), "{text}");
    what_is_damaged_is_found(&site);
    load.stop().await;
    assert_eq!(holder.end("TERM").code(), Some(0));
}

/// Every byte of the log that is flipped, and everything beside it that is gone or changed.
fn what_is_damaged_is_found(site: &Site) {
    let (code, text) = site.run(&["log", "verify", "--decisions"]);
    assert!(code == Some(0) && text.contains("decisions  1, each with its evidence"), "{text}");
    assert_eq!(python(site).0, Some(0), "{:?}", python(site));
    let (whole, kept) = (fs::read(log(site)).unwrap(), log(site));
    // The library's test flips every byte; the program's own and the other verifier are asked about some.
    for at in (0..whole.len()).step_by(whole.len() / 8) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&kept, bytes).unwrap();
        assert_eq!(site.run(&["log", "verify", "--decisions"]).0, Some(40), "byte {at}");
        assert_eq!(python(site).0, Some(1), "byte {at}");
    }
    // A tail that was cut off: nobody verifies it, nobody adds to it.
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&kept, &whole[..last]).unwrap();
    let (code, text) = site.run(&["log", "verify", "--decisions"]);
    assert!(code == Some(40) && text.contains("its signed head knows"), "{text}");
    assert_eq!(python(site).0, Some(1));
    fs::write(&kept, &whole).unwrap();

    for directory in ["evidence", "policies"] {
        for file in fs::read_dir(site.path("state/api").join(directory)).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let mut changed = bytes.clone();
            changed[bytes.len() / 2] ^= 1;
            fs::write(&path, changed).unwrap();
            let (code, text) = site.run(&["log", "verify", "--decisions"]);
            assert!(code == Some(40) && text.contains("was changed: its SHA-256 is"), "{text}");
            assert_eq!(python(site).0, Some(1), "{}", path.display());
            fs::remove_file(&path).unwrap();
            let (code, text) = site.run(&["log", "verify", "--decisions"]);
            assert!(code == Some(40) && text.contains("is missing"), "{text}");
            assert_eq!(python(site).0, Some(1), "{}", path.display());
            if path.extension().is_some_and(|kind| kind != "json") {
                let (code, text) = site.run(&["log", "replay", "--decisions"]);
                assert!(code == Some(40) && text.contains("is missing"), "{text}");
            }
            fs::write(&path, bytes).unwrap();
        }
    }
    assert_eq!(site.run(&["log", "verify", "--decisions"]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_is_killed_in_its_watch_goes_on_and_every_round_is_on_the_record() {
    let Some(prometheus) = StoredPrometheus::start(&samples(|_| 1)) else { return };
    let site = site(&prometheus);
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    site.release("v2", &[]);
    let mut run = site.command(&["run", "--artifact", "v2"]).spawn().unwrap();
    until("a decision", async || (!decisions(&site).is_empty()).then_some(())).await;
    kill("KILL", run.id());
    assert_eq!(run.wait().unwrap().signal(), Some(9));
    let (code, text) = site.run(&["resume"]);
    assert!(code == Some(0) && text.contains("\ncompleted\n"), "{text}");
    let words = decisions(&site);
    assert!(words.len() > 2 && words.iter().all(|word| word == "APPROVE"), "{words:?}");
    let beats: Vec<_> = records(&site, "heartbeat").iter().map(|body| body["beat"].clone()).collect();
    assert_eq!(beats, ["began", "began", "ended"], "the one that was killed did not say that it ended");
    let all = records(&site, "decided");
    for (one, next) in all.iter().zip(&all[1..]) {
        assert_eq!(next["supersedes"], one["seq"], "each replaces the one before");
        assert_eq!(next["rollout"], one["rollout"]);
    }
    let (code, text) = site.run(&["log", "verify", "--decisions"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = site.run(&["log", "replay", "--decisions"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(python(&site).0, Some(0));
    // Both journals follow a change of keys.
    let (code, text) = site.run(&["log", "rotate-key"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = site.run(&["log", "verify", "--decisions"]);
    assert_eq!(code, Some(0), "{text}");
    load.stop().await;
    assert_eq!(holder.end("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_that_are_gone_hold_a_release_and_never_take_it_back() {
    let Some(prometheus) = StoredPrometheus::start(&samples(|_| 1)) else { return };
    let site = site(&prometheus);
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    site.release("v2", &[]);
    let budget = ["--window", "30s", "--hold-budget", "6s"];
    let run = site.command(&[&["run", "--artifact", "v2"][..], &budget].concat()).spawn().unwrap();
    until("a decision", async || (!decisions(&site).is_empty()).then_some(())).await;
    drop(prometheus);
    let (code, text) = said(&run.wait_with_output().unwrap());
    assert_eq!(code, Some(22), "the watch ends when its budget of holds is spent: {text}");
    assert!(text.contains("inconclusive") && text.contains("HALT"), "{text}");
    let words = decisions(&site);
    assert!(words.iter().filter(|word| *word == "HALT").count() > 2, "{words:?}");
    assert!(words.iter().all(|word| word != "ROLLBACK"), "{words:?}");
    let halted = records(&site, "decided").pop().unwrap();
    assert_eq!(halted["gaps"]["source_down"], TENANTS as u64, "{halted}");
    let journal = fs::read_to_string(site.path("state/api/journal.jsonl")).unwrap();
    assert!(
        journal.contains("\"verdict\":\"hold\"") && !journal.contains("\"verdict\":\"red\""),
        "{journal}"
    );
    load.stop().await;
    assert_eq!(holder.end("TERM").code(), Some(0));
}
