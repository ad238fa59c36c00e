//! What judging costs a poll: `cargo bench -p canary-bench --bench judging`.

use std::hint::black_box;
use std::time::Duration;

use canary_core::analysis::odds::{
    ArmHistogram, Calibration, CounterMemory, OddsPolicy, OddsSli, OddsWatch, SeriesReading, Table,
    increments,
};
use canary_core::time::Timestamp;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const NODES: u64 = 1000;
const BUCKETS: u64 = 20;
const SLIS: usize = 3;
const POLL: Duration = Duration::from_secs(30);

/// A histogram's counters after so many polls: cumulative buckets, the count last.
fn counters(node: u64, polls: u64) -> Vec<u64> {
    let each = |bucket: u64| (1_000 + node) * bucket + polls * bucket * 30 / (BUCKETS - 1);
    (0..BUCKETS).map(each).collect()
}

/// One poll's readings of all nodes, of one SLI.
struct Poll {
    at: Timestamp,
    names: Vec<String>,
    values: Vec<Vec<u64>>,
}

impl Poll {
    fn new(polls: u64) -> Self {
        let at = Timestamp::from_millis(1_700_000_000_000 + polls * 30_000);
        let names = (0..NODES).map(|node| format!("backend-api-{node}")).collect();
        Self { at, names, values: (0..NODES).map(|node| counters(node, polls)).collect() }
    }

    fn readings(&self) -> impl Iterator<Item = SeriesReading<'_>> {
        let both = self.names.iter().zip(&self.values);
        both.map(|(node, values)| SeriesReading { node, series: "method=GET", at: self.at, values })
    }
}

/// From counters to the tables of one SLI: the first node against all others.
fn tables(memory: &mut CounterMemory, poll: &Poll, sli: &OddsSli) -> Vec<Vec<Table>> {
    let (mut canary, mut baseline) = (ArmHistogram::default(), ArmHistogram::default());
    let first = poll.names[0].as_str();
    memory.advance(poll.readings(), |reading, grown| {
        if reading.node == first { canary.add(grown) } else { baseline.add(grown) }
    });
    let table = |bucket: usize| {
        let arm = |arm: &ArmHistogram| (arm.requests(), arm.slower_than(bucket));
        vec![Table::new(arm(&canary), arm(&baseline))]
    };
    sli.tables.iter().filter_map(|table| table.bound).map(|bound| table(bound as usize)).collect()
}

fn fleet(c: &mut Criterion) {
    let slower: Vec<(f64, f64)> =
        (0..BUCKETS - 1).map(|b| (b as f64, 1.0 - b as f64 / (BUCKETS - 1) as f64)).collect();
    let slis: Vec<OddsSli> =
        (0..SLIS).map(|i| OddsSli::latency(format!("sli-{i}"), &slower, None, |_| None)).collect();
    let (before, now) = (Poll::new(1), Poll::new(2));
    let mut memory = CounterMemory::default();
    memory.advance(before.readings(), |_, _| {});
    let start = (OddsWatch::new(OddsPolicy::default(), &slis), vec![memory; SLIS]);
    c.bench_function("1000 nodes, 20 buckets, 3 SLIs, from counters to a verdict", |b| {
        b.iter_batched_ref(
            || start.clone(),
            |(watch, memories)| {
                let tables: Vec<_> =
                    slis.iter().zip(memories).map(|(sli, memory)| tables(memory, &now, sli)).collect();
                watch.observe(&tables, POLL)
            },
            BatchSize::LargeInput,
        );
    });
}

/// A thousand requests a second, polled every 30 s, half of them the canary's.
fn busy(c: &mut Criterion) {
    let slower = [(0.1, 0.5), (0.25, 0.126), (0.5, 0.022), (1.0, 0.002)];
    let events = |share: f64| (15_000.0 * share) as u64;
    let history = |x: u64| {
        let poll = |i: u64| [Table::new((15_000, x + i % 5), (15_000, x + (i + 2) % 5))];
        Calibration::from_history(&(0..720).map(poll).collect::<Vec<_>>(), POLL)
    };
    let errors = OddsSli::errors("errors", history(15), Some(0.005));
    let latency =
        OddsSli::latency("latency", &slower, Some((0.5, 0.05)), |index| history(events(slower[index].1)));
    let table = |share: f64| vec![Table::new((15_000, events(share) + 3), (15_000, events(share)))];
    let polled = [vec![table(0.001)], slower.iter().map(|(_, share)| table(*share)).collect()];
    let watch = OddsWatch::new(OddsPolicy::default(), &[errors, latency]);
    c.bench_function("1000 requests a second, errors and latency, 30 s a poll", |b| {
        b.iter_batched_ref(
            || watch.clone(),
            |watch| watch.observe(black_box(&polled), POLL),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("one table of 30,000 requests, half of them events", |b| {
        let mut out = [0.0; 12];
        let deltas: [f64; 12] = std::array::from_fn(|j| 0.1 * 1.5_f64.powi(j as i32));
        b.iter(|| {
            increments(black_box(Table::new((15_000, 7_600), (15_000, 7_500))), 0.2, &deltas, &mut out);
        });
    });
}

criterion_group!(judging, fleet, busy);
criterion_main!(judging);
