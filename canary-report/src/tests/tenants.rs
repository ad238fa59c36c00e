//! Pages of decisions by tenants: few, many, none known, and whatever names others chose.

use canary_core::journal::{AskedSource, Decision};
use canary_core::time::Timestamp;
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::markup::Page;
use super::story::Story;
use super::strangers::harmless;
use crate::Report;
use crate::tenants::{Cell, Seal, Tenant, TenantDecision, Worst};

const ONE: u64 = 1_000_000;
const OBJECTIVES: [&str; 4] = ["availability", "error_rate", "latency_p95", "probe"];

fn cell(objective: &str, breach: bool, score: (u64, u64), code: &str, observed: Option<&str>) -> Cell {
    Cell {
        objective: objective.to_owned(),
        source: "eu-1".to_owned(),
        breach,
        score,
        code: code.to_owned(),
        observed: observed.map(str::to_owned),
        limit: "350ms".to_owned(),
        adjusted: (code == "sparse").then(|| "360ms".to_owned()),
        events: 4210,
    }
}

/// A fleet of so many tenants: most keep all, a few of each other kind.
fn fleet(tenants: usize) -> TenantDecision {
    let tenants: Vec<_> = (0..tenants)
        .map(|number| {
            let result = |at: usize, objective: &&str| match (number % 61, at) {
                (7, 2) => cell(objective, true, (420_000, 420_000), "ok", Some("553ms")),
                (7, 3) => cell(objective, true, (0, 0), "ok", Some("503")),
                (13, 2) => cell(objective, false, (950_000, 950_000), "sparse", Some("378ms")),
                (29, 1) => cell(objective, false, (0, ONE), "stale", None),
                (40, _) => cell(objective, false, (0, ONE), "absent", None),
                (41, 1) => cell(objective, false, (0, ONE), "ok", Some("0.010")),
                _ => cell(objective, false, (ONE, ONE), "ok", Some("120ms")),
            };
            let some = if number % 5 == 0 { 3 } else { 4 };
            let results = OBJECTIVES[..some].iter().enumerate().map(|(at, name)| result(at, name)).collect();
            Tenant { name: format!("tenant-{number:05}"), veto: number % 17 == 0, results }
        })
        .collect();
    let bad = |tenant: &Tenant| {
        let cells: Vec<_> = tenant.results.iter().filter(|cell| cell.score.1 < ONE).cloned().collect();
        cells.into_iter().map(|cell| Worst { tenant: tenant.name.clone(), cell }).collect::<Vec<_>>()
    };
    TenantDecision {
        verdict: Decision::Halt,
        subject: "v2.14.3 at 10 %".to_owned(),
        at: Timestamp::from_millis(1_705_329_130_123),
        facts: vec![("Execution".to_owned(), "canary-20240115T143210Z-k7x2p".to_owned())],
        reasons: vec!["tenant-00007 is in breach, and has a veto".to_owned()],
        score: (942_000, 981_000),
        threshold: 950_000,
        counted: tenants.len() as u64,
        breached: 4,
        unknown: 11,
        gaps: vec![("ok".to_owned(), 700), ("stale".to_owned(), 3)],
        sources: vec![AskedSource { name: "eu-1".to_owned(), queries: 42, ms: 178, warnings: Vec::new() }],
        worst: tenants.iter().flat_map(bad).take(10).collect(),
        tenants: Some(tenants),
        seal: Some(Seal { log: "0f".repeat(16), seq: 41, hash: "8f2c".repeat(16) }),
    }
}

#[test]
fn a_message_of_a_decision() {
    insta::assert_snapshot!(fleet(70).markdown());
}

