//! There and back, and what is left on the way.

use canary_core::time::Timestamp;

use proptest::prelude::*;

use super::{export, import, quoted};
use crate::policy::tree::{self, Kind};
use crate::policy::{Policy, read};

fn policy(text: &str) -> Policy {
    let now = Timestamp::try_from("2026-11-22T12:00:00Z".to_owned()).unwrap();
    read(text, "sla.yaml").unwrap_or_else(|error| panic!("{text}\n{:#?}", error.problems)).at(now)
}

#[test]
fn what_is_exported_comes_back_with_the_same_limits() {
    let text = "version: sla/v1\ntenant_label: customer\nsources:\n  - {name: a, kind: prometheus, url: \"http://p:9090\"}\nobjectives:\n  errors: {kind: ratio, bad: 'bad_total{job=\"api\"}', total: all_total, limit: \"0.01\"}\n  good: {kind: ratio, good: good_total, total: all_total, limit: \"0.02\"}\n  p95: {kind: quantile, q: \"0.95\", histogram: h, limit: 400ms}\n  pool: {kind: value, metric: pool_ratio, limit: \"0.8\"}\ntiers:\n  gold: {objectives: {errors: \"0.000001\", p95: 250us}}\ntenants:\n  acme: {tier: gold}\n  'we \"quote\" {all}, é': {objectives: {pool: \"0.5\"}}\n  plain:\n";
    let before = policy(text);
    let out = export(&before);
    let back = import(&out.text, "slo.yaml").unwrap();
    assert_eq!(
        back.notes.iter().filter(|note| !note.what.contains("timeWindow")).count(),
        0,
        "{:?}",
        back.notes
    );
    let after = policy(&back.text);
    assert_eq!(after.file.tenant_label, "customer");
    for (name, tenant) in &before.tenants {
        let limits = |policy: &Policy| -> Vec<(String, u64)> {
            policy.tenants[name]
                .objectives
                .iter()
                .map(|(name, b)| (name.to_string(), b.limit.value))
                .collect()
        };
        assert_eq!(limits(&before), limits(&after), "{name}");
        assert!(!tenant.objectives.is_empty());
    }
    for (name, objective) in &before.file.objectives {
        assert_eq!(objective.kind, after.file.objectives[name].kind);
    }
}

proptest! {
    #[test]
    fn any_text_is_quoted_so_that_it_reads_back(text in ".*|[\\PC\\p{Cf}\u{feff}\u{fffe}\u{2028}\u{85}]*") {
        let line = format!("a: {}\n", quoted(&text));
        let read = tree::document(&line).map_err(|problem| TestCaseError::fail(problem.to_string()))?;
        prop_assert_eq!(&read.get("a").unwrap().kind, &Kind::Scalar { text: text.into(), quoted: true });
    }
}

#[test]
fn an_slo_is_written_whole() {
    let text =
        include_str!("../sample.yaml").replace("  globex:  {tier: free}\n", "").replace("  initech:\n", "");
    let out = export(&policy(&text));
    let notes: Vec<_> = out.notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n{}", notes.join("\n"), out.text));
}

#[test]
fn what_kind_a_source_is_comes_back() {
    let text = "version: sla/v1\nsources:\n  - {name: m, kind: mimir, url: \"https://m/prometheus\", org_id: \"a|b\", bearer_token_file: token}\n  \
                - {name: p, kind: prometheus, url: \"http://p:9090\", scrape: 15s}\n  - {name: t, kind: thanos, url: \"http://t:9090\"}\nobjectives:\n  \
                errors: {kind: ratio, bad: bad_total, total: all_total, limit: \"0.01\"}\ntenants:\n  acme:\n";
    let out = export(&policy(text));
    let notes: Vec<_> = out.notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes, ["source m: not written: bearer_token_file", "source p: not written: scrape"]);
    let back = policy(&import(&out.text, "slo.yaml").unwrap().text);
    let kinds: Vec<_> = back.file.sources.iter().map(|source| source.kind.clone()).collect();
    assert_eq!(kinds, policy(text).file.sources.iter().map(|source| source.kind.clone()).collect::<Vec<_>>());
    let lost = out.text.replace("    orgId: \"a|b\"\n", "").replace("kind: thanos", "kind: cortex");
    let made = import(&lost, "slo.yaml").unwrap();
    let notes: Vec<_> = made.notes.iter().map(ToString::to_string).collect();
    for told in ["kind \"mimir\" without orgId", "kind \"cortex\" without orgId"] {
        assert!(notes.iter().any(|note| note.contains(told)), "{notes:?}");
    }
}

