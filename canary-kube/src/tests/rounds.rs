//! Whole rounds: results where there are any, unknown tenants otherwise, and nothing left behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_tenants::probe::{
    ProbeBatch, ProbeCheck, ProbeProgress, ProbeResult, ProbeRound, ProbeRunner as _, ProbeTarget, Try,
    TryEnd, Verdict, brief,
};
use http::Method;
use serde_json::json;

use super::api::{Fault, Server};
use super::kubelet::End;
use crate::{KubeProbes, Settings};

const IMAGE: &str = "registry.example/canary-probe@sha256:00";

fn settings() -> Settings {
    Settings::new("probes", IMAGE, "host-1:/var/lib/canary").unwrap()
}

/// So many tenants, 20 to a batch, the last batch with what is left, each batch a group of its own.
fn round(tenants: usize) -> ProbeRound {
    let names: Vec<_> = (0..tenants).map(|number| format!("tenant-{number:04}")).collect();
    let url = "https://api.example/t/{tenant}/health".parse().unwrap();
    let id = "canary-2024-01-15T14:32:10Z-k7x2p";
    let mut round = ProbeRound::asking(id, "health", &url, &names, &ProbeCheck::default(), 20).unwrap();
    for batch in &mut round.batches {
        batch.group = format!("https://g{}.example:443", batch.index);
    }
    round.deadline = Duration::from_secs(90);
    round
}

/// How its pod ends.
fn answered(batch: &str) -> End {
    let batch = probed(batch);
    if batch.contains("503") { End::Unhealthy(batch) } else { End::Well(batch) }
}

/// What the probe program leaves: every tenth tenant of a batch is unhealthy.
fn probed(batch: &str) -> String {
    let batch: ProbeBatch = serde_json::from_str(batch).unwrap();
    let result = |(number, target): (usize, &ProbeTarget)| {
        let bad = number % 10 == 3;
        let error = bad.then(|| "503 instead of 200".to_owned());
        let verdict =
            if bad { Verdict::Unhealthy { why: "503 instead of 200".to_owned() } } else { Verdict::Healthy };
        let status = Some(if bad { 503 } else { 200 });
        let end = if bad { TryEnd::Status } else { TryEnd::Good };
        let one = Try { at_ms: 1_705_329_130_123, took_us: 12_345, status, end, error };
        ProbeResult {
            objective: batch.objective.clone(),
            tenant: target.tenant.clone(),
            verdict,
            tries: vec![one],
        }
    };
    let results: Vec<_> = batch.targets.iter().enumerate().map(result).collect();
    brief(&results, 4096).unwrap()
}

/// Counts what is heard.
#[derive(Default)]
struct Ear(Mutex<(Vec<u32>, Vec<String>)>);

impl ProbeProgress for Ear {
    fn started(&self, batch: &ProbeBatch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.push(batch.index);
    }

    fn done(&self, result: &ProbeResult) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.push(result.tenant.clone());
    }
}

/// Runs a round on a server, and holds what must be so whatever goes wrong: one result each, in order, each heard once.
async fn run(server: &Server, round: &ProbeRound) -> Vec<ProbeResult> {
    let ear = Ear::default();
    let results = KubeProbes::new(server.client(), settings()).run(round, &ear).await;
    let expected: Vec<_> =
        round.batches.iter().flat_map(|batch| &batch.targets).map(|target| target.tenant.clone()).collect();
    let got: Vec<_> = results.iter().map(|result| result.tenant.clone()).collect();
    assert_eq!(got, expected);
    let (_, mut heard) = ear.0.into_inner().unwrap();
    heard.sort();
    assert_eq!(heard, expected, "each is heard once");
    results
}

fn unknown(results: &[ProbeResult]) -> Vec<&str> {
    results
        .iter()
        .filter(|result| matches!(result.verdict, Verdict::Unknown { .. }))
        .filter_map(|result| result.verdict.why())
        .collect()
}

