//! The run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;

use super::pool::Pool;
use super::seeds::{Seeds, Value};
use crate::contract::Contract;
use crate::describe::Describe;
use crate::live::{Connection, Failure};
use crate::routing::Routes;

/// What is put on the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The size of the pool.
    pub pool: usize,
    /// Requests a second.
    pub rate: u32,
    /// How many requests.
    pub requests: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// Decides which tenant and which query come when, and with what parameters.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadReport {
    /// Requests that were answered.
    pub answered: usize,
    /// Requests that got no connection in time.
    pub starved: usize,
    /// Requests that waited for another session's lock until `lock_timeout`.
    pub blocked: usize,
    /// Queries that failed, by source line: what came back, and how often.
    pub failed: BTreeMap<String, (String, usize)>,
    /// Queries that were left out, by source line, and why.
    pub left_out: Vec<(String, String)>,
    /// Queries that took part.
    pub queries: usize,
    /// The median of the time on a connection: search path, prepare, answer.
    pub p50: Duration,
    /// Its 99th percentile.
    pub p99: Duration,
    /// Its maximum.
    pub max: Duration,
    /// The 99th percentile of the wait for a connection.
    pub acquire_p99: Duration,
    /// The share of the pool in use, 0 to 1; of the fullest one where there are several databases.
    pub utilisation: f64,
}

/// A request to come.
struct Request {
    shard: String,
    query: usize,
    value: u64,
}

/// One request's times, or its failure.
enum Done {
    Answered { waited: Duration, took: Duration },
    Failed { query: usize, why: String },
    Starved,
    Blocked,
}

/// Runs the contract's reading queries on all tenants, through one pool for each database, one database after the other.
///
/// # Errors
/// When the pools cannot be opened; what single queries come to is in the report.
pub async fn measure(
    routes: &Routes,
    contract: &Arc<Contract>,
    how: &Describe,
    load: &Load,
) -> Result<LoadReport, Failure> {
    let mut report = LoadReport::default();
    let (mut waits, mut times) = (Vec::new(), Vec::new());
    let mut seeds = Seeds::new(load.seed);
    for (database, place) in routes.databases.iter().enumerate() {
        let shards: Vec<_> = routes.in_database(database).map(|(_, shard)| shard.schema.clone()).collect();
        let Some(first) = shards.first() else { continue };
        let pool = Arc::new(Pool::open(&place.url, &how.session, load.pool).await?);
        let queries = usable(&pool, contract, how, first, load, &mut report).await;
        if queries.is_empty() {
            continue;
        }
        report.queries = report.queries.max(queries.len());
        let share = (load.requests as usize * shards.len()).div_ceil(routes.shards.len());
        let requests = (0..share).map(|_| Request {
            shard: shards[seeds.below(shards.len())].clone(),
            query: queries[seeds.below(queries.len())],
            value: seeds.next(),
        });
        let requests: Vec<_> = requests.collect();
        pool.begin();
        let began = Instant::now();
        let done = run(&pool, contract, how, load, requests).await;
        report.utilisation = report.utilisation.max(pool.utilisation(began.elapsed()));
        for one in done {
            match one {
                Done::Answered { waited, took } => {
                    waits.push(waited);
                    times.push(took);
                }
                Done::Starved => report.starved += 1,
                Done::Blocked => report.blocked += 1,
                Done::Failed { query, why } => {
                    let entry = report.failed.entry(contract.queries[query].place()).or_insert((why, 0));
                    entry.1 += 1;
                }
            }
        }
    }
    waits.sort_unstable();
    times.sort_unstable();
    report.answered = times.len();
    (report.p50, report.p99) = (quantile(&times, 50), quantile(&times, 99));
    report.max = times.last().copied().unwrap_or_default();
    report.acquire_p99 = quantile(&waits, 99);
    Ok(report)
}

/// The value that `percent` of the sorted times do not exceed; by the nearest rank.
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

