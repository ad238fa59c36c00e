use std::fmt::Write as _;
use std::time::Duration;

/// What one round of one way gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// A way and its rounds.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    pub(crate) rounds: Vec<Measured>,
}

impl Row {
    pub(crate) const fn new(name: String) -> Self {
        Self { name, rounds: Vec::new() }
    }

    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn per_second(&self) -> f64 {
        self.median(|round| round.per_second)
    }

    fn micros(&self, of: impl Fn(&Measured) -> Duration) -> f64 {
        self.median(|round| of(round).as_secs_f64() * 1e6)
    }
}

/// A Markdown table; what is added is held against the first row, which has no balancer.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text =
        "| way | requests/s | p50 | p99 | added p50 | added p99 |\n| --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for row in rows {
        let (p50, p99) = (row.micros(|m| m.p50), row.micros(|m| m.p99));
        let base = &rows[0];
        let (more50, more99) = (p50 - base.micros(|m| m.p50), p99 - base.micros(|m| m.p99));
        let added = if std::ptr::eq(row, base) {
            "| | |".to_owned()
        } else {
            format!("| {more50:.0} µs | {more99:.0} µs |")
        };
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "| {} | {:.0} | {p50:.0} µs | {p99:.0} µs {added}", row.name, row.per_second());
    }
    text
}