fn unhealthy(results: &[ProbeResult]) -> usize {
    results.iter().filter(|result| matches!(result.verdict, Verdict::Unhealthy { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn one_job_asks_all_and_nothing_stays() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let server = Server::new(move |_, attempt, batch| {
        // A pod is looked at twice: when it begins and when it ends.
        *counted.lock().unwrap() += 1;
        assert_eq!(attempt, 0);
        answered(batch)
    });
    let results = run(&server, &round(187)).await;
    // Nine whole batches with two bad ones each, and seven tenants with one.
    assert_eq!((unknown(&results).len(), unhealthy(&results)), (0, 19));
    assert_eq!(results[3].verdict, Verdict::Unhealthy { why: "503 instead of 200".to_owned() });
    assert!(server.objects(|objects| objects.is_empty()), "all is removed");
    assert_eq!(*asked.lock().unwrap(), 2 * 10, "each batch is asked once");
    let posts = server.calls().iter().filter(|call| call.starts_with("POST")).count();
    assert_eq!(posts, 2, "one job and one config map: {:?}", server.calls());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tenants_are_one_job_and_a_few_parcels() {
    let server = Server::new(|_, _, batch| answered(batch));
    let round = ProbeRound { in_flight: 1000, ..round(10_000) };
    let results = run(&server, &round).await;
    assert_eq!((unknown(&results).len(), unhealthy(&results)), (0, 1000));
    let maps = server.calls().iter().filter(|call| call.contains("configmaps")).count();
    assert!((2..=4).contains(&maps), "{maps}");
    assert!(server.objects(|objects| objects.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_node_at_fault_is_tried_once_more_and_an_eviction_as_often_as_it_takes() {
    let server = Server::new(|index, attempt, batch| match (index, attempt) {
        (0, 0) => End::Exit(137, "OOMKilled"),
        (1, 0..4) => End::Evicted,
        _ => answered(batch),
    });
    let results = run(&server, &round(60)).await;
    assert_eq!(unknown(&results), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn every_trouble_of_a_pod_makes_its_tenants_unknown_and_no_others() {
    let half = |batch: &str| probed(batch)[..200].to_owned();
    type Case = (&'static str, fn(&str) -> End);
    let cases: [Case; 8] = [
        ("ImagePullBackOff: Back-off pulling image", |_| {
            End::Stuck("ImagePullBackOff", "Back-off pulling image")
        }),
        ("CreateContainerConfigError: no such key", |_| {
            End::Stuck("CreateContainerConfigError", "no such key")
        }),
        ("Unschedulable: 0/3 nodes are available", |_| End::Unschedulable),
        ("OOMKilled, exit code 137", |_| End::Exit(137, "OOMKilled")),
        ("Error, exit code 1", |_| End::Exit(1, "Error")),
        ("without results", |_| End::Well(String::new())),
        ("something else than the results", |_| End::Well("[]".to_owned())),
        ("its pod did not end", |_| End::Endless),
    ];
    for (why, end) in cases {
        let server =
            Server::new(move |index, _, batch| if index == 1 { end(batch) } else { answered(batch) });
        let results = run(&server, &round(60)).await;
        let lost = unknown(&results);
        assert_eq!(lost.len(), 20, "{why}: {lost:?}");
        assert!(
            lost.iter().all(|told| told.contains(why) && told.contains("Kubernetes namespace probes")
                || told.contains("something else")),
            "{why}: {lost:?}"
        );
        assert_eq!(unhealthy(&results), 4, "{why}");
        assert!(server.objects(|objects| objects.is_empty()), "{why}");
    }
    // A message that was cut off is none.
    let server = Server::new(move |_, _, batch| End::Well(half(batch)));
    assert_eq!(unknown(&run(&server, &round(20)).await).len(), 20);
}

#[tokio::test(start_paused = true)]
async fn every_trouble_of_the_api_server_makes_all_unknown_and_is_named() {
    let jobs = "/namespaces/probes/jobs";
    for (method, path, fault, why) in [
        (Method::POST, jobs, Fault::Status(403, "Forbidden"), "create the job canary-probe-"),
        (Method::POST, jobs, Fault::Status(500, "InternalError"), "500 InternalError: said the test"),
        (Method::POST, jobs, Fault::Hang, "no answer within 10s"),
        (Method::POST, jobs, Fault::Garbage, "the answer is not one of the Kubernetes API"),
        (Method::POST, jobs, Fault::Status(409, "AlreadyExists"), "409 AlreadyExists"),
        (Method::POST, "configmaps", Fault::Status(403, "Forbidden"), "create the config map canary-probe-"),
        (Method::PATCH, jobs, Fault::Status(404, "NotFound"), "begin the job canary-probe-"),
        (Method::GET, "/pods", Fault::Status(403, "Forbidden"), "list the pods of canary-probe-"),
        (Method::GET, "/pods", Fault::Hang, "no answer within 10s"),
        (Method::GET, "/pods", Fault::Garbage, "the answer is not one of the Kubernetes API"),
        (Method::GET, "/jobs/", Fault::Status(401, "Unauthorized"), "401 Unauthorized"),
    ] {
        let server =
            Server::new(|_, _, batch| answered(batch)).with(method.clone(), path, fault.clone(), 10_000);
        let results = run(&server, &round(40)).await;
        let lost = unknown(&results);
        assert_eq!(lost.len(), 40, "{method} {path} {fault:?}");
        assert!(lost.iter().all(|told| told.contains(why)), "{method} {path} {fault:?}: {}", lost[0]);
        assert!(server.objects(|objects| objects.is_empty()), "{method} {path} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_outlived() {
    let jobs = "/namespaces/probes/jobs";
    for (method, path, fault, times) in [
        (Method::POST, jobs, Fault::Status(503, "ServiceUnavailable"), 2),
        (Method::POST, jobs, Fault::Status(429, "TooManyRequests"), 2),
        // It happened, and nobody heard so: the second try finds it there.
        (Method::POST, jobs, Fault::Lost, 1),
        (Method::POST, "configmaps", Fault::Lost, 1),
        (Method::PATCH, jobs, Fault::Lost, 1),
        (Method::DELETE, jobs, Fault::Lost, 1),
        (Method::GET, "/pods", Fault::Status(500, "InternalError"), 5),
        (Method::GET, "watch=true", Fault::Status(410, "Expired"), 3),
        (Method::GET, "watch=true", Fault::Event(410, "Expired"), 3),
        (Method::GET, "watch=true", Fault::Garbage, 3),
        (Method::GET, "watch=true", Fault::Hang, 2),
        // Not to see what was left behind is no reason to ask nobody.
        (Method::GET, "labelSelector=app", Fault::Status(403, "Forbidden"), 1),
    ] {
        let server =
            Server::new(|_, _, batch| answered(batch)).with(method.clone(), path, fault.clone(), times);
        let results = run(&server, &round(300)).await;
        assert_eq!(unknown(&results), Vec::<&str>::new(), "{method} {path} {fault:?}");
        assert!(server.objects(|objects| objects.is_empty()), "{method} {path} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_somebody_removes_or_that_fails_ends_the_round() {
    let server = Server::new(|index, _, batch| if index == 0 { answered(batch) } else { End::Endless });
    let watched = server.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(7)).await;
        watched.objects(|objects| {
            for name in objects.jobs.keys().cloned().collect::<Vec<_>>() {
                objects.condition(
                    &name,
                    "Failed",
                    "DeadlineExceeded",
                    "Job was active longer than specified deadline",
                );
            }
        });
    });
    let results = run(&server, &round(40)).await;
    let lost = unknown(&results);
    assert_eq!(lost.len(), 20);
    assert!(
        lost[0].contains("its pod did not end: the job failed: DeadlineExceeded: Job was active longer"),
        "{}",
        lost[0]
    );

    let server = Server::new(|_, _, _| End::Endless);
    let watched = server.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(7)).await;
        watched.objects(|objects| {
            objects.jobs.keys().cloned().collect::<Vec<_>>().iter().for_each(|name| objects.remove(name));
        });
    });
    let results = run(&server, &round(40)).await;
    assert!(unknown(&results)[0].contains("somebody removed the job"), "{}", unknown(&results)[0]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_round_is_removed() {
    let server = Server::new(|_, _, _| End::Endless);
    let probes = KubeProbes::new(server.client(), settings());
    let round = round(40);
    let cut = tokio::time::timeout(Duration::from_secs(20), probes.run(&round, &())).await;
    assert!(cut.is_err());
    assert!(!server.objects(|objects| objects.is_empty()), "it was at work");
    let mut looks = 0;
    while !server.objects(|objects| objects.is_empty()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        looks += 1;
        assert!(looks < 600, "it stays");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_left_is_removed_at_the_next_start_and_what_others_have_is_not() {
    let server = Server::new(|_, _, batch| answered(batch));
    let left = |name: &str, owner: &str, until: u64| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "spec": { "suspend": true, "template": {} },
            "metadata": {
                "name": name, "annotations": { "canary-probe/until": until.to_string() },
                "labels": { "app.kubernetes.io/managed-by": "canary-probe", "canary-probe/owner": crate::names::short(owner) },
            },
        })
    };
    server.objects(|objects| {
        for (name, owner, until) in [
            ("own", "host-1:/var/lib/canary", u64::MAX / 2),
            ("others-dead", "host-2:/var/lib/canary", 1),
            ("others-alive", "host-2:/var/lib/canary", u64::MAX / 2),
        ] {
            let job = objects.created(left(name, owner, until));
            objects.jobs.insert(name.to_owned(), job);
        }
    });
    assert_eq!(unknown(&run(&server, &round(20)).await), Vec::<&str>::new());
    let names = server.objects(|objects| objects.jobs.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names, ["others-alive"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_first_batch_hears_nothing_is_down() {
    let server = Server::new(|index, _, batch| {
        let batch: ProbeBatch = serde_json::from_str(batch).unwrap();
        let silent = |target: &ProbeTarget| {
            let one = Try { at_ms: 1, took_us: 9_000_000, status: None, end: TryEnd::TimedOut, error: None };
            let verdict = Verdict::Unhealthy { why: "no whole answer in time".to_owned() };
            ProbeResult {
                objective: batch.objective.clone(),
                tenant: target.tenant.clone(),
                verdict,
                tries: vec![one],
            }
        };
        let results: Vec<_> = batch.targets.iter().map(silent).collect();
        if index == 0 {
            End::Well(brief(&results, 4096).unwrap())
        } else {
            answered(&serde_json::to_string(&batch).unwrap())
        }
    });
    let results = run(&server, &round(40)).await;
    assert_eq!(unknown(&results).len(), 20, "a silent group says nothing about its tenants");
    assert!(unknown(&results)[0].contains("https://g0.example:443 is silent"), "{}", unknown(&results)[0]);
    assert_eq!(unhealthy(&results), 2);
}
