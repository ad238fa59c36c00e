//! Journals that hold, and every way in which they do not.

use super::*;
use crate::journal::{Entry, RolloutId};

/// A journal of a genesis and `count` refusals, a second apart from each other.
fn journal(count: u64) -> Vec<Vec<u8>> {
    let mut chain = Chain::new([4; 16]);
    let mut line = |at: u64, entry| {
        let (record, line) =
            chain.record(Timestamp::from_millis(1_700_000_000_000 + at * 1000), entry).unwrap();
        chain = Chain::after(&record);
        line
    };
    let mut lines = vec![line(0, Entry::Genesis { engine: "0.1.0".to_owned() })];
    for at in 1..=count {
        let rollout = RolloutId::new(Timestamp::from_millis(0), 7);
        let reasons = vec![format!("reason {at} \"quoted\" with ümlaut\n")];
        lines.push(line(at, Entry::Refused { rollout, actor: "anna".to_owned(), reasons }));
    }
    lines
}

fn check(bytes: &[u8], marks: &[Mark]) -> Result<Verified, Damage> {
    verify(bytes, marks).unwrap()
}

fn mark(seq: u64, known: Known) -> Mark {
    Mark { log: None, seq, known, by: "the ticket".to_owned() }
}

#[test]
fn a_journal_that_holds_is_told_whole() {
    let lines = journal(6);
    let found = check(&lines.concat(), &[]).unwrap();
    let hashes: Vec<_> = lines.iter().map(|line| Line::read(&line[..line.len() - 1]).unwrap().hash).collect();
    let mut tree = Tree::default();
    hashes.iter().for_each(|hash| tree.push(hash));
    assert_eq!((found.records, found.torn, found.set_back), (7, 0, 0));
    assert_eq!((found.hash, found.root), (hashes[6], tree.root()));
    assert_eq!(found.span.1.since(found.span.0).as_secs(), 6);
    let known = [mark(3, Known::Hash(hashes[3])), mark(6, Known::Root(tree.root()))];
    assert_eq!(check(&lines.concat(), &known).unwrap().marks, 2);
}

#[test]
fn every_flip_of_every_byte_is_found_where_it_is() {
    let bytes = journal(3).concat();
    let line_of = |at: usize| bytes[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
    for at in 0..bytes.len() {
        for mask in (0..8).map(|bit| 1_u8 << bit) {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            match check(&changed, &[]) {
                Err(damage) => assert!(damage.line <= line_of(at), "byte {at} ^ {mask}: {damage}"),
                // The very last line feed: the line has no end then, which is told.
                Ok(found) => {
                    assert!(at == bytes.len() - 1 && found.torn > 0, "byte {at} ^ {mask} was not found");
                }
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_leaves_whole_records_and_a_torn_one() {
    let lines = journal(2);
    let bytes = lines.concat();
    let begin = bytes.len() - lines[2].len();
    for cut in begin..bytes.len() {
        let found = check(&bytes[..cut], &[]).unwrap();
        assert_eq!((found.records, found.torn), (2, (cut - begin) as u64));
    }
    assert!(check(b"", &[]).unwrap_err().why.contains("no whole record"));
    assert!(check(&bytes[..20], &[]).unwrap_err().why.contains("no whole record"));
}

#[test]
fn what_is_known_from_elsewhere_is_missed_or_found_replaced() {
    let lines = journal(4);
    let bytes = lines.concat();
    let whole = check(&bytes, &[]).unwrap();
    let other = Digest::of(b"other");
    let cases = [
        (mark(5, Known::Hash(whole.hash)), 6, "the journal ends with record 4, the ticket knows record 5"),
        (mark(2, Known::Hash(other)), 3, "it was replaced"),
        (mark(2, Known::Root(other)), 3, "the ticket knows the 3 records up to it by another root"),
        (Mark { log: Some("ff".repeat(16)), ..mark(4, Known::Hash(whole.hash)) }, 5, "is about journal ffff"),
    ];
    for (mark, line, why) in cases {
        let damage = check(&bytes, &[mark]).unwrap_err();
        assert!(damage.line == line && damage.why.contains(why), "{damage}");
    }
}

#[test]
fn the_first_line_that_does_not_hold_is_named_with_its_hash() {
    let lines = journal(4);
    let swapped = [lines[0].clone(), lines[2].clone(), lines[1].clone()].concat();
    let damage = check(&swapped, &[]).unwrap_err();
    let hash = Line::read(&lines[2][..lines[2].len() - 1]).unwrap().hash;
    assert_eq!((damage.line, damage.seq, damage.hash), (2, 1, Some(hash)));
    assert!(damage.to_string().contains("sequence number 2 where 1 comes next"), "{damage}");
    let headless = lines[1..].concat();
    assert!(check(&headless, &[]).unwrap_err().why.contains("sequence number 1 where 0 comes next"));
    let entry = Entry::Opened { pid: 1, host: "h".into(), actor: "a".into(), engine: "0".into(), token: 1 };
    let (_, first) = Chain::new([1; 16]).record(Timestamp::from_millis(0), entry).unwrap();
    assert!(check(&first, &[]).unwrap_err().why.contains("not \"genesis\""));
}

#[test]
fn records_of_a_kind_that_is_not_known_are_verified_too() {
    let lines = journal(0);
    let genesis = Line::read(&lines[0][..lines[0].len() - 1]).unwrap();
    let body = format!(
        "{{\"kind\":\"decision\",\"log\":\"{}\",\"prev\":\"{}\",\"score_ppm\":951000,\"seq\":1,\"time\":\"2026-11-22T02:00:00.000Z\",\"v\":1}}",
        genesis.log, genesis.hash
    );
    let line = format!("{{\"body\":{body},\"hash\":\"{}\"}}\n", Digest::of(body.as_bytes()));
    let bytes = [lines[0].clone(), line.into_bytes()].concat();
    assert_eq!(check(&bytes, &[]).unwrap().records, 2);
}

#[test]
fn a_clock_that_is_set_back_is_told_and_no_damage() {
    let mut chain = Chain::new([4; 16]);
    let mut bytes = Vec::new();
    for (i, at) in [5_000, 6_000, 1_000, 2_000].into_iter().enumerate() {
        let entry = if i == 0 {
            Entry::Genesis { engine: "0".into() }
        } else {
            Entry::Recovered { bytes: 1, moved_to: "x".into() }
        };
        let (record, line) = chain.record(Timestamp::from_millis(at), entry).unwrap();
        chain = Chain::after(&record);
        bytes.extend(line);
    }
    assert_eq!(check(&bytes, &[]).unwrap().set_back, 1);
}
