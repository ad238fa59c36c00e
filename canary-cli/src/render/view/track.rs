//! What one SLI read, probe after probe, and the sparkline of it.

use canary_core::analysis::{JudgedSli, Number, SliVerdict};
use canary_core::spec::Bound;

use super::Glyphs;
use crate::render::row::{Row, Tone};

/// More cells than this are kept in pairs: a watch may last for days.
const MOST: usize = 256;

/// The readings of one SLI, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Track {
    bound: Bound,
    cells: Vec<Cell>,
    /// How many probes each cell stands for.
    stride: usize,
    probes: usize,
}

/// One probe, or the worst of several.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell {
    /// A hold.
    Gap,
    Value {
        value: Number,
        red: bool,
    },
}

impl Cell {
    fn of(judged: &JudgedSli) -> Self {
        match (&judged.verdict, judged.value) {
            (SliVerdict::Hold { .. }, _) | (_, None) => Self::Gap,
            (verdict, Some(value)) => Self::Value { value, red: *verdict == SliVerdict::Red },
        }
    }

    /// The worse of two: a red value before a gap before a green one.
    fn worse(self, other: Self, bound: Bound) -> Self {
        let (Self::Value { value, red }, Self::Value { value: next, red: next_red }) = (self, other) else {
            let red = |cell: Self| matches!(cell, Self::Value { red: true, .. });
            return if red(self) || (self == Self::Gap && !red(other)) { self } else { other };
        };
        let further = match bound {
            Bound::Below(_) => next > value,
            Bound::Above(_) => next < value,
        };
        if (next_red && !red) || (next_red == red && further) { other } else { self }
    }
}

impl Track {
    pub(super) const fn new(bound: Bound) -> Self {
        Self { bound, cells: Vec::new(), stride: 1, probes: 0 }
    }

    pub(super) fn add(&mut self, judged: &JudgedSli) {
        let cell = Cell::of(judged);
        if self.probes.is_multiple_of(self.stride) {
            if self.cells.len() == MOST {
                self.cells = self.joined(2);
                self.stride *= 2;
            }
            self.cells.push(cell);
        } else if let Some(last) = self.cells.last_mut() {
            *last = last.worse(cell, self.bound);
        }
        self.probes += 1;
    }

    /// The cells, `many` in one.
    fn joined(&self, many: usize) -> Vec<Cell> {
        let join = |cells: &[Cell]| cells.iter().copied().reduce(|all, cell| all.worse(cell, self.bound));
        self.cells.chunks(many.max(1)).filter_map(join).collect()
    }

    /// Adds the whole watch so far, on at most `width` columns.
    pub(super) fn sparkline(&self, row: &mut Row, width: usize, glyphs: &Glyphs) {
        if width == 0 {
            return;
        }
        let mut run = (Tone::Plain, String::new());
        for cell in self.joined(self.cells.len().div_ceil(width)) {
            let (tone, glyph) = match cell {
                Cell::Gap => (Tone::Careful, glyphs.gap),
                Cell::Value { red: true, value } => (Tone::Bad, glyphs.red(height(self.bound, value))),
                Cell::Value { red: false, value } => (Tone::Good, glyphs.green(height(self.bound, value))),
            };
            if tone != run.0 {
                row.add(run.0, &run.1);
                run = (tone, String::new());
            }
            run.1.push(glyph);
        }
        row.add(run.0, &run.1);
    }
}

