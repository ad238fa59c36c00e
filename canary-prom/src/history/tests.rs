use super::*;
use crate::exposition::{Format, parse};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn scraped(seconds: u64, page: &str) -> Scraped {
    let metrics = Arc::new(["c", "d"].into_iter().map(str::to_owned).collect());
    Scraped::new(at(seconds), metrics, parse(page.as_bytes(), Format::Text).unwrap()).unwrap()
}

fn history(pages: &[(u64, &str)]) -> History {
    let mut history = History::default();
    for (seconds, page) in pages {
        history.add(scraped(*seconds, page), Duration::from_secs(1000));
    }
    history
}

fn gained(history: &History, window: u64) -> (u64, String) {
    match history.gain("c", Duration::from_secs(window)) {
        Gain::Over(covers, mut gains) => {
            gains.sort_by(|a, b| a.0.cmp(&b.0));
            let shown: Vec<_> = gains
                .iter()
                .map(|(l, g)| format!("{}={g}", l.values().cloned().collect::<String>()))
                .collect();
            (covers.as_secs(), shown.join(" "))
        }
        other => (0, format!("{other:?}")),
    }
}

#[test]
fn counters_gain_from_the_scrape_nearest_to_the_window() {
    let history = history(&[(0, "c 1\n"), (10, "c 5\n"), (20, "c 9\n"), (30, "c 20\n")]);
    assert_eq!(gained(&history, 10), (10, "=11".to_owned()));
    assert_eq!(gained(&history, 21), (20, "=15".to_owned()));
    assert_eq!(gained(&history, 600), (30, "=19".to_owned()));
    assert_eq!(gained(&history, 6), (0, "NoEarlier".to_owned()));
}

#[test]
fn resets_count_from_zero_each_time() {
    let fell = history(&[(0, "c 100\n"), (10, "c 3\n"), (20, "c 7\n"), (30, "c 2\n")]);
    assert_eq!(gained(&fell, 30), (30, "=9".to_owned()));
    let start = "process_start_time_seconds";
    let first = format!("c 100\n{start} 1\n");
    let hidden = history(&[(0, &first), (10, &format!("c 150\n{start} 5\n"))]);
    assert_eq!(gained(&hidden, 10), (10, "=150".to_owned()));
}

#[test]
fn series_that_appear_count_from_zero_and_those_that_go_count_not() {
    let history =
        history(&[(0, "c{s=\"2\"} 5\n"), (10, "c{s=\"2\"} 6\nc{s=\"5\"} 4\n"), (20, "c{s=\"5\"} 6\n")]);
    assert_eq!(gained(&history, 20), (20, "2=1 5=6".to_owned()));
}

#[test]
fn metrics_asked_about_later_do_not_count_from_zero() {
    let mut history = History::default();
    let none = Arc::new(BTreeSet::new());
    history.add(Scraped::new(at(0), none, Vec::new()).unwrap(), Duration::from_secs(100));
    history.add(scraped(10, "c 1000\n"), Duration::from_secs(100));
    assert_eq!(history.gain("c", Duration::from_secs(10)), Gain::NoEarlier);
    assert_eq!(history.gain("d", Duration::from_secs(10)), Gain::Absent);
}

#[test]
fn old_scrapes_go_and_repeated_ones_replace() {
    let mut history = history(&[(0, "c 1\n"), (10, "c 2\n")]);
    history.add(scraped(10, "c 3\n"), Duration::from_secs(10));
    assert_eq!(gained(&history, 10), (10, "=2".to_owned()));
    history.add(scraped(15, "c 4\n"), Duration::from_secs(10));
    assert_eq!(history.distances(), [Duration::from_secs(5)]);
}

#[test]
fn the_same_series_twice_is_refused() {
    let metrics = Arc::new(BTreeSet::new());
    let samples = parse(b"c{a=\"1\",b=\"2\"} 1\nc{b=\"2\",a=\"1\"} 2\n", Format::Text).unwrap();
    assert!(Scraped::new(at(0), metrics, samples).unwrap_err().contains("twice"));
}