async fn run(
    pool: &Arc<Pool>,
    contract: &Arc<Contract>,
    how: &Describe,
    load: &Load,
    requests: Vec<Request>,
) -> Vec<Done> {
    let began = tokio::time::Instant::now();
    let pause = Duration::from_secs(1) / load.rate.max(1);
    let mut running = JoinSet::new();
    let mut done = Vec::with_capacity(requests.len());
    for (i, request) in requests.into_iter().enumerate() {
        tokio::time::sleep_until(began + pause * u32::try_from(i).unwrap_or(u32::MAX)).await;
        while let Some(Ok(one)) = running.try_join_next() {
            done.push(one);
        }
        let (pool, contract) = (Arc::clone(pool), Arc::clone(contract));
        let (path, patience) = (how.path_of(&request.shard), load.acquire_timeout);
        running.spawn(async move {
            let answer = pool
                .with(patience, async |connection: &Connection| {
                    let began = Instant::now();
                    let answer =
                        ask(connection, &path, &contract.queries[request.query].text, request.value).await;
                    (began.elapsed(), answer)
                })
                .await;
            match answer {
                None => Done::Starved,
                Some((waited, (took, Ok(())))) => Done::Answered { waited, took },
                Some((_, (_, Err(failure)))) if failure.waited_for_a_lock() => Done::Blocked,
                Some((_, (_, Err(failure)))) => {
                    Done::Failed { query: request.query, why: failure.message().to_owned() }
                }
            }
        });
    }
    while let Some(joined) = running.join_next().await {
        done.extend(joined.ok());
    }
    done
}

async fn ask(connection: &Connection, path: &[String], text: &str, value: u64) -> Result<(), Failure> {
    connection.set_search_path(path).await?;
    let statement = connection.prepare("prepare", text).await?;
    let values: Vec<_> = (0..statement.params().len() as u64).map(|i| Value(value.wrapping_add(i))).collect();
    let parameters: Vec<_> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    connection.run("run", &statement, &parameters).await?;
    Ok(())
}

/// The queries that only read and can be run with made-up parameters; tried once, which also warms the server up.
async fn usable(
    pool: &Pool,
    contract: &Contract,
    how: &Describe,
    schema: &str,
    load: &Load,
    report: &mut LoadReport,
) -> Vec<usize> {
    let path = how.path_of(schema);
    let mut usable = Vec::new();
    for (i, query) in contract.queries.iter().enumerate() {
        if !reads(&query.text) {
            report.left_out.push((query.place(), "it writes or locks".to_owned()));
            continue;
        }
        let tried = pool
            .with(load.acquire_timeout, async |connection: &Connection| {
                ask(connection, &path, &query.text, load.seed).await
            })
            .await;
        match tried {
            Some((_, Ok(()))) => usable.push(i),
            Some((_, Err(failure))) => report.left_out.push((query.place(), failure.message().to_owned())),
            None => report.left_out.push((query.place(), "no connection was free".to_owned())),
        }
    }
    usable
}

/// Whether a query is worth trying on a connection that reads only; the server has the last word (25006).
fn reads(text: &str) -> bool {
    let lower = text.trim_start_matches(['(', ' ', '\n', '\t']).to_ascii_lowercase();
    let first = lower.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let words: Vec<_> = lower.split_whitespace().collect();
    let locks =
        words.windows(2).any(|pair| pair[0] == "for" && matches!(pair[1], "update" | "share" | "no" | "key"));
    matches!(first, "select" | "with" | "values" | "table") && !locks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_is_tried() {
        for (text, expected) in [
            ("SELECT 1", true),
            ("  (select a from b)", true),
            ("WITH x AS (SELECT 1) SELECT * FROM x", true),
            ("SELECT * FROM t WHERE id = $1 FOR UPDATE", false),
            ("select 1 from t for no key update", false),
            ("INSERT INTO t VALUES (1)", false),
            ("delete from t", false),
        ] {
            assert_eq!(reads(text), expected, "{text}");
        }
    }

    #[test]
    fn quantiles_by_the_nearest_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(
            (quantile(&times, 50), quantile(&times, 99)),
            (Duration::from_millis(100), Duration::from_millis(198))
        );
        assert_eq!(
            (quantile(&times[..1], 99), quantile(&[], 99)),
            (Duration::from_millis(1), Duration::ZERO)
        );
    }
}