/// How high a value stands, 0 to 7, on a scale that has an upper bound between 5 and 6 and a lower one between 1 and 2.
fn height(bound: Bound, value: Number) -> usize {
    let (limit, holds) = match bound {
        Bound::Below(limit) | Bound::Above(limit) => (limit.value(), bound.holds(value.value())),
    };
    // A bound of zero or less gives no scale.
    let ratio = if limit > 0.0 { value.value() / limit } else { 1.0 };
    // Saturates at both ends, so that the conversion cannot misread.
    let steps = |part: f64, most: usize| ((part * (most + 1) as f64) as usize).min(most);
    match (bound, holds) {
        (Bound::Below(_), true) => steps(ratio, 5),
        (Bound::Below(_), false) => 6 + usize::from(ratio >= 2.0),
        (Bound::Above(_), false) => usize::from(ratio >= 0.5),
        (Bound::Above(_), true) => 2 + steps(ratio - 1.0, 5),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::render::paint::Paint;

    fn judged(value: Option<f64>, bound: Bound) -> JudgedSli {
        let value = value.and_then(Number::new);
        let why = canary_core::analysis::HoldReason::NoTraffic;
        let verdict = match value {
            None => SliVerdict::Hold { why },
            Some(value) if bound.holds(value.value()) => SliVerdict::Green,
            Some(_) => SliVerdict::Red,
        };
        JudgedSli {
            sli: "p95".to_owned(),
            value,
            bound,
            events: None,
            verdict,
            beside: BTreeMap::new(),
            queries: Vec::new(),
        }
    }

    fn drawn(bound: Bound, values: &[Option<f64>], width: usize, glyphs: &Glyphs) -> String {
        let mut track = Track::new(bound);
        for value in values {
            track.add(&judged(*value, bound));
        }
        let mut row = Row::default();
        track.sparkline(&mut row, width, glyphs);
        row.fit(200, "", Paint { on: false })
    }

    #[test]
    fn heights_show_the_bound() {
        let below = Bound::Below(Number::new(0.5).unwrap());
        let rising = [0.0, 0.08, 0.1, 0.2, 0.3, 0.4, 0.499, 0.5, 0.9, 1.0, 1e300].map(Some);
        assert_eq!(drawn(below, &rising, 20, &Glyphs::UNICODE), "▁▁▂▃▄▅▆▇▇██");
        assert_eq!(drawn(below, &rising, 20, &Glyphs::ASCII), "__.-~=+!!!!");
        let above = Bound::Above(Number::new(100.0).unwrap());
        let falling = [1e300, 190.0, 150.0, 101.0, 100.0, 60.0, 10.0, -5.0].map(Some);
        assert_eq!(drawn(above, &falling, 20, &Glyphs::UNICODE), "██▆▃▂▂▁▁");
        let zero = Bound::Below(Number::new(0.0).unwrap());
        assert_eq!(drawn(zero, &[Some(-1.0), Some(0.0)], 20, &Glyphs::UNICODE), "▆▇");
    }

    #[test]
    fn holds_are_gaps_and_the_worst_of_many_is_shown() {
        let bound = Bound::Below(Number::new(1.0).unwrap());
        let values = [Some(0.1), None, Some(0.1), Some(3.0), None, None, Some(0.5)];
        assert_eq!(drawn(bound, &values, 7, &Glyphs::UNICODE), "▁·▁█··▄");
        assert_eq!(drawn(bound, &values, 4, &Glyphs::UNICODE), "·█·▄");
        assert_eq!(drawn(bound, &values, 4, &Glyphs::ASCII), " ! ~");
        assert_eq!(drawn(bound, &values, 1, &Glyphs::UNICODE), "█");
        assert_eq!(drawn(bound, &values, 0, &Glyphs::UNICODE), "");
    }

    #[test]
    fn a_long_watch_takes_no_more_room_and_loses_no_red_probe() {
        let bound = Bound::Below(Number::new(1.0).unwrap());
        let mut track = Track::new(bound);
        for probe in 0..100_000 {
            track.add(&judged(Some(if probe == 40_000 { 5.0 } else { 0.1 }), bound));
        }
        assert!(track.cells.len() <= MOST);
        let red = |cell: &&Cell| matches!(cell, Cell::Value { red: true, .. });
        assert_eq!(track.cells.iter().filter(red).count(), 1);
        let mut row = Row::default();
        track.sparkline(&mut row, 30, &Glyphs::UNICODE);
        assert!(row.columns() <= 30);
    }
}
