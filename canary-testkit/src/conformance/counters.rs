//! The cases of [`SliSource::counters`] and [`SliSource::history`].

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::fleet::{MetricName, NodeId};
use canary_core::time::Timestamp;
use canary_core::traits::{
    BackendError, CallOutcome, CounterHistory, CounterQuery, CounterSeries, Counters, ErrorKind, SliKind,
};

use super::sli::{SliBench, SliSkills};
use super::suite::{Case, Verdict, case, must, require, until};

/// Steps that a history is asked for.
const STEPS: u32 = 4;

/// The cases for what the bench and its source can do.
pub(super) fn cases(skills: SliSkills) -> Vec<Case<dyn SliBench>> {
    if !skills.counters {
        return vec![case!(a_source_without_counters_says_so, "counters: Unsupported where counts is false")];
    }
    let mut cases: Vec<Case<dyn SliBench>> = vec![
        case!(counters_are_what_the_nodes_showed, "CounterSeries: as it stands, never extrapolated"),
        case!(counters_have_one_layout, "CounterSeries: for each bound its good side; all requests last"),
        case!(counters_are_told_by_node, "CounterSeries::node: the node it is of"),
        case!(a_samples_time_is_its_own, "CounterSeries::at: the sample's own time"),
        case!(no_series_are_an_empty_answer, "counters: no series at all is an empty answer, not an error"),
        case!(an_expression_has_no_counters, "counters: Unsupported where the query is an expression"),
        case!(series_stay_in_their_order, "Counters::series: an order that stays where the series do"),
    ];
    if skills.take_away {
        cases.push(case!(
            counters_of_a_store_that_is_away_are_an_error,
            "counters: errors as sample has them"
        ));
    }
    if skills.history {
        cases.push(case!(a_history_sums_up_to_what_counters_grew, "history: counts every series by itself"));
        cases.push(case!(
            a_past_that_is_not_kept_is_empty,
            "history: a store that does not reach back gives empty steps"
        ));
    } else {
        cases.push(case!(
            a_source_without_a_past_says_so,
            "history: Unsupported where the source keeps no past"
        ));
    }
    cases
}

type Bench<'b> = &'b dyn SliBench;

async fn counters(bench: Bench<'_>, queries: &[CounterQuery]) -> Result<Vec<Counters>, String> {
    let answers = bench.source().counters(queries).await;
    require!(answers.len() == queries.len(), "{} answers to {} queries", answers.len(), queries.len());
    answers.into_iter().map(|answer| must("counters", answer)).collect()
}

async fn one(bench: Bench<'_>, query: &CounterQuery) -> Result<Counters, String> {
    let mut answers = counters(bench, std::slice::from_ref(query)).await?;
    answers.pop().ok_or_else(|| "no answer".to_owned())
}

/// A node's counts, added up over its series; nothing for a node without any.
fn sums(counters: &Counters, node: &NodeId) -> Vec<u64> {
    let mut sums = Vec::new();
    for series in counters.series.iter().filter(|series| series.node == *node) {
        add(&mut sums, &series.values);
    }
    sums
}