#[test]
fn the_text_of_a_page_of_a_decision() {
    let page = fleet(70).html();
    let text = harmless(&page).text;
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// How many paths of the map are filled so, without those of the legend.
fn boxes(page: &str, class: &str) -> usize {
    page.matches(&format!("fill=\"url(#{class})\"")).count() - 1
}

#[test]
fn few_tenants_have_a_column_each() {
    let page = fleet(61).html();
    // A box for the objective, and one in the row of the worst.
    assert_eq!((boxes(&page, "breach"), boxes(&page, "above")), (3, 2), "{page}");
    // Absent by all of three objectives (of four without a probe), stale by one, of few events by one.
    assert_eq!(boxes(&page, "unknown"), 3 + 1 + 2 + 2, "{page}");
    assert!(page.contains("<title>tenant-00007: in breach 0.42, 553ms of 350ms</title>"), "{page}");
    assert!(page.contains("<title>tenant-00040: unknown: absent</title>"), "{page}");
    let text = Page::read(&page).text;
    assert!(text.contains(
        "61 tenants by name. By the worst objective of each: 1 in breach, 1 above limit, 3 unknown, 56 kept."
    ));
    assert!(text.contains("5 of 61; 56 keep every promise."), "{text}");
}

#[test]
fn many_tenants_share_columns_and_one_in_breach_is_still_seen() {
    let mut decision = fleet(10_000);
    for tenant in decision.tenants.iter_mut().flatten() {
        for cell in &mut tenant.results {
            if tenant.name != "tenant-04321" {
                *cell = self::cell(&cell.objective, false, (ONE, ONE), "ok", None);
            }
        }
    }
    if let Some(Tenant { results, .. }) = decision.tenants.iter_mut().flatten().nth(4321) {
        results[1] = cell("error_rate", true, (0, 0), "ok", Some("0.15"));
        results[2] = cell("latency_p95", false, (ONE, ONE), "ok", None);
    }
    let page = decision.html();
    let text = harmless(&page).text;
    assert_eq!((boxes(&page, "breach"), boxes(&page, "unknown")), (2, 0));
    assert!(text.contains("10000 tenants by name, 50 to a column"), "{text}");
    assert!(text.contains("tenant-04321: 1 in breach, 49 kept"), "{text}");
}

#[test]
fn ten_thousand_tenants_in_trouble_make_a_page_that_a_browser_bears() {
    let page = fleet(10_000).html();
    assert!(page.len() < 600_000, "{} bytes", page.len());
    let text = harmless(&page).text;
    assert!(text.contains("none of them worse, are in the evidence"), "{text}");
}

#[test]
fn without_evidence_the_record_is_told() {
    let page = TenantDecision { tenants: None, ..fleet(70) }.html();
    let text = harmless(&page).text;
    assert!(
        !page.contains("<svg") && text.contains("not at hand") && text.contains("tenant-00007"),
        "{text}"
    );
    let none = TenantDecision { tenants: Some(Vec::new()), worst: Vec::new(), ..fleet(0) }.html();
    assert!(!none.contains("<svg"));
}

#[test]
fn the_page_of_a_rollout_has_its_last_decision() {
    let story = Story::rolled_back("");
    let decision = fleet(70);
    let report = Report::of(&story.records, &story.id).unwrap();
    assert!(!report.html().contains("Tenants × objectives"));
    let page = report.with_tenants(Some(&decision)).html();
    let text = harmless(&page).text;
    assert!(
        text.contains(
            "HALT v2.14.3 at 10 %, decided last, at 2024-01-15T14:32:10.123Z: the score is 0.942 to 0.981"
        ),
        "{text}"
    );
    assert!(
        text.contains("of 70 tenants 4 are in breach and 11 not all known.")
            && text.contains("Tenants × objectives"),
        "{text}"
    );
    let ids: Vec<_> =
        Page::read(&page).attributes().filter(|(key, _)| *key == "id").map(|(_, id)| id.to_owned()).collect();
    let once: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
}

#[test]
fn a_tenant_at_several_sources_counts_by_its_worst_and_one_without_results_is_unknown() {
    let mut decision = fleet(2);
    let fine = cell("probe", false, (ONE, ONE), "ok", None);
    let bad = Cell { source: "us-1".to_owned(), ..cell("probe", true, (0, 0), "ok", None) };
    for results in [vec![fine.clone(), bad.clone()], vec![bad, fine]] {
        decision.tenants = Some(vec![
            Tenant { name: "a".to_owned(), veto: false, results },
            Tenant { name: "b".to_owned(), veto: true, results: Vec::new() },
        ]);
        let text = Page::read(&decision.html()).text;
        assert!(text.contains("By the worst objective of each: 1 in breach, 1 unknown."), "{text}");
        assert!(text.contains("probe: 1 in breach."), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn whatever_others_wrote_stays_text(
        said in any::<String>(),
        scores in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u64>()), 0..300),
    ) {
        let mut decision = fleet(3);
        decision.subject = said.clone();
        decision.reasons.push(said.clone());
        decision.facts.push((said.clone(), said.clone()));
        decision.sources[0].warnings.push(said.clone());
        let results = scores.into_iter().enumerate().map(|(number, (breach, low, high))| Tenant {
            name: format!("{said}{number}"),
            veto: breach,
            results: vec![cell(&said, breach, (low, high), &said, Some(&said))],
        });
        decision.tenants = Some(results.collect());
        harmless(&decision.html());
        for line in decision.markdown().lines() {
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
        }
    }
}
