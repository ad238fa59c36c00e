//! Files that are read, and everything that is said about those that are not.

use std::fmt::Write as _;

use canary_core::time::Timestamp;
use proptest::prelude::*;

use crate::policy::{GapKey, ObjectiveKind, Part, PolicyFile, SourceKind, read};

const SAMPLE: &str = include_str!("../sample.yaml");

/// The smallest whole file, with `more` after it.
fn small(more: &str) -> String {
    format!(
        "version: sla/v1\nsources:\n  - {{name: a, kind: prometheus, url: \"http://p:9090\"}}\nobjectives:\n  errors: {{kind: ratio, bad: bad_total, total: all_total, limit: \"0.01\"}}\n  burn: {{kind: budget, of: errors, target: \"0.999\", max_burn: \"14.4\"}}\n  p95: {{kind: quantile, q: \"0.95\", histogram: h, limit: 400ms}}\n{more}"
    )
}

fn refused(text: &str) -> String {
    let error = read(text, "sla.yaml").expect_err("it was accepted");
    let mut told = String::new();
    for problem in error.problems {
        writeln!(told, "{problem}\n    {}", problem.remedy).unwrap();
    }
    told
}

#[test]
fn the_sample_is_read() {
    let file: PolicyFile = read(SAMPLE, "sla.yaml").unwrap();
    assert_eq!(
        (file.sources.len(), file.objectives.len(), file.tiers.len(), file.tenants.len()),
        (3, 4, 2, 5)
    );
    assert_eq!(file.sources[2].kind, SourceKind::Mimir { org_id: "a|b".to_owned() });
    assert_eq!((file.sources[0].scrape, file.sources[0].timeout), (30_000_000, 10_000_000));
    let ObjectiveKind::Ratio { part: Part::Bad(bad), .. } = &file.objectives["error_rate"].kind else {
        panic!("{file:?}")
    };
    assert_eq!(bad.to_string(), "http_requests_total{status=~\"5..\"}");
    let slow = &file.tenants["slowco"];
    let limit = slow.layer.objectives["latency_p95"].limit.as_ref().unwrap();
    assert_eq!((limit.value, limit.at.to_string().as_str()), (900_000, "25:39"));
    assert_eq!(slow.layer.until.as_ref().unwrap().value.to_string(), "2027-03-31");
    assert_eq!(file.tiers["gold"].layer.gap.get(GapKey::Widen).unwrap().value, 0);
}

#[test]
fn every_problem_is_told_with_its_place_and_a_remedy() {
    insta::assert_snapshot!(refused(&small(
        "windows: {short: 1m, long: 30s}\n\
         gap: {min_coverage: 0.5, max_age: 60s, widen: \"0.5\", no_traffic: pass}\n\
         decision: {rollback_threshold: \"1.2\", veto_tiers: [gold], max_in_flight: 100}\n\
         hard_limits: {errors: \"0.02\", burn: \"20\", nothing: 1s}\n\
         tiers:\n  gold: {weigth: 5, weight: 0, objectives: {errors: \"0.005\"}}\n\
         tenants:\n  acme: {tier: golf, sources: [b]}\n  slow: {objectives: {p95: 900}, until: 2027-02-30}\n  \
         wild: {objectives: {errors: \"0.5\"}, reason: old, until: 2027-03-31}\n  old: {exempt: yes}\n"
    )));
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(refused(
        "version: sla/v2\nobjectives: {x: {kind: ratio, total: t}, y: {kind: probes}, z: 1}\n"
    ));
    insta::assert_snapshot!(refused(
        "version: sla/v1\nsources:\n  - {name: a, kind: datadog, url: x}\n  - {name: b, kind: mimir, url: \"http://u:secret@h\"}\n  - {name: c, kind: mimir, url: \"http://h\"}\n  - {name: d, kind: prometheus, url: \"http://h\", replica: prometheus_replica, org_id: x}\nobjectives: {x: {kind: value, metric: \"sum(x)\", limit: \"0\"}}\ntenants: []\n"
    ));
}

#[test]
fn a_loosening_says_why_and_until_when() {
    let tenant = |entry: &str| {
        small(&format!(
            "tiers:\n  gold: {{objectives: {{errors: \"0.005\", burn: {{target: \"0.9995\"}}}}, gap: {{widen: \"0\"}}}}\ntenants:\n  acme: {{{entry}}}\n"
        ))
    };
    for (entry, told) in [
        ("tier: gold, objectives: {errors: \"0.004\"}", None),
        ("tier: gold, objectives: {errors: \"0.006\"}, reason: r, until: 2027-03-31", None),
        (
            "tier: gold, objectives: {errors: \"0.006\"}",
            Some("errors 0.006 is looser than 0.005, without `reason` and `until`"),
        ),
        ("tier: gold, objectives: {errors: \"0.006\"}, until: 2027-03-31", Some("without `reason`")),
        ("tier: gold, objectives: {errors: \"0.006\"}, reason: r", Some("without `until`")),
        ("objectives: {errors: \"0.006\"}", None),
        (
            "tier: gold, objectives: {burn: {target: \"0.999\"}}",
            Some("the target of burn 0.999 is looser than 0.9995"),
        ),
        ("tier: gold, objectives: {burn: {max_burn: \"20\"}}", Some("burn 20 is looser than 14.4")),
        ("tier: gold, gap: {widen: \"0.1\"}", Some("gap.widen 0.1 is looser than 0")),
        ("gap: {min_coverage: \"0.5\"}", Some("gap.min_coverage 0.5 is looser than 0.6")),
        ("gap: {min_events: 50}", Some("gap.min_events 50 is looser than 100")),
        ("gap: {max_age: 3x_scrape}", Some("gap.max_age 3x_scrape is looser than 2x_scrape")),
        ("objectives: {errors: \"0.004\"}, until: 2027-03-31", Some("loosens nothing")),
        ("exempt: true", Some("exempt without `reason` and `until`")),
        ("exempt: true, reason: r, until: 2027-03-31", None),
    ] {
        match (read(&tenant(entry), "f"), told) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => {
                let told: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
                assert!(told.len() == 1 && told[0].contains(part), "{entry}: {told:?}");
            }
            (read, _) => panic!("{entry}: {read:?}"),
        }
    }
}