#[test]
fn what_has_no_counterpart_is_named() {
    let text = r#"
apiVersion: openslo/v1
kind: DataSource
metadata: {name: dd}
spec: {type: CloudWatch, connectionDetails: {url: "https://x"}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: availability}
spec:
  ratioMetric:
    good: {metricSource: {type: Prometheus, spec: {query: 'sum(rate(ok_total{job="api"}[{{.window}}]))'}}}
    total: {metricSource: {type: Prometheus, spec: {query: "sum(rate(all_total[5m]))"}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout}
spec:
  indicatorRef: availability
  timeWindow: [{duration: 1M, calendar: {startTime: "2026-01-01 00:00:00", timeZone: UTC}}]
  budgetingMethod: Timeslices
  objectives: [{targetPercent: 99.9}, {target: 0.95}]
  alertPolicies: [{alertPolicyRef: page}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: fast}
spec:
  indicator:
    spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: 'histogram_quantile(0.99, sum(rate(h_bucket[5m])) by (le))'}}}}
  objectives: [{op: lte, value: 0.25, target: 0.99}, {op: gt, value: 1, target: 0.9}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: odd}
spec:
  indicator:
    spec: {thresholdMetric: {metricSource: {spec: {query: sum(a) / sum(b)}}}}
  objectives: [{op: lt, value: 0.5, target: 0.9}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: lost}
spec: {indicatorRef: nowhere, objectives: [{target: 0.9}]}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page}
spec: {}
"#;
    let made = import(text, "slo.yaml").unwrap();
    let notes: Vec<_> = made.notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n---\n{}", notes.join("\n"), made.text));
    let policy = policy(&made.text);
    assert_eq!(policy.file.objectives.len(), 3);
    let other = text.replace("type: Prometheus, spec: {query: 'sum", "type: Splunk, spec: {query: 'sum");
    let notes = import(&other, "slo.yaml").unwrap().notes;
    let ignored = "SLO checkout: ignored: the metricSource of good is of type \"Splunk\"";
    assert!(notes.iter().any(|note| note.to_string() == ignored), "{notes:?}");
    let error = import("apiVersion: openslo/v2alpha\nkind: SLO\n", "f").unwrap_err();
    assert!(error.problems[0].message.contains("openslo/v2alpha"), "{error:?}");
}

#[test]
fn what_is_asked_of_a_datadog_goes_out_in_its_words_and_is_refused_by_line_on_the_way_in() {
    let text = "version: sla/v1\nsources:\n  - {name: dd, kind: datadog, site: datadoghq.eu, keys_from_env: [A, B], label_map: {acme-inc: acme}}\nobjectives:\n  \
                errors: {kind: ratio, bad: bad_total, total: all_total, limit: \"0.01\", datadog: {bad: 'http.requests{env:prod,status:5*}', total: http.requests}}\n  \
                p95: {kind: quantile, q: \"0.95\", histogram: h, limit: 400ms, datadog: {distribution: http.duration, unit: ms}}\n  \
                pool: {kind: value, metric: pool_ratio, limit: \"0.8\", datadog: {metric: db.pool}}\ntenants:\n  acme:\n  'no tag, this':\n";
    let out = export(&policy(text));
    for expected in [
        "type: Datadog\n  connectionDetails:\n    site: \"datadoghq.eu\"",
        "          type: Datadog\n            spec:\n              query: \"sum:http.requests{env:prod,status:5\\U0000002A,tenant:acme\\U0000002Dinc}.as_count()\"",
    ] {
        let plain = |text: &str| text.replace("\\U0000002A", "*").replace("\\U0000002D", "-");
        let squeezed = |text: &str| plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&out.text).contains(&squeezed(expected)), "{}", out.text);
    }
    assert!(
        out.text.contains("p95:http.duration{tenant:acme-inc}") && out.text.contains("value: 400\n"),
        "{}",
        out.text
    );
    assert!(
        out.text.contains("max:db.pool{tenant:acme-inc}") && !out.text.contains("Prometheus"),
        "{}",
        out.text
    );
    let notes: Vec<_> = out.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes.contains(
            &"tenant no tag, this: its name cannot be a Datadog's tag: no SLO is written".to_owned()
        ),
        "{notes:?}"
    );
    let error = import(&out.text, "slo.yaml").unwrap_err();
    let lines: Vec<_> = out
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("type: Datadog"))
        .map(|(at, _)| at + 1)
        .collect();
    let found: Vec<_> = error.problems.iter().map(|problem| problem.at.line as usize).collect();
    assert_eq!(found, lines);
    assert!(error.problems[0].message.starts_with("DataSource dd is asked of a Datadog"), "{error:?}");
}
