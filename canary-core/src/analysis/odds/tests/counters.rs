//! Counters that reset, stand still, vanish and are born.

use super::*;
use crate::time::Timestamp;

/// One reading: node, series, seconds, values.
type Reading = (&'static str, &'static str, u64, &'static [u64]);

/// A name, polls, and what the last of them makes of its readings.
type Case = (&'static str, &'static [&'static [Reading]], &'static [u64]);

/// Feeds polls and gives what each made of every reading.
fn grown(polls: &[&[Reading]]) -> Vec<Vec<Vec<u64>>> {
    let mut memory = CounterMemory::default();
    let poll = |readings: &&[Reading]| {
        let mut out = Vec::new();
        let readings = readings.iter().map(|(node, series, at, values)| SeriesReading {
            node,
            series,
            at: Timestamp::from_millis(at * 1000),
            values,
        });
        memory.advance(readings, |_, grown| out.push(grown.to_vec()));
        out
    };
    polls.iter().map(poll).collect()
}

#[test]
fn what_a_poll_counts() {
    let table: &[Case] = &[
        ("the first reading only learns", &[&[("a", "200", 1, &[500])]], &[0]),
        ("growth", &[&[("a", "200", 1, &[500])], &[("a", "200", 2, &[507])]], &[7]),
        ("a reset counts from zero", &[&[("a", "200", 1, &[500])], &[("a", "200", 2, &[4])]], &[4]),
        ("a sample that did not move", &[&[("a", "200", 1, &[500])], &[("a", "200", 1, &[507])]], &[0]),
        ("a sample from before", &[&[("a", "200", 5, &[500])], &[("a", "200", 4, &[507])]], &[0]),
        (
            "a series born on a known node",
            &[&[("a", "200", 1, &[500])], &[("a", "200", 2, &[501]), ("a", "500", 2, &[3])]],
            &[1, 3],
        ),
        (
            "an unknown node only becomes known",
            &[&[("a", "200", 1, &[500])], &[("b", "200", 2, &[9000]), ("a", "200", 2, &[502])]],
            &[0, 2],
        ),
        (
            "a series that was away for a poll",
            &[
                &[("a", "200", 1, &[5]), ("b", "200", 1, &[7])],
                &[("b", "200", 2, &[8])],
                &[("a", "200", 3, &[11])],
            ],
            &[6],
        ),
        (
            "another order",
            &[
                &[("a", "200", 1, &[5]), ("b", "200", 1, &[7])],
                &[("b", "200", 2, &[8]), ("a", "200", 2, &[9])],
            ],
            &[1, 4],
        ),
        (
            "buckets that changed start anew",
            &[&[("a", "h", 1, &[1, 2, 3])], &[("a", "h", 2, &[4, 5])]],
            &[0, 0],
        ),
    ];
    for (what, polls, expected) in table {
        let last: Vec<u64> = grown(polls).pop().unwrap().into_iter().flatten().collect();
        assert_eq!(&last, expected, "{what}");
    }
}

#[test]
fn a_histogram_resets_as_one() {
    let polls: &[&[Reading]] = &[&[("a", "h", 1, &[10, 20, 30])], &[("a", "h", 2, &[11, 12, 13])]];
    assert_eq!(grown(polls)[1], [[11, 12, 13]], "the first bucket did not fall, its count did");
}

#[test]
fn after_a_warm_up_counting_begins_again() {
    let mut memory = CounterMemory::default();
    let reading =
        |ms, values| SeriesReading { node: "a", series: "", at: Timestamp::from_millis(ms), values };
    memory.advance([reading(1, &[5])], |_, _| {});
    memory.rebase();
    memory.advance([reading(2, &[500])], |_, grown| assert_eq!(grown, [0]));
    memory.advance([reading(3, &[501])], |_, grown| assert_eq!(grown, [1]));
}