#[test]
fn a_tier_that_loosens_for_a_time_is_no_ground_for_its_tenants() {
    let file = |own: &str| {
        small(&format!(
            "tiers:\n  free: {{objectives: {{errors: \"0.03\"}}, reason: r, until: 2027-03-31}}\ntenants:\n  acme: {{tier: free, objectives: {{errors: \"0.02\"}}{own}}}\n"
        ))
    };
    assert!(refused(&file("")).contains("errors 0.02 is looser than 0.01"));
    assert!(read(&file(", reason: r, until: 2027-01-31"), "f").is_ok());
}

#[test]
fn a_probe_is_read_whole_or_refused_at_its_places() {
    let file = |probe: &str, more: &str| {
        small(more).replace("  p95:", &format!("  up: {{kind: probe, {probe}}}\n  p95:"))
    };
    let read_ = read(
        &file(
            "url: 'http://h/{tenant}', expect: [204, 200, 200], body: {/b: \"1\", /a: 1, /c: true, /d: ok, '': null}",
            "tenants: {a: }\n",
        ),
        "f",
    );
    let read_ = read_.unwrap();
    let ObjectiveKind::Probe(probe) = &read_.objectives["up"].kind else { panic!("{read_:?}") };
    let body: Vec<_> = probe.body.iter().map(|m| (m.pointer.as_str(), m.value.to_string())).collect();
    assert_eq!((probe.expect.as_slice(), probe.timeout, probe.tries), (&[200, 204][..], 9_000_000, 3));
    assert_eq!(
        body.iter().map(|(p, v)| format!("{p}={v}")).collect::<Vec<_>>(),
        ["=null", "/a=1", "/b=\"1\"", "/c=true", "/d=\"ok\""]
    );
    assert_eq!(read_.objectives["up"].bounds.limit.as_ref().unwrap().value, 9_000_000);
    insta::assert_snapshot!(refused(&file(
        "url: 'http://{tenant}.h/x', expect: [200, 99], timeout: 40s, tries: 11, bodi: {}",
        "tenants: {a.b: }\n"
    )));
    insta::assert_snapshot!(refused(&file(
        "url: 'http://{tenant}.h/x', limit: 3s, timeout: 2s, tries: 9",
        "decision: {max_in_flight: 0, tenant_batch_size: many, timeout_per_tenant_check: 30}\ngap: {no_traffic: maybe}\ntenants: {a.b: , c: {objectives: {up: 4s}, reason: r, until: 2027-01-01}}\n"
    )));
    insta::assert_snapshot!(refused(&file(
        "url: 'https://u:secret@h/', body: {status: ok}, expect: []",
        "tenants: {}\n"
    )));
    insta::assert_snapshot!(refused(&file("url: 'http://h/{version}', body: {/x: 1.5}", "tenants: {}\n")));
    insta::assert_snapshot!(refused(&file("url: 'http://h/', body: {/x: [1], /~2: 1}", "tenants: {}\n")));
    let alone =
        small("tiers: {free: {gap: {no_traffic: pass}, reason: r, until: 2027-01-01}}\ntenants: {}\n");
    assert!(refused(&alone).contains("no objective is a probe"));
}

#[test]
fn the_documents_show_policies_that_are_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tenants.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let mut seen = 0;
    for (block, _) in blocks {
        read(block, "docs/tenants.md").unwrap_or_else(|error| panic!("{block}\n{:#?}", error.problems));
        seen += 1;
    }
    assert_eq!(seen, 2);
}

/// The sample with one piece of it replaced.
fn damaged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        "[ {}\\[\\],:\"'#&*!|>%@`\n-]{1,3}",
        "[0-9.]{1,18}(ms|s|%)?",
        "[a-z_]{1,12}",
        any::<char>().prop_map(String::from),
    ];
    (0..SAMPLE.len(), 0_usize..40, piece).prop_map(|(at, length, piece)| {
        let bytes = [
            &SAMPLE.as_bytes()[..at],
            piece.as_bytes(),
            &SAMPLE.as_bytes()[(at + length).min(SAMPLE.len())..],
        ];
        String::from_utf8_lossy(&bytes.concat()).into_owned()
    })
}

proptest! {
    #[test]
    fn a_damaged_file_is_read_or_refused_at_a_place_that_there_is(text in damaged()) {
        match read(&text, "f") {
            Ok(file) => {
                let policy = file.at(Timestamp::from_millis(0));
                let form = serde_json::from_str::<serde_json::Value>(&policy.canonical());
                prop_assert!(form.is_ok_and(|form| form.is_object()));
            }
            Err(error) => {
                let lines = text.split('\n').count();
                prop_assert!(!error.problems.is_empty());
                for problem in error.problems {
                    let line = problem.at.line as usize;
                    prop_assert!((1..=lines + 1).contains(&line), "{} of {} lines", problem, lines);
                    prop_assert!(!problem.remedy.is_empty(), "{}", problem);
                }
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        prop_assert!(read(&text, "f").is_err());
        let _ = crate::policy::openslo::import(&text, "f");
    }
}