fn add(sums: &mut Vec<u64>, more: &[u64]) {
    sums.resize(sums.len().max(more.len()), 0);
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// All that the bench counts, once every node has counted something.
async fn counted(bench: Bench<'_>) -> Result<Vec<(CounterQuery, Counters)>, String> {
    until("every node to have counters", async || {
        let queries = bench.counted();
        require!(queries.iter().any(|query| query.nodes.len() > 1), "the bench counts no two nodes");
        let answers = counters(bench, &queries).await?;
        for (query, answer) in queries.iter().zip(&answers) {
            for node in &query.nodes {
                let sums = sums(answer, node);
                require!(sums.last().is_some_and(|all| *all > 0), "{} of {node}: {sums:?}", query.name);
            }
        }
        Ok(queries.into_iter().zip(answers).collect())
    })
    .await
}

async fn counters_are_what_the_nodes_showed(bench: Bench<'_>) -> Verdict {
    require!(bench.source().counts(), "it says that it does not count");
    for (query, answer) in counted(bench).await? {
        for node in &query.nodes {
            let sums = sums(&answer, node);
            require!(bench.showed(&query.name, node, &sums), "{}: {node} never showed {sums:?}", query.name);
        }
        require!(!answer.queries.is_empty(), "{}: nothing is said of what was asked", query.name);
    }
    Ok(())
}

async fn counters_have_one_layout(bench: Bench<'_>) -> Verdict {
    for (query, answer) in counted(bench).await? {
        let bounds: Vec<f64> = answer.bounds.iter().map(|bound| bound.value()).collect();
        let width = match &query.kind {
            SliKind::Quantile { .. } => bounds.len() + 1,
            SliKind::ErrorRatio { .. } | SliKind::Expression { .. } => 2,
        };
        let histogram = matches!(query.kind, SliKind::Quantile { .. });
        require!(histogram != bounds.is_empty(), "{}: the bounds {bounds:?}", query.name);
        require!(bounds.is_sorted_by(|a, b| a < b), "{}: the bounds {bounds:?}", query.name);
        for CounterSeries { node, series, values, .. } in &answer.series {
            let whole = values.len() == width && values.is_sorted();
            require!(whole, "{}: {node} {series} {values:?} for the bounds {bounds:?}", query.name);
        }
    }
    Ok(())
}

async fn counters_are_told_by_node(bench: Bench<'_>) -> Verdict {
    counted(bench).await?;
    // A store may come to know of a sample between two looks at one instant.
    until("each node alone to have what it has among others", async || {
        for query in bench.counted() {
            let together = one(bench, &query).await?;
            for node in &query.nodes {
                let alone = CounterQuery { nodes: vec![node.clone()], ..query.clone() };
                let alone = one(bench, &alone).await?.series;
                let among: Vec<_> =
                    together.series.iter().filter(|series| series.node == *node).cloned().collect();
                require!(alone == among, "{}: alone {alone:?}, among others {among:?}", query.name);
            }
            let strange = together.series.iter().find(|series| !query.nodes.contains(&series.node));
            require!(strange.is_none(), "{}: nobody asked for {strange:?}", query.name);
        }
        Ok(())
    })
    .await
}

async fn a_samples_time_is_its_own(bench: Bench<'_>) -> Verdict {
    let tick = Duration::from_millis(1);
    for (query, answer) in counted(bench).await? {
        for series in &answer.series {
            require!(series.at <= query.at, "{}: a sample of {} at {}", query.name, series.at, query.at);
        }
        let newest = answer.series.iter().map(|series| series.at).max();
        let age = newest.map(|newest| query.at.since(newest));
        require!(answer.age == age, "{}: an age of {:?}, the newest is {age:?} old", query.name, answer.age);
        // Every scrape of a busy node counts more: one that counts the same is the same, and of the same time.
        let later = CounterQuery { at: query.at.plus(tick), ..query };
        let next = one(bench, &later).await?;
        for node in &later.nodes {
            let of = |answer: &Counters| -> (Vec<Vec<u64>>, Vec<Timestamp>) {
                let series = answer.series.iter().filter(|series| series.node == *node);
                series.map(|series| (series.values.clone(), series.at)).unzip()
            };
            let ((before, began), (after, ended)) = (of(&answer), of(&next));
            require!(
                before != after || began == ended,
                "{}: of {node} at {began:?}, then at {ended:?}",
                later.name
            );
        }
    }
    Ok(())
}

async fn no_series_are_an_empty_answer(bench: Bench<'_>) -> Verdict {
    let missing = must_be_a_name("no_such_metric_anywhere")?;
    for mut query in bench.counted() {
        match &mut query.kind {
            SliKind::Quantile { metric, .. } | SliKind::ErrorRatio { metric, .. } => {
                *metric = missing.clone();
            }
            SliKind::Expression { .. } => {}
        }
        let answer = one(bench, &query).await?;
        require!(answer.series.is_empty() && answer.age.is_none(), "{}: {answer:?}", query.name);
    }
    Ok(())
}

fn must_be_a_name(name: &str) -> Result<MetricName, String> {
    MetricName::new(name).map_err(|error| error.to_string())
}

fn unsupported<T: std::fmt::Debug>(what: &str, answer: Option<Result<T, BackendError>>) -> Verdict {
    match answer {
        Some(Err(error)) => {
            require!(error.kind() == ErrorKind::Unsupported, "{what}: {}", error.chain());
            require!(error.outcome() == CallOutcome::NotApplied, "{what}: a read that may have been applied");
            Ok(())
        }
        other => Err(format!("{what}: {other:?}")),
    }
}

async fn an_expression_has_no_counters(bench: Bench<'_>) -> Verdict {
    for query in bench.counted() {
        let query = CounterQuery { kind: SliKind::Expression { promql: "1".to_owned() }, ..query };
        unsupported("counters", bench.source().counters(std::slice::from_ref(&query)).await.pop())?;
        let second = Duration::from_secs(1);
        unsupported("history", Some(bench.source().history(&query, second, second).await))?;
    }
    Ok(())
}

async fn series_stay_in_their_order(bench: Bench<'_>) -> Verdict {
    let names = |answer: &Counters| {
        let names = answer.series.iter().map(|series| (series.node.clone(), series.series.clone()));
        names.collect::<Vec<_>>()
    };
    let mut queries: Vec<_> = counted(bench).await?.into_iter().map(|(query, _)| query).collect();
    let first: Vec<_> = counters(bench, &queries).await?.iter().map(names).collect();
    queries.reverse();
    let mut second: Vec<_> = counters(bench, &queries).await?.iter().map(names).collect();
    second.reverse();
    require!(first == second, "first {first:?}, then {second:?}");
    for names in &first {
        let mut each = names.clone();
        each.sort();
        each.dedup();
        require!(each.len() == names.len(), "two series of one name: {names:?}");
    }
    Ok(())
}

async fn counters_of_a_store_that_is_away_are_an_error(bench: Bench<'_>) -> Verdict {
    counted(bench).await?;
    bench.take_away().await;
    let queries = bench.counted();
    let answers = bench.source().counters(&queries).await;
    require!(answers.len() == queries.len(), "{} answers to {} queries", answers.len(), queries.len());
    for (query, answer) in queries.iter().zip(answers) {
        require!(answer.is_err(), "{}: {answer:?}", query.name);
    }
    Ok(())
}

async fn history(bench: Bench<'_>, query: &CounterQuery) -> Result<CounterHistory, String> {
    let step = bench.step();
    let history = must("history", bench.source().history(query, step * STEPS, step).await)?;
    require!(history.step == step, "{}: steps of {:?}, not {step:?}", query.name, history.step);
    let nodes: Vec<_> = history.nodes.iter().map(|growth| growth.node.clone()).collect();
    require!(nodes == query.nodes, "{}: the nodes {nodes:?}, not {:?}", query.name, query.nodes);
    let steps: BTreeMap<_, _> =
        history.nodes.iter().map(|growth| (&growth.node, growth.steps.len())).collect();
    require!(steps.values().all(|steps| *steps == STEPS as usize), "{}: the steps {steps:?}", query.name);
    Ok(history)
}

async fn a_history_sums_up_to_what_counters_grew(bench: Bench<'_>) -> Verdict {
    until("a history that sums up to what the counters grew", async || {
        for query in bench.counted() {
            let covers = u64::try_from((bench.step() * STEPS).as_millis()).unwrap_or(u64::MAX);
            let began = Timestamp::from_millis(query.at.as_millis().saturating_sub(covers));
            let told = history(bench, &query).await?;
            let (before, after) =
                (one(bench, &CounterQuery { at: began, ..query.clone() }).await?, one(bench, &query).await?);
            require!(
                told.bounds == after.bounds,
                "{}: {:?}, not {:?}",
                query.name,
                told.bounds,
                after.bounds
            );
            for growth in &told.nodes {
                let (first, last) = (sums(&before, &growth.node), sums(&after, &growth.node));
                require!(!first.is_empty(), "{}: {} has no counters yet", query.name, growth.node);
                let grown: Vec<_> = last.iter().zip(&first).map(|(last, first)| last - first).collect();
                let mut told = Vec::new();
                growth.steps.iter().for_each(|step| add(&mut told, step));
                require!(
                    grown == told,
                    "{} of {}: {:?}, not {grown:?}",
                    query.name,
                    growth.node,
                    growth.steps
                );
                require!(grown.last().is_some_and(|all| *all > 0), "{}: {grown:?}", query.name);
            }
        }
        Ok(())
    })
    .await
}

async fn a_past_that_is_not_kept_is_empty(bench: Bench<'_>) -> Verdict {
    counted(bench).await?;
    for query in bench.counted() {
        let query = CounterQuery { at: Timestamp::from_millis(1_000_000_000_000), ..query };
        let told = history(bench, &query).await?;
        let known = told.nodes.iter().flat_map(|growth| &growth.steps).find(|step| !step.is_empty());
        require!(known.is_none(), "{}: {known:?} in 2001", query.name);
    }
    Ok(())
}

async fn a_source_without_a_past_says_so(bench: Bench<'_>) -> Verdict {
    for query in bench.counted() {
        let told = bench.source().history(&query, bench.step() * STEPS, bench.step()).await;
        unsupported(&query.name, Some(told))?;
    }
    Ok(())
}

async fn a_source_without_counters_says_so(bench: Bench<'_>) -> Verdict {
    require!(!bench.source().counts(), "it says that it counts");
    let node = NodeId::new("n1").map_err(|error| error.to_string())?;
    let known = bench.known().into_iter().next().ok_or("the bench knows no query")?.query;
    let query = CounterQuery { name: known.name, kind: known.kind, nodes: vec![node], at: known.at };
    unsupported("counters", bench.source().counters(std::slice::from_ref(&query)).await.pop())?;
    unsupported("history", Some(bench.source().history(&query, bench.step() * STEPS, bench.step()).await))
}
